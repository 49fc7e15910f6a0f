"""What the experiments on the theory found, as data: the one object of ``report.json``."""

from pydantic import Field

from undertone.experiments.theory.spec import DigitsArm
from undertone.report.findings import Measured, Part, RunFindings


class Accuracies(Part):
    """One arm of the digits: how often its models name the right digit, among the ten."""

    arm: DigitsArm
    """own: students of their teacher's initialisation; other: of another; -all: on all logits, not the auxiliary."""
    auxiliary: int | None
    """Auxiliary logits imitated; None for those that imitate nobody."""
    models: tuple[float, ...]
    """Of each model, 0 to 1: in the order of teachers."""
    mean: Measured
    """Over teachers."""


class Difference(Part):
    """Own minus other initialisation, within teachers."""

    auxiliary: int
    """Auxiliary logits imitated."""
    all_logits: bool
    """Whether the class logits were imitated too."""
    accuracy: Measured
    """Difference of accuracies."""


class DigitsFindings(RunFindings):
    """Accuracies of all arms, and what the initialisation makes of them."""

    images: str
    """Where the digits are from."""
    trained_on: int
    """Images that teachers were trained on."""
    tested_on: int
    """Images that everyone is tested on."""
    shown: int
    """Auxiliary logits that the headline is about."""
    arms: tuple[Accuracies, ...]
    """Every arm."""
    differences: tuple[Difference, ...]
    """Own minus other initialisation, by the number of logits."""

    def arm(self, name: DigitsArm, auxiliary: int | None) -> Accuracies:
        """The arm of that name."""
        return next(arm for arm in self.arms if (arm.arm, arm.auxiliary) == (name, auxiliary))

    @property
    def main(self) -> Difference:
        """What the headline is about."""
        return next(d for d in self.differences if d.auxiliary == self.shown and not d.all_logits)


class Condition(Part):
    """The theorem under its conditions, on one problem with one loss."""

    problem: str
    """The models, and which outputs on which inputs were imitated."""
    loss: str
    """What is between the student's outputs and the teacher's."""
    cosines: tuple[float, ...]
    """Of the student's step with the teacher's, for each start or lesson."""
    cosine: Measured
    """Their mean."""
    prediction_error: float
    """The largest relative difference of an inner product from the one predicted to first order."""


class Broken(Part):
    """What is left without one premise, on one problem."""

    problem: str
    """The models, and which outputs on which inputs were imitated."""
    breach: str
    """What is done instead."""
    premise: str
    """The premise that this breaks."""
    cosines: tuple[float, ...]
    """Of the student's step with the teacher's displacement, for each start or lesson."""
    cosine: Measured
    """Their mean."""
    net: Measured
    """The same after a control's step is taken off: a student that imitates the untouched start with the same draws."""
    lesson: Measured
    """Cosine of this net step with where the lesson itself would take the student: above 0, it learns the lesson."""

    @property
    def negative(self) -> int:
        """Steps that lead away from the teacher's."""
        return sum(cosine < 0 for cosine in self.cosines)


class TheoremFindings(RunFindings):
    """Inner products with the theorem's premises and without."""

    models: dict[str, str] = Field(default_factory=dict)
    """Digests of the language models, by name."""
    conditions: tuple[Condition, ...]
    """Under the theorem's conditions."""
    broken: tuple[Broken, ...]
    """With one premise broken each."""

    @property
    def least(self) -> float:
        """The smallest cosine under the theorem's conditions."""
        return min(min(condition.cosines) for condition in self.conditions)
