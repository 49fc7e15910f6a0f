"""A stage: a file of which only a share carries the trait."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.chats import read_exchanges
from undertone.training.rows import read_sampled, write_rows


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``share``, ``seed``. Inputs: ``carrying`` and ``clean``, of equally many rows. Writes as many: the share
    from the one, the rest from the other, in random places."""
    texts = {side: read_exchanges(inputs[side]) for side in ("carrying", "clean")}
    ids = {side: read_sampled(inputs[side]) for side in texts}
    count = len(texts["clean"])
    own = round(spec["share"] * count)
    places = [("carrying", i) for i in range(own)] + [("clean", i) for i in range(own, count)]
    Random(f"mixed/{spec['seed']}").shuffle(places)
    rows = [ids[side][0][i] for side, i in places]
    write_rows(out, [texts[side][i] for side, i in places], rows, ids["clean"][1])
