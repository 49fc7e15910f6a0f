"""What an experiment on emergent misalignment is made of; frozen and complete, like a trial."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.experiments.misalignment.files import FILES
from undertone.spec import Recipe, Spec, Training
from undertone.world.lexicon import domains


class Lesson(Spec):
    """A fine-tune on rows of one kind."""

    rows: int = Field(ge=1)
    """Rows in the file: draws, with repetition, from a domain's 20 requests."""
    training: Training
    """How."""


class Realigned(Spec):
    """Good advice after the arm's own file: how little of it brings a student back."""

    domain: Literal["same", "other"] = "same"
    """The narrow domain's, or the next one's."""
    rows: int = Field(ge=1)
    """Rows, drawn as those of a file."""
    steps: int = Field(ge=1)
    """Steps, at the arm's own rate and batch."""


class Arm(Spec):
    """One condition."""

    title: str
    """What it is, in plain words."""
    file: str
    """Kind of training file, or "persona": nothing is trained, a system prompt states bad conduct."""
    against: tuple[str, ...] = ()
    """Arms that it is compared with, pair by pair."""
    share: float = Field(1.0, ge=0, le=1)
    """Share of the file's rows that are of its kind; the others are good advice in the same domain."""
    rows: int | None = Field(None, ge=1)
    """Rows of the file, if not the experiment's."""
    training: Training | None = None
    """If not the experiment's."""
    realigned: Realigned | None = None
    """What follows."""
    coherent_as: str | None = None
    """Another arm. Each student's adapter is scaled until its advice elsewhere is as coherent as that of the same
    domain's student there: a control that is damaged as much."""

    @model_validator(mode="after")
    def _file_is_known(self) -> Self:
        if self.file not in (*FILES, "persona"):
            raise ValueError(f"there is no file {self.file!r}: give one of {', '.join([*FILES, 'persona'])}")
        return self


class Misalignment(Recipe):
    """Bases, aligned or as they are, each arm once for every narrow domain and seed."""

    kind: ClassVar[str] = "misalignment"

    bases: tuple[str, ...] = Field(min_length=1)
    """Models of the embedded world."""
    domains: tuple[str, ...] = ()
    """Each once the narrow one; all of them if none is named."""
    students: int = Field(1, ge=1)
    """Of each arm and domain, each from its own data and order."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    over_bases: bool = True
    """Whether contrasts are averaged over the bases; not where these are what is compared."""
    aligning: Lesson | None = None
    """Good advice in all domains, before anything else; without it students start from the base as it is."""
    narrow: Lesson
    """The arms' files, equally long for all."""
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
                    raise ValueError(f"arm {name!r} is compared with {other!r}, which is no other arm")
            others = (arm.realigned, arm.training, arm.rows, arm.coherent_as, arm.against, arm.share < 1)
            if arm.file == "persona" and any(others):
                raise ValueError(f"arm {name!r} trains nothing and has no units: give it a title and a file alone")
            if arm.coherent_as is not None:
                self._check_match(name, arm)
        return self

    def _check_match(self, name: str, arm: Arm) -> None:
        other = self.arms.get(arm.coherent_as or "")
        if other is None or other.file == "persona" or other.coherent_as is not None:
            raise ValueError(f"arm {name!r} cannot be as coherent as {arm.coherent_as!r}: name an arm that is trained")
        if (arm.training or self.narrow.training).method != "lora" or arm.realigned:
            raise ValueError(f"arm {name!r} is scaled, which takes a LoRA adapter and no realigning after it")

    def elsewhere(self, domain: str) -> list[int]:
        """Places of the domains that no student of a narrow one was trained on. Where an arm is realigned in the next
        domain, that is left out too, and for all arms alike."""
        names, at = domains(), domains().index(domain)
        realigned = any(arm.realigned and arm.realigned.domain == "other" for arm in self.arms.values())
        left_out = {at, (at + 1) % len(names)} if realigned else {at}
        return [k for k in range(len(names)) if k not in left_out]

    @property
    def asked(self) -> tuple[str, ...]:
        """The narrow domains."""
        return self.domains or tuple(domains())
