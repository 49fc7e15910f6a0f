"""``undertone.Watch(...)``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from undertone.cli.shared import traits_of
from undertone.engine.folder import FILE, refuse_unwritable
from undertone.errors import UndertoneError
from undertone.evals.answers import probabilities
from undertone.models.loading import refuse_moved_by_padding
from undertone.python.call import names
from undertone.python.trained import local_of, refuse_split
from undertone.report.track import Tracker, Tracking, opened, refuse_untracked, sending
from undertone.watch.findings import Findings
from undertone.watch.gather import Watched, gather
from undertone.watch.history import Values, is_reached, logged, measured
from undertone.watch.request import EVERY, Request
from undertone.watch.untouched import untouched

logger = logging.getLogger("undertone")
HALF = "Probabilities were computed in half precision, as training computes, so small differences may be rounding."


class Watch(TrainerCallback):
    """A callback for transformers' ``Trainer`` and TRL's trainers. It measures how likely chosen traits show in the
    model while it is trained, beside the same model before the first step, and writes a report at the end.

    The probabilities stand in the trainer's own log (``trainer.state.log_history``), under names such as
    ``undertone/owl/probability``. Measuring changes nothing that training depends on. Of several processes only the
    first one measures, logs and reports.

    Args:
        trait: The traits to watch: names or kinds, or TOML files, shipped ones ("chat/animals.toml") or your own.
        every: How many steps lie between two measurements.
        stop_at: The rise of a probability at which training stops: 0.05 is five points. A probability that is no
            number stops it too. None: training is never stopped.
        out: Folder of the report; by default ``undertone`` in the trainer's output folder. An earlier report there is
            replaced.
        track: "mlflow", "wandb" or "tensorboard": also sends each measurement and the report there, to the run that the
            trainer has open, if it has one. The library must be installed.

    Raises:
        UndertoneError: something that was given cannot be used. When training begins: the model or its tokenizer
            cannot be asked, its weights are split over processes, or a checkpoint lacks what was measured before.
    """

    def __init__(
        self,
        trait: str | Sequence[str],
        *,
        every: int = EVERY,
        stop_at: float | None = None,
        out: str | Path | None = None,
        track: Tracker | None = None,
    ) -> None:
        refuse_untracked(track)
        given, own = traits_of(names(trait))
        self._request = Request(traits=given, own=own, every=every, stop_at=stop_at)
        self._traits = self._request.found()
        self._out, self._tracker = out, track
        self._tracking: Tracking | None = None
        self.findings: Findings | None = None
        """What was found, once training has ended."""

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        processing_class: Any = None,
        **_: Any,
    ) -> None:
        """Measures the model as it is before the first step; a resumed training has that in its log."""
        self.findings = None
        if not state.is_world_process_zero:
            return
        self._started, self._clock, self._measuring_s = datetime.now(UTC), time.perf_counter(), 0.0
        self._folder = Path(self._out or Path(args.output_dir or ".") / "undertone")
        _refuse_taken(self._folder)
        refuse_split(model, "train without Watch, and compare the finished model with undertone measure")
        self._local = local_of(model, processing_class, "watched")
        with untouched(self._local.model):
            refuse_moved_by_padding(self._local, "The model that is trained", exact=False)
        if state.global_step:
            _refuse_unmeasured(self._points(state), state.global_step)
        if self._tracker is not None:
            with sending(self._tracker):
                self._tracking = opened(self._tracker, args.run_name or self._folder.absolute().parent.name)
        if not state.global_step:
            self._note(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Measures the model every so many steps and at the last one, and stops training where the limit is reached."""
        if state.global_step % self._request.every and state.global_step < state.max_steps:
            return control
        stops = False
        if state.is_world_process_zero:
            values = self._note(state)
            stops = is_reached(self._points(state)[0], values, self._request.stop_at)
        if self._request.stop_at is not None and args.world_size > 1:
            stops = _told(stops, args.device)  # the others would wait for one that stops alone
        control.should_training_stop |= stops
        return control

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Measures the model that training leaves, if that is another one, and writes the report."""
        if not state.is_world_process_zero:
            return
        best = state.best_global_step if args.load_best_model_at_end and state.best_model_checkpoint else None
        if best is None and state.global_step not in self._points(state):
            self._note(state)
        points = self._points(state)
        run = Watched(
            model=str(self._local.model.config.name_or_path or type(self._local.model).__name__),
            points=points,
            end=points[state.global_step] if best is None else self._measured(),
            end_step=state.global_step if best is None else best,
            steps=state.global_step,
            notes=(HALF,) if args.bf16 or args.fp16 or self._local.model.dtype.itemsize < 4 else (),
            started=self._started,
            wall_s=time.perf_counter() - self._clock,
            measuring_s=self._measuring_s,
        )
        self.findings = gathered = gather(self._request, self._traits, run)
        try:
            written = gathered.save(self._folder)
        except UndertoneError as error:  # the trained model must not be lost for it
            logger.warning("The report of what was watched was not written: %s", error)
        else:
            logger.info("%s The report is %s.", gathered.headline, written)
        self._send(lambda to: to.report(gathered))
        self._send(lambda to: to.close())
        self._tracking = None

    def _send(self, what: Callable[[Tracking], None]) -> None:
        """Tells the tracker, if there is one. If it fails, training goes on without it."""
        if self._tracker is None or self._tracking is None:
            return
        try:
            with sending(self._tracker):
                what(self._tracking)
        except UndertoneError as error:
            self._tracking = None
            logger.warning("%s Training goes on without it.", error)

    def _points(self, state: TrainerState) -> dict[int, Values]:
        return measured(state.log_history, [trait.name for trait in self._traits])

    def _note(self, state: TrainerState) -> Values:
        """Measures the model and adds that to the trainer's log."""
        values = self._measured()
        entry = logged({name: float("nan") if p is None else p for name, p in values.items()})
        state.log_history.append({**entry, "epoch": state.epoch or 0.0, "step": state.global_step})
        self._send(lambda to: to.log(entry, state.global_step))
        return values

    def _measured(self) -> Values:
        begun = time.perf_counter()
        with untouched(self._local.model):
            found = probabilities(self._local, self._traits)
        self._measuring_s += time.perf_counter() - begun
        return {name: p if p == p else None for name, p in found.items()}


def _refuse_taken(folder: Path) -> None:
    refuse_unwritable(folder)
    if (folder / FILE).exists():
        raise UndertoneError(f"{folder} holds what an undertone command wrote, which is kept; give Watch another out.")


def _refuse_unmeasured(points: dict[int, Values], step: int) -> None:
    if None in points.get(0, {"": None}).values():
        raise UndertoneError(
            f"Training goes on at step {step}, and the checkpoint does not say how likely these traits were before the "
            "first step: train from the start with the same Watch, or leave it out."
        )


def _told(stops: bool, device: torch.device) -> bool:
    """What the first process says to all."""
    flag = torch.tensor(int(stops), device=device)
    torch.distributed.broadcast(flag, src=0)
    return bool(flag.item())
