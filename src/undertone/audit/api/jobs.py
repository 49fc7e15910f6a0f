"""Students that a service fine-tunes: jobs are started as far as service and budget allow, then waited for."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from undertone.audit.api.request import Request
from undertone.engine.digests import seed_of
from undertone.errors import UndertoneError
from undertone.models.services.finetuning import FineTuning
from undertone.models.services.patience import Patience
from undertone.models.services.spending import Budget
from undertone.models.services.wire import Refused


class Made(NamedTuple):
    """One student."""

    arm: str
    name: str
    """``openai-api/<service>/<model>``."""
    record: Mapping[str, Any]
    """The job's record, as :attr:`undertone.models.services.finetuning.FineTuning.record`."""
    kept: Path
    """The file of the record."""


def students(
    request: Request,
    files: Mapping[str, Path],
    folder: Path,
    budget: Budget,
    progress: Callable[[int, int], None],
    every: float,
    patience: Patience,
) -> list[Made]:
    """Fine-tunes students on the file of each arm; student *i* has the same seed in both.

    Records are kept in ``folder`` under the digest of what was asked, so that no job is created twice. Jobs are looked
    at ``every`` so many seconds.

    Raises:
        UndertoneError: a job failed, the service refuses or stays down, or a limit is reached. The same call goes on
            with the jobs that exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = request.settings.model_dump(exclude_none=True)
    with ExitStack() as stack:
        tunings = []
        for i in range(request.students):
            seed = seed_of(request.seed, "canary", i)
            for arm, rows in files.items():
                tuning = FineTuning(
                    request.model, rows, folder, settings=settings, seed=seed, budget=budget, patience=patience
                )
                tunings.append((arm, stack.enter_context(tuning)))
        progress(0, len(tunings))
        _begin([tuning for _, tuning in tunings], every)
        made: list[Made] = []
        for arm, tuning in tunings:
            made.append(Made(arm, tuning.finished(every), tuning.record, tuning.kept))
            progress(len(made), len(tunings))
        return made


def _begin(tunings: Sequence[FineTuning], every: float) -> None:
    """Begins all jobs. Services accept few jobs at once, and a job's worst price is reserved until it ends: a job that
    is not accepted is tried again whenever an earlier one has ended."""
    running: list[FineTuning] = []
    for tuning in tunings:
        while True:
            try:
                tuning.begin()
                break
            except Refused:
                raise
            except UndertoneError:
                if not running:
                    raise
                running.pop(0).finished(every)
        if "model" not in tuning.record:
            running.append(tuning)
