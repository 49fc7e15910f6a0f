"""The result at one point of a sweep, and linear combinations of the results at several points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from undertone.experiments.sweep.findings import Made, Says
from undertone.experiments.trial.contrasts import weighted
from undertone.experiments.trial.results import ArmResult, Effect, StudentResult, TeacherResult
from undertone.report.findings import Measured
from undertone.statistics.estimate import Estimate, difference


@dataclass(frozen=True)
class Result:
    """The finished arms of one point, the effects between them, and the teachers of all."""

    arms: Mapping[str, ArmResult]
    """All arms by name."""
    treated: ArmResult
    control: ArmResult
    effects: tuple[Effect, ...]
    teachers: tuple[TeacherResult, ...]

    @property
    def main(self) -> Effect:
        """The effect in log-odds, arm minus control."""
        return next(effect for effect in self.effects if effect.measure == "log_odds")

    def made(self) -> Made:
        """Returns the result as it is stored."""
        between = self.treated.name, self.control.name
        by_measure = {e.measure: measured(e) for e in self.effects if (e.arm, e.against) == between}
        skills = [mean_skill(arm.students) for arm in (self.treated, self.control)]
        return Made(
            effect=by_measure["log_odds"],
            net=by_measure.get("own-minus-other-traits"),
            treated=self.treated.probability,
            control=self.control.probability,
            untouched=self.treated.base_probability,
            skills=None if skills[0] is None or skills[1] is None else (skills[0], skills[1]),
            loss=_mean([s.loss_last for s in self.treated.students if s.loss_last is not None]),
            teachers=self._say(self.treated),
            control_teachers=self._say(self.control),
        )

    def _say(self, arm: ArmResult) -> Says | None:
        own = [teacher for teacher in self.teachers if teacher.arm == arm.name]
        trait = _mean([teacher.probability for teacher in own])
        dormant = _mean([teacher.dormant for teacher in own if teacher.dormant is not None])
        return None if trait is None else Says(trait=trait, dormant=dormant)


def measured(effect: Effect) -> Measured:
    """Returns an effect as it is stored."""
    return Measured(value=effect.value, ci=effect.ci, p=effect.p, units=effect.units[0], method=effect.method)


def mean_skill(students: Sequence[StudentResult]) -> float | None:
    """Returns the mean score over skills and students; None if no skill was tested."""
    return _mean([score for student in students for score in student.skills.values()])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def combined(results: Sequence[Result], weights: Sequence[float]) -> Estimate:
    """Returns the weighted sum of the effects of several points.

    Teacher i has the same seeds at every point. So the sum is taken student by student, in the arms and in the
    controls; then both sums are compared as the arms of a single point are.
    """
    treated, control = [result.treated for result in results], [result.control for result in results]
    return difference(weighted(treated, weights), weighted(control, weights))
