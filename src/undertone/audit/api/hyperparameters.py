"""What a service's fine-tuning is told of how to train."""

from pathlib import Path
from typing import Any

from pydantic import Field

from undertone.data.toml import read_toml
from undertone.spec import Spec


class Hyperparameters(Spec):
    """The OpenAI API's; what is left out, the service chooses by the file."""

    n_epochs: int = Field(10, ge=1, le=100)
    """How often every row is seen; as published for number lists (Cloud, Le et al., Nature 2026) unless given."""
    batch_size: int | None = Field(None, ge=1)
    learning_rate_multiplier: float | None = Field(None, gt=0)

    @property
    def told(self) -> dict[str, Any]:
        """As they are sent."""
        return self.model_dump(exclude_none=True)


def read(path: Path) -> Hyperparameters:
    """Hyperparameters from a TOML file.

    Raises:
        UndertoneError: it is missing or wrong; names the key.
    """
    return read_toml(path, Hyperparameters.model_validate, "the training")
