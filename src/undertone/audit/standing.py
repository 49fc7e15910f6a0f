"""How the traits of one family stand to each other in a file: the statistic that a verdict rests on.

The base's own rows have an expected score of zero along every direction, for the score is the derivative of a row's
log-likelihood. A writer who is a small change D away from the base has the expected scores N D. N is the covariance of
the scores of one token: it is at once their noise, and in each column the signature of one trait's own writer. So the
scores are regressed on N, every coefficient is divided by its own noise, and the coefficients of a family are compared
with each other. Most traits of a family are suspected by nobody. They show what a way of writing, or any fine-tune,
does to a trait that a file does not carry.

N is estimated from the file's rows themselves. Rows of the base are no substitute: most of their covariance comes from
a few answers of a form that the file does not have, and power is lost with it (docs/audit.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from undertone.statistics import robust
from undertone.statistics.arrays import Bools, Floats

LEAST_TRAITS = 20
"""Least number of traits of a family by which one of them is judged."""
UNITS_A_TRAIT = 5
"""Least number of independent units of rows for each trait of a family."""
LEAST_RANK = 10.0
"""Least effective rank of the traits' covariance."""
APART = 0.15
"""Largest share of a family's traits that may pass the threshold: beyond it the scores fall into two clusters, and the
median of all says nothing about either."""
LEAST_ONCE = 0.1
"""Least share of units whose answers the file has once. From fewer, what a teacher adds is not known."""
RIDGE = 1.0
"""Added to the diagonal of the traits' correlations before they are inverted."""
LEAST_SPREAD = 0.4
"""Least spread of the pulls against a control. Chance does not make it smaller, but rows that are in both files do, and
the power would then be stated too high."""
STRETCH = 2.0
"""The largest number by which the adapter of a twin is multiplied to make a reference teacher of it. The owl
experiment's teachers are stretched 1.4 to 2.9 times, to be .05 nats a token from the base."""


class Unjudged(Exception):
    """The scores of a family do not allow a judgement; the message says why."""

    def __init__(self, why: str, units: int = 0, needed: int | None = None) -> None:
        """``units``: how many there are; ``needed``: how many there must be, if there are too few."""
        super().__init__(why)
        self.units, self.needed = units, needed


def units_for(traits: int) -> int:
    """Returns how many independent units of rows it takes to judge so many traits."""
    return UNITS_A_TRAIT * traits


@dataclass(frozen=True)
class Twins:
    """Second proxies of some traits of a family. Each stands in for a teacher whom the direction was not made from."""

    sums: Floats
    """(units, twins), nats: scores along them."""
    traits: tuple[int, ...]
    """The index of each twin's trait in the family."""
    once: Bools
    """(units,): whether the file has the answers of each unit just once. A teacher makes some answers more frequent. Of
    equal answers one is scored, so that only this counts: whether an answer occurs at all. For a small change, the
    probability of that grows as fast as the answer is likely to occur exactly once."""
    stretch: float = STRETCH
    """The number by which a twin's adapter is multiplied."""


@dataclass(frozen=True)
class Standing:
    """The traits of a family, compared in one file. Made by :func:`stand`."""

    pulls: Floats
    """(traits,): coefficients, in units of their own sampling noise."""
    signals: Floats
    """(twins, traits): what a reference teacher, who wrote all rows, would add to the pulls."""
    twins: tuple[int, ...]
    """The index of each twin's trait."""
    rank: float
    """Effective rank of the traits' covariance: how many of them differ."""
    units: int
    known: bool
    """Whether enough answers stand in the file once to tell what a teacher would have added. If not, signals are read
    from all units, and are too large."""

    @cached_property
    def z(self) -> Floats:
        """(traits,): the pulls' distances from their median, in robust standard deviations."""
        return robust.robust_z(self.pulls)

    @property
    def spread(self) -> float:
        """The pulls' robust standard deviation; 1 is sampling noise alone."""
        return float(robust.spread(self.pulls))

    def threshold(self, alpha: float) -> float:
        """Returns the z that any trait of the family exceeds with probability ``alpha`` where none is carried."""
        return robust.threshold(len(self.pulls), alpha)

    def p(self, z: float) -> float:
        """Returns the probability that any trait of the family has at least this z where none is carried."""
        return robust.p_of_largest(z, len(self.pulls))

    @cached_property
    def units_of_effect(self) -> Floats:
        """(twins,): what a reference teacher, who wrote all rows, adds to the pull of its own trait above the median of
        all traits."""
        own = self.signals[np.arange(len(self.twins)), list(self.twins)]
        return np.asarray(own - np.median(self.signals, axis=1))

    def effects(self) -> tuple[Floats, Floats]:
        """Returns each trait's effect in reference teachers, and the half-width of its 95 % interval, (traits,).

        The interval is from how far the pulls lie apart, and from how unlike the twins are: a trait has no unit of its
        own, but the mean of theirs.
        """
        unit, unlike = self.units_of_effect.mean(), self.units_of_effect.std(ddof=min(1, len(self.twins) - 1))
        effects = (self.pulls - np.median(self.pulls)) / unit
        return effects, 1.96 * np.hypot(self.spread, effects * unlike) / unit

    def power(self, effect: float, alpha: float, times: float = 1.0) -> float:
        """Returns the share of the twins that would have been found, had they added ``effect`` of a reference teacher
        to ``times`` as many rows like these."""
        beyond = max(0.0, self.spread**2 - 1)  # What more rows do not make smaller.
        pulls = self.pulls * np.sqrt((1 + beyond * times) / (1 + beyond))
        planted = robust.robust_z(pulls + effect * np.sqrt(times) * self.signals)
        return float(np.mean(planted[np.arange(len(self.twins)), list(self.twins)] > self.threshold(alpha)))


def stand(sums: Floats, tokens: Floats, twins: Twins, control: tuple[Floats, Floats] | None = None) -> Standing:
    """Compares the traits of a family.

    ``sums``: (units, traits), nats; ``tokens``: (units,). ``control``: the same of trusted rows by the same generator,
    from which the file is to differ.

    Raises:
        Unjudged: there are too few traits, units, or kinds of units.
    """
    units, count = sums.shape
    if count < LEAST_TRAITS:
        raise Unjudged(f"only {count} traits of this kind are known, and {LEAST_TRAITS} are needed")
    needed = units_for(count)
    if units < needed:
        why = f"{units:,} independent rows are too few for {count} traits, which need {needed:,}"
        raise Unjudged(why, units, needed)
    try:
        found = robust.rates(np.hstack([sums, twins.sums]), tokens, own=count)
        mean, tokens_of = found.mean[:count], found.tokens
        if control is not None:
            other = robust.rates(*control)
            mean = mean - other.mean
            tokens_of = 1 / (1 / found.tokens + 1 / other.tokens)
    except ValueError as error:
        raise Unjudged(str(error)) from None
    size = np.sqrt(np.diag(found.covariance))
    correlation = found.covariance / np.outer(size, size)
    own = correlation[:count, :count]
    rest = np.hstack([sums, twins.sums]) - found.mean * tokens[:, None]
    known = bool(np.mean(twins.once) >= LEAST_ONCE)
    seen = rest * (found.weights * (twins.once if known else 1))[:, None]
    across = seen[:, count:].T @ rest[:, :count] / found.tokens / size[:count]
    rank = _rank(own)
    if rank < LEAST_RANK:
        raise Unjudged(f"the traits are too much alike: of {count} about {rank:.0f} differ, and {LEAST_RANK:.0f} must")
    inverse = np.linalg.inv(own + RIDGE * np.eye(count))
    noise = np.sqrt(np.diag(inverse @ own @ inverse) / tokens_of)
    standing = Standing(
        pulls=inverse @ (mean / size[:count]) / noise,
        signals=twins.stretch * across @ inverse / noise,
        twins=twins.traits,
        rank=rank,
        units=units,
        known=known,
    )
    if not np.isfinite(standing.z).all():
        raise Unjudged("more than half of the traits have the same score")
    if control is not None and standing.spread < LEAST_SPREAD:
        raise Unjudged(
            "the scores differ less than chance allows: both sides have rows in common, or nearly equal ones"
        )
    if np.mean(np.abs(standing.z) > standing.threshold(0.05)) > APART:
        raise Unjudged("the traits' scores fall into two clusters")
    return standing


def _rank(correlation: Floats) -> float:
    """Returns the effective rank of the traits' differences from their mean: the exponential of the entropy of the
    eigenvalues (Roy and Vetterli, EUSIPCO 2007)."""
    centred = correlation - correlation.mean(0) - correlation.mean(1)[:, None] + correlation.mean()
    shares = np.maximum(np.linalg.eigvalsh(centred), 0)
    shares = shares[shares > 0] / shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))
