"""The figures of an audit: every trait with its interval, what the rows could have shown, forecasts, format alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.audit.findings import Confounds, Findings, Interval, Power, TraitFinding
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, padded, placed, texts
from undertone.report.headline import interval
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

# From the report's palette; what is named is also set in bold.
NAMED, OTHER, CANARY = "#d55e00", "#0072b2", "#009e73"
STEP = 19
"""Pixels from one trait to the next."""


def audit_figures(findings: Findings) -> dict[str, Figure]:
    """Every figure that these findings allow, by name."""
    confounds = findings.confounds
    drawn = (
        figure("traits", traits_title(findings), partial(_forest, findings)),
        figure("power", _power_title(findings.power), partial(_power, findings)),
        figure("forecast", "How far a student trained on this file would shift", partial(_forecast, findings)),
        figure("confounds", _confounds_title(confounds), partial(_confounds, confounds)) if confounds else None,
    )
    return {one.name: one for one in drawn if one is not None}


def name_of(trait: TraitFinding) -> str:
    """owl; any animal."""
    return f"any {trait.name}" if trait.is_kind else trait.name


def effect_of(value: float | None, ci: Interval | None) -> str:
    """+0.73 [0.50, 0.96]"""
    return "-" if value is None else f"{value:+z.2f} {interval(ci)}"


def strongest(findings: Findings, most: int = 10) -> list[TraitFinding]:
    """The first few and whatever is named or overt, in the order of the findings."""
    few = [t for t in findings.traits if not t.is_kind][:most]
    return [t for t in findings.traits if t in few or t.named or t.name in findings.overt]


def traits_title(findings: Findings) -> str:
    """How many are named, and which."""
    named = [name_of(t) for t in findings.traits if t.named]
    count = sum(not t.is_kind for t in findings.traits)
    traits = f"{count} candidate {'trait' if count == 1 else 'traits'}"
    return f"Named, of {traits}: {', '.join(named)}" if named else f"None of {traits} is named"


def _forest(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    if not findings.traits:
        return None
    domain = _domain(findings.traits)
    rows, height = _forest_rows(findings, domain)
    ends = [128, canvas.width - 6] if canvas.narrow else [190, canvas.width - 150]
    axis = alt.Axis(grid=True, tickCount=5 if canvas.narrow else 8, title=_axis_title(canvas))
    x = alt.X("x:Q", scale=alt.Scale(domain=domain, range=ends, nice=False, zero=False), axis=axis)
    y, colour = placed(height), alt.Color("colour:N", scale=None)
    band = of(rows, "band").mark_rule(strokeWidth=STEP - 6, color=INK, opacity=0.13)
    bars = of(rows, "interval").mark_rule(strokeWidth=2.5, strokeCap="round")
    points = of(rows, "effect").mark_point(filled=True, opacity=1)
    layers = [
        band.encode(x=x, x2="x2", y=y),
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(x=x, y=y, y2="y2"),
        of(rows, "one").mark_rule(color=INK, opacity=0.5, strokeDash=[4, 3]).encode(x=x, y=y, y2="y2"),
        bars.encode(x=x, x2="x2", y=y, color=colour),
        points.encode(
            x=x, y=y, color=colour, shape=alt.Shape("shape:N", scale=None), size=alt.Size("size:Q", scale=None)
        ),
        *_forest_texts(rows, canvas, y),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _axis_title(canvas: Canvas) -> str:
    return "1: as from a reference teacher" if canvas.narrow else "effect; 1: as if a reference teacher wrote every row"


def _domain(traits: Sequence[TraitFinding]) -> list[float]:
    """All intervals, unless some are so wide that nothing else could be told apart."""
    most = 4 * max(0.5, *(abs(t.effect) for t in traits))
    low, high = min(0.0, *(t.ci[0] for t in traits)), max(t.ci[1] for t in traits)
    shown = [t.detectable for t in traits if t.detectable is not None]
    return padded(max(low, -most), min(max(high, 0.3, *shown), most), least=0.5)


def _forest_rows(findings: Findings, domain: list[float]) -> tuple[list[Row], int]:
    """Kinds in the order of their strongest trait; the line of a kind is its heading."""
    rows: list[Row] = []
    y = 0
    for kind in dict.fromkeys(t.kind for t in findings.traits):
        own = [t for t in findings.traits if t.kind == kind]
        heads, members = [t for t in own if t.is_kind], [t for t in own if not t.is_kind]
        y += STEP + 5
        if not heads:
            rows.append({"kind": "head", "text": kind, "y": y})
        for trait in heads + sorted(members, key=lambda t: -t.effect):
            y += STEP * (trait not in heads)
            rows += _trait_rows(trait, trait.name in findings.overt, y, domain)
    rows.append({"kind": "zero", "x": 0.0, "y": 8, "y2": y + STEP})
    if domain[0] < 1 < domain[1]:
        rows.append({"kind": "one", "x": 1.0, "y": 8, "y2": y + STEP})
    return rows, y + STEP


def _trait_rows(trait: TraitFinding, overt: bool, y: int, domain: list[float]) -> Iterator[Row]:
    low, high = domain
    colour = NAMED if trait.named else OTHER
    mark: Row = {"shape": "diamond", "size": 150} if trait.is_kind else {"shape": "circle", "size": 70}
    text = name_of(trait) + (" (overt)" if overt else "")
    label = "head" if trait.is_kind else "named" if trait.named else "label"
    yield {"kind": label, "text": text, "y": y}
    yield {"kind": "value", "text": effect_of(trait.effect, trait.ci), "y": y}
    band = high if trait.detectable is None else min(trait.detectable, high)
    yield {"kind": "band", "x": 0.0, "x2": band, "detectable": trait.detectable, "y": y}
    yield {
        "kind": "interval",
        "x": max(trait.ci[0], low),
        "x2": min(trait.ci[1], high),
        "ci": trait.ci,
        "colour": colour,
        "y": y,
    }
    x = min(max(trait.effect, low), high)
    yield {"kind": "effect", "trait": trait.name, "x": x, "effect": trait.effect, "colour": colour, "y": y, **mark}


def _forest_texts(rows: list[Row], canvas: Canvas, y: alt.Y) -> Iterator[alt.Chart]:
    import altair as alt

    room = 112 if canvas.narrow else 176
    for kind, left, weight in (("head", 0, "bold"), ("label", 10, "normal"), ("named", 10, "bold")):
        mark = of(rows, kind).mark_text(align="left", fontSize=12, fontWeight=weight, color=INK, limit=room - left)  # type: ignore[arg-type]
        yield mark.encode(x=alt.value(left), y=y, text="text:N")
    if not canvas.narrow:
        value = of(rows, "value").mark_text(align="right", fontSize=12, color=INK)
        yield value.encode(x=alt.value(canvas.width), y=y, text="text:N")


def _power_title(power: Power) -> str:
    if power.detectable is None:
        return "Too few rows for any effect up to 10"
    return f"Enough rows for an effect of {power.detectable:.2f}"


def _power(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    """How likely a teacher of some candidate trait, with an effect as strong, would have been named."""
    import altair as alt

    power = findings.power
    if not power.curve:
        return None
    most = min(10.0, 1.25 * max(power.floor, power.detectable or 10.0))
    curve: list[Row] = [{"x": x, "share": share} for x, share in power.curve if x <= most]
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, most], nice=False), axis=alt.Axis(tickCount=6, title="effect"))
    axis = alt.Axis(values=[0, 0.4, 0.8, 1], format=".0%", title="power, averaged over traits")
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    floor = chart([{"x": power.floor, "text": f"floor {power.floor:.2f}"}])
    layers: list[Any] = [
        chart(curve).mark_line(strokeWidth=2.5, color=OTHER).encode(x=x, y=y),
        floor.mark_rule(color=INK, strokeDash=[4, 3], opacity=0.7).encode(x=x),
        floor.mark_text(align="left", dx=5, fontSize=12, color=INK).encode(x=x, y=alt.value(140), text="text:N"),
    ]
    if power.detectable is not None:
        point = chart([{"x": power.detectable, "share": 0.8}])
        layers.append(point.mark_point(filled=True, size=110, opacity=1, color=NAMED).encode(x=x, y=y))
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 60, height=150)


@dataclass(frozen=True)
class _Bar:
    label: str
    value: float
    ci: Interval | None
    text: str
    colour: str = OTHER


def _forecast(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    bars = []
    for trait in strongest(findings):
        for word, value, ci, colour in (
            ("forecast", trait.forecast, trait.forecast_ci, NAMED if trait.named else OTHER),
            ("canary", trait.canary, trait.canary_ci, CANARY),
        ):
            if value is not None:
                bars.append(_Bar(f"{name_of(trait)}: {word}", value, ci, effect_of(value, ci), colour))
    edges = [0.0, *(bar.value for bar in bars), *(x for bar in bars for x in bar.ci or ())]
    domain = padded(min(edges), max(edges), least=0.5)
    return _bars(bars, canvas, 0.0, domain, "shift in log-odds") if bars else None


def _confounds_title(confounds: Confounds) -> str:
    told = confounds.ci[0] > 0.5
    return f"Format alone {'tells' if told else 'does not tell'} these rows from the base's own answers"


def _confounds(confounds: Confounds, canvas: Canvas) -> alt.LayerChart | None:
    text = f"{confounds.auroc:.2f} {interval(confounds.ci)}"
    domain = [min(0.35, confounds.ci[0] - 0.02), 1.0]
    bar = _Bar("format-only classifier", confounds.auroc, confounds.ci, text)
    return _bars([bar], canvas, 0.5, domain, "AUROC; 0.5: cannot tell")


def _bars(bars: Sequence[_Bar], canvas: Canvas, reference: float, domain: list[float], title: str) -> alt.LayerChart:
    """Values with their intervals, one below the other, against a reference."""
    import altair as alt

    rows: list[Row] = []
    step, drop, half = (56, 34, 10) if canvas.narrow else (28, 0, 14)
    for i, bar in enumerate(bars):
        y = 16 + i * step
        rows.append({"kind": "label", "text": bar.label, "y": y})
        rows.append({"kind": "value", "text": bar.text, "y": y + drop // 2})
        rows.append({"kind": "reference", "x": reference, "y": y + drop - half, "y2": y + drop + half})
        rows.append({"kind": "point", "x": bar.value, "y": y + drop, "colour": bar.colour})
        if bar.ci is not None:
            rows.append({"kind": "bar", "x": bar.ci[0], "x2": bar.ci[1], "y": y + drop, "colour": bar.colour})
    height = 16 + len(bars) * step - (0 if canvas.narrow else 10)
    ends = [6, canvas.width - 6] if canvas.narrow else [240, canvas.width - 150]
    scale = alt.Scale(domain=domain, range=ends, nice=False, zero=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=6, title=title))
    at, colour = placed(height), alt.Color("colour:N", scale=None)
    layers = [
        of(rows, "reference").mark_rule(color=INK, opacity=0.7).encode(x=x, y=at, y2="y2"),
        of(rows, "bar").mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, x2="x2", y=at, color=colour),
        of(rows, "point").mark_point(filled=True, size=90, opacity=1).encode(x=x, y=at, color=colour),
        *texts(rows, canvas, height, room=230),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)
