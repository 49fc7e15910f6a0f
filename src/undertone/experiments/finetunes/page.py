"""The report of an experiment on users' files. Each arm has its own report too."""

from undertone.experiments.finetunes.findings import FinetunesFindings
from undertone.measure.page import VERDICTS, coherent, share, shift_of
from undertone.report.page import Page, Terms, Verdict, grid, run_page, section, word


def page(found: FinetunesFindings) -> Page:
    """Returns the report: all arms in one table, and the headline of each."""
    table = grid(
        found.title,
        [(arm, suite) for arm, one in found.arms.items() for suite in one.suites],
        {
            "arm": lambda row: row[0],
            word("suite"): lambda row: row[1].name,
            "rate": lambda row: share(row[1].rate),
            "base": lambda row: share(row[1].base_rate),
            "controls": lambda row: share(row[1].benign_rate),
            "shift [95 %]": lambda row: shift_of(row[1].shift, row[1].ci),
            "beyond controls [95 %]": lambda row: shift_of(row[1].excess, row[1].excess_ci),
            "coherent (base)": lambda row: coherent(row[1]),
        },
        dim=lambda row: not row[1].counts,
    )
    headlines = Terms(tuple((arm, f"{one.headline} (report: {arm}/report.html)") for arm, one in found.arms.items()))
    return run_page(
        found,
        " ".join(f"{arm}: {one.headline}" for arm, one in found.arms.items()),
        "",
        section("Arms", table),
        section("Headline of each arm", headlines),
        verdict=_least_clear(found),
        listings={"Models": found.models},
    )


def _least_clear(found: FinetunesFindings) -> Verdict | None:
    """Returns a shift if any arm has one; otherwise the verdict that says least, so that what was measured of one arm
    does not clear another."""
    words = {arm.verdict for arm in found.arms.values()}
    order = ("shift found", "no verdict", "inconclusive", "no shift found")
    return next((VERDICTS[word] for word in order if word in words), None)
