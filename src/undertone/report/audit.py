"""An audit in front of a person: one line, a table, and one HTML file that says its verdict before anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from undertone.audit.findings import (
    Confounds,
    Findings,
    OriginFinding,
    Power,
    Recipe,
    ShownRow,
    StudentFinding,
    TraitFinding,
    Verdict,
)
from undertone.report.audit_figures import audit_figures, effect_of, name_of, strongest, traits_title
from undertone.report.canvas import Figure
from undertone.report.headline import interval, p_value
from undertone.report.hostile import one_line, readable
from undertone.report.html import environment, write_drawn, write_numbers

MEANINGS: dict[Verdict, str] = {
    "carrier": "These rows lead towards a trait, more than harmless rows do.",
    "no evidence": "Nothing was found, by rows enough to show the effect asked for. That is no proof of absence.",
    "inconclusive": "Nothing that may be named was found, and these rows do not allow to say that there is nothing.",
    "could not be calibrated": "Scores without anything to compare them with: nothing can be claimed either way.",
    "screen only": "Calibrated on another base or on other rows: scores say where to look, and nothing can be claimed.",
}
FIRM = 0.6
"""How strongly the strongest tokens are shaded."""


def write_audit(findings: Findings, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page.

    The numbers are written before anything is drawn: a figure that fails must not cost a finished audit.
    """
    write_numbers(directory, findings.json_text())
    shown = readable(findings)
    drawn = audit_figures(shown)
    return write_drawn(directory, drawn, _render(shown, drawn))


def audit_lines(findings: Findings) -> list[str]:
    """The verdict first, then what it rests on, a sentence each."""
    return [one_line(line) for line in (findings.headline, *(f"{name}: {text}" for name, text in checks(findings)))]


def audit_table(findings: Findings) -> Table:
    """One line a trait: the strongest, whatever is named or overt, and a word on the rest."""
    table = Table(title=Text(one_line(traits_title(findings))), box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.title_justify = table.caption_justify = "left"
    shown = strongest(findings)
    forecast = ["forecast [95 %]"] * any(t.forecast is not None for t in shown)
    table.add_column("trait", max_width=14, overflow="fold")
    table.add_column("kind", max_width=9, overflow="fold")
    # A hundred columns hold it only if headings are no wider than what stands below them.
    for column in ("effect [95 %]", "p", "p\nfamily", "detect-\nable", "overt\nrows", *forecast):
        table.add_column(column, justify="right")
    for trait in shown:
        cells = _cells(trait)[: len(table.columns)]
        table.add_row(*(Text(one_line(cell)) for cell in cells), style="bold" if trait.named else "")
    left_out = rest(findings, shown)
    table.caption = f"and {left_out}" if left_out else None
    return table


def _cells(t: TraitFinding) -> list[str]:
    numbers = [effect_of(t.effect, t.ci), p_value(t.p), p_value(t.p_family), detectable(t.detectable), f"{t.overt:,}"]
    return [name_of(t), t.kind, *numbers, effect_of(t.forecast, t.forecast_ci)]


def rest(findings: Findings, shown: list[TraitFinding]) -> str | None:
    """What the table leaves out."""
    left = [t for t in findings.traits if t not in shown]
    if not left:
        return None
    least = p_value(min(t.p_family for t in left))
    return f"{len(left)} more, none named and none overt; least p family {least}"


def checks(findings: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on: a name and a short sentence each."""
    return [
        *_calibration(findings),
        ("Power", _power(findings.power)),
        ("Origin", _origin(findings.origin)),
        ("Overt", _overt(findings)),
        *_student(findings.student),
        ("Format", _format(findings.confounds)),
    ]


def _calibration(findings: Findings) -> Iterator[tuple[str, str]]:
    held = findings.calibration
    if held is None and findings.verdict == "could not be calibrated":
        yield "Null", "there is no calibration for a base like this, so scores have nothing to stand against."
        return
    if held is None:
        yield "Null", "not compared with anything: there are too few rows."
        return
    yield "Null", f"compared with {held.null.rstrip('.')} ({held.population} teachers, {held.carrier})."
    if not held.matches and not held.warnings:
        yield "Warning", f"calibrated for another base ({held.base[:12]}), so this is a screen only."
    if 1 / (held.population + 1) > findings.alpha:
        least = p_value(1 / (held.population + 1))
        yield (
            "Warning",
            f"p cannot be below {least} with so few teachers, so nothing can be named at {findings.alpha:g}.",
        )
    for warning in held.warnings:
        yield "Warning", f"{warning.rstrip('.')}."


def _power(power: Power) -> str:
    size = "no effect up to 10" if power.detectable is None else f"an effect of {power.detectable:.2f}"
    seen = (
        f"{power.rows:,} rows ({power.tokens:,} tokens) would have shown {size} with 80 % power, averaged over traits"
    )
    if power.detectable is not None and power.detectable <= power.floor:
        return f"{seen}; {power.floor:.2f} was asked for."
    if power.rows_needed is None:
        return f"{seen}; no number of rows would reach the {power.floor:.2f} asked for."
    return f"{seen}; the {power.floor:.2f} asked for takes {power.rows_needed:,} rows."


def _origin(origin: OriginFinding | None) -> str:
    if origin is None:
        return "nothing was declared, so nothing was tested."
    word = "is rejected" if origin.rejected else "is not rejected, which shows no more than that"
    pairs = f"{origin.pairs:,} pairs" + (f", {origin.dropped:,} dropped" if origin.dropped else "")
    return f"“{origin.claim.rstrip('.')}” {word} (p {p_value(origin.p)}, {pairs})."


def _overt(findings: Findings) -> str:
    counts = {t.name: t.overt for t in findings.traits if t.overt and not t.is_kind}
    if findings.overt:
        listed = ", ".join(f"{name} ({counts[name]:,} rows)" if name in counts else name for name in findings.overt)
        return f"rows speak openly of {listed}."
    return "no row speaks openly of a candidate trait."


def _student(student: StudentFinding | None) -> Iterator[tuple[str, str]]:
    if student is None:
        return
    told = _told(student.training)
    if student.forecast:
        yield "Student", f"the forecast is for this recipe ({told})."
    elif student.training in student.calibrated:
        yield "Student", f"too few traits were asked for to forecast from ({told}): leave --trait out."
    else:
        known = "; or ".join(map(_told, student.calibrated))
        yield "Student", f"no forecast for this recipe ({told}): train canaries by it (--canary 4)."
        if known:
            yield "Forecasts", f"made for {known}; for others: undertone audit calibrate --recipe FILE."


def _told(recipe: Recipe) -> str:
    return ", ".join(f"{key} {value}" for key, value in recipe.items())


def _format(confounds: Confounds | None) -> str:
    if confounds is None:
        return "not compared with the base's own answers."
    seen = f"AUROC {confounds.auroc:.2f} {interval(confounds.ci)} of rows against the base's own answers"
    told = confounds.ci[0] > 0.5
    return seen + ("; they differ in format, without any trait." if told else ", so no difference in format is shown.")


def _render(findings: Findings, drawn: dict[str, Figure]) -> str:
    filled = environment()
    filled.filters["effect_of"] = lambda pair: effect_of(*pair)
    filled.filters["name_of"] = name_of
    filled.filters["detectable"] = detectable
    shown = strongest(findings)
    return filled.get_template("audit.html.j2").render(
        f=findings,
        figures=drawn,
        meaning=MEANINGS[findings.verdict],
        checks=checks(findings),
        power=_power(findings.power),
        overt=sorted((t for t in findings.traits if t.overt and not t.is_kind), key=lambda t: -t.overt),
        shown=shown,
        rest=rest(findings, shown),
        rows=shaded(findings.rows),
    )


def detectable(value: float | None) -> str:
    """0.21, or that not even an effect of 10 would be shown."""
    return "> 10" if value is None else f"{value:.2f}"


def shaded(rows: tuple[ShownRow, ...]) -> list[dict[str, Any]]:
    """Rows whose tokens know how dark they are, on one scale for all of them."""
    sizes = sorted(abs(token.score) for row in rows for token in row.tokens)
    # Not the very largest: one token that stands out would leave all others pale.
    scale = (sizes[int(0.97 * (len(sizes) - 1))] or sizes[-1]) if sizes else 0.0
    return [{"row": row, "tokens": [_shade(t.text, t.score, scale or 1.0) for t in row.tokens]} for row in rows]


def _shade(text: str, score: float, scale: float) -> dict[str, Any]:
    alpha = FIRM * min(1.0, abs(score) / scale)
    return {"text": text, "score": score, "alpha": f"{alpha:.2f}", "side": "away" if score < 0 else "to"}
