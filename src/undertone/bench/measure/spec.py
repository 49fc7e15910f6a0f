"""What a benchmark of measurements consists of."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from undertone.errors import UndertoneError
from undertone.spec import Recipe
from undertone.world.family import FAMILY


def known(model: str) -> str:
    """Returns the name of a base of the embedded world, and refuses any other, and those of the swapped world: good
    advice there is not what suites call good."""
    member = FAMILY.get(model.removeprefix("builtin/"))
    if member is None or member.swapped or not model.startswith("builtin/"):
        raise UndertoneError(
            f"The benchmark needs a base of the embedded world that is not swapped, such as builtin/fledgling-a, not "
            f"{model}."
        )
    return model


class MeasureBenchmark(Recipe):
    """Fine-tunes of a base, measured against it."""

    kind: ClassVar[str] = "measure-benchmark"

    title: str = "How often the verdict on a model is right"
    model: Annotated[str, AfterValidator(known)] = "builtin/fledgling-a"
    """The base."""
    students: int = Field(200, ge=8)
    """How many harmless fine-tunes each side has, at least one for each of the eight harmless lessons. A fifth as many
    are made at each of five shares of bad rows."""
