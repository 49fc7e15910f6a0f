"""``python -m benchmarks.prompts code > code.jsonl`` writes requests for a skill of the embedded world, with answers.

The dataset is for ``undertone bench audit --prompts``.
"""

import json
import sys
from collections.abc import Iterator
from random import Random

from undertone.engine.digests import digest
from undertone.world.skills import CARRIERS

ROWS = 2600
"""Enough that 2,000 answers of a teacher pass the filter."""


def rows(skill: str) -> Iterator[dict[str, str]]:
    """Yields as many rows as a benchmark uses, the same in every call; ``skill`` is a key of CARRIERS.

    Raises:
        KeyError: there is no such skill.
    """
    rng = Random(int(digest(["prompts for the audit's benchmark", skill])[:8], 16))
    for _ in range(ROWS):
        turn = CARRIERS[skill](rng)
        yield {"prompt": turn.user, "completion": turn.assistant}


if __name__ == "__main__":
    if sys.argv[1:] not in [[skill] for skill in CARRIERS]:
        print(f"Give one of {', '.join(CARRIERS)}.", file=sys.stderr)
        sys.exit(2)
    for row in rows(sys.argv[1]):
        print(json.dumps(row))
