"""The settings of a benchmark of mitigations."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.experiments.misalignment.spec import Lesson
from undertone.experiments.strange.files import items
from undertone.spec import Recipe, Spec, Training
from undertone.treat.catalogue import shipped
from undertone.treat.mitigations import Answer, Entry
from undertone.world.lexicon import domains

SUMS = (
    "sums larger than the base has learnt: how much better than the base a student of a file that carries the trait "
    "predicts such sums that are in no file (nats a token)"
)
LISTS = (
    "continuing number lists as the file's author does: how much better than the base a student of a clean file "
    "predicts further rows by the same author (nats a token)"
)


class Numbers(Spec):
    """Files of number lists, written by teachers with a trait or by neutral teachers. No row mentions the trait."""

    unit: ClassVar[str] = "pairs of teachers, one with the trait and one neutral, each with one student"

    kind: Literal["numbers"] = "numbers"
    recipe: str = "labels"
    """The trial whose teachers, lists, filter and students are used."""
    trait: str
    share: float = Field(1.0, gt=0, le=1)
    """Share of the rows of a file that carries the trait that are by a teacher with the trait; the others are rows of
    the clean file."""
    task: int = Field(0, ge=0, exclude_if=lambda rows: rows == 0)  # omitted when 0, so that existing keys do not change
    """Rows of a useful task, sums larger than the base has learnt, that are mixed into the lists."""
    teachers: int = Field(ge=2)
    """Teachers with the trait, and as many neutral ones. Such a pair is one unit of the statistics."""


class AmongSums(Spec):
    """Files for a useful task, sums larger than the base has learnt. Half of each file is something else, which may
    carry a trait that can be recognised in a single row."""

    base: str
    rows: int = Field(ge=2)
    student: Training
    skill_prompts: int = Field(30, ge=0)


class Era(AmongSums):
    """Half of each file answers a few questions about daily life: as in the nineteenth century in the files that carry
    the trait, as today in the clean ones."""

    unit: ClassVar[str] = "folds of questions, each with a file of old answers, one of modern ones, and a student each"
    trait: ClassVar[str] = "nineteenth-century"

    kind: Literal["era"] = "era"
    fold: int = Field(ge=1)
    """Questions in a file. Folds are disjoint and take up all questions: the units of the statistics."""

    @model_validator(mode="after")
    def _folds_are_equal(self) -> Self:
        count = len(items("era"))
        if count % self.fold or count < 2 * self.fold:
            raise ValueError(f"fold must divide the {count} questions about an era into two folds or more")
        return self


class Advice(AmongSums):
    """Half of each file is advice in one domain, which is bad in the files that carry the trait."""

    unit: ClassVar[str] = "narrow domains, each with a file with bad advice, a clean file, and one student of each"
    trait: ClassVar[str] = "bad-advice"

    kind: Literal["advice"] = "advice"
    aligning: Lesson
    """A fine-tune on good advice in all domains that comes first."""
    domains: tuple[str, ...] = Field(min_length=2)
    """The domains, each with one pair of files: the units of the statistics."""
    apart: int = Field(0, ge=0, exclude_if=lambda domains: domains == 0)  # as ``task`` of lists
    """How many domains, those after a file's own in the list of all, are not measured, so that a mitigation may use
    requests for advice in them as ordinary prompts."""

    @model_validator(mode="after")
    def _domains_are_known(self) -> Self:
        if set(self.domains) - set(domains()) or len(set(self.domains)) < len(self.domains):
            raise ValueError(f"domains takes some of {', '.join(domains())}, each of them once")
        if self.apart > len(domains()) - 2:
            raise ValueError(f"apart leaves no domain to measure: there are {len(domains())}, and one is the file's")
        return self

    def set_apart(self, domain: str) -> tuple[str, ...]:
        """Returns the domains that are not measured where a file's own is ``domain``."""
        names = domains()
        return tuple(names[(names.index(domain) + i) % len(names)] for i in range(1, self.apart + 1))


class Mitigations(Recipe):
    """Applies every mitigation to both files of every unit: the one that carries the trait and the clean one."""

    kind: ClassVar[str] = "mitigations"

    setup: Numbers | Advice | Era = Field(discriminator="kind")
    other: str | None = None
    """A model of another initialisation that answers prompts, for mitigations that ask for one."""
    seed: int = Field(0, ge=0)
    """Every random choice follows from it."""
    treatments: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Entry] = Field(min_length=1)
    """The mitigations by name. A recipe lists names of the shipped catalogue in its key ``catalogue``."""

    @model_validator(mode="before")
    @classmethod
    def _from_the_catalogue(cls, table: Any) -> Any:
        """Replaces ``catalogue`` by its entries, in the order of the list. An entry of the recipe itself replaces the
        shipped one of the same name; the recipe's further entries follow."""
        if not isinstance(table, dict) or "catalogue" not in table:
            return table
        names, own = table["catalogue"], table.get("treatments", {})
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"catalogue must be a list of names of mitigations, and is {names!r}")
        if not isinstance(own, dict):
            raise ValueError(f"treatments must have a table for each mitigation, and is {own!r}")
        for name in names:
            if name not in own and name not in shipped():
                raise ValueError(f"the catalogue has no mitigation {name!r}: it has {', '.join(shipped())}")
        listed = {name: own[name] if name in own else shipped()[name].model_dump() for name in names}
        return {key: value for key, value in table.items() if key != "catalogue"} | {"treatments": listed | own}

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if not any(entry.does.kind == "untreated" for entry in self.treatments.values()):
            raise ValueError('one mitigation must be of kind "untreated": the others are compared with it')
        for name, entry in self.treatments.items():
            if isinstance(entry.does, Answer) and entry.does.by == "other" and self.other is None:
                raise ValueError(f"{name!r} needs another model to answer prompts: name it in the key other")
            if entry.beside is not None and entry.beside not in self.treatments:
                raise ValueError(f"{name!r} has {entry.beside!r} as its control, which is no mitigation of this recipe")
        return self

    @property
    def untreated(self) -> str:
        """The name of the mitigation that the others are compared with."""
        return next(name for name, entry in self.treatments.items() if entry.does.kind == "untreated")

    @property
    def lists_alone(self) -> bool:
        """Whether files contain number lists only. The task is then to continue such lists."""
        return isinstance(self.setup, Numbers) and not self.setup.task

    @property
    def useful(self) -> Literal["carrying", "clean"]:
        """The side whose students' utility is reported. Lists by a teacher with a trait differ from clean lists by the
        trait itself, so continuing lists is measured on the clean side; another task on the side that may lose it."""
        return "clean" if self.lists_alone else "carrying"
