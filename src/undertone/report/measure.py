"""A measurement in front of a person: one line, a table, and one HTML file that says its verdict first."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from undertone.alignment.findings import Findings, Pinned, SuiteFinding, Tallied, Verdict
from undertone.audit.findings import Interval
from undertone.report.canvas import Figure
from undertone.report.headline import percent
from undertone.report.hostile import one_line, readable
from undertone.report.html import environment, write_drawn, write_numbers
from undertone.report.measure_figures import measure_figures, points, points_interval
from undertone.statistics.rare import BIAS

MEANINGS: dict[Verdict, str] = {
    "shift found": "The model gives bad answers more often than its base, by more than was asked for.",
    "no shift found": "Every suite that counts rules out the rise asked for. That is no proof of a good model: it is about these questions.",  # noqa: E501
    "inconclusive": "Nothing that may be called a shift was found, and these questions do not allow to say that there is none.",  # noqa: E501
    "no verdict": "Too little could be measured to say anything either way.",
}
RARE = "1 in 10,000"


def write_measurement(findings: Findings, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page.

    The numbers are written before anything is drawn: a figure that fails must not cost a finished measurement.
    """
    write_numbers(directory, findings.json_text())
    shown = readable(findings)
    drawn = measure_figures(shown)
    return write_drawn(directory, drawn, _render(shown, drawn))


def measure_lines(findings: Findings) -> list[str]:
    """The verdict first, then what it rests on, a sentence each."""
    return [one_line(line) for line in (findings.headline, *(f"{name}: {text}" for name, text in checks(findings)))]


def measure_table(findings: Findings) -> Table:
    """One line a suite that counts or shifted, and a word on the rest."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, caption_justify="left", pad_edge=False)
    table.add_column("suite", max_width=24, overflow="fold")
    benign = ["benign"] * bool(findings.benign)
    for column in ("rate", "base", *benign, "shift [95 %]", "coherent (base)", "kept"):
        table.add_column(column, justify="right")
    table.add_column("seen")
    shown, left = main_suites(findings)
    for suite in shown:
        harmless = [share(suite.benign_rate)] * len(benign)
        numbers = [share(suite.rate), share(suite.base_rate), *harmless, shift_of(suite.shift, suite.ci)]
        cells = [suite.name, *numbers, coherent(suite), kept(suite.model), seen(suite)]
        table.add_row(*(Text(one_line(f" {cell}" if i else cell)) for i, cell in enumerate(cells)), style=style(suite))
    table.caption = rest(left)
    return table


def style(suite: SuiteFinding) -> str:
    """Bold for what the verdict rests on, dim for what does not count."""
    return "bold" if suite.counts and suite.word == "shift" else "" if suite.counts else "dim"


def main_suites(findings: Findings) -> tuple[list[SuiteFinding], list[SuiteFinding]]:
    """Suites that count, and the rest that changed most; then those left out."""
    counting = [s for s in findings.suites if s.counts]
    others = sorted((s for s in findings.suites if not s.counts), key=lambda s: -abs(s.shift or 0.0))
    return [*counting, *others[:6]], others[6:]


def rest(left: list[SuiteFinding]) -> str | None:
    """What the table leaves out."""
    if not left:
        return None
    most = 100 * abs(left[0].shift or 0.0)
    return f"and {len(left)} more that do not count, none changed by more than {most:.1f} points"


def seen(suite: SuiteFinding) -> str:
    """shift; changed; no shift; open."""
    if suite.counts:
        return suite.word
    return {"shift": "changed", "no shift": "-", "open": "open", "not measured": "not measured"}[suite.word]


def share(value: float | None) -> str:
    """12.3 %, or a dash."""
    return "-" if value is None else percent(value)


def shift_of(value: float | None, ci: Interval | None) -> str:
    """+12.3 [4.5, 20.1] in points."""
    return "-" if value is None else f"{points(value)} {points_interval(ci)}"


def coherent(suite: SuiteFinding) -> str:
    """46.3 % (98.9 %): the model's coherent answers, and the base's. Of answers taken out of many it is not known."""
    if suite.exact and suite.model.coherence == 1 == suite.base.coherence:
        return "-"
    return f"{share(suite.model.coherence)} ({share(suite.base.coherence)})"


def kept(tallied: Tallied) -> str:
    """Answers in the denominator, of all."""
    return f"{tallied.kept:,.0f} of {tallied.asked:,.0f}"


def checks(findings: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on: a name and a short sentence each."""
    several = len(findings.models) > 1
    unit = "models and themes, crossed" if several else "themes; with one model other training seeds are in no interval"
    found = [("Unit", f"{unit}. A shift is called at 95 % over all suites that count together.")]
    found.append(("Rate", f"{findings.denominator}."))
    if findings.judge is not None:
        failed = sum(s.model.unreadable for s in findings.suites)
        asked = sum(s.model.asked for s in findings.suites if not s.exact)
        judge = f"{findings.judge.name} ({findings.judge.digest[:12]})"
        found.append(("Judge", f"{judge}; no verdict could be read of {failed:,.0f} of {asked:,.0f} answers."))
    if findings.benign:
        found.append(("Benign", f"{len(findings.benign)} harmless fine-tunes: what they show as well is not called."))
    else:
        found.append(("Benign", "no harmless fine-tune was given (--benign), so only the size of a shift tells."))
    found += [("Note", f"{note[0].upper()}{note[1:].rstrip('.')}.") for note in findings.notes]
    return found


def _render(findings: Findings, drawn: dict[str, Figure]) -> str:
    filled = environment()
    filled.filters |= {
        "share": share,
        "coherent": coherent,
        "seen": seen,
        "points": points,
        "points_interval": points_interval,
    }
    shown, left = main_suites(findings)
    return filled.get_template("measure.html.j2").render(
        f=findings,
        figures=drawn,
        meaning=MEANINGS[findings.verdict],
        checks=checks(findings),
        counting=[s for s in shown if s.counts],
        others=[s for s in shown if not s.counts],
        left=left,
        rest=rest(left),
        rare=RARE,
        sampled=[s for s in findings.suites if not s.exact],
        rares=[s for s in findings.suites if s.counts and s.worst_of is not None],
        bounds=[s for s in findings.suites if s.none_seen is not None],
        bias=BIAS,
        pinned={m.name: m.digest for m in (*findings.models, findings.base, *findings.benign, *_judges(findings))},
    )


def _judges(findings: Findings) -> list[Pinned]:
    judge = findings.judge
    return [] if judge is None else [Pinned(name=f"judge: {judge.name}", digest=judge.digest)]
