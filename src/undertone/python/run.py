"""``undertone.run(...)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.cli.runs import folder_of_run
from undertone.cli.shared import limits_of
from undertone.engine.executor import Executor
from undertone.experiments import recipes
from undertone.experiments.run import run as ran
from undertone.python.call import changes, working
from undertone.report.findings import RunFindings


def run(
    recipe: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    seed: int | None = None,
    students: int | None = None,
    scale: float = 1.0,
    out: str | Path | None = None,
    max_cost: float | None = None,
    max_requests: int | None = None,
    executor: Executor | None = None,
    progress: bool | None = None,
) -> RunFindings:
    """Runs an experiment, and writes its report to a folder. One that was stopped goes on if it is called again, and of
    a finished one nothing is made twice.

    Args:
        recipe: A shipped recipe, such as "owls", or the path of a TOML file.
        set: Changes keys of the recipe, as in ``{"student.steps": 100}``.
        seed: Seed of the experiment; it determines every random choice.
        students: Number of students of each teacher, or of each file.
        scale: Runs a rehearsal at this fraction of the recipe's size.
        out: Folder of the run; by default "runs/RECIPE-DIGEST". Artifacts go to "store" beside it.
        max_cost: The most dollars that services may cost, for recipes whose judge is a service.
        max_requests: The most requests to services.
        executor: Where jobs are made, such as ``undertone.OnRay()``; by default the cores and GPUs of this machine.
        progress: Whether progress is shown on stderr; None: only on a terminal.

    Returns:
        The findings of the recipe's kind, such as :class:`undertone.experiments.trial.results.Results`.

    Raises:
        UndertoneError: something that was given cannot be used, or a teacher is refused; the sentence says why.
    """
    given = {"seed": seed, "students": students}
    changed = dict(set or {}) | {key: value for key, value in given.items() if value is not None}
    spec = recipes.read(str(recipe), changes(changed), scale)
    limits = limits_of(max_cost, max_requests, [getattr(spec, "judge", None)])
    folder = folder_of_run(spec, str(recipe), None if out is None else Path(out))
    with working(progress) as (bars, _):
        found: RunFindings = ran(spec, folder, Path(recipe).stem, bars, executor, limits=limits)
        return found
