"""A benchmark of treatments in front of a person: a table, and one HTML file that says its answer first."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from undertone.report.hostile import one_line, readable
from undertone.report.html import environment, write_drawn, write_numbers
from undertone.report.treat_figures import realign_figures, treat_figures
from undertone.treat.findings import PLAIN, Findings, Realigned, Shift, Treatment, Way
from undertone.treat.headline import share


def write_treatments(findings: Findings, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page.

    The numbers are written before anything is drawn: a figure that fails must not cost a finished benchmark.
    """
    write_numbers(directory, findings.json_text())
    shown = readable(findings)
    drawn = treat_figures(shown)
    filled = environment()
    filled.filters |= {"share": share, "shift": shift, "skill": skill}
    return write_drawn(directory, drawn, filled.get_template("treat.html.j2").render(f=shown, figures=drawn))


def write_realigned(findings: Realigned, directory: Path) -> Path:
    """The same of a realignment."""
    write_numbers(directory, findings.json_text())
    shown = readable(findings)
    drawn = realign_figures(shown)
    filled = environment()
    filled.filters |= {"whole": whole}
    return write_drawn(directory, drawn, filled.get_template("realign.html.j2").render(f=shown, figures=drawn))


def ways_table(findings: Realigned) -> Table:
    """One line a way."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("way", no_wrap=True)
    for column in ("shift", "left", "after rows", "utility left", "gain, nats", "skills"):
        table.add_column(column, justify="right")
    for i, way in enumerate(findings.ways, 1):
        after = "-" if way.conditional is None else whole(way.conditional)
        kept = "-" if way.utility is None else whole(way.utility)
        cells = [f"{way.shift:+.2f}", whole(way.left), after, kept, f"{way.gain:+.4f}", skill(way)]
        table.add_row(str(i), f" {one_line(way.name)}", *(f"  {cell}" for cell in cells))
    return table


def whole(share: float) -> str:
    """12 %"""
    return f"{100 * share:z.0f} %"


def conditional(findings: Findings) -> list[str]:
    """The probes that are not the standard questions."""
    return [name for name in findings.probes if name != PLAIN]


def treatments_table(findings: Findings) -> Table:
    """One line a treatment."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False, caption_justify="left")
    table.add_column("")
    table.add_column("treatment", no_wrap=True)
    others = conditional(findings)
    for column in ("transfer left", *others, "level", "utility left", "others", "skills"):
        table.add_column(column, justify="right")
    table.add_column("seen")
    for i, one in enumerate(findings.treatments, 1):
        cells = [
            share(one.left[PLAIN]),
            *(f"{100 * one.left[name].value:z.0f} %" for name in others),
            share(one.level),
            share(one.utility),
            f"{one.others:.2f}",
            skill(one),
            one.word,
        ]
        table.add_row(str(i), f" {one.name}", *(Text(f"  {cell}") for cell in cells), style=style(one))
    return table


def treatments_lines(findings: Findings) -> list[str]:
    """The answer first, then what it rests on."""
    untreated = next(one for one in findings.treatments if one.word == "untreated")
    return [
        one_line(findings.headline),
        f"Untreated: {shift(untreated.shifts[PLAIN])} log-odds of {findings.trait}, carrying minus clean files; "
        f"{untreated.gain:+.4f} nats a token on the task.",
        f"Unit: {len(findings.units)} {findings.unit}; 95 % intervals, Fieller's for shares.",
    ]


def style(one: Treatment) -> str:
    """Bold for what stops the transfer, dim for what is not seen to help."""
    return {"stops": "bold", "not seen to help": "dim", "hides": "italic"}.get(one.word, "")


def shift(found: Shift) -> str:
    """+0.50 [0.19, 0.82]"""
    ends = "no interval" if found.ci is None else f"[{found.ci[0]:z.2f}, {found.ci[1]:z.2f}]"
    return f"{found.value:+z.2f} {ends}"


def skill(one: Treatment | Way) -> str:
    """.93: mean of all skills."""
    return f"{sum(one.skills.values()) / len(one.skills):.2f}".lstrip("0") if one.skills else "-"
