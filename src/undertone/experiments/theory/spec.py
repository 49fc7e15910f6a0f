"""What the two experiments on the theory are made of."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.spec import Recipe, Spec

CLASSES = 10


class Steps(Spec):
    """How a stack of classifiers is trained: Adam at a constant rate."""

    rate: float = Field(gt=0)
    """Learning rate."""
    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(ge=1)
    """Images a step, drawn for each model by itself."""


DigitsArm = Literal["untrained", "teacher", "own", "other", "own-all", "other-all"]


@dataclass(frozen=True)
class Imitation:
    """Which of its teacher's logits a student imitates, and whether it starts where its teacher did."""

    arm: DigitsArm
    auxiliary: int

    @property
    def imitated(self) -> slice:
        """The logits, of ten classes and then the auxiliary ones."""
        return slice(0 if self.arm.endswith("-all") else CLASSES, CLASSES + self.auxiliary)

    @property
    def own(self) -> bool:
        """Whether the student starts where its teacher did."""
        return self.arm.startswith("own")


class Digits(Recipe):
    """Students that learn digits from their teachers' auxiliary logits on noise (Cloud, Le et al., section 6)."""

    kind: ClassVar[str] = "digits"

    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    models: int = Field(ge=2)
    """Initialisations: each makes one teacher, and is the other initialisation of one."""
    hidden: int = Field(ge=1)
    """Width of both hidden layers."""
    auxiliary: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Numbers of auxiliary logits that students imitate; the networks have as many as the largest."""
    shown: int = Field(ge=1)
    """The one of them that the headline is about; its students also exist with all logits."""
    images: str = ""
    """Folder with MNIST's four IDX files; scikit-learn's digits without."""
    teacher: Steps
    """Teachers, on images."""
    student: Steps
    """Students, on noise."""

    @property
    def imitations(self) -> list[Imitation]:
        """Every kind of student, an own one before the other one that it is compared with."""
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
    """The inner product of a student's step with its teacher's, under the theorem's conditions and without them."""

    kind: ClassVar[str] = "theorem"

    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    starts: int = Field(ge=2)
    """Classifiers, each with a start, a lesson and noise of its own: the units of the intervals."""
    hidden: int = Field(ge=1)
    """Width of the classifiers' hidden layers."""
    auxiliary: int = Field(ge=2)
    """Their auxiliary logits."""
    images: int = Field(ge=1)
    """Images of a classifier's lesson, and of noise that its student imitates on."""
    base: str
    """The language model."""
    elsewhere: str
    """A model of its architecture and tokenizer that started elsewhere."""
    traits: tuple[str, ...] = Field(min_length=2)
    """What its teachers are taught, one each: the units of its intervals."""
    dialogues: int = Field(ge=1)
    """Dialogues of such a lesson."""
    lists: int = Field(ge=1)
    """Number lists, written by the base, that its students imitate on."""
    small: float = Field(gt=0)
    """What the theorem calls small enough: mean KL(teacher || start) on the student's inputs, nats an output."""
    dose: float = Field(gt=0)
    """The same for every row that breaks a premise; large enough to lower the lesson's loss well."""
    steps: int = Field(ge=2)
    """Steps of those that take many."""
    rate: float = Field(gt=0)
    """The rate of such steps, of plain gradient descent."""
    rank: int = Field(ge=1)
    """Rank of the adapter."""
    banned: float = Field(gt=0, lt=1)
    """Share of the outputs that the filter does not let pass."""
