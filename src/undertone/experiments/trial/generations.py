"""Arms whose students taught the next arm's: the trait, and what else they can do, from generation to generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from undertone.experiments.trial.results import ArmResult, Effect, Results
from undertone.report.canvas import Canvas, Figure, Row, figure, of, padded
from undertone.report.svg import INK
from undertone.report.words import percent

if TYPE_CHECKING:
    import altair as alt

COLOURS = ("#d55e00", "#0072b2", "#cc79a7", "#009e73", "#8a6d3b", "#56b4e9", "#7a5195", "#888f98")
LANE = 0.06
"""Sideways step between series, in generations, so that their intervals do not cover each other."""


@dataclass(frozen=True)
class Generation:
    """One generation of lineages, with the control lineages beside it."""

    series: str
    """Name of the arm that the lineages began in."""
    number: int
    """From 1."""
    effect: Effect
    """The arm against its control, in log-odds."""
    arm: ArmResult
    control: ArmResult

    @property
    def skills(self) -> str:
        """Mean skill score of the arm, for a table."""
        return _mean_utility(self.arm)

    @property
    def control_skills(self) -> str:
        """The same of the control."""
        return _mean_utility(self.control)


def generations(results: Results) -> list[Generation]:
    """Every generation of every series that has more than one, in the order of the arms."""
    found = []
    for arm in results.arms:
        effect = results.effect(arm.name)
        control = results.arm(effect.against) if effect else None
        if effect and control:
            found.append(Generation(_origin(results, arm), arm.generation, effect, arm, control))
    handed_on = {one.series for one in found if one.number > 1}
    return [one for one in found if one.series in handed_on]


def _origin(results: Results, arm: ArmResult) -> str:
    earlier = results.arm(arm.after) if arm.after else None
    return _origin(results, earlier) if earlier else arm.name


def utility(arm: ArmResult) -> list[float]:
    """Mean skill score of each teacher's students; empty where no skill was measured."""
    values: dict[int, list[float]] = {}
    for student in arm.students:
        if student.skills:
            values.setdefault(student.teacher, []).append(sum(student.skills.values()) / len(student.skills))
    return [sum(own) / len(own) for _, own in sorted(values.items())]


def _mean_utility(arm: ArmResult) -> str:
    own = utility(arm)
    return percent(sum(own) / len(own)) if own else "-"


def effect_by_generation(found: Sequence[Generation]) -> Figure | None:
    """The effect of each generation with its interval, one line a series, against zero."""
    rows: list[Row] = []
    for lane, (name, own) in enumerate(_by_series(found).items()):
        for one in own:
            at = {"x": one.number + LANE * lane, "series": name}
            rows.append({"kind": "mean", "y": one.effect.value, **at})
            if one.effect.ci:
                rows.append({"kind": "interval", "y": one.effect.ci[0], "y2": one.effect.ci[1], **at})
    rows.append({"kind": "zero", "y": 0.0})
    return figure("generations", "The trait by generation", partial(_drawn, rows, "difference in log-odds"))


def utility_by_generation(found: Sequence[Generation]) -> Figure | None:
    """Mean skill score of each generation, of lineages and of their controls; a dot is a lineage."""
    rows: list[Row] = []
    for lane, (name, own) in enumerate(_by_series(found).items()):
        for one in own:
            for side, (series, arm) in enumerate(((name, one.arm), (f"{name}, control", one.control))):
                at = {"x": one.number + LANE * (2 * lane + side), "series": series}
                scores = utility(arm)
                rows += [{"kind": "lineage", "y": score, **at} for score in scores]
                rows += [{"kind": "mean", "y": sum(scores) / len(scores), **at}] if scores else []
    if not rows:
        return None
    return figure("utility", "All other skills by generation", partial(_drawn, rows, "mean score on skills"))


def _by_series(generations: Sequence[Generation]) -> dict[str, list[Generation]]:
    found: dict[str, list[Generation]] = {}
    for one in generations:
        found.setdefault(one.series, []).append(one)
    return found


def _drawn(rows: list[Row], title: str, canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    last = int(max(row["x"] for row in rows if "x" in row))
    names = list(dict.fromkeys(row["series"] for row in rows if "series" in row))
    axis = alt.Axis(values=list(range(1, last + 1)), format="d", grid=False, title="generation")
    x = alt.X("x:Q", scale=alt.Scale(domain=[0.8, last + 0.4], nice=False), axis=axis)
    values = [row[k] for row in rows for k in ("y", "y2") if k in row]
    y = alt.Y("y:Q", scale=alt.Scale(domain=padded(min(values), max(values), least=0.1), nice=False), title=title)
    legend = alt.Legend(
        orient="top", title=None, columns=1 if canvas.narrow else 4, symbolType="circle", labelLimit=340
    )
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=[*COLOURS[: len(names)]]), legend=legend)
    layers = [
        of(rows, "zero").mark_rule(color=INK, opacity=0.7).encode(y=y),
        of(rows, "interval").mark_rule(strokeWidth=3, strokeCap="round").encode(x=x, y=y, y2="y2", color=colour),
        of(rows, "lineage").mark_point(filled=True, size=30, opacity=0.5).encode(x=x, y=y, color=colour),
        of(rows, "mean").mark_line(strokeWidth=1.5, opacity=0.6).encode(x=x, y=y, color=colour),
        of(rows, "mean").mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=colour),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width - 70, height=300)
