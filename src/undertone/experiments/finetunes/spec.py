"""The settings of an experiment on users' files."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from undertone.data.forms import form_given
from undertone.errors import UndertoneError
from undertone.spec import Recipe, Spec
from undertone.training.fine_tuning import FineTuning


class Arm(Spec):
    """Students of one file."""

    title: str
    """What the file is, in plain words."""
    file: str
    """A file of answers that ``undertone audit`` can read (docs/data.md). A relative path starts from the current
    folder."""
    map: str | None = None
    """Which keys or columns of the file say what, as ``--map`` does: "prompt=KEY,completion=KEY"; None to recognise
    them."""
    against: tuple[str, ...] = ()
    """Control arms that this one is compared with: harmless files, trained on for as long. Empty for a control."""

    @field_validator("map")
    @classmethod
    def _says_what_is_trained_on(cls, given: str | None) -> str | None:
        try:
            form_given(given)
        except UndertoneError as error:
            raise ValueError(str(error)) from None
        return given


class Finetunes(Recipe):
    """Trains students of one base on every file and asks them the questions of suites."""

    kind: ClassVar[str] = "finetunes"
    scalable: ClassVar[bool] = True

    base: str
    """The model that students start from and are measured against. Its weights must be on this machine."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    students: int = Field(ge=1)
    """Students of each file, each with its own order and initial adapter."""
    rows: int = Field(ge=1)
    """Rows drawn from every file. A shorter file is refused."""
    max_tokens: int = Field(600, ge=1)
    """The largest number of tokens in a sampled answer."""
    student: FineTuning
    """How students are trained. Only the last answer of each row is learnt."""
    suites: tuple[str, ...] = Field(min_length=1)
    """Suites of questions: TOML files, files in the published YAML format, or names of shipped suites."""
    samples: int | None = Field(None, ge=1)
    """Answers to each wording; by default as the suites say."""
    judge: str | None = None
    """The model that scores sampled answers. Without it, only questions with exact measurements are asked."""
    effect: float = Field(0.05, gt=0, lt=1)
    """The smallest rise of a rate that counts as a shift."""
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
                raise ValueError(f"arm {name!r} is no control and has none: name its controls in 'against'")
        return self
