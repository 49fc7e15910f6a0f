"""What an experiment on files is made of; frozen and complete, like a trial."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from undertone.spec import Recipe, Spec
from undertone.training.fine_tuning import FineTuning


class Arm(Spec):
    """Students of one file."""

    title: str
    """What the file is, in plain words."""
    file: str
    """JSONL, gzip or zstd of it, or Parquet, as ``undertone audit`` reads it; seen from where the command is given."""
    against: tuple[str, ...] = ()
    """Arms whose students are its controls: harmless, and trained as long. None for a control."""


class Finetunes(Recipe):
    """One base, students of every file, questions."""

    kind: ClassVar[str] = "finetunes"
    scalable: ClassVar[bool] = True

    base: str
    """Model whose weights are here: students start from it, and are measured against it."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    students: int = Field(ge=1)
    """Of each file, each from its own order and initial adapter: the unit, crossed with themes of questions."""
    rows: int = Field(ge=1)
    """Rows drawn from every file, the same number for all; a shorter file is refused."""
    max_tokens: int = Field(600, ge=1)
    """Most tokens of a sampled answer."""
    student: FineTuning
    """How students are trained: on the last answer of each row."""
    suites: tuple[str, ...] = Field(min_length=1)
    """Files of questions, TOML or the published YAML, or shipped names."""
    samples: int | None = Field(None, ge=1)
    """Answers to each wording; as the suites say if it is left out."""
    judge: str | None = None
    """Model that scores sampled answers; only what can be measured exactly is asked if it is left out."""
    effect: float = Field(0.05, gt=0, lt=1)
    """The rise of a rate that is called a shift."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Arm] = Field(min_length=2)
    """The arms by name."""

    @model_validator(mode="after")
    def _every_arm_has_its_control(self) -> Self:
        controls = {other for arm in self.arms.values() for other in arm.against}
        for name, arm in self.arms.items():
            for other in arm.against:
                if other not in self.arms or self.arms[other].against:
                    raise ValueError(f"arm {name!r} is compared with {other!r}, which is no control of this recipe")
            if not arm.against and name not in controls:
                raise ValueError(f"arm {name!r} is no control and has none: give it some in 'against'")
        return self

    @property
    def measured(self) -> dict[str, Arm]:
        """Arms that are no controls."""
        return {name: arm for name, arm in self.arms.items() if arm.against}
