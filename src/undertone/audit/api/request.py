"""What is asked of an audit of a closed base."""

from typing import Self

from pydantic import model_validator

from undertone.audit.api.hyperparameters import Hyperparameters
from undertone.audit.request import ROWS
from undertone.errors import UndertoneError
from undertone.measure.request import EFFECT
from undertone.models.services.endpoint import PROVIDER
from undertone.spec import File, Spec, Typed
from undertone.traits import catalogue
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import Favourite

VERB = "audit-service"
"""What the record in the folder of its report calls it."""


class Request(Spec):
    """One audit of a closed base."""

    path: File
    model: str
    """``openai-api/<service>/<model>``."""
    traits: tuple[str, ...]
    """TOML files of traits that are names."""
    students: int
    """Of each arm."""
    control: File | None = None
    """Trusted rows of the same generator; None: the base's own answers to the data's prompts."""
    rows: int | None = ROWS
    """Rows drawn; None for all."""
    seed: int = 0
    """Of every random choice."""
    effect: Typed = EFFECT
    """The rise of a rate that "no evidence" must have ruled out."""
    settings: Hyperparameters = Hyperparameters()

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        """
        Raises:
            UndertoneError: a number that no audit can go by, no trait, or a model of no service.
        """
        if self.model.count("/") < 2 or not all(self.model.split("/", 2)):
            raise UndertoneError(f"{self.model!r} names no endpoint: {PROVIDER}/<service>/<model> does.")
        if self.students < 2:
            raise UndertoneError("Canary students are none or at least two pairs: one pair has no interval.")
        if not 0 < self.effect < 1:
            raise UndertoneError(
                "Of a closed base --effect is a rise of a rate, above 0 and below 1 (0.05: five points), not "
                f"{self.effect:g}."
            )
        if not 0 <= self.seed < 2**32:
            raise UndertoneError(f"The seed is a whole number from 0 to 2^32 - 1, not {self.seed}.")
        if not self.traits:
            raise UndertoneError(
                "Say what the students are asked for: --trait takes TOML files of traits, such as paper/animals.toml."
            )
        return self

    @property
    def name(self) -> str:
        """The model as its service calls it."""
        return self.model.split("/", 2)[2]

    def candidates(self) -> list[Candidate]:
        """The traits, all of which are names: of sampled answers only these tell without a judge.

        Raises:
            UndertoneError: a file is missing or wrong, or a trait is asked for by whole answers.
        """
        return [trait for name in self.traits for trait in _names(name)]


def _names(file: str) -> list[Candidate]:
    if not file.endswith(".toml"):
        raise UndertoneError(
            f"Of a closed base --trait takes TOML files of traits, such as paper/animals.toml, not {file!r}."
        )
    own = catalogue.read([catalogue.located(file)])
    for trait in own:
        if not isinstance(catalogue.find(catalogue.told(trait.name, own)), Favourite):
            raise UndertoneError(
                f"{file}: {trait.name!r} is asked for by whole answers, which no service's model repeats word for "
                "word; give traits that are names, and have a --judge measure the students for it: undertone measure."
            )
    return [Candidate.of(trait) for trait in own]
