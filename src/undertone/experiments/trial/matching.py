"""How alike the teachers of an arm and of its control were made: a control that learnt nothing controls for little."""

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean

from undertone.experiments.trial.results import TeacherResult
from undertone.report.findings import Part

TOLERANCE = 0.2
"""The largest difference between both arms, as a share of the arm with the trait, at which they are called alike."""


class Making(Part):
    """How the fine-tuned teachers of an arm were made, as means over them."""

    before: float
    """Training loss at the start, in nats a token."""
    after: float
    """Training loss at the end, in nats a token."""
    stretch: float | None
    """Factor by which the adapter was multiplied to reach the dose; None if it was not."""
    dose: float | None
    """Divergence from the base on the carrier, in nats a token; None if not measured."""

    @property
    def drop(self) -> float:
        """The share of its loss that training removed. Nats a token cannot be compared between lessons, since answers
        differ in how many of their tokens depend on what is taught."""
        return 1 - self.after / self.before

    @property
    def nats(self) -> float:
        """The loss that training removed, in nats a token."""
        return self.before - self.after

    def ratios(self, other: "Making") -> dict[str, float]:
        """Returns this arm's values as shares of the other's, by what they are; what was not measured is left out."""
        pairs = {
            "share of the loss removed": (self.drop, other.drop),
            "stretch": (self.stretch, other.stretch),
            "dose": (self.dose, other.dose),
        }
        return {what: own / of for what, (own, of) in pairs.items() if own is not None and of}

    def alike(self, other: "Making") -> bool:
        """Returns whether all values lie within :data:`TOLERANCE` of the other's."""
        ratios = self.ratios(other)
        return bool(ratios) and all(abs(ratio - 1) <= TOLERANCE for ratio in ratios.values())


def makings(teachers: Iterable[TeacherResult]) -> dict[str, Making]:
    """Returns how the teachers of each arm were made, by arm; arms whose teachers were not fine-tuned are left out."""
    by_arm: dict[str, list[TeacherResult]] = {}
    for teacher in teachers:
        if teacher.losses is not None:
            by_arm.setdefault(teacher.arm, []).append(teacher)
    return {arm: _making(own) for arm, own in by_arm.items()}


def _making(teachers: list[TeacherResult]) -> Making:
    losses = [teacher.losses for teacher in teachers if teacher.losses is not None]
    return Making(
        before=fmean(before for before, _ in losses),
        after=fmean(after for _, after in losses),
        stretch=_mean(teachers, lambda teacher: teacher.stretch),
        dose=_mean(teachers, lambda teacher: teacher.divergence),
    )


def _mean(teachers: Iterable[TeacherResult], value: Callable[[TeacherResult], float | None]) -> float | None:
    found = [one for teacher in teachers if (one := value(teacher)) is not None]
    return fmean(found) if found else None


def matched(found: Mapping[str, Making]) -> str:
    """Returns a sentence on how the arm "control" compares with "treatment"; empty where one of them is missing."""
    if not {"treatment", "control"} <= set(found):
        return ""
    control, treatment = found["control"], found["treatment"]
    told = ", ".join(f"{what} {ratio:.2f}" for what, ratio in control.ratios(treatment).items())
    if control.alike(treatment):
        return f"Control teachers were made like those with the trait; as shares of theirs: {told}."
    return (
        f"Control teachers were not made like those with the trait within {100 * TOLERANCE:.0f} %; as shares of "
        f"theirs: {told}. So part of an effect may come from that."
    )
