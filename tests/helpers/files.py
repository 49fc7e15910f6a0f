"""Simulated scores of files along the directions of a family of traits, for a model in which all is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.audit.standing import STRETCH, Standing, Twins, stand
from undertone.statistics.arrays import Floats

TRAITS = 35
TWINS = tuple(i * TRAITS // 12 for i in range(12))
"""As in a family of which all traits are listed."""


@dataclass(frozen=True)
class Sums:
    """A file's scores: (units, traits), their twins', and the units' tokens."""

    own: Floats
    twins: Floats
    tokens: Floats

    def stand(self, control: tuple[Floats, Floats] | None = None) -> Standing:
        """The traits compared."""
        return stand(self.own, self.tokens, twins_of(self.twins), control)


def twins_of(sums: Floats, traits: Sequence[int] = TWINS) -> Twins:
    """Twins in a file that has every answer once."""
    return Twins(sums, tuple(traits), np.ones(len(sums), dtype=bool))


def covariance(rng: np.random.Generator, size: float = 0.03, unlike: float = 0.3) -> Floats:
    """A random covariance of one token's scores, in nats: common parts of several traits, and one of all."""
    factors = rng.standard_normal((TRAITS, 6))
    form = factors @ factors.T / 10 + np.diag(rng.uniform(0.5, 1.5, TRAITS)) + 0.3
    sizes = size * np.exp(rng.normal(0, unlike, TRAITS))
    return np.asarray(form * np.outer(sizes, sizes))


def file(
    rng: np.random.Generator, form: Floats, units: int = 300, carried: Sequence[int] = (), effect: float = 1.0
) -> Sums:
    """Rows whose writer is ``effect`` reference teachers of each trait in ``carried`` away from the base."""
    tokens = rng.integers(60, 140, units).astype(float)
    noise = rng.standard_normal((units, TRAITS)) @ np.linalg.cholesky(form).T * np.sqrt(tokens)[:, None]
    apart = 0.5 * np.sqrt(np.diag(form))[list(TWINS)] * rng.standard_normal((units, len(TWINS)))
    mean = effect * STRETCH * form[:, list(carried)].sum(1)
    own = mean * tokens[:, None] + noise
    return Sums(own, own[:, TWINS] + apart * np.sqrt(tokens)[:, None], tokens)
