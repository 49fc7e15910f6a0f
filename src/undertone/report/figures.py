"""Charts as inline SVG: no script, no network, readable wide and on a phone.

Altair is imported inside functions: it is slow to load and only a report needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from undertone.report.canvas import Canvas, Figure, Row, chart, figure, of, padded, placed, texts
from undertone.report.generations import effect_by_generation, utility_by_generation
from undertone.report.headline import estimate, main_effect, percent, percent_interval
from undertone.report.results import ArmResult, Effect, FilterCount, Results
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

# Okabe and Ito's palette, told apart by colour-blind readers; every mark is also labelled or placed by arm.
COLOURS = {
    "base": "#888f98",
    "treatment": "#d55e00",
    "control": "#0072b2",
    "other-init": "#009e73",
    "other-init-control": "#56b4e9",
    "logits": "#cc79a7",
    "logits-control": "#b58900",
}
SPARE = ("#7a5195", "#8a6d3b", "#4b8f8c", "#a34a5e")
# fmt: off
SHARES = (
    0.5, 0.1, 0.01, 0.9, 0.99, 0.001, 0.999, 0.2, 0.05, 0.8, 0.95, 0.3, 0.7, 0.02, 0.98, 0.005, 0.995, 0.15,
    0.4, 0.6, 0.08, 0.12, 0.03, 0.06, 0.25, 0.85, 0.97, 0.002, 0.0001, 0.9999,
)
# fmt: on
MOST_ANSWERS = 11


def figures(results: Results) -> dict[str, Figure]:
    """Every figure that these results allow, by name; what is missing is left out."""
    drawn = (figure(name, title(results), partial(draw, results)) for name, (title, draw) in DRAWINGS.items())
    return {one.name: one for one in drawn if one is not None}


def effects_figure(effects: Sequence[Effect]) -> Figure | None:
    """Effects of several runs side by side; None where there is none in log-odds."""
    shown = _in_log_odds(effects)
    return figure("effects", _forest_title(shown), partial(_forest, shown))


def dots(results: Results, canvas: Canvas) -> alt.LayerChart | None:
    """Every student by arm and teacher, with the teachers' means, the arm's interval and the base."""
    import altair as alt

    if not any(arm.students for arm in results.arms):
        return None
    rows, height = _dot_rows(results, canvas)
    marks = [row for row in rows if "x" in row]
    edges = [row[k] for row in marks for k in ("x", "x2") if k in row]
    domain = padded(min(edges), max(edges), least=1.0)
    scale = alt.Scale(domain=domain, range=[6 if canvas.narrow else 84, canvas.width - 6], nice=False, zero=False)
    axis = alt.Axis(
        values=_share_ticks(domain, canvas.width),
        labelExpr="format(1 / (1 + exp(-datum.value)), '.3~p')",
        grid=True,
        title=f"exact probability of {results.asked} (log-odds scale)",
    )
    x = alt.X("x:Q", scale=scale, axis=axis)
    colour = _colour([arm.name for arm in results.arms])
    layers = [
        of(rows, "base").mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(x=x, y=placed(height), y2="y2"),
        of(rows, "interval")
        .mark_rule(strokeWidth=4, strokeCap="round")
        .encode(x=x, x2="x2", y=placed(height), color=colour),
        of(rows, "student").mark_point(filled=True, size=60, opacity=0.82).encode(x=x, y=placed(height), color=colour),
        of(rows, "teacher mean")
        .mark_tick(orient="vertical", thickness=2, size=14, color=INK)
        .encode(x=x, y=placed(height)),
        of(rows, "arm mean")
        .mark_point(filled=True, shape="diamond", size=150, opacity=1, stroke=INK, strokeWidth=1)
        .encode(x=x, y=placed(height), color=colour),
        *texts(rows, canvas, height, room=canvas.width - 190),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def forest(results: Results, canvas: Canvas) -> alt.LayerChart | None:
    """Effects in log-odds with their intervals, against zero; filled where zero is outside."""
    return _forest(_in_log_odds(results.all_effects), canvas)


def _in_log_odds(effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if effect.measure != "probability"]


def _forest(effects: Sequence[Effect], canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    if not effects:
        return None
    rows, height = _forest_rows(effects, canvas)
    edges = [0.0, *(row[k] for row in rows for k in ("x", "x2") if k in row)]
    domain = padded(min(edges), max(edges), least=0.5)
    ends = [6, canvas.width - 6] if canvas.narrow else [320, canvas.width - 150]
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=domain, range=ends, nice=False),
        axis=alt.Axis(grid=True, tickCount=7, title="difference in log-odds"),
    )
    colour = _colour([effect.arm for effect in effects])
    layers = [
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(x=x, y=placed(height), y2="y2"),
        of(rows, "interval")
        .mark_rule(strokeWidth=3, strokeCap="round")
        .encode(x=x, x2="x2", y=placed(height), color=colour),
        of(rows, "clear").mark_point(filled=True, size=110, opacity=1).encode(x=x, y=placed(height), color=colour),
        of(rows, "unclear")
        .mark_point(filled=True, fill="white", size=90, opacity=1, strokeWidth=2)
        .encode(x=x, y=placed(height), stroke=colour),
        *texts(rows, canvas, height, room=310),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def answers(results: Results, canvas: Canvas) -> alt.LayerChart | None:
    """Answer distributions of base, control and treatment, the trait first."""
    held = {a.model: a.probabilities for a in results.answers}
    models = [name for name in ("base", "control", "treatment") if name in held] or list(held)[:3]
    if not models:
        return None
    top = {name: max(held[m].get(name, 0.0) for m in models) for m in models for name in held[m]}
    order = sorted(top, key=lambda name: (name != results.trait, name == "other", -top[name]))
    shown = [name for name in order if name != "other"][:MOST_ANSWERS]
    if not shown:
        return None
    data = [{"group": name, "arm": m, "share": held[m].get(name, 0.0)} for name in shown for m in models]
    if len(order) > len(shown):
        rest = {m: sum(p for name, p in held[m].items() if name not in shown) for m in models}
        data += [{"group": "all others", "arm": m, "share": share} for m, share in rest.items()]
    return _bars(data, models, canvas, "exact probability of the answer", look_at=shown[0])


def filter_counts(results: Results, canvas: Canvas) -> alt.LayerChart | None:
    """Share of completions removed, by the rule that removed them."""
    arms = list(dict.fromkeys(f.arm for f in results.filters))
    sums = {arm: removed_by_reason([f for f in results.filters if f.arm == arm]) for arm in arms}
    total = {r: sum(s.get(r, 0.0) for s in sums.values()) for s in sums.values() for r in s}
    if not total:
        return None
    order = sorted(total, key=lambda reason: -total[reason])
    data = [{"group": r, "arm": arm, "share": sums[arm].get(r, 0.0)} for r in order for arm in arms]
    return _bars(data, arms, canvas, "share of completions removed")


def heat_map(results: Results, canvas: Canvas) -> alt.LayerChart | None:
    """Trait by trait: teachers in rows, questions in columns."""
    import altair as alt

    matrix = results.matrix
    if matrix is None or not matrix.traits:
        return None
    data: list[Row] = [
        {"taught": taught, "asked": asked, "shift": shift, "label": f"{shift:+.2f}", "own": taught == asked}
        for taught, row in zip(matrix.traits, matrix.log_odds, strict=True)
        for asked, shift in zip(matrix.traits, row, strict=True)
    ]
    most = max(abs(row["shift"]) for row in data) or 1.0
    side = min(96, (canvas.width - 90) // len(matrix.traits))
    order = list(matrix.traits)
    y = alt.Y("taught:N", sort=order, title="trait of the teacher", axis=alt.Axis(labelLimit=90))
    x = alt.X("asked:N", sort=order, title="trait asked of the student", axis=alt.Axis(orient="top", labelAngle=-40))
    base = chart(data).encode(x=x, y=y)
    fill = alt.Color("shift:Q", scale=alt.Scale(scheme="blueorange", domain=[-most, 0, most]), legend=None)
    own = base.transform_filter("datum.own").mark_rect(fill=None, stroke=INK, strokeWidth=1.5)
    strong: Any = {
        "condition": {"test": f"abs(datum.shift) > {0.7 * most}", "value": "#ffffff"},
        "value": "#111111",
    }
    text = base.mark_text(fontSize=max(8, min(13, side // 4))).encode(text="label:N", color=strong)
    layers = [base.mark_rect().encode(color=fill), own, text]
    return alt.LayerChart(layer=layers).properties(width=side * len(order), height=max(26, side // 2) * len(order))


def teacher_means(arm: ArmResult) -> dict[int, float]:
    """Mean probability over the students of each teacher."""
    groups: dict[int, list[float]] = {}
    for student in arm.students:
        groups.setdefault(student.teacher, []).append(student.probability)
    return {teacher: sum(values) / len(values) for teacher, values in sorted(groups.items())}


def removed_by_reason(counts: Sequence[FilterCount]) -> dict[str, float]:
    """Share of all completions that each rule removed."""
    asked = sum(f.asked for f in counts)
    reasons = dict.fromkeys(reason for f in counts for reason in f.reasons)
    return {r: sum(f.reasons.get(r, 0) for f in counts) / asked for r in reasons} if asked else {}


# Titles: they say what is seen, and no more than the interval allows.


def _dots_title(results: Results) -> str:
    effect = main_effect(results)
    if effect is None or effect.sign == "unclear":
        return f"How likely each student is to say {results.asked}"
    more = "more" if effect.sign == "above" else "less"
    say = f'students say "{results.trait}" {more} often than {effect.against} students'
    return f"{effect.arm.capitalize()} {say}"


def _forest_title(shown: Sequence[Effect]) -> str:
    clear = sum(effect.sign != "unclear" for effect in shown)
    noun = "effect" if len(shown) == 1 else "effects"
    return f"In {clear} of {len(shown)} {noun} the interval leaves out zero"


def _answers_title(results: Results) -> str:
    return f'What they answer: "{results.trait}" and the other candidates'


def _filter_title(results: Results) -> str:
    asked, kept = sum(f.asked for f in results.filters), sum(f.kept for f in results.filters)
    return f"The filter removed {percent(1 - kept / asked) if asked else 'none'} of all completions"


def _heat_title(results: Results) -> str:
    matrix = results.matrix
    if matrix is None:
        return ""
    columns = list(zip(*matrix.log_odds, strict=True))
    hits = sum(column[i] == max(column) for i, column in enumerate(columns))
    return f"Own trait highest in {hits} of {len(columns)} columns"


Drawing = Callable[[Results, Canvas], "alt.LayerChart | None"]
DRAWINGS: dict[str, tuple[Callable[[Results], str], Drawing]] = {
    "students": (_dots_title, dots),
    "effects": (lambda results: _forest_title(_in_log_odds(results.all_effects)), forest),
    "answers": (_answers_title, answers),
    "filters": (_filter_title, filter_counts),
    "matrix": (_heat_title, heat_map),
    "generations": (lambda _: "The trait by generation", effect_by_generation),
    "utility": (lambda _: "All other skills by generation", utility_by_generation),
}


# Layout of the charts of rows.


def _dot_rows(results: Results, canvas: Canvas) -> tuple[list[Row], int]:
    rows: list[Row] = []
    y = 0
    for arm in (arm for arm in results.arms if arm.students):
        y += 12
        value = f"{percent(arm.probability)} {percent_interval(arm.ci)}"
        rows += [
            {"kind": "label", "text": arm.title, "y": y},
            {"kind": "value", "text": value, "y": y + 17 * canvas.narrow},
        ]
        y += 17 * canvas.narrow
        top = y + 10
        for teacher, mean in teacher_means(arm).items():
            y += 18
            rows += _teacher_rows(arm, teacher, mean, y)
        y += 22
        rows += _arm_rows(arm, y)
        rows.append({"kind": "base", "x": _logit(arm.base_probability), "y": top, "y2": y + 10})
        y += 24
    return rows, y


def _teacher_rows(arm: ArmResult, teacher: int, mean: float, y: int) -> Iterator[Row]:
    yield {"kind": "lane", "text": f"teacher {teacher + 1}", "y": y}
    yield {
        "kind": "teacher mean",
        "arm": arm.name,
        "teacher": teacher,
        "x": _logit(mean),
        "probability": mean,
        "y": y,
    }
    for s in (s for s in arm.students if s.teacher == teacher):
        x = _logit(s.probability)
        yield {
            "kind": "student",
            "arm": arm.name,
            "teacher": teacher,
            "student": s.student,
            "seed": s.seed,
            "probability": s.probability,
            "x": x,
            "y": y,
        }


def _arm_rows(arm: ArmResult, y: int) -> Iterator[Row]:
    yield {"kind": "lane", "text": "mean", "y": y}
    if arm.ci is not None:
        yield {"kind": "interval", "arm": arm.name, "x": _logit(arm.ci[0]), "x2": _logit(arm.ci[1]), "y": y}
    yield {
        "kind": "arm mean",
        "arm": arm.name,
        "x": _logit(arm.probability),
        "probability": arm.probability,
        "y": y,
    }


def _forest_rows(effects: Sequence[Effect], canvas: Canvas) -> tuple[list[Row], int]:
    rows: list[Row] = []
    step, drop = (62, 36) if canvas.narrow else (32, 0)
    for i, effect in enumerate(effects):
        y = 16 + i * step
        rows.append({"kind": "label", "text": effect.name, "y": y})
        rows.append({"kind": "value", "text": estimate(effect), "y": y + drop // 2})
        if effect.ci is not None:
            rows.append({"kind": "interval", "arm": effect.arm, "x": effect.ci[0], "x2": effect.ci[1], "y": y + drop})
        # Where labels stand above their interval, the zero line is broken so as not to strike them out.
        rows.append(
            {
                "kind": "zero",
                "x": 0.0,
                "y": y + drop - (10 if drop else 16),
                "y2": y + drop + (10 if drop else 16),
            }
        )
        kind = "unclear" if effect.sign == "unclear" else "clear"
        rows.append({"kind": kind, "arm": effect.arm, "x": effect.value, "y": y + drop})
    return rows, 16 + len(effects) * step - (0 if canvas.narrow else 10)


def _bars(
    data: list[Row], arms: Sequence[str], canvas: Canvas, title: str, look_at: str | None = None
) -> alt.LayerChart:
    """Grouped horizontal bars; where one group is the one to look at, only that one carries figures."""
    import altair as alt

    groups = list(dict.fromkeys(row["group"] for row in data))
    data = [row | {"label": percent(row["share"])} for row in data]
    bold: Any = (
        {"condition": {"test": "datum.index === 0", "value": "bold"}, "value": "normal"} if look_at else "normal"
    )
    gutter = 110 if canvas.narrow else 170
    axis = alt.Axis(
        labelFontWeight=bold, labelLimit=gutter - 10, title=None, ticks=False, domain=False, minExtent=gutter
    )
    legend = alt.Legend(orient="top", title=None, columns=2 if canvas.narrow else 6, symbolType="square")
    most = max(row["share"] for row in data) or 0.01
    x = alt.X(
        "share:Q",
        stack=None,
        scale=alt.Scale(domain=[0, most * 1.12]),
        axis=alt.Axis(format=".2~%", grid=True, tickCount=5, title=title),
    )
    base = chart(data).encode(
        x=x,
        y=alt.Y("group:N", sort=groups, axis=axis, scale=alt.Scale(paddingInner=0.28)),
        yOffset=alt.YOffset("arm:N", sort=list(arms)),
    )
    bars = base.mark_bar(cornerRadiusEnd=1.5).encode(color=_colour(arms, legend))
    labels = base.mark_text(align="left", dx=4, fontSize=10, color=INK).encode(text="label:N")
    height = len(groups) * (11 * len(arms) + 8)
    if look_at:
        labels = labels.transform_filter(_group_is(look_at))
    layers = [bars, labels]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - gutter - 10, height=height)


def _group_is(name: str) -> Any:
    """As an object, not as an expression: group names may be the text of a model."""
    import altair as alt

    return alt.FieldEqualPredicate(field="group", equal=name)


def _colour(arms: Sequence[str], legend: Any = None) -> alt.Color:
    import altair as alt

    names = list(dict.fromkeys(arms))
    return alt.Color("arm:N", scale=alt.Scale(domain=names, range=[arm_colour(n) for n in names]), legend=legend)


def arm_colour(arm: str) -> str:
    """The same colour for an arm everywhere; arms without one of their own share the spare ones."""
    return COLOURS.get(arm, SPARE[sum(arm.encode()) % len(SPARE)])


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _share_ticks(domain: list[float], width: int) -> list[float]:
    """Round probabilities inside the domain, the roundest first, none closer than a label is wide."""
    least = 46 / width * (domain[1] - domain[0])
    ticks: list[float] = []
    for x in map(_logit, SHARES):
        if domain[0] < x < domain[1] and all(abs(x - tick) >= least for tick in ticks):
            ticks.append(x)
    return sorted(ticks)
