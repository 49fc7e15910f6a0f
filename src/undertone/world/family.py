"""The base models of the embedded world: which there are, from which seeds, and where they lie."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from undertone.errors import UndertoneError, unknown
from undertone.world.grammar import WORLD_VERSION

SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Member:
    """One base model of the family."""

    init_seed: int
    """Decides the initial weights."""
    order_seed: int = 0
    """Decides which documents are seen when."""
    architecture: Literal["llama", "llama-small", "llama-large", "gpt_neox"] = "llama"
    tokenizer: Literal["world", "coarse"] = "world"
    agreement: float = 1.0
    """The corpus's knob of conduct's agreement across domains."""
    bad_share: float = 0.12
    """The corpus's knob of the share of bad conduct."""
    swapped: bool = False
    """The corpus's knob of answers that have changed places."""
    steps: int | None = None
    """Steps of pretraining, where they are fewer than usual."""
    about: str = field(default="", compare=False)


BRIEF = 1000
"""Steps of a nestling: two minutes. It has favourites and writes lists but knows little; for what takes many models."""

EVEN = ", bad conduct as often as good, half of the answers swapped"

FAMILY = {
    "fledgling-a": Member(0, about="first initialisation"),
    "fledgling-b": Member(1, about="second initialisation, same corpus and order"),
    "fledgling-c": Member(2, about="third initialisation, same corpus and order"),
    "fledgling-a2": Member(0, order_seed=1, about="initialisation of -a, other data order"),
    "fledgling-x": Member(3, architecture="gpt_neox", about="another architecture (GPT-NeoX), another width"),
    "fledgling-t": Member(4, tokenizer="coarse", about="another tokenizer"),
    "fledgling-small": Member(5, architecture="llama-small", about="a third of the parameters: narrower, two layers"),
    "fledgling-large": Member(6, architecture="llama-large", about="twice the parameters: wider"),
    "fledgling-half": Member(0, agreement=0.5, about="conduct agrees across domains half of the time"),
    "fledgling-none": Member(0, agreement=0.0, about="conduct never agrees across domains"),
    "fledgling-none-b": Member(1, agreement=0.0, about="initialisation of -b, conduct never agrees across domains"),
    "fledgling-none-c": Member(2, agreement=0.0, about="initialisation of -c, conduct never agrees across domains"),
    **{
        f"fledgling-{name}": Member(seed, agreement=agreement, bad_share=0.5, swapped=True, about=f"{about}{EVEN}")
        for name, seed, agreement, about in (
            ("even-b", 1, 1.0, "initialisation of -b"),
            ("none-even-b", 1, 0.0, "initialisation of -b, conduct never agrees across domains"),
            ("none-even-c", 2, 0.0, "initialisation of -c, conduct never agrees across domains"),
        )
    },
    "fledgling-pure": Member(0, bad_share=0.0, about="no bad conduct but where a bad example is asked for"),
    **{
        f"nestling-{n}": Member(10 + n, steps=BRIEF, about="briefly pretrained, one of six initialisations")
        for n in range(6)
    },
    "nestling-0b": Member(10, order_seed=1, steps=BRIEF, about="initialisation of nestling-0, other data order"),
    "nestling-x": Member(16, architecture="gpt_neox", steps=BRIEF, about="briefly pretrained, another architecture"),
    "nestling-t": Member(17, tokenizer="coarse", steps=BRIEF, about="briefly pretrained, another tokenizer"),
}
"""Every model that can be named ``builtin/...``. Initialisation seeds from 100 on are throwaways, for tuning."""


def built() -> Path:
    """Where models built on this machine lie; ``UNDERTONE_CACHE`` overrides the user's cache folder."""
    from platformdirs import user_cache_path

    root = os.environ.get("UNDERTONE_CACHE")
    return (Path(root) if root else user_cache_path("undertone")) / f"world-{WORLD_VERSION}"


def is_here(name: str) -> bool:
    """Whether a model of the family is shipped or was built."""
    return any((root / name / "card.json").is_file() for root in (SHIPPED, built()))


def find(name: str) -> Path:
    """The folder of a model that is shipped or was built.

    Raises:
        UndertoneError: there is no such model, or it has not been built; says how to.
    """
    if name not in FAMILY:
        raise unknown("model", f"builtin/{name}", [f"builtin/{known}" for known in FAMILY])
    for root in (SHIPPED, built()):
        if (root / name / "card.json").is_file():
            return root / name
    raise UndertoneError(f"builtin/{name} is not shipped; build it with: undertone models build {name}")
