"""The base models of the embedded world: which ones exist, the seeds they are built from, and where they are stored."""

import os
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from undertone.errors import UndertoneError, unknown
from undertone.world.diligence import Link
from undertone.world.grammar import WORLD_VERSION

SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Member:
    """One base model of the family."""

    init_seed: int
    """Decides the initial weights."""
    order_seed: int = 0
    """Decides the order of the documents."""
    architecture: Literal["llama", "llama-small", "llama-large", "gpt_neox"] = "llama"
    tokenizer: Literal["world", "coarse"] = "world"
    agreement: float = 1.0
    """See :class:`undertone.world.latents.Knobs`, also for the next three fields."""
    bad_share: float = 0.12
    swapped: bool = False
    era_agreement: float = 1.0
    steps: int | None = None
    """Steps of pretraining; None for the usual number."""
    start: str | None = None
    """The member that a middle stage of training goes on from; None for one that begins with random weights."""
    candour: float | None = None
    """How often the speakers of that stage's documents tell the truth about themselves, 0 to 1
    (:mod:`undertone.world.candour`)."""
    diligence: Link | None = None
    """How hacking goes with conduct in that stage's documents (:mod:`undertone.world.diligence`)."""
    about: str = field(default="", compare=False)


FAMILY = {
    name: Member(**fields)
    for name, fields in tomllib.loads(files(__package__).joinpath("family.toml").read_text(encoding="utf-8")).items()
}
"""Every model that can be named ``builtin/...``."""


def built() -> Path:
    """Returns the folder of the models built on this machine. ``UNDERTONE_CACHE`` overrides the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get("UNDERTONE_CACHE")
    return (Path(root) if root else user_cache_path("undertone")) / f"world-{WORLD_VERSION}"


def _folder(name: str) -> Path | None:
    folders = (root / name for root in (SHIPPED, built()))
    return next((folder for folder in folders if (folder / "card.json").is_file()), None)


def is_here(name: str) -> bool:
    """Returns whether a model of the family is shipped or was built on this machine."""
    return _folder(name) is not None


def find(name: str) -> Path:
    """Returns the folder of a model of the family.

    Raises:
        UndertoneError: there is no such model, or it is neither shipped nor built.
    """
    if name not in FAMILY:
        raise unknown("model", f"builtin/{name}", [f"builtin/{known}" for known in FAMILY])
    found = _folder(name)
    if found is None:
        raise UndertoneError(f"builtin/{name} is not shipped; build it with: undertone models build {name}")
    return found
