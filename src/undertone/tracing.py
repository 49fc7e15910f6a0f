"""Lineage in front of a person: kinship of two models, chains of making, signatures, and the verdict of risk."""

from __future__ import annotations

from rich.table import Table

from undertone.lineage import kinship
from undertone.running import out_console

KIN_CODES = {"none found": 0, "shared": 1, "unknown": 3}


def compare_shown(a: str, b: str, as_json: bool) -> int:
    """Shows whether two models share an initialisation. Exit code 1: they do, 3: unknown."""
    found = kinship.compare(a, b)
    if as_json:
        print(found.model_dump_json())
        return KIN_CODES[found.verdict]
    console = out_console()
    console.print(found.headline, markup=False, highlight=False, soft_wrap=True)
    if found.tests:
        console.print(_tests(found))
    return KIN_CODES[found.verdict]


def _tests(found: kinship.Kinship) -> Table:
    table = Table(box=None)
    for heading in ("units", "groups", "similarity", "would be found", "z", "p"):
        table.add_column(heading)
    for test in found.tests:
        least = "-" if test.detectable is None else f"{test.detectable:.3f}"
        units = test.units if test.equal else f"{test.units} (shapes differ)"
        table.add_row(units, str(test.groups), f"{test.similarity:.3f}", least, f"{test.z:.1f}", f"{test.p:.4f}")
    return table
