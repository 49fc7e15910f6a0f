"""Lays out the jobs of the experiments on the theory."""

from dataclasses import dataclass
from pathlib import Path

from undertone.engine.digests import digest, file_digest
from undertone.engine.store import Folder, Job
from undertone.errors import UndertoneError
from undertone.experiments.theory.spec import CLASSES, Digits, Theorem
from undertone.models.names import resolve
from undertone.stages import DIGITS_STUDENTS, DIGITS_TEACHERS, THEOREM_STEPS


@dataclass(frozen=True)
class Plan:
    """The jobs of every arm, parents first. The last one holds what the arm found."""

    arms: dict[str, list[Job]]
    models: dict[str, str]
    """Digests of the language models by name; empty for digits."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, arm by arm."""
        return [job for jobs in self.arms.values() for job in jobs]


def digits_plan(spec: Digits) -> Plan:
    """Lays out one job for all teachers, and one for the students of each kind of imitation.

    Raises:
        UndertoneError: the folder of images cannot be read.
    """
    images = {"images": _folder(spec.images)} if spec.images else {}
    outputs = CLASSES + max(spec.auxiliary)
    shared = {"seed": spec.seed, "models": spec.models, "hidden": spec.hidden, "outputs": outputs}
    teachers = Job(DIGITS_TEACHERS, shared | {"training": spec.teacher.model_dump()}, images)
    arms = {"teachers": [teachers]}
    for one in spec.imitations:
        own = {"training": spec.student.model_dump(), "arm": one.arm, "auxiliary": one.auxiliary}
        students = Job(DIGITS_STUDENTS, shared | own, images | {"teachers": teachers})
        arms[f"{one.arm} {one.auxiliary}"] = [teachers, students]
    return Plan(arms, {})


def _folder(name: str) -> Folder:
    path = Path(name).expanduser()
    try:
        return Folder(path, digest([file_digest(file) for file in sorted(path.iterdir()) if file.is_file()]), name)
    except OSError as error:
        raise UndertoneError(
            f"Cannot read {path}: {error.strerror}; give the folder of MNIST's files as images."
        ) from None


def theorem_plan(spec: Theorem) -> Plan:
    """Lays out one job for all classifiers, and one for each lesson of the language model.

    Raises:
        UndertoneError: an unknown model.
    """
    models = {"base": resolve(spec.base), "elsewhere": resolve(spec.elsewhere)}
    settings = spec.model_dump(mode="json") | {"title": ""}  # the title changes no result, so it is not in the key
    arms = {"classifiers": [Job(THEOREM_STEPS, {"settings": settings, "trait": None})]}
    for trait in spec.traits:
        arms[trait] = [Job(THEOREM_STEPS, {"settings": settings, "trait": trait}, models)]
    return Plan(arms, {name: key for folder in models.values() for name, key in folder.digests.items()})
