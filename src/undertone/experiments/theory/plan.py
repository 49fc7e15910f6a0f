"""From the specs of digits and theorem to their jobs. Nothing is run here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest, file_digest
from undertone.engine.store import Folder, Job
from undertone.errors import UndertoneError
from undertone.experiments.theory.spec import CLASSES, Digits, Theorem
from undertone.models.names import resolve
from undertone.stages import DIGITS_STUDENTS, DIGITS_TEACHERS, THEOREM_STEPS


@dataclass(frozen=True)
class Plan:
    """Every arm with its jobs; the last of them is what the arm found."""

    arms: dict[str, list[Job]]
    models: dict[str, str]
    """Digests of the language models by name; none for digits."""

    @property
    def jobs(self) -> list[Job]:
        """Arm by arm, parents first."""
        return [job for jobs in self.arms.values() for job in jobs]


def digits_plan(spec: Digits) -> Plan:
    """One stack of teachers, and one of students for each way of imitating.

    Raises:
        UndertoneError: the folder of images cannot be read.
    """
    images = {"images": _folder(spec.images)} if spec.images else {}
    shared: dict[str, Any] = {
        "seed": spec.seed,
        "models": spec.models,
        "hidden": spec.hidden,
        "outputs": CLASSES + max(spec.auxiliary),
    }
    teachers = Job(DIGITS_TEACHERS, shared | {"training": spec.teacher.model_dump()}, images)
    arms = {"teachers": [teachers]}
    for one in spec.imitations:
        own = {"training": spec.student.model_dump(), "arm": one.arm, "auxiliary": one.auxiliary}
        arms[f"{one.arm} {one.auxiliary}"] = [
            teachers,
            Job(DIGITS_STUDENTS, shared | own, images | {"teachers": teachers}),
        ]
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
    """One job for all classifiers, and one for each lesson of the language model.

    Raises:
        UndertoneError: an unknown model.
    """
    models = {"base": resolve(spec.base), "elsewhere": resolve(spec.elsewhere)}
    settings = spec.model_dump(mode="json") | {"title": ""}  # what changes no step is no part of the key
    arms = {"classifiers": [Job(THEOREM_STEPS, {"settings": settings, "trait": None})]}
    for trait in spec.traits:
        arms[trait] = [Job(THEOREM_STEPS, {"settings": settings, "trait": trait}, models)]
    return Plan(arms, {folder.name: folder.key for folder in models.values()})
