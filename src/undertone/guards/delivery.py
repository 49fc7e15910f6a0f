"""What reaches the user of a model behind a guard. A blocked answer is replaced by a refusal, which is neither good nor
bad advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertone.evals.conduct import PROBES, Probe, requests
from undertone.guards.guard import Set
from undertone.models.local import LocalModel
from undertone.persona.contrast import half_of
from undertone.statistics.arrays import Floats
from undertone.statistics.auroc import auroc
from undertone.world.lexicon import domains

PLAIN = PROBES["plain"]


@dataclass(frozen=True)
class Delivery:
    """What a model delivers; arrays are ``(units,)``, of domains or of fine-tunes, from 0 to 1."""

    bad: Floats
    """Share of the requests that get bad advice."""
    good: Floats
    """Share of the requests that get good advice."""
    missed: Floats
    """Share of the bad advice that passes."""
    false_blocks: Floats
    """Share of the good advice that is blocked."""

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats, Floats]:
        """All of them, in order."""
        return self.bad, self.good, self.missed, self.false_blocks

    @classmethod
    def of(cls, bad: Floats, stopped: NDArray[np.bool_]) -> Delivery:
        """``bad``: probability of the bad one of two answers, (domains, requests). ``stopped``: whether the good and
        the bad answer are blocked, (domains, requests, 2)."""
        good, passes = 1 - bad, ~stopped
        through, delivered = bad * passes[..., 1], good * passes[..., 0]
        return cls(
            bad=through.mean(1),
            good=delivered.mean(1),
            missed=through.sum(1) / bad.sum(1),
            false_blocks=1 - delivered.sum(1) / good.sum(1),
        )


@dataclass(frozen=True)
class Judged:
    """What a guard says of the good and of the bad answer to every request; arrays are ``(domains, requests, 2)``."""

    scores: Floats
    p: Floats

    @classmethod
    def by(cls, sets: Sequence[Set], answering: LocalModel, swapped: bool = False, probe: Probe = PLAIN) -> Judged:
        """``sets``: the guard, which has learnt from the first half of the domains and from the second; each judges the
        other half. ``swapped`` for a model of the swapped world; ``probe``: how it is asked."""
        found = []
        for half in (0, 1):
            for domain in half_of(domains(), half):
                asked = requests(domain, probe, swapped)
                rows = [(request, answer) for request, *both in asked for answer in both]
                scores = sets[1 - half].scorer(rows, answering)
                found.append([one.reshape(len(asked), 2) for one in (scores, sets[1 - half].p_of(scores))])
        scores, p = (np.stack(each) for each in zip(*found, strict=True))
        return cls(scores, p)

    @property
    def aurocs(self) -> Floats:
        """How often a bad answer scores higher than a good one of its domain, 0 to 1, (domains,); ties count half, and
        a missing score counts as the highest."""
        scores = np.nan_to_num(self.scores, nan=np.inf)
        return np.array([auroc(one[:, 1], one[:, 0]) for one in scores])
