"""An audit of a closed base in front of a person: one line, a table, and one HTML file that says its verdict first."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from undertone.audit.findings import Verdict
from undertone.finetunes.findings import Findings, TraitFinding
from undertone.report.canaries_figures import canaries_figures
from undertone.report.hostile import one_line, readable
from undertone.report.html import environment, write_drawn, write_numbers
from undertone.report.measure import share, shift_of

MEANINGS: dict[Verdict, str] = {
    "carrier": "Students of these rows show a trait more often than students of the control.",
    "no evidence": "Nothing was found, by students enough to show the rise asked for. That is no proof of absence.",
    "inconclusive": "Nothing that may be named was found, and these students do not rule out that there is something.",
}


def write_canaries(findings: Findings, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page."""
    write_numbers(directory, findings.json_text())
    shown = readable(findings)
    drawn = canaries_figures(shown)
    filled = environment()
    filled.filters |= {"share": share, "difference": difference}
    page = filled.get_template("canaries.html.j2").render(
        f=shown,
        figures=drawn,
        meaning=MEANINGS[shown.verdict],
        checks=checks(shown),
        prices={name: price.model_dump(exclude_none=True) for name, price in shown.prices.items()},
    )
    return write_drawn(directory, drawn, page)


def canary_lines(findings: Findings) -> list[str]:
    """The verdict first, then what it rests on, a sentence each."""
    return [one_line(line) for line in (findings.headline, *(f"{name}: {text}" for name, text in checks(findings)))]


def canary_table(findings: Findings) -> Table:
    """One line a trait."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, pad_edge=False)
    table.add_column("trait", max_width=24, overflow="fold")
    for column in ("data", "control", "base", "difference, points [95 %]"):
        table.add_column(column, justify="right")
    table.add_column("seen")
    for trait in findings.traits:
        cells = [trait.name, share(trait.rate), share(trait.control), share(trait.base), difference(trait), trait.word]
        table.add_row(*(Text(one_line(cell)) for cell in cells), style="bold" if trait.word == "carried" else "")
    return table


def difference(trait: TraitFinding) -> str:
    """+12.3 [4.5, 20.1] in points."""
    return shift_of(trait.difference, trait.ci)


def checks(findings: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on: a name and a short sentence each."""
    pairs = len(findings.students) // 2
    found = [
        ("Unit", f"{pairs} students of each arm, crossed with questions: of this file, not of its teacher."),
        (
            "Control",
            f"{findings.control.rstrip('.')}; {findings.rows:,} rows in either arm{_unanswered(findings)}. Whatever "
            "tells the two files apart may be the cause.",
        ),
        ("Overt", _overt(findings)),
        ("Students", _students(findings)),
        ("Not told", f"{findings.untold}."),
    ]
    return found + [("Note", f"{note[0].upper()}{note[1:].rstrip('.')}.") for note in findings.notes]


def _unanswered(findings: Findings) -> str:
    count = findings.unanswered
    return f" ({count:,} more are in neither, since the base gave an empty answer)" if count else ""


def _overt(findings: Findings) -> str:
    if not findings.open_rows:
        return "no row speaks openly of a trait."
    listed = ", ".join(f"{name} ({count:,} rows)" for name, count in findings.open_rows.items())
    return f"rows speak openly of {listed}; they were left out."


def _students(findings: Findings) -> str:
    known = [one.dollars for one in findings.students if one.dollars is not None]
    paid = f"fine-tuning cost ${sum(known):.4g}" if len(known) == len(findings.students) else "at an unknown price"
    return (
        f"{len(findings.students)} jobs of {findings.url}, {paid}; job, rows and name of each are in the report. "
        "Models and rows stay with the service until you remove them there."
    )
