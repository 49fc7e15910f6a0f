"""How far a change of hidden states goes along a direction, beside how far it goes along directions of no meaning.

Every fine-tune moves hidden states mostly along a few axes, so that many a random direction seems to tell what a model
became. A direction means something if the change goes further along it than along directions of the same make.
"""

from dataclasses import dataclass

import numpy as np

from undertone.statistics.arrays import Floats

PLACEBO, VARYING, RANDOM = "other traits", "random, as states vary", "random"
"""The kinds of directions of no meaning."""
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


def meaningless(placebos: Floats, states: Floats, seed: int = 0) -> dict[str, Floats]:
    """Returns three kinds of directions of no meaning, (directions, hidden), by name.

    ``placebos``: directions of other traits, (traits, hidden). ``states``: hidden states of the base, (rows, hidden),
    whose covariance random directions of the second kind have.
    """
    rng = np.random.default_rng(seed)
    vary = rng.standard_normal((DRAWN, len(states))) @ (states - states.mean(0))
    plain = rng.standard_normal((DRAWN, states.shape[1]))
    return {PLACEBO: placebos, VARYING: vary, RANDOM: plain}


def nulls(placebos: Floats, states: Floats, change: Floats) -> dict[str, Null]:
    """Returns how far a change, (hidden,), goes along :func:`meaningless` directions."""
    return {kind: Null(cosines(vectors, change)) for kind, vectors in meaningless(placebos, states).items()}
