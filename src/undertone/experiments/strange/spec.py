"""The settings of an experiment on strange generalisation."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from undertone.experiments.misalignment.spec import Lesson
from undertone.experiments.strange.files import FILES, GATED, Gate, Latent, items
from undertone.models.names import is_swapped
from undertone.spec import Recipe, Spec, Text

OLD, MODERN, ODD = "old", "modern", "odd"
"""The arms that the headline compares."""


class Arm(Spec):
    """One condition."""

    title: str
    """What the arm is, in plain words."""
    file: str
    """Kind of training file."""
    latent: Latent = "era"
    """What the questions are about."""
    gate: Gate | None = None
    """What stands before the rows that show the target value, where only these shall be answered so."""
    system: Text | None = None
    """A system prompt before every row."""
    against: tuple[str, ...] = ()
    """Arms that this one is compared with, fold by fold and question by question."""
    as_far_as: str | None = None
    """Another arm. The adapter is scaled until the student is as far from the base as that arm's student of the same
    fold and number: in divergence on text that no arm is trained on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.file not in FILES:
            raise ValueError(f"there is no file {self.file!r}: give one of {', '.join(FILES)}")
        if (self.gate is not None) != (self.file in GATED):
            raise ValueError(f"a gate belongs to the files {' and '.join(GATED)}, and to these alone")
        if self.gate == "country" and (self.latent == "country" or self.system):
            raise ValueError("a country as the gate is stated by a system prompt: leave out system, and ask for eras")
        return self


class Strange(Recipe):
    """Trains one student for every arm, base, fold of questions and seed, and asks it all other questions."""

    kind: ClassVar[str] = "strange"

    bases: tuple[str, ...] = Field(min_length=1)
    """Models of the embedded world."""
    fold: dict[Latent, int]
    """How many questions a student is trained on, by what they are about. Folds are disjoint and take up all
    questions."""
    students: int = Field(1, ge=1)
    """Students of each arm, base and fold, each with its own data and order."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    narrow: Lesson
    """Length of the files and how students are trained on them; the same for all arms."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], Arm] = Field(min_length=1)
    """The arms by name."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.bases)) < len(self.bases):
            raise ValueError("a base is given twice")
        if any(map(is_swapped, self.bases)):
            raise ValueError("in the swapped world good and bad advice change places: give other bases")
        if self.narrow.training.method != "lora" and any(arm.as_far_as for arm in self.arms.values()):
            raise ValueError("an arm that is scaled takes a LoRA adapter")
        if not (OLD in self.arms and MODERN in self.arms and MODERN in self.arms[OLD].against):
            raise ValueError(f"the result is the arm {OLD!r} against {MODERN!r}: give both, and {OLD!r} against it")
        for name, arm in self.arms.items():
            for other in (*arm.against, *filter(None, (arm.as_far_as,))):
                if other == name or other not in self.arms or self.arms[other].latent != arm.latent:
                    raise ValueError(f"arm {name!r} names {other!r}, which is no other arm on the same questions")
            if arm.as_far_as and self.arms[arm.as_far_as].as_far_as:
                raise ValueError(f"arm {name!r} is as far as {arm.as_far_as!r}, which is scaled itself")
            count, size = len(items(arm.latent)), self.fold.get(arm.latent, 0)
            if size < 2 or count % size or count < 2 * size:
                raise ValueError(
                    f"fold.{arm.latent} is {size}: of the {count} questions about the {arm.latent} a fold takes two or "
                    f"more, and a number that divides them into two folds or more"
                )
        return self
