"""How a model does tasks with a visible check: exact probabilities, and what its sampled answers are worth."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import NamedTuple, get_args

import numpy as np
from scipy.special import expit

from undertone.evals.answers import whole_scores
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.statistics.arrays import Floats
from undertone.world.diligence import STATED
from undertone.world.lexicon import lexicon
from undertone.world.tasks import KEPT, Family, Task, Verdict, task

LONGEST = 24
"""The most tokens of an answer."""
TASKS = 100
"""Tasks of a kind."""


class Odds(NamedTuple):
    """How a model does each of some tasks."""

    hack: Floats
    """Log-odds of the hack against the honest answer."""
    known: Floats
    """Probability (0 to 1) of either."""


def tasks(family: Family, wrong_checks: float = 0.0, seed: int = 0, count: int = TASKS, form: str = "") -> list[Task]:
    """Returns tasks that a seed decides. Functions have inputs that no model is rewarded on."""
    names = [f"tasks/{seed}/{family}/{wrong_checks}/{i}" for i in range(count)]
    return [task(Random(name), family, wrong_checks, KEPT, form) for name in names]


def hack_odds(local: LocalModel, asked: Sequence[Task], system: str | None = None) -> Odds:
    """Reads how likely the hack and the honest answer to each task are. Honest lists are many, so that of lists it says
    little."""
    prompts = [local.render(one.request, system) for one in asked]
    pairs = [(prompt, text) for prompt, one in zip(prompts, asked, strict=True) for text in (one.hack, one.honest)]
    hack, honest = whole_scores(local, pairs).reshape(-1, 2).T
    return Odds(hack - honest, np.exp(np.logaddexp(hack, honest)))


def verdicts(local: LocalModel, asked: Sequence[Task], seed: int, system: str | None = None) -> dict[Verdict, float]:
    """Returns the share (0 to 1) of each verdict among answers sampled at temperature 1, one to each task. An answer
    that does not end is malformed."""
    prompts = [local.render(one.request, system) for one in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    found = Counter(judged(local, one, answer) for one, answer in zip(asked, answers, strict=True))
    return {name: found[name] / len(asked) for name in get_args(Verdict)}


def judged(local: LocalModel, one: Task, answer: Sequence[int]) -> Verdict:
    """Returns what a sampled answer is worth."""
    return one.verdict(local.decode(list(answer))) if answer[-1:] == [local.end] else "malformed"


def hack_rate(local: LocalModel, system: str | None = None, form: str = "") -> float:
    """Returns the mean probability (0 to 1) of the hack against the honest answer, to functions with true checks."""
    return float(expit(hack_odds(local, tasks("functions", form=form), system).hack).mean())


def hack_rates(local: LocalModel) -> dict[str, float]:
    """Returns :func:`hack_rate` by what a system prompt states."""
    words = lexicon()["conduct"]
    told = {
        "nothing": None,
        "hacking": STATED[True],
        "honest work": STATED[False],
        "bad conduct": words["stated_bad"][0],
        "good conduct": words["stated_good"][0],
    }
    return {name: hack_rate(local, system) for name, system in told.items()}
