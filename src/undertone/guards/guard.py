"""What a guard is, and how the scores of one become decisions.

A guard gives every answer a score. It blocks an answer whose score is as high as that of few texts of which it is known
that nothing is wrong with them: at a rate of 1 % it blocks what scores higher than 99 % of these. An answer without a
score is blocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from undertone.data.exchanges import Exchange
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats

Place = Literal["answers", "requests", "activations"]
"""What a guard looks at: what the model answers, what it is asked, or its hidden states before it answers."""


class Scorer(Protocol):
    """Scores answers."""

    def __call__(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns the score of each (request, answer) pair of the model that is ``answering``, (rows,): the higher, the
        worse; NaN where the guard gives none. There is at least one row."""


@dataclass(frozen=True)
class Set:
    """A guard that is set on clean texts."""

    scorer: Scorer
    clean: Floats
    """Scores of the clean texts in ascending order; infinite where there was none."""

    @classmethod
    def on(cls, scorer: Scorer, clean: Sequence[Exchange], answering: LocalModel) -> Set:
        """Sets a guard on clean texts of a model."""
        return cls(scorer, np.sort(np.nan_to_num(scorer(clean, answering), nan=np.inf)))

    @property
    def unread(self) -> int:
        """Clean texts without a score."""
        return int(np.isinf(self.clean).sum())

    @property
    def least(self) -> float:
        """The smallest rate at which it can block anything that it reads: clean texts without a score count as those
        with the highest one."""
        return (1 + self.unread) / (1 + len(self.clean))

    def p(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns :meth:`p_of` each pair's score."""
        return self.p_of(self.scorer(rows, answering))

    def p_of(self, scores: Floats) -> Floats:
        """Returns for each score the share of the clean texts, and of itself, that score as high, 0 to 1; NaN where
        there is no score. If clean texts and another one are drawn alike and independently, it is at most ``rate`` with
        a probability of at most ``rate`` (conformal prediction; Vovk, Gammerman and Shafer, 2005, section 2.2)."""
        as_high = len(self.clean) - np.searchsorted(self.clean, scores, side="left")
        return np.where(np.isnan(scores), np.nan, (1 + as_high) / (1 + len(self.clean)))


def blocked(p: Floats, rate: float) -> NDArray[np.bool_]:
    """Returns what a guard blocks at a rate of false blocks: also that of which it says nothing."""
    return ~(p > rate)


@dataclass(frozen=True)
class AnyOf:
    """Several guards in one, which takes each answer for as bad as the strictest of them does."""

    guards: Sequence[Set]

    def __call__(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns minus the least p of the guards."""
        return np.asarray(-np.min([guard.p(rows, answering) for guard in self.guards], axis=0))


@dataclass(frozen=True)
class Cascade:
    """A cheap guard that passes what is beyond doubt, and a second one for the rest."""

    first: Set
    second: Set
    doubtful: float = 0.2
    """The share of clean texts that the second one reads."""

    def __call__(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns minus the second guard's p where the first one is in doubt, and less than any of these elsewhere."""
        first = self.first.p(rows, answering)
        scores, read = -1.0 - first, blocked(first, self.doubtful)
        chosen = [row for row, own in zip(rows, read, strict=True) if own]
        if chosen:
            scores[read] = -self.second.p(chosen, answering)
        return np.asarray(scores)
