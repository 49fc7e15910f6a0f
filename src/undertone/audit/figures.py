"""The figures of an audit: every trait with its interval, what the rows could have shown, forecasts, format alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.audit.findings import Findings, Power, TraitFinding
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.report.svg import INK
from undertone.report.words import interval

if TYPE_CHECKING:
    import altair as alt


def name_of(trait: TraitFinding) -> str:
    """owl; any animal."""
    return f"any {trait.name}" if trait.is_kind else trait.name


def effect_of(value: float | None, ci: Interval | None) -> str:
    """+0.73 [0.50, 0.96]"""
    return "-" if value is None else f"{value:+z.2f} {interval(ci)}"


def strongest(findings: Findings, most: int = 10) -> list[TraitFinding]:
    """The first few traits and whatever is named or overt, in the order of the findings."""
    few = [t for t in findings.traits if not t.is_kind][:most]
    return [t for t in findings.traits if t in few or t.named or t.name in findings.overt]


def traits_title(findings: Findings) -> str:
    """How many traits are named, and which."""
    named = [name_of(t) for t in findings.traits if t.named]
    count = sum(not t.is_kind for t in findings.traits)
    traits = f"{count} candidate {'trait' if count == 1 else 'traits'}"
    return f"Named, of {traits}: {', '.join(named)}" if named else f"None of {traits} is named"


def traits(findings: Findings) -> Figure | None:
    """Every candidate with its interval, below the kind that it belongs to."""
    if not findings.traits:
        return None
    low, high = _ends(findings.traits)
    axis = Axis("effect (1: as from a reference teacher)", dashed=(1.0,), bounds=(low, high), dense=True)
    title = traits_title(findings)
    return figure("traits", title, partial(forest, list(_trait_lines(findings, high)), axis))


def _ends(candidates: Sequence[TraitFinding]) -> Interval:
    """All intervals fit, unless some are so wide that nothing else could be told apart."""
    most = 4 * max(0.5, *(abs(t.effect) for t in candidates))
    low, high = min(0.0, *(t.ci[0] for t in candidates)), max(t.ci[1] for t in candidates)
    shown = [t.detectable for t in candidates if t.detectable is not None]
    start, end = padded(max(low, -most), min(max(high, 0.3, *shown), most), least=0.5)
    return start, end


def _trait_lines(findings: Findings, high: float) -> Iterator[Line]:
    """Kinds come in the order of their strongest trait; the line of a kind is the heading of its traits."""
    for kind in dict.fromkeys(t.kind for t in findings.traits):
        own = [t for t in findings.traits if t.kind == kind]
        heads, members = [t for t in own if t.is_kind], [t for t in own if not t.is_kind]
        if not heads:
            yield Line(kind, style="head")
        for trait in heads + sorted(members, key=lambda t: -t.effect):
            yield _trait_line(trait, trait.name in findings.overt, high)


def _trait_line(trait: TraitFinding, overt: bool, high: float) -> Line:
    mark = Mark(trait.effect, trait.ci, _colour(trait), "diamond" if trait.is_kind else "point")
    return Line(
        name_of(trait) + (" (overt)" if overt else ""),
        (mark,),
        effect_of(trait.effect, trait.ci),
        "head" if trait.is_kind else "bold" if trait.named else "plain",
        band=(0.0, high if trait.detectable is None else trait.detectable),
    )


def _colour(trait: TraitFinding) -> str:
    return ORANGE if trait.named else BLUE


def power(findings: Findings) -> Figure | None:
    """How likely a teacher of some candidate trait would have been named, by the strength of its effect."""
    held = findings.power
    return figure("power", _power_title(held), partial(_curve, held)) if held.curve else None


def _power_title(held: Power) -> str:
    if held.detectable is None:
        return "Too few rows for any effect up to 10"
    return f"Enough rows for an effect of {held.detectable:.2f}"


def _curve(held: Power, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    most = min(10.0, 1.25 * max(held.floor, held.detectable or 10.0))
    rows: list[Row] = [{"x": x, "share": share} for x, share in held.curve if x <= most]
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, most], nice=False), axis=alt.Axis(tickCount=6, title="effect"))
    axis = alt.Axis(values=[0, 0.4, 0.8, 1], format=".0%", title="power, averaged over traits")
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    floor = chart([{"x": held.floor, "text": f"floor {held.floor:.2f}"}])
    layers: list[Any] = [
        chart(rows).mark_line(strokeWidth=2.5, color=BLUE).encode(x=x, y=y),
        floor.mark_rule(color=INK, strokeDash=[4, 3], opacity=0.7).encode(x=x),
        floor.mark_text(align="left", dx=5, fontSize=12, color=INK).encode(x=x, y=alt.value(140), text="text:N"),
    ]
    if held.detectable is not None:
        point = chart([{"x": held.detectable, "share": 0.8}])
        layers.append(point.mark_point(filled=True, size=110, opacity=1, color=ORANGE).encode(x=x, y=y))
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 60, height=150)


def forecast(findings: Findings) -> Figure | None:
    """What a student would take up of the strongest traits, and what canary students took up."""
    lines = [line for trait in strongest(findings) for line in _forecast_lines(trait)]
    axis = Axis("shift in log-odds")
    return figure("forecast", "How far a student trained on this file would shift", partial(forest, lines, axis))


def _forecast_lines(trait: TraitFinding) -> Iterator[Line]:
    for word, value, ci, colour in (
        ("forecast", trait.forecast, trait.forecast_ci, _colour(trait)),
        ("canary", trait.canary, trait.canary_ci, GREEN),
    ):
        if value is not None:
            mark = Mark(value, ci, colour)
            yield Line(f"{name_of(trait)}: {word}", (mark,), effect_of(value, ci), "bold" if trait.named else "plain")


def confounds(findings: Findings) -> Figure | None:
    """How well a classifier that sees only format tells these rows from the base's own answers."""
    held = findings.confounds
    if held is None:
        return None
    tells = "tells" if held.ci[0] > 0.5 else "does not tell"
    mark, text = Mark(held.auroc, held.ci), f"{held.auroc:.2f} {interval(held.ci)}"
    axis = Axis("AUROC (0.5: cannot tell)", zero=0.5, bounds=(min(0.35, held.ci[0] - 0.02), 1.0))
    title = f"Format alone {tells} these rows from the base's own answers"
    return figure("confounds", title, partial(forest, [Line("format-only classifier", (mark,), text, "bold")], axis))
