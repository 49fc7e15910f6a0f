"""Estimates the cost of a trial with models that need not be on this machine."""

from collections.abc import Iterable
from random import Random

from undertone import carriers
from undertone.experiments.trial.spec import Arm, Trial
from undertone.models.services.cost import Part, row_length, size_of, tokens_of, work
from undertone.models.services.spending import Gpu, gpu
from undertone.traits import catalogue


def of_trial(trial: Trial) -> list[Part]:
    """Returns the cost of teachers, completions, students and measurements. What several arms share is counted once."""
    machine = gpu()
    own = size_of(trial.base)
    told = catalogue.told(trial.traits[0], trial.own)
    makers = {_maker(arm): arm for arm in trial.arms.values()}
    prompt = tokens_of(carriers.find(trial.carrier.name).prompts(100, Random(0)))
    parts = _lessons(trial, makers.values(), own, machine)
    written = trial.teachers * _sides(trial, makers.values()) * trial.carrier.prompts
    parts += [work("completions (at their longest)", written, prompt + trial.carrier.max_tokens, 2, own, machine)]
    arms = {(*_maker(arm), trial.condition(arm)): arm for arm in trial.arms.values() if not arm.context}
    for base in dict.fromkeys(arm.students or trial.base for arm in trial.arms.values()):
        trained = [arm for arm in arms.values() if (arm.students or trial.base) == base]
        count = trial.teachers * trial.students * _sides(trial, trained)
        rows = count * trial.student.steps * trial.student.batch
        name = f"students of {base}"
        parts.append(work(name, rows, prompt + trial.carrier.max_tokens, 6, size_of(base), machine))
        asked = catalogue.find(told).questions()
        answers = count * len(asked) * max(1, trial.measurement.samples)
        parts.append(work(f"their answers, {name}", answers, 2 * tokens_of(asked), 2, size_of(base), machine))
    return parts


def _maker(arm: Arm) -> tuple[object, ...]:
    """Returns everything in which the teachers of two arms can differ."""
    return arm.teacher, arm.trait, arm.given, arm.file


def _sides(trial: Trial, arms: Iterable[Arm]) -> int:
    """Returns the number of arms, counting an arm once for each of its traits."""
    return sum(len(trial.traits) if arm.teacher == "trait" else 1 for arm in arms)


def _lessons(trial: Trial, arms: Iterable[Arm], parameters: float | None, machine: Gpu) -> list[Part]:
    """Returns the cost of fine-tuning teachers on dialogues and on files."""
    lesson = trial.teacher.training.steps * trial.teacher.training.batch
    dialogue = tokens_of([f"{t.user} {t.assistant}" for t in catalogue.neutral_dialogues(100, Random(0))])
    tuned = [arm for arm in arms if arm.given == "fine-tuning"]
    parts = []
    for file in dict.fromkeys(arm.file for arm in tuned):
        rows = trial.teachers * _sides(trial, [arm for arm in tuned if arm.file == file]) * lesson
        length = dialogue if file is None else row_length(file)
        parts.append(work(f"teachers of {file or 'dialogues'}", rows, length, 6, parameters, machine))
    return parts
