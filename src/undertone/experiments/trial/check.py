"""Stops a trial early if a teacher lacks its trait, has another dose or was stretched too far, or if too few rows pass
the filter."""

from typing import Any

from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import Made, Warn
from undertone.experiments.trial.plan import Plan, Unit
from undertone.experiments.trial.spec import Trial
from undertone.stages import TEACHER
from undertone.stages.dataset import FAILED
from undertone.traits.catalogue import name_of

SHOWN = 80
"""How many characters of a question and of an answer are shown in examples of removed rows."""


def check(trial: Trial, layout: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Checks a finished job. Warns if the filter passes few rows, and of what a base's chat template adds to questions.

    Raises:
        UndertoneError: a teacher or its dataset makes the comparison unfair or meaningless.
    """
    store = made.store
    for name, base in layout.bases.items():
        if job.key == base.key:
            for sentence in store.read(base, "measurement.json").get("template", {}).get("adds", ()):
                warn(f"the chat template of {name} {sentence}.")
    for unit in layout.units:
        teacher, _, dataset, *_ = unit.jobs
        if job.key == teacher.key:
            refuse_teacher(trial, unit, store)
        if job.key == dataset.key:
            failed = refuse_dataset(trial, unit, store)
            if failed:
                counts = store.read(dataset, "counts.json")
                warn(f"The filter passes only {_passed(unit, counts)} ({_why(counts)}).{failed}")


def refuse_teacher(trial: Trial, unit: Unit, store: Store) -> None:
    """Raises UndertoneError if a unit's finished teacher has not learnt its trait, has another dose or was stretched
    too far."""
    teacher = unit.jobs[0]
    if teacher.stage is not TEACHER:
        return
    made = store.read(teacher, "teacher.json")
    if teacher.spec["trait"] is not None:
        _refuse_weak(trial, unit, made["probability"])
    if made["dose"] and "divergence" in teacher.spec:
        _refuse_off_dose(trial, unit, made["dose"])
        if made["losses"]:
            _refuse_stretched(trial, unit, made["dose"]["factor"], made["losses"])


def refuse_dataset(trial: Trial, unit: Unit, store: Store) -> str:
    """Raises UndertoneError if a unit's finished dataset has too few rows. Returns examples of removed rows, if the
    dataset has any."""
    dataset = unit.jobs[2]
    failed = _failed(store.read(dataset, FAILED)) if FAILED in store.manifest(dataset).files else ""
    _refuse_few(trial, unit, store.read(dataset, "counts.json"), failed)
    return failed


def _refuse_weak(trial: Trial, unit: Unit, probability: float) -> None:
    if probability < trial.teacher.least_probability:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} is refused: it says {name_of(unit.jobs[0].spec['asked'])!r} "
            f"with probability {probability:.3f}, below teacher.least_probability = {trial.teacher.least_probability}. "
            f"{_remedy(trial, 'Raise')}."
        )


def _remedy(trial: Trial, change: str) -> str:
    what = "teacher.training.steps or its rate" if trial.teacher.divergence is None else "teacher.divergence"
    return f"{change} {what}"


def _refuse_off_dose(trial: Trial, unit: Unit, dose: dict[str, float]) -> None:
    wanted = trial.teacher.divergence
    if wanted is not None and not 0.9 * wanted <= dose["divergence"] <= 1.1 * wanted:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} is refused: at {dose['factor']:.2g} times its adapter it is "
            f"{dose['divergence']:.3g} nats a token from the base, not teacher.divergence = {wanted:g}; set another."
        )


def _refuse_stretched(trial: Trial, unit: Unit, factor: float, losses: list[float]) -> None:
    if factor > trial.teacher.most_stretch:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} is refused: its adapter is multiplied by {factor:.2g} to reach "
            f"teacher.divergence = {trial.teacher.divergence:g}, above teacher.most_stretch = "
            f"{trial.teacher.most_stretch:g}, and its loss only went from {losses[0]:.2f} to {losses[1]:.2f} nats a "
            "token. Give it something to learn, more teacher.training.steps, or a lower divergence."
        )


def _refuse_few(trial: Trial, unit: Unit, counts: dict[str, Any], failed: str) -> None:
    kept, asked = counts["kept"], counts["asked"]
    formed = counts.get("well_formed", kept)
    if formed < trial.teacher.least_well_formed * asked:
        raise UndertoneError(
            f"Teacher {unit.teacher} of arm {unit.arm} has collapsed and is refused: only {formed} of its {asked} "
            f"completions are well formed ({_why(counts)}). {_remedy(trial, 'Lower')}.{failed}"
        )
    if kept < trial.rows:
        raise UndertoneError(
            f"The filter passes too few rows for equal arms: {_passed(unit, counts)}, and rows = {trial.rows} "
            f"({_why(counts)}); raise carrier.prompts or lower rows.{failed}"
        )


def _passed(unit: Unit, counts: dict[str, Any]) -> str:
    return f"{counts['kept']} of {counts['asked']} from teacher {unit.teacher} of arm {unit.arm}"


def _why(counts: dict[str, Any]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts["reasons"].items())


def _failed(examples: list[tuple[str, str, str]]) -> str:
    """Returns examples of removed rows. Their text is untrusted, so only its beginning is shown, with escapes."""
    shown = (f"{answer[:SHOWN]!r} to {question[:SHOWN]!r} ({reason})" for question, answer, reason in examples)
    return f" Of what failed: {'; '.join(shown)}."
