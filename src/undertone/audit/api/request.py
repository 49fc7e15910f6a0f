"""What is asked of an audit for a base behind a service."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from undertone.audit.request import AuditRequest, refuse_single_pair
from undertone.data.toml import read_toml
from undertone.errors import UndertoneError
from undertone.spec import Spec, Typed
from undertone.traits import catalogue
from undertone.traits.candidate import Candidate

VERB = "audit-service"
"""The kind of run in the record (run.json) of such an audit."""
EFFECT = 0.05
"""Five points: the default rise of a rate, since the answers of a service's students are few and sampled."""


class Hyperparameters(Spec):
    """Hyperparameters of a fine-tuning job, as in the OpenAI API. The service chooses what is left out."""

    n_epochs: int = Field(10, ge=1, le=100)
    """How often every row is trained on. The default is the published one for number lists (Cloud, Le et al., Nature
    2026)."""
    batch_size: int | None = Field(None, ge=1)
    learning_rate_multiplier: float | None = Field(None, gt=0)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads hyperparameters from a TOML file.

        Raises:
            UndertoneError: the file is missing or wrong; names the key.
        """
        return read_toml(path, cls.model_validate, "the training")


class Request(AuditRequest):
    """An audit for a base behind a service."""

    traits: tuple[str, ...]
    """TOML files of traits that are names."""
    students: int
    """How many students each arm has."""
    effect: Typed = EFFECT
    """The rise of a rate that must be ruled out for the verdict "no evidence"."""
    settings: Hyperparameters = Hyperparameters()

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        """
        Raises:
            UndertoneError: a number is out of range, there is no trait, or the model is not behind a service.
        """
        if self.model.count("/") < 2 or not all(self.model.split("/", 2)):
            raise UndertoneError(f"{self.model!r} is not an endpoint: write openai-api/<service>/<model>.")
        refuse_single_pair(self.students)
        if not 0 < self.effect < 1:
            raise UndertoneError(
                "For a model behind a service, --effect is a rise of a rate, above 0 and below 1 (0.05: five points), "
                f"not {self.effect:g}."
            )
        if not self.traits:
            raise UndertoneError(
                "Say what the students are asked for: --trait takes TOML files of traits, such as paper/animals.toml."
            )
        return self

    @property
    def name(self) -> str:
        """The model's name at its service."""
        return self.model.split("/", 2)[2]

    def candidates(self) -> list[Candidate]:
        """Returns the traits. All must be names, because only these are found in sampled answers without a judge.

        Raises:
            UndertoneError: a file is missing or wrong, or a trait is asked for by whole answers.
        """
        return [trait for file in self.traits for trait in _favourites(file)]


def _favourites(file: str) -> list[Candidate]:
    if not file.endswith(".toml"):
        raise UndertoneError(
            "For a model behind a service, --trait takes TOML files of traits, such as paper/animals.toml, not "
            f"{file!r}."
        )
    own = catalogue.read([catalogue.located(file)])
    for trait in own:
        if not isinstance(catalogue.find(catalogue.told(trait.name, own)), catalogue.Favourite):
            raise UndertoneError(
                f"{file}: {trait.name!r} is asked for by whole answers, which no service's model repeats word for "
                "word; give traits that are names, and measure the students for this one with undertone measure "
                "--judge."
            )
    return [Candidate.of(trait) for trait in own]
