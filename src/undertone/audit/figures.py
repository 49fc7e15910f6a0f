"""The figures of an audit: effects of traits, power, and what canary students became."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.audit.findings import FamilyFinding, Findings, TraitFinding
from undertone.report.canvas import Canvas, Figure, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Interval
from undertone.report.svg import INK
from undertone.report.words import interval

if TYPE_CHECKING:
    import altair as alt


def effect_of(value: float | None, ci: Interval | None) -> str:
    """Returns "+0.73 [0.50, 0.96]"."""
    return "-" if value is None else f"{value:+z.2f} {interval(ci)}"


def strongest(findings: Findings, most: int = 10) -> list[TraitFinding]:
    """Returns the first few traits, and all that were found, in the order of the findings."""
    return [trait for at, trait in enumerate(findings.traits) if at < most or trait.found]


def traits(findings: Findings) -> Figure | None:
    """Draws the strongest traits with their intervals, the others as one line of dots."""
    if not findings.traits:
        return None
    shown, found = strongest(findings), [_name(trait) for trait in findings.traits if trait.found]
    lines = [
        Line(_name(t), (Mark(t.effect, t.ci, _colour(t)),), effect_of(t.effect, t.ci), "bold" if t.found else "plain")
        for t in shown
    ]
    rest = [trait for trait in findings.traits if trait not in shown]
    if rest:
        lines.append(Line(f"{len(rest)} others", tuple(Mark(t.effect, None, GREY) for t in rest), ""))
    ends = [end for trait in shown for end in trait.ci] + [trait.effect for trait in rest]
    axis = Axis(
        "effect (1: as of a teacher who wrote every row)", dashed=(1.0,), bounds=padded(min(ends), max(ends), least=0.5)
    )
    title = f"Found: {', '.join(found)}" if found else f"None of {len(findings.traits)} traits stands apart"
    return figure("traits", title, partial(forest, lines, axis))


def _name(trait: TraitFinding) -> str:
    return f"{trait.name}, {trait.group}" if trait.group else trait.name


def _colour(trait: TraitFinding) -> str:
    return ORANGE if trait.found else BLUE if trait.listed else GREY


def power(findings: Findings) -> Figure | None:
    """Draws the probability that a teacher with a listed trait is found, by the size of its effect, for each family."""
    weakest: dict[str, FamilyFinding] = {}
    for family in sorted(findings.families, key=lambda family: -(family.power or 0)):
        if family.curve:
            weakest[family.name] = family
    if not weakest:
        return None
    able = sorted(weakest.values(), key=lambda family: family.name)
    chances = " and ".join(f"{family.power:.0%} of {family.words}" for family in able)
    title = f"An effect of {findings.effect:g} would be found for {chances}"
    return figure("power", title, partial(_curves, able, findings.effect))


def _curves(families: Sequence[FamilyFinding], asked: float, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    most = min(10.0, 1.5 * max(asked, *(family.detectable or 10.0 for family in families)))
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, most], nice=False), axis=alt.Axis(tickCount=6, title="effect"))
    axis = alt.Axis(values=[0, 0.4, 0.8, 1], format=".0%", title="power")
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    floor = chart([{"x": asked, "text": f"asked for: {asked:g}"}])
    layers: list[Any] = [
        floor.mark_rule(color=INK, strokeDash=[4, 3], opacity=0.7).encode(x=x),
        floor.mark_text(align="left", dx=5, fontSize=12, color=INK).encode(
            x=x, y=alt.value(140), text=alt.Text("text:N")
        ),
    ]
    for family, colour in zip(families, (BLUE, ORANGE), strict=False):
        points = [
            {"x": effect, "share": share, "text": family.words} for effect, share in family.curve if effect <= most
        ]
        layers.append(chart(points).mark_line(strokeWidth=2.5, color=colour).encode(x=x, y=y))
        end = chart(points[-1:])
        layers.append(
            end.mark_text(align="right", dy=-8, fontSize=12, color=colour).encode(x=x, y=y, text=alt.Text("text:N"))
        )
        if family.detectable is not None:
            dot = chart([point for point in points if point["x"] == family.detectable])
            layers.append(dot.mark_point(filled=True, size=110, opacity=1, color=colour).encode(x=x, y=y))
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 60, height=150)


def canaries(findings: Findings) -> Figure | None:
    """Draws the measured shifts of canary students for the traits that moved most."""
    shown = findings.canaries[:10]
    lines = [Line(one.name, (Mark(one.shift, one.ci, GREEN),), effect_of(one.shift, one.ci)) for one in shown]
    title = "How far students of this file shifted"
    return figure("canaries", title, partial(forest, lines, Axis("shift in log-odds"))) if lines else None
