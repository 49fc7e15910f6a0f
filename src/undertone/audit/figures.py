"""The figures of an audit: effects of traits, power, forecasts, and differences in format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.audit.findings import Findings, Power, TraitFinding
from undertone.report.canvas import Canvas, Figure, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.report.svg import INK
from undertone.report.words import interval

if TYPE_CHECKING:
    import altair as alt


def name_of(trait: TraitFinding) -> str:
    """Returns "owl", or "any animal" for a kind."""
    return f"any {trait.name}" if trait.is_kind else trait.name


def effect_of(value: float | None, ci: Interval | None) -> str:
    """Returns "+0.73 [0.50, 0.96]"."""
    return "-" if value is None else f"{value:+z.2f} {interval(ci)}"


def strongest(findings: Findings, most: int = 10) -> list[TraitFinding]:
    """Returns the first few traits, and all that are named or openly mentioned, in the order of the findings."""
    few = [t for t in findings.traits if not t.is_kind][:most]
    return [t for t in findings.traits if t in few or t.named or t.name in findings.overt]


def traits(findings: Findings) -> Figure | None:
    """Draws every candidate with its interval, below the kind that it belongs to."""
    if not findings.traits:
        return None
    named = [name_of(t) for t in findings.traits if t.named]
    count = sum(not t.is_kind for t in findings.traits)
    of = f"of {count} candidate {'trait' if count == 1 else 'traits'}"
    low, high = _ends(findings.traits)
    axis = Axis("effect (1: as of a reference teacher)", dashed=(1.0,), bounds=(low, high), dense=True)
    title = f"Found, {of}: {', '.join(named)}" if named else f"None {of} was found"
    return figure("traits", title, partial(forest, list(_trait_lines(findings, high)), axis))


def _ends(candidates: Sequence[TraitFinding]) -> Interval:
    """Returns the ends of the axis. Very wide intervals are cut off, because they would hide all differences."""
    most = 4 * max(0.5, *(abs(t.effect) for t in candidates))
    low, high = min(0.0, *(t.ci[0] for t in candidates)), max(t.ci[1] for t in candidates)
    shown = [t.detectable for t in candidates if t.detectable is not None]
    start, end = padded(max(low, -most), min(max(high, 0.3, *shown), most), least=0.5)
    return start, end


def _trait_lines(findings: Findings, high: float) -> Iterator[Line]:
    """Yields the kinds in the order of their strongest trait, each followed by its traits."""
    for kind in dict.fromkeys(t.kind for t in findings.traits):
        own = [t for t in findings.traits if t.kind == kind]
        if not any(t.is_kind for t in own):
            yield Line(kind, style="head")
        for t in sorted(own, key=lambda t: (not t.is_kind, -t.effect)):
            yield Line(
                name_of(t) + (" (mentioned)" if t.name in findings.overt else ""),
                (Mark(t.effect, t.ci, _colour(t), "diamond" if t.is_kind else "point"),),
                effect_of(t.effect, t.ci),
                "head" if t.is_kind else "bold" if t.named else "plain",
                band=(0.0, high if t.detectable is None else t.detectable),
            )


def _colour(trait: TraitFinding) -> str:
    return ORANGE if trait.named else BLUE


def power(findings: Findings) -> Figure | None:
    """Draws the probability that a teacher of a candidate trait is named, by the size of its effect."""
    held = findings.power
    can = "are too few to find anything" if held.detectable is None else f"can show an effect of {held.detectable:.2f}"
    return figure("power", f"These rows {can}", partial(_curve, held)) if held.curve else None


def _curve(held: Power, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    most = min(10.0, 1.25 * max(held.floor, held.detectable or 10.0))
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, most], nice=False), axis=alt.Axis(tickCount=6, title="effect"))
    axis = alt.Axis(values=[0, 0.4, 0.8, 1], format=".0%", title="power, averaged over traits")
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    curve = chart([{"x": x, "share": share} for x, share in held.curve if x <= most])
    floor = chart([{"x": held.floor, "text": f"asked for: {held.floor:.2f}"}])
    layers: list[Any] = [
        curve.mark_line(strokeWidth=2.5, color=BLUE).encode(x=x, y=y),
        floor.mark_rule(color=INK, strokeDash=[4, 3], opacity=0.7).encode(x=x),
        floor.mark_text(align="left", dx=5, fontSize=12, color=INK).encode(x=x, y=alt.value(140), text="text:N"),
    ]
    if held.detectable is not None:
        point = chart([{"x": held.detectable, "share": 0.8}])
        layers.append(point.mark_point(filled=True, size=110, opacity=1, color=ORANGE).encode(x=x, y=y))
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 60, height=150)


def forecast(findings: Findings) -> Figure | None:
    """Draws the expected shifts of a student for the strongest traits, and the shifts of canary students."""
    lines = [
        Line(f"{name_of(t)}: {what}", (Mark(x, ci, colour),), effect_of(x, ci), "bold" if t.named else "plain")
        for t in strongest(findings)
        for what, x, ci, colour in (
            ("forecast", t.forecast, t.forecast_ci, _colour(t)),
            ("canary", t.canary, t.canary_ci, GREEN),
        )
        if x is not None
    ]
    title = "How far a student that is trained on this file would shift"
    return figure("forecast", title, partial(forest, lines, Axis("shift in log-odds")))


def confounds(findings: Findings) -> Figure | None:
    """Draws how well a classifier that sees only format tells the rows from the base's own answers."""
    held = findings.confounds
    if held is None:
        return None
    tells = "tells" if held.ci[0] > 0.5 else "does not tell"
    mark, text = Mark(held.auroc, held.ci), f"{held.auroc:.2f} {interval(held.ci)}"
    axis = Axis("AUROC (0.5: chance)", zero=0.5, bounds=(min(0.35, held.ci[0] - 0.02), 1.0))
    title = f"Format alone {tells} these rows from the base's own answers"
    return figure("confounds", title, partial(forest, [Line("classifier of format", (mark,), text, "bold")], axis))
