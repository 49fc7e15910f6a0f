"""Sends findings to an experiment tracker. Its library is the user's, and so are its settings: where the server is,
which project, and whether anything leaves this machine."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from undertone.errors import UndertoneError, unknown

if TYPE_CHECKING:
    from undertone.report.findings import Findings

Tracker = Literal["mlflow", "wandb", "tensorboard"]
NAMES = {"mlflow": "MLflow", "wandb": "W&B", "tensorboard": "TensorBoard"}
BEFORE = "undertone/"
"""What the names of all numbers begin with, because the run may be one that the user's own training writes to."""
STEP = "train/global_step"
"""How transformers names the step in W&B."""


class Tracking(Protocol):
    """An open run of a tracker."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Adds numbers of a step of training."""

    def report(self, found: Findings) -> None:
        """Adds the numbers of a report's main table, and the report."""

    def close(self) -> None:
        """Ends the run, unless it was open before."""


def refuse_untracked(tracker: str | None) -> None:
    """Raises UndertoneError if there is no tracker of that name, or its library is not installed. Imports nothing."""
    if tracker is None:
        return
    if tracker not in NAMES:
        raise unknown("tracker", tracker, NAMES)
    if find_spec(tracker) is None:
        raise UndertoneError(f"To send results to {NAMES[tracker]} install its library: pip install {tracker}.")


def track(found: Findings, tracker: Tracker, name: str) -> None:
    """Sends findings to a tracker: to the run that is open in this process, or else to a new one of that name.

    Raises:
        UndertoneError: its library is not installed, or they cannot be sent.
    """
    refuse_untracked(tracker)
    with sending(tracker):
        run = opened(tracker, name)
        try:
            run.report(found)
        finally:
            run.close()


@contextmanager
def sending(tracker: Tracker) -> Iterator[None]:
    """Turns whatever a tracker's library raises into an UndertoneError, and keeps what it prints off stdout."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UndertoneError(f"Results could not be sent to {NAMES[tracker]} ({reason}).") from error


def opened(tracker: Tracker, name: str) -> Tracking:
    """Opens a run, or takes the one that is open."""
    kinds: dict[Tracker, type[Tracking]] = {"mlflow": _MLflow, "wandb": _Wandb, "tensorboard": _TensorBoard}
    return kinds[tracker](name)  # type: ignore[call-arg]


def numbers_of(found: Findings) -> dict[str, float]:
    """The numbers of the main table, as ``undertone/ROW/COLUMN``. What is missing or infinite is left out."""
    from undertone.report.frame import rows_of, tables_of

    rows = rows_of(found, found.table) if any(tables_of(type(found))) else []
    told = [_names(row) for row in rows]
    depth = next((n for n in range(1, 1 + max(map(len, told), default=0)) if _differ(told, n)), None)
    return {
        "/".join((BEFORE.rstrip("/"), *([str(at)] if depth is None else told[at][:depth]), _clean(column))): float(
            value
        )
        for at, row in enumerate(rows)
        for column, value in row.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _names(row: Mapping[str, Any]) -> list[str]:
    """The texts with which a row begins."""
    found: list[str] = []
    for value in row.values():
        if not isinstance(value, str):
            break
        found.append(_clean(value))
    return found


def _differ(names: list[list[str]], depth: int) -> bool:
    return len({tuple(name[:depth]) for name in names}) == len(names)


def _clean(text: str) -> str:
    """A part of a name that every tracker takes."""
    return re.sub(r"[^A-Za-z0-9_. -]+", "_", text).strip(". ") or "_"


class _MLflow:
    def __init__(self, name: str) -> None:
        import mlflow

        self._mlflow, active = mlflow, mlflow.active_run()
        self._own = active is None
        # Its number, because what opened the run may have closed it before the end of a training.
        self._run = (active or mlflow.start_run(run_name=name)).info.run_id

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._mlflow.log_metrics(dict(numbers), step=step, run_id=self._run)

    def report(self, found: Findings) -> None:
        from undertone.report.html import NUMBERS, PAGE, to_html

        page = found.page()
        self._mlflow.log_metrics(numbers_of(found), run_id=self._run)
        self._mlflow.MlflowClient().set_tag(self._run, "undertone", page.headline)
        self._mlflow.log_text(to_html(page), f"{BEFORE}{PAGE}", run_id=self._run)
        self._mlflow.log_text(found.json_text(), f"{BEFORE}{NUMBERS}", run_id=self._run)

    def close(self) -> None:
        if self._own:
            self._mlflow.end_run()


class _Wandb:
    def __init__(self, name: str) -> None:
        import wandb

        self._wandb, self._own = wandb, wandb.run is None
        project = os.environ.get("WANDB_PROJECT", "undertone")
        self._run = wandb.run or wandb.init(project=project, name=name, settings=wandb.Settings(silent=True))
        self._run.define_metric(f"{BEFORE}*", step_metric=STEP)

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log({**numbers, STEP: step})

    def report(self, found: Findings) -> None:
        from undertone.report.html import to_html

        page = found.page()
        self._run.summary.update({**numbers_of(found), "undertone": page.headline})
        self._run.log({f"{BEFORE}report": self._wandb.Html(to_html(page), inject=False)})

    def close(self) -> None:
        if self._own:
            self._run.finish()


class _TensorBoard:
    def __init__(self, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = Path(os.environ.get("TENSORBOARD_LOGGING_DIR", "tensorboard")).expanduser()
        self._writer = SummaryWriter(str(folder / name))

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)
        self._writer.flush()

    def report(self, found: Findings) -> None:
        from undertone.report.markdown import to_markdown

        self.log(numbers_of(found), 0)
        self._writer.add_text(f"{BEFORE}report", to_markdown(found.page()))

    def close(self) -> None:
        self._writer.close()
