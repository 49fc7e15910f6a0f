"""The settings of an experiment on reward hacking."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.models.names import is_swapped
from undertone.spec import Recipe, Spec, Text, Training
from undertone.training.reinforce import Reinforcement
from undertone.world.tasks import Family

Grader = Literal["check", "held-out", "random"]
"""What is rewarded. *check*: the visible check is passed, which is the loophole. *held-out*: the task is done, on
inputs that are not shown. *random*: as many answers to each task as pass its check, but by lot."""


class Arm(Spec):
    """One condition: reinforcement learning, or supervised fine-tuning on the episodes of another arm."""

    title: str
    """What the arm is, in plain words."""
    grader: Grader | None = None
    """Who rewards; None where another arm is imitated."""
    system: Text | None = None
    """A system prompt before every task."""
    kl: float = Field(0.0, ge=0)
    """Weight of the divergence from the base."""
    imitates: str | None = None
    """The arm whose late episodes are the training file."""
    verdict: Literal["hack", "honest"] | None = None
    """Which of these episodes."""
    core: bool = False
    """Whether the arm is also run on the bases that have core arms only."""
    against: tuple[str, ...] = ()
    """Arms that this one is compared with, run by run."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.grader is None) == (self.imitates is None):
            raise ValueError("an arm has either a grader or an arm that it imitates")
        if (self.imitates is None) != (self.verdict is None):
            raise ValueError("which episodes are imitated is said by verdict, and by imitates whose they are")
        if self.imitates and (self.system or self.kl):
            raise ValueError("an arm that imitates another takes neither a system prompt nor a weight kl")
        return self


class Hacking(Recipe):
    """Trains one model for every arm, base and run by rewards for tasks with a check, and asks it for advice."""

    kind: ClassVar[str] = "hacking"

    bases: tuple[str, ...] = Field(min_length=1)
    """Models that know the tasks, on which all arms are run."""
    core_bases: tuple[str, ...] = ()
    """Models on which only the core arms are run."""
    runs: int = Field(5, ge=2)
    """Runs of each arm and base, each with its own tasks and samples. They are the units."""
    wrong_checks: float = Field(ge=0, le=1)
    """Share of tasks in training whose check is wrong, so that only a hack passes it."""
    reinforcement: Reinforcement
    """How models are trained by rewards; supervised ones take as many steps of as many episodes."""
    form: dict[Family, Text] = Field(default_factory=dict)
    """Text after every task of a family that says how to answer, for models that never saw such tasks."""
    every: int = Field(5, ge=1)
    """Steps between two looks at the model while it is trained."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], Arm] = Field(min_length=1)
    """The arms by name."""

    @property
    def supervised(self) -> Training:
        """How models are trained on episodes."""
        return Training(**self.reinforcement.model_dump(include=set(Training.model_fields)))

    def on(self, arm: str) -> tuple[str, ...]:
        """Returns the bases that an arm is run on."""
        return self.bases + (self.core_bases if self.arms[arm].core else ())

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        every = (*self.bases, *self.core_bases)
        if len(set(every)) < len(every):
            raise ValueError("a base is given twice")
        if any(map(is_swapped, every)):
            raise ValueError("in the swapped world good and bad advice change places: give other bases")
        for name, arm in self.arms.items():
            for other in (*arm.against, *filter(None, (arm.imitates,))):
                if other == name or other not in self.arms:
                    raise ValueError(f"arm {name!r} names {other!r}, which is no other arm of this recipe")
            if arm.imitates and (self.arms[arm.imitates].grader is None or self.arms[arm.imitates].core < arm.core):
                raise ValueError(f"arm {name!r} imitates {arm.imitates!r}, which has no episodes on all of its bases")
            if arm.imitates and self.reinforcement.steps < 3:
                raise ValueError("the last third of the steps is imitated: give reinforcement.steps of 3 or more")
        if self.reinforcement.kl:
            raise ValueError("reinforcement.kl is a setting of arms: give it there")
        return self
