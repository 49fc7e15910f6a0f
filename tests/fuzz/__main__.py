"""``python -m tests.fuzz COUNT SEED [KIND ...]`` tries so many inputs of each kind and prints what came of them."""

import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from tests.fuzz.harness import summary, tried
from tests.fuzz.kinds import KINDS


def run(kind: str, count: int, seed: int) -> dict[str, object]:
    """Tries the inputs of one kind, and says on stderr how far it is."""
    every = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shared").mkdir()
        for found in tried(KINDS[kind](folder / "shared"), count, seed, folder):
            every.append(found)
            if found.fault:
                print(f"{kind} {found.number}: {found.fault}", file=sys.stderr)
            if len(every) % 100 == 0:
                print(f"{kind}: {len(every)} of {count}", file=sys.stderr)
    return summary(every)


def main() -> int:
    """Runs every kind, or those that are named, on all cores."""
    count, seed, *kinds = sys.argv[1:]
    kinds = kinds or list(KINDS)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(kinds, pool.map(run, kinds, [int(count)] * len(kinds), [int(seed)] * len(kinds)), strict=True))
    print(json.dumps(found, indent=1))
    return int(any(one["faults"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
