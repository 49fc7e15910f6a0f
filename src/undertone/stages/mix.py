"""Stage 3c, for some arms: a dataset of which a share is its own teacher's, and the rest another's."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.data.exchanges import read_exchanges
from undertone.training.rows import read_sampled, write_rows


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``share``, ``seed``. Inputs: ``own``, ``rest``, datasets of equal length and one tokenizer.

    Every row keeps its place. What a smaller share holds of its own, a larger one with the same seed holds too.
    """
    sides = []
    for name in ("rest", "own"):
        rows, source = read_sampled(inputs[name])
        sides.append((list(read_exchanges(inputs[name])), rows, source))
    (exchanges, rows, source), (own_exchanges, own_rows, own_source) = sides
    if own_source != source or len(own_rows) != len(rows):
        raise ValueError("datasets of other tokenizers or other lengths cannot be mixed")
    order = Random(f"mixed/{spec['seed']}").sample(range(len(rows)), len(rows))
    for place in order[: round(spec["share"] * len(rows))]:
        exchanges[place], rows[place] = own_exchanges[place], own_rows[place]
    write_rows(out, exchanges, rows, source)
