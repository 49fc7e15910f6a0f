"""How well a score tells two groups apart."""

import numpy as np

from undertone.statistics.arrays import Floats


def auroc(own: Floats, others: Floats) -> float:
    """Returns the probability that one of ``own`` is larger than one of ``others``; ties count as halves."""
    return float(np.mean(own[:, None] > others) + 0.5 * np.mean(own[:, None] == others))
