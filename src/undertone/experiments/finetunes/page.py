"""Fine-tunes in words and one table; each arm has a page of its own."""

from undertone.experiments.finetunes.findings import FinetunesFindings
from undertone.measure.page import coherent, share, shift_of
from undertone.report.page import Grid, Page, Section, Terms, run_page, word


def page(found: FinetunesFindings) -> Page:
    """All arms side by side."""
    rows = [(arm, suite) for arm, one in found.arms.items() for suite in one.suites]
    numbers = ("rate", "base", "controls", "shift [95 %]", "beyond controls [95 %]", "coherent (base)")
    grid = Grid(
        found.title,
        ("arm", word("suite"), *numbers),
        tuple(
            (
                arm,
                suite.name,
                share(suite.rate),
                share(suite.base_rate),
                share(suite.benign_rate),
                shift_of(suite.shift, suite.ci),
                shift_of(suite.excess, suite.excess_ci),
                coherent(suite),
            )
            for arm, suite in rows
        ),
        dim=frozenset(at for at, (_, suite) in enumerate(rows) if not suite.counts),
    )
    said = Terms(tuple((arm, f"{one.headline} (report: {arm}/report.html)") for arm, one in found.arms.items()))
    return run_page(
        found,
        " ".join(f"{arm}: {one.headline}" for arm, one in found.arms.items()),
        "",
        Section("Arms", (grid,)),
        Section("What each arm says", (said,)),
        listings={"Models": found.models},
    )
