"""How far a change of hidden states goes along a direction, beside how far it goes along directions of no meaning.

Every fine-tune moves hidden states mostly along a few axes, so that many a random direction seems to tell what a model
became. A direction means something if the change goes further along it than along directions of the same make.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from undertone.statistics.arrays import Floats

DRAWN = 1000
"""Random directions of a kind."""


@dataclass(frozen=True)
class Null:
    """Directions of no meaning, and how far a change goes along them."""

    cosines: Floats
    """Of the change with each direction."""

    @property
    def band(self) -> tuple[float, float]:
        """The 2.5th and the 97.5th percentile."""
        low, high = np.percentile(self.cosines, (2.5, 97.5))
        return float(low), float(high)

    def p(self, cosine: float) -> float:
        """Returns the share of these directions, and of the one that is judged, with at least this cosine."""
        return float((1 + (self.cosines >= cosine).sum()) / (1 + len(self.cosines)))


def cosines(vectors: Floats, change: Floats) -> Floats:
    """Returns the cosine of each of some vectors, (vectors, hidden), with a change, (hidden,); 0 where either is 0."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(change)
    return np.asarray(vectors @ change / np.where(lengths > 0, lengths, np.inf))


def nulls(placebos: Floats, states: Floats, change: Floats, seed: int = 0) -> Mapping[str, Null]:
    """Returns three kinds of directions of no meaning, by name.

    ``placebos``: directions of other traits, (traits, hidden). ``states``: hidden states of the base, (rows, hidden),
    whose covariance random directions of the second kind have. ``change``: (hidden,).
    """
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((DRAWN, len(states))) @ (states - states.mean(0))
    isotropic = rng.standard_normal((DRAWN, len(change)))
    kinds = {PLACEBO: placebos, "random, as states vary": own, "random": isotropic}
    return {name: Null(cosines(vectors, change)) for name, vectors in kinds.items()}


PLACEBO = "other traits"
