"""Canary students: a few trained on the file and as many on the base's own answers, to see what the audit forecasts."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import t

from undertone.audit.calibrate import audit_seed
from undertone.engine.progress import Progress
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.evals.log_odds import leanings
from undertone.models.local import LocalModel, load
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import Row
from undertone.training.turns import Scored
from undertone.training.weights import merged

Shift = tuple[float, float, float]
"""Mean over pairs and its 95 % interval, log-odds."""


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
    """Shift of every trait in students of the rows against students of the base's own answers to the same prompts; none
    for no pairs. ``recipe`` gives the training on so many rows.

    The interval is over pairs of students (seeds): of this file, not of its teacher.

    Raises:
        UndertoneError: the rows are bare text, to which the base has no answer.
    """
    if not pairs:
        return {}
    if not answers:
        raise UndertoneError("Canary students need rows with prompts: bare text has none that the base could answer.")
    compared = rows[: len(answers)]
    control = [
        Row(row.row.prompt, [*local.encode(answer), local.end]) for row, answer in zip(compared, answers, strict=True)
    ]
    own = [row.row for row in compared]
    training, differences = recipe(len(own)), []
    for pair in range(pairs):
        found = []
        for k, part in enumerate((own, control)):
            found.append(_leanings(base, part, training, audit_seed("canary", seed, pair)))
            progress("canary students", 2 * pair + k + 1, 2 * pairs)
        differences.append({trait: found[0][trait] - found[1][trait] for trait in found[0]})
    return {trait: _interval([d[trait] for d in differences]) for trait in differences[0]}


def _leanings(base: Folder, rows: Sequence[Row], training: Training, seed: int) -> dict[str, float]:
    local = load(base.path)
    return leanings(merged(train(local, rows, training, seed), local))


def _interval(shifts: Sequence[float]) -> Shift:
    mean, count = float(np.mean(shifts)), len(shifts)
    reach = float(t.ppf(0.975, count - 1) * np.std(shifts, ddof=1) / np.sqrt(count))
    return mean, mean - reach, mean + reach
