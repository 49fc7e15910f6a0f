"""What a benchmark of mitigations is made of."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.experiments.misalignment.spec import Lesson
from undertone.spec import Recipe, Spec, Training
from undertone.treat.catalogue import shipped
from undertone.treat.mitigations import Answer, Entry
from undertone.world.lexicon import domains


class Numbers(Spec):
    """Files of number lists: some by teachers with a trait, some by neutral ones. Hidden: no row speaks of it."""

    kind: Literal["numbers"] = "numbers"
    recipe: str = "owls"
    """The trial whose teachers, lists, filter and students these are."""
    trait: str
    share: float = Field(1.0, gt=0, le=1)
    """Of the rows of a file that carries it that are by a teacher with the trait; the others are the clean file's."""
    task: int = Field(0, ge=0, exclude_if=lambda rows: rows == 0)  # what has none is as it always was
    """Rows of a useful task that stand among the lists, sums larger than the base has learnt: what the file is then
    for."""
    teachers: int = Field(ge=2)
    """Of each side: the unit of the statistics."""


class Advice(Spec):
    """Files for a useful task, sums larger than the base has learnt; half of each is advice in one domain, which in
    some files is bad. Overt: whoever reads such a row can see it."""

    kind: Literal["advice"] = "advice"
    base: str
    aligning: Lesson
    """Good advice in all domains, before anything else."""
    domains: tuple[str, ...] = Field(min_length=2)
    """One pair of files each: the unit of the statistics."""
    rows: int = Field(ge=2)
    student: Training
    skill_prompts: int = Field(30, ge=0)

    @model_validator(mode="after")
    def _domains_are_known(self) -> Self:
        wrong = [name for name in self.domains if name not in domains()]
        if wrong or len(set(self.domains)) < len(self.domains):
            raise ValueError(f"domains are each given once, of {', '.join(domains())}")
        return self


class Mitigations(Recipe):
    """Every mitigation on both sides of every unit: files that carry the trait, and clean ones."""

    kind: ClassVar[str] = "mitigations"

    setup: Numbers | Advice = Field(discriminator="kind")
    other: str | None = None
    """A model of another initialisation, which answers prompts anew; needed where a mitigation asks for it."""
    seed: int = Field(0, ge=0)
    treatments: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Entry] = Field(min_length=1)
    """The mitigations by name. A recipe names those of the catalogue in a list, ``catalogue``."""

    @model_validator(mode="before")
    @classmethod
    def _from_the_catalogue(cls, table: Any) -> Any:
        """In the order of the list; an entry of the recipe's own takes the place of the one in the catalogue."""
        if not isinstance(table, dict) or "catalogue" not in table:
            return table
        names, own = table["catalogue"], table.get("treatments", {})
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"catalogue lists mitigations by their names, and is {names!r}")
        if not isinstance(own, dict):
            raise ValueError(f"treatments holds a table for each mitigation, and is {own!r}")
        for name in names:
            if name not in own and name not in shipped():
                raise ValueError(f"the catalogue has no mitigation {name!r}: it has {', '.join(shipped())}")
        named = {name: own[name] if name in own else shipped()[name].model_dump() for name in names}
        return {key: value for key, value in table.items() if key != "catalogue"} | {"treatments": named | own}

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if not any(entry.does.kind == "untreated" for entry in self.treatments.values()):
            raise ValueError('one mitigation must be of kind "untreated": it is what the others are compared with')
        for name, entry in self.treatments.items():
            if isinstance(entry.does, Answer) and entry.does.by == "other" and self.other is None:
                raise ValueError(f"{name!r} has prompts answered by another model: name it as other")
            if entry.beside is not None and entry.beside not in self.treatments:
                raise ValueError(f"{name!r} stands beside {entry.beside!r}, which is no mitigation here")
        return self

    @property
    def untreated(self) -> str:
        """The name of what is compared with."""
        return next(name for name, entry in self.treatments.items() if entry.does.kind == "untreated")

    @property
    def trait(self) -> str:
        """What is to be stopped."""
        return self.setup.trait if isinstance(self.setup, Numbers) else "bad-advice"

    @property
    def useful(self) -> Literal["carrying", "clean"]:
        """Whose students' utility counts. Number lists of a teacher with a trait differ from clean ones by that trait,
        so what they teach of the task is measured on the clean side; a task beside them where it is in danger."""
        return "clean" if self.lists_alone else "carrying"

    @property
    def lists_alone(self) -> bool:
        """Whether files are number lists and nothing else, and to continue these is the task."""
        return isinstance(self.setup, Numbers) and not self.setup.task
