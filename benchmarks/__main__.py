"""``make bench``: the same student made by us and with TRL, scaling, and the share of the core's peak speed.

Writes ``benchmarks/results.json`` and the figures in ``benchmarks/README.md``, and prints the same tables.
"""

import json
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import scaling, stage, table
from benchmarks.work import Work
from undertone.engine.environment import hardware, versions
from undertone.engine.workers import cores

HERE = Path(__file__).parent
FIGURES = "## Figures\n"
REPETITIONS = 3


def works(folder: Path) -> dict[str, Work]:
    """Returns the work for both base models; for the smaller one it is a student of the shipped recipes."""
    rows = str(folder / "rows")
    return {
        "fledgling-a, 0.29 M": Work("builtin/fledgling-a", rows, 2200, 3600, 100, samples=100, answer_tokens=24),
        # A model with random weights ends no answer, so its answers are cut at the other model's usual length.
        "Llama, 10.3 M": Work(f"hf/{folder / 'llama'}", rows, 256, 3600, 8, samples=100, answer_tokens=8),
    }


def measure(console: Console) -> dict[str, Any]:
    """Measures everything and returns results that can be written as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        models = works(Path(folder))
        small, large = models.values()
        stage.run("work", "rows", small)
        stage.run("work", "model", large)
        results: dict[str, Any] = {"made": surroundings(), "stages": {}, "shares": {}, "scaling": []}
        for name in models:
            results["stages"][name] = {s: {"student": [], "peer": []} for s in ("sampling", "training", "measurement")}
            results["shares"][name] = {}
        for repetition in range(REPETITIONS):
            for name, work in models.items():
                for kind, sides in results["stages"][name].items():
                    # The order alternates, so that neither side always has the warm cache.
                    for side in sorted(sides, reverse=repetition % 2 == 0):
                        console.print(f"{repetition + 1} of {REPETITIONS}: {name}, {kind}, {side}")
                        sides[side].append(stage.run(side, kind, work))
            console.print(f"{repetition + 1} of {REPETITIONS}: scaling")
            results["scaling"].append(scaling.measure(replace(small, rows=1920, steps=20)))
        for name, work in models.items():
            for kind in results["stages"][name]:
                console.print(f"share of the peak: {name}, {kind}")
                results["shares"][name][kind] = stage.run("peak", kind, work)["facts"]
    return results


def surroundings() -> dict[str, Any]:
    """Returns the date, the commit, the versions and the kind of machine."""
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True)
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    peers = {name: version(name) for name in ("trl", "accelerate", "datasets")}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": git.stdout.strip() or "unknown",
        "versions": versions() | peers,
        "machine": hardware() | {"processor": found[1] if found else platform.processor(), "usable": str(cores())},
    }


def figures(results: dict[str, Any]) -> Iterator[str]:
    """Yields the paragraphs below the heading "Figures" of the README, in Markdown."""
    made = results["made"]
    machine, packages = made["machine"], made["versions"]
    yield (
        f"{made['date']}, commit {made['commit']}; {machine['processor']}, {machine['machine']}, "
        f"{machine['usable']} of {machine['cores']} cores, {machine['system']}; "
        + ", ".join(f"{n} {v}" for n, v in packages.items())
        + "."
    )
    yield from (sheet.markdown() for sheet in table.sheets(results))


def main() -> None:
    """Measures, then writes and prints the results."""
    console = Console()
    results = measure(console)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    readme = HERE / "README.md"
    prose = readme.read_text(encoding="utf-8").partition(FIGURES)[0]
    readme.write_text(prose + FIGURES + "\n" + "\n\n".join(figures(results)) + "\n", encoding="utf-8")
    for sheet in table.sheets(results):
        console.print(sheet.rich())


if __name__ == "__main__":
    main()
