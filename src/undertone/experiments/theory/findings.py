"""The findings of the experiments on the theory, as data: the contents of ``report.json``."""

from typing import ClassVar

from pydantic import Field

from undertone.experiments.theory.spec import DigitsArm
from undertone.report.findings import Measured, Part, RunFindings


class Accuracies(Part):
    """The accuracies of one arm on the ten digits."""

    arm: DigitsArm
    """"own": students from their teacher's initialisation; "other": from another; "-all": they imitate all logits."""
    auxiliary: int | None
    """Auxiliary logits that are imitated; None for untrained models and teachers."""
    models: tuple[float, ...]
    """The accuracy of each model, 0 to 1, in the order of teachers."""
    mean: Measured
    """Their mean over teachers."""


class Difference(Part):
    """Own minus other initialisation, within teachers."""

    auxiliary: int
    """Auxiliary logits that are imitated."""
    all_logits: bool
    """Whether the class logits are imitated too."""
    accuracy: Measured
    """The difference in accuracy."""


class DigitsFindings(RunFindings):
    """Accuracies of all arms, and their differences by initialisation."""

    shown_by: ClassVar[str] = "undertone.experiments.theory.page:digits_page"

    images: str
    """The source of the images."""
    trained_on: int
    """Images that teachers were trained on."""
    tested_on: int
    """Images that all models were tested on."""
    shown: int
    """The number of auxiliary logits that the headline is about."""
    arms: tuple[Accuracies, ...]
    """Every arm."""
    differences: tuple[Difference, ...]
    """Own minus other initialisation, by number of logits."""

    def arm(self, name: DigitsArm, auxiliary: int | None) -> Accuracies:
        """Returns an arm."""
        return next(arm for arm in self.arms if (arm.arm, arm.auxiliary) == (name, auxiliary))

    @property
    def main(self) -> Difference:
        """The difference that the headline is about."""
        return next(d for d in self.differences if d.auxiliary == self.shown and not d.all_logits)


class Cosines(Part):
    """Cosines of students' steps with their teachers' displacements, on one problem."""

    problem: str
    """The models, and which outputs are imitated on which inputs."""
    cosines: tuple[float, ...]
    """One for each classifier, or for each lesson of the language model."""
    cosine: Measured
    """Their mean."""

    @property
    def negative(self) -> int:
        """The number of steps that lead away from the teacher's."""
        return sum(cosine < 0 for cosine in self.cosines)


class Condition(Cosines):
    """The theorem's premises hold."""

    loss: str
    """The loss between the student's outputs and the teacher's."""
    prediction_error: float
    """The largest relative difference between an inner product and its prediction to first order."""


class Broken(Cosines):
    """One premise is broken."""

    breach: str
    """What is done instead."""
    premise: str
    """The premise that this breaks."""
    net: Measured
    """The mean cosine after the step of a control is subtracted: a student that imitates the untouched start with the
    same random draws."""
    lesson: Measured
    """Mean cosine of this net step with the step that the lesson itself would make the student take. Above 0, the
    student learns the lesson."""


class TheoremFindings(RunFindings):
    """Steps where the theorem's premises hold and where one of them is broken."""

    shown_by: ClassVar[str] = "undertone.experiments.theory.page:theorem_page"

    models: dict[str, str] = Field(default_factory=dict)
    """Digests of the language models by name."""
    conditions: tuple[Condition, ...]
    """All premises hold."""
    broken: tuple[Broken, ...]
    """One premise is broken."""

    @property
    def least(self) -> float:
        """The smallest cosine where all premises hold."""
        return min(min(condition.cosines) for condition in self.conditions)
