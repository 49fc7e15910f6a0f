"""What is asked of a battery."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from undertone.errors import UndertoneError
from undertone.models.names import is_remote
from undertone.spec import Spec

SHIPPED = "character"
"""The name of the battery that comes with Undertone."""


class Request(Spec):
    """One battery: fine-tunes of a base, each compared with it."""

    models: tuple[str, ...]
    base: str
    own: Path | None = None
    """A TOML file with a battery; None for the shipped one."""
    chat_template: str | None = None
    """The path or the name of a chat template for models that have none."""

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        """
        Raises:
            UndertoneError: there is no model, one is given twice, or one is behind a service.
        """
        if not self.models:
            raise UndertoneError("Name the model to measure: undertone measure MODEL --base BASE --battery character.")
        if len(set(self.models)) < len(self.models):
            raise UndertoneError("A model is given twice; leave one out.")
        for name in (self.base, *self.models):
            if is_remote(name):
                raise UndertoneError(f"{name} is behind a service, and a battery reads weights: give a model here.")
        return self
