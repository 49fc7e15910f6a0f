"""Pools the reports of an experiment on misalignment that was run in parts, each with narrow domains of its own."""

from collections.abc import Sequence
from itertools import chain

from undertone.errors import UndertoneError
from undertone.experiments.misalignment.findings import MisalignmentFindings
from undertone.experiments.misalignment.gather import said_of
from undertone.experiments.misalignment.spec import Misalignment


def pooled(parts: Sequence[MisalignmentFindings]) -> MisalignmentFindings:
    """Returns the findings of all students together, as one run of all domains would give them.

    Raises:
        UndertoneError: a domain is in two parts, or parts differ in models, settings or code.
    """
    first, names = parts[0], [name for part in parts for name in _spec(part).asked]
    if len(set(names)) < len(names):
        raise UndertoneError("A narrow domain is in two parts: run each in one of them (--set 'domains=[...]').")
    for other in parts[1:]:
        if _about(other) != _about(first):
            raise UndertoneError("The parts differ in models, settings or code: run them alike but for their domains.")
    spec = _spec(first).model_copy(update={"domains": tuple(names)})
    students = tuple(chain.from_iterable(part.students for part in parts))
    return first.model_copy(
        update={
            **said_of(spec, students),
            "settings": spec.model_dump(mode="json"),
            "students": students,
            "answers": tuple(chain.from_iterable(part.answers for part in parts)),
            "wall_s": sum(part.wall_s for part in parts),
            "work_s": round(sum(part.work_s for part in parts), 1),
        }
    )


def _spec(part: MisalignmentFindings) -> Misalignment:
    return Misalignment.model_validate(part.settings)


def _about(part: MisalignmentFindings) -> tuple[object, ...]:
    settings = {key: value for key, value in part.settings.items() if key != "domains"}
    return part.models, part.commit, settings
