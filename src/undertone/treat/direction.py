"""The direction that a mitigation goes by: that of the traits to stop, or of another trait."""

from collections.abc import Sequence
from typing import Literal

import torch

from undertone.attribution.directions import Directions
from undertone.audit import proxies
from undertone.audit.families import families_of
from undertone.audit.standing import STRETCH
from undertone.engine.digests import digest
from undertone.engine.store import Folder
from undertone.traits.trait import Trait

Along = Literal["trait", "random"]

Change = dict[str, torch.Tensor]
"""A change of weights, by the name of the matrix."""


def plan_for(
    base: Folder, traits: Sequence[str], way: Along = "trait", seed: int = 0, own: Sequence[Trait] = ()
) -> proxies.Plan:
    """Lays out the directions that are needed to stop traits.

    ``traits``: names of traits or of kinds of traits, at least one. ``way``: "trait" takes their directions, "random"
    that of one other trait of their families, drawn by ``seed``: it shows the effect of a direction that has nothing to
    do with the traits. ``own``: traits that are known besides those of the audit.

    Raises:
        UndertoneError: a trait is unknown.
    """
    compared = [trait for family in families_of(base.path, traits, own) for trait in family.traits]
    wanted = [trait for trait in compared if trait.name in traits or trait.kind in traits]
    if way == "random":
        others = [trait for trait in compared if trait not in wanted]
        wanted = [others[int(digest(["another", seed])[:8], 16) % len(others)]]
    return proxies.plan_for(base, wanted)


def along(directions: Directions) -> Change:
    """Returns the sum of directions, each twice as long as the change of the short fine-tune."""
    down = directions.down
    return {name: STRETCH * torch.einsum("kor,kri->oi", up, down[name]) for name, up in directions.up.items()}
