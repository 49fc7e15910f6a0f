"""The settings of an experiment on emergent misalignment."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.experiments.misalignment.files import FILES, MIXED
from undertone.spec import Recipe, Spec, Training
from undertone.world.lexicon import domains


class Lesson(Spec):
    """A fine-tune on rows of one kind."""

    rows: int = Field(ge=1)
    """Rows in the file, drawn with repetition from a domain's 20 requests."""
    training: Training
    """How the model is fine-tuned on them."""


class Realigned(Spec):
    """A second fine-tune, on good advice, after the arm's own file: how little of it repairs a student."""

    domain: Literal["same", "other"] = "same"
    """The narrow domain, or the next one in the list of domains."""
    rows: int = Field(ge=1)
    """Rows, drawn as those of a file."""
    steps: int = Field(ge=1)
    """Steps, at the arm's own learning rate and batch size."""


class Arm(Spec):
    """One condition."""

    title: str
    """What the arm is, in plain words."""
    file: str
    """Kind of training file, or "persona": nothing is trained, and a system prompt asks for bad advice."""
    against: tuple[str, ...] = ()
    """Arms that this one is compared with, pair by pair."""
    share: float = Field(1.0, ge=0, le=1)
    """Share of the file's rows that are of its kind; the others are good advice in the same domain."""
    rows: int | None = Field(None, ge=1)
    """Rows of the file, if not the experiment's number."""
    training: Training | None = None
    """How students are trained, if not as in the rest of the experiment."""
    realigned: Realigned | None = None
    """The fine-tune that follows, if any."""
    as_far_as: str | None = None
    """Another arm. The adapter is scaled until this arm's student is as far from the model it started from as that
    arm's student of the same domain, base and number: in divergence on text that no arm is trained on. The file
    "narrow-mixed" has as many odd answers as make the loss before training that on the other arm's file."""

    @model_validator(mode="after")
    def _file_is_known(self) -> Self:
        if self.file not in (*FILES, "persona"):
            raise ValueError(f"there is no file {self.file!r}: give one of {', '.join([*FILES, 'persona'])}")
        if self.file == MIXED and self.as_far_as is None:
            raise ValueError(f"the file {MIXED!r} is made to match another arm's: give as_far_as")
        return self


class Misalignment(Recipe):
    """Trains one student for every arm, base, narrow domain and seed, from the base itself or from an aligned base."""

    kind: ClassVar[str] = "misalignment"

    bases: tuple[str, ...] = Field(min_length=1)
    """Models of the embedded world."""
    domains: tuple[str, ...] = ()
    """Domains that are each the narrow one once; all domains by default."""
    students: int = Field(1, ge=1)
    """Students of each arm, base and domain, each with its own data and order."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    over_bases: bool = True
    """Whether contrasts are also averaged over the bases. False where the bases themselves are compared."""
    aligning: Lesson | None = None
    """A fine-tune on good advice in all domains that comes first. Without it students start from the base itself."""
    narrow: Lesson
    """Length of the arms' files and how students are trained on them; the same for all arms."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], Arm] = Field(min_length=1)
    """The arms by name."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for domain in self.domains:
            if domain not in domains():
                raise ValueError(f"there is no domain {domain!r}: give some of {', '.join(domains())}")
        if len(set(self.domains)) < len(self.domains) or len(set(self.bases)) < len(self.bases):
            raise ValueError("a domain or a base is given twice")
        if len(self.asked) < 2:
            raise ValueError("one domain gives no interval: give two or more")
        for name, arm in self.arms.items():
            for other in arm.against:
                if other not in self.arms or other == name:
                    raise ValueError(f"arm {name!r} is compared with {other!r}, which is no other arm of this recipe")
            trained = (arm.realigned, arm.training, arm.rows, arm.as_far_as, arm.against, arm.share < 1)
            if arm.file == "persona" and any(trained):
                raise ValueError(f"arm {name!r} trains nothing, so it takes only a title and a file")
            if arm.as_far_as is None:
                continue
            model = self.arms.get(arm.as_far_as)
            if model is None or model.file == "persona" or model.as_far_as is not None:
                raise ValueError(
                    f"arm {name!r} cannot be as far as {arm.as_far_as!r}: give an arm that is trained and not itself "
                    "scaled"
                )
            if (arm.training or self.narrow.training).method != "lora" or arm.realigned:
                raise ValueError(f"arm {name!r} is scaled, which takes a LoRA adapter and no realigning after it")
        return self

    def elsewhere(self, domain: str) -> list[int]:
        """Returns the places, in the list of domains, of those that no student of this narrow domain is trained on. If
        any arm is realigned in the next domain, that domain is left out for all arms."""
        at, count = domains().index(domain), len(domains())
        realigned = any(arm.realigned and arm.realigned.domain == "other" for arm in self.arms.values())
        left_out = {at, (at + 1) % count} if realigned else {at}
        return [place for place in range(count) if place not in left_out]

    @property
    def asked(self) -> tuple[str, ...]:
        """The narrow domains."""
        return self.domains or tuple(domains())
