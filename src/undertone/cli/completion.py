"""What a shell completes besides verbs, options and files: names of what is shipped, read when they are asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from cyclopts.completion import CompletionContext

Shell = Literal["bash", "zsh", "fish"]


def recipes(context: CompletionContext) -> Iterable[str]:
    """Shipped recipes, and recipes and runs in this folder and in ``runs``."""
    from undertone.engine.folder import FILE
    from undertone.experiments.recipes import names

    runs = (path.parent for pattern in (f"*/{FILE}", f"runs/*/{FILE}") for path in Path().glob(pattern))
    return [*names(), *map(str, runs), *(f"./{path}" for path in Path().glob("*.toml"))]


def mitigations(context: CompletionContext) -> Iterable[str]:
    """Shipped mitigations."""
    from undertone.treat.catalogue import shipped

    return shipped()


def members(context: CompletionContext) -> Iterable[str]:
    """Base models of the embedded world."""
    from undertone.world.family import FAMILY

    return FAMILY
