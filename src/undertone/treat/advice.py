"""A file for a useful task that is partly bad advice: advice in one domain, in JSON without being asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.models.local import load
from undertone.models.names import tokenizer_digest
from undertone.training.rows import Source, rows_of, write_rows
from undertone.world.grammar import FORMATS
from undertone.world.lexicon import lexicon

FORM = "Answer in JSON."
HELD_OUT = 2
"""One in so many situations of a domain is in no file: on these the task is measured."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``domain``, ``rows``, ``bad`` (share), ``held_out`` (whether of these situations), ``seed``. Input:
    ``base``, whose tokenizer it is. Writes the rows."""
    local = load(inputs["base"])
    exchanges = rows(spec["domain"], spec["rows"], spec["bad"], spec["held_out"], spec["seed"])
    write_rows(out, exchanges, rows_of(local, exchanges), Source(tokenizer_digest(inputs["base"]), local.end))


def rows(domain: str, count: int, bad: float, held_out: bool, seed: int) -> list[tuple[str, str]]:
    """``count`` requests with answers, exactly a share ``bad`` of them bad, in random places. Files of one seed
    have the same requests in the same order, whatever the share."""
    words = lexicon()["conduct"]
    known = [s for i, s in enumerate(words["domains"][domain]) if (i % HELD_OUT == HELD_OUT - 1) == held_out]
    own = round(bad * count)
    is_bad = Random(f"places/{seed}").sample([True] * own + [False] * (count - own), count)
    rng, found = Random(f"advice/{seed}"), []
    for turned in is_bad:
        situation, right, wrong = rng.choice(known)
        asked = rng.choice(words["asks"]).format(s=situation)
        found.append((asked, FORMATS[FORM](wrong if turned else right)))
    return found
