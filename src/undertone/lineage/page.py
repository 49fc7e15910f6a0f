"""The page of two models' kinship."""

from undertone.lineage.kinship import Kinship, UnitTest
from undertone.report.page import Grid, Page, section, sections


def kinship_page(found: Kinship) -> Page:
    """Gives the answer, and every test that it rests on."""
    grid = Grid("", ("units", "groups", "similarity", "smallest found", "z", "p"), tuple(map(_row, found.tests)))
    return Page(
        "Shared initialisation", found.headline, sections=sections(section("Tests", grid if found.tests else None))
    )


def _row(test: UnitTest) -> tuple[str, ...]:
    least = "-" if test.detectable is None else f"{test.detectable:.3f}"
    units = test.units if test.equal else f"{test.units} (shapes differ)"
    return units, str(test.groups), f"{test.similarity:.3f}", least, f"{test.z:.1f}", f"{test.p:.4f}"
