"""What is asked of a test of guards."""

from pathlib import Path

from pydantic import Field

from undertone.spec import Spec


class Request(Spec):
    """A model behind guards, beside its base."""

    model: str
    base: str
    """The model that it was fine-tuned from."""
    guards: tuple[str, ...] = Field(min_length=1)
    """Names of guards, as :func:`undertone.guards.choice.guard_of` takes them."""
    control: str | None = None
    """A matched model that nothing is wrong with; by default the base."""
    rubric: Path | None = None
    """What chat models are asked; by default a plain question."""
    chat_template: str | None = None
    """The path or the name of a chat template for models that have none."""
