"""The settings of the experiments on the theory."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.spec import Recipe, Spec

CLASSES = 10


class Steps(Spec):
    """How classifiers are trained: Adam at a constant rate."""

    rate: float = Field(gt=0)
    """Learning rate."""
    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(ge=1)
    """Images a step, drawn separately for each model."""


DigitsArm = Literal["untrained", "teacher", "own", "other", "own-all", "other-all"]


@dataclass(frozen=True)
class Imitation:
    """Which of its teacher's logits a student imitates, and where it starts."""

    arm: DigitsArm
    """"own" or "other": its teacher's initialisation, or another. "-all": it imitates the class logits too."""
    auxiliary: int
    """The number of auxiliary logits that it imitates."""

    @property
    def imitated(self) -> slice:
        """The logits. The ten class logits come first, then the auxiliary ones."""
        return slice(0 if self.arm.endswith("-all") else CLASSES, CLASSES + self.auxiliary)

    @property
    def own(self) -> bool:
        """Whether the student starts from its teacher's initialisation."""
        return self.arm.startswith("own")


class Digits(Recipe):
    """Students that learn digits from their teachers' auxiliary logits on noise (Cloud, Le et al., section 6)."""

    kind: ClassVar[str] = "digits"

    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    models: int = Field(ge=2)
    """Initialisations. From each, one teacher is trained, one student of that teacher and one of another teacher."""
    hidden: int = Field(ge=1)
    """Width of both hidden layers."""
    auxiliary: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Numbers of auxiliary logits that students imitate. Networks have as many as the largest."""
    shown: int = Field(ge=1)
    """The number in ``auxiliary`` that the headline is about. For it, there are also students that imitate all logits.
    """
    images: str = ""
    """Folder with MNIST's four IDX files; by default scikit-learn's digits are used."""
    teacher: Steps
    """How teachers are trained, on images."""
    student: Steps
    """How students are trained, on noise."""

    @property
    def imitations(self) -> list[Imitation]:
        """Every kind of student, in pairs: "own", then the "other" that it is compared with."""
        some = [Imitation(arm, count) for count in self.auxiliary for arm in ("own", "other")]
        return [*some, Imitation("own-all", self.shown), Imitation("other-all", self.shown)]

    @model_validator(mode="after")
    def _the_shown_one_is_made(self) -> Self:
        if self.shown not in self.auxiliary:
            raise ValueError(f"shown = {self.shown} is not among auxiliary = {list(self.auxiliary)}")
        if len(set(self.auxiliary)) < len(self.auxiliary):
            raise ValueError("a number of auxiliary logits is given twice")
        return self


class Theorem(Recipe):
    """The inner product of a student's step with its teacher's, where the theorem's premises hold and where not."""

    kind: ClassVar[str] = "theorem"

    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    starts: int = Field(ge=2)
    """Classifiers, each with its own initialisation, lesson and noise: the units of their intervals."""
    hidden: int = Field(ge=1)
    """Width of the classifiers' hidden layers."""
    auxiliary: int = Field(ge=2)
    """Their auxiliary logits."""
    images: int = Field(ge=1)
    """Images in a classifier's lesson, and inputs on which its student imitates."""
    base: str
    """The language model."""
    elsewhere: str
    """A model of the same architecture and tokenizer with another initialisation."""
    traits: tuple[str, ...] = Field(min_length=2)
    """Traits, one for each of the language model's teachers: the units of its intervals."""
    dialogues: int = Field(ge=1)
    """Dialogues that teach a trait."""
    lists: int = Field(ge=1)
    """Number lists, written by the base, on which its students imitate."""
    small: float = Field(gt=0)
    """A dose that is small enough for the theorem: mean KL(teacher || start) on the student's inputs, nats an output.
    """
    dose: float = Field(gt=0)
    """The dose of teachers where a premise fails, large enough to lower the lesson's loss well."""
    steps: int = Field(ge=2)
    """Steps of teachers and students that take many."""
    rate: float = Field(gt=0)
    """Learning rate of these steps, which are plain gradient descent."""
    rank: int = Field(ge=1)
    """Rank of the LoRA adapter."""
    banned: float = Field(gt=0, lt=1)
    """Share of the outputs that the filter removes."""
