"""Students that a service fine-tunes: all jobs begun as far as the service and the budget allow, then waited for."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.digests import seed_of
from undertone.errors import UndertoneError
from undertone.models.services.finetuning import EVERY, FineTuning
from undertone.models.services.patience import Patience
from undertone.models.services.spending import Budget
from undertone.models.services.wire import Refused


@dataclass(frozen=True)
class Made:
    """One student."""

    arm: str
    name: str
    """``openai-api/<service>/<model>``."""
    record: Mapping[str, Any]
    """As :attr:`undertone.models.services.finetuning.FineTuning.record`."""
    kept: Path


@dataclass(frozen=True)
class Jobs:
    """How the students of both arms are made."""

    base: str
    settings: dict[str, Any]
    seed: int
    kept: Path
    """Folder of the records, named by what was asked: no job is made twice."""
    budget: Budget
    every: float = EVERY
    patience: Patience = Patience()  # noqa: RUF009 - frozen

    def students(self, files: Mapping[str, Path], count: int, progress: Callable[[int, int], None]) -> list[Made]:
        """``count`` students of every file. Student *i* of each has the same seed.

        Raises:
            UndertoneError: a job failed, the service refuses or stays down, or a limit is reached: the same call goes
                on with the jobs that were made.
        """
        self.kept.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            tunings = [
                (arm, stack.enter_context(self._tuning(rows, i))) for i in range(count) for arm, rows in files.items()
            ]
            progress(0, len(tunings))
            self._begin([tuning for _, tuning in tunings])
            made = []
            for arm, tuning in tunings:
                made.append(Made(arm, tuning.finished(self.every), tuning.record, tuning.kept))
                progress(len(made), len(tunings))
            return made

    def _tuning(self, rows: Path, i: int) -> FineTuning:
        return FineTuning(
            self.base,
            rows,
            self.kept,
            settings=self.settings,
            seed=seed_of(self.seed, "canary", i),
            budget=self.budget,
            patience=self.patience,
        )

    def _begin(self, tunings: list[FineTuning]) -> None:
        """Services take few jobs at once, and a job's worst price is set aside until it ends: what is not taken now is
        tried again whenever one that was taken is at its end."""
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
                    running.pop(0).finished(self.every)
            if "model" not in tuning.record:
                running.append(tuning)
