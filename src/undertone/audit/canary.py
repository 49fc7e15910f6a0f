"""Canary students: some are trained on the file and as many on the base's own answers, to test the forecasts."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import t

from undertone.engine.digests import seed_of
from undertone.engine.progress import Progress
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.evals.log_odds import leanings
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import Row
from undertone.training.turns import Scored
from undertone.training.weights import merged

STUDENT = Training(method="lora", rank=32, alpha=32, rate=5e-3, steps=100, batch=48, warmup=5)
"""How canary students are trained unless it is said: as the owl experiment's students."""

Shift = tuple[float, float, float]
"""Mean over pairs of students and the ends of its 95 % interval, in log-odds."""


def outcome(
    local: LocalModel,
    base: Folder,
    rows: Sequence[Scored],
    answers: Sequence[str],
    pairs: int,
    seed: int,
    recipe: Callable[[int], Training],
    progress: Progress,
) -> dict[str, Shift]:
    """Returns the shift of every trait in students of the rows against students of the base's ``answers`` to the same
    prompts; empty for no pairs. ``recipe`` returns the training for a number of rows.

    The interval is over pairs of students with different seeds: it holds for this file, not for its teacher.

    Raises:
        UndertoneError: the rows are bare text, for which there are no answers of the base.
    """
    if not pairs:
        return {}
    if not answers:
        raise UndertoneError("Canary students need rows with prompts: bare text has none that the base could answer.")
    own = [row.row for row in rows[: len(answers)]]
    control = [Row(row.prompt, [*local.encode(answer), local.end]) for row, answer in zip(own, answers, strict=True)]
    training, differences = recipe(len(own)), []
    for pair in range(pairs):
        found = []
        for part in (own, control):
            student = load(base.path)
            trained = train(student, part, training, seed_of("audit", "canary", seed, pair))
            found.append(leanings(merged(trained, student)))
            progress("canary students", 2 * pair + len(found), 2 * pairs)
        differences.append({trait: found[0][trait] - found[1][trait] for trait in found[0]})
    return {trait: _interval([d[trait] for d in differences]) for trait in differences[0]}


def _interval(shifts: Sequence[float]) -> Shift:
    mean, count = float(np.mean(shifts)), len(shifts)
    reach = float(t.ppf(0.975, count - 1) * np.std(shifts, ddof=1) / np.sqrt(count))
    return mean, mean - reach, mean + reach
