"""The figure of an audit of a closed base: how often every student names each trait."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from undertone.finetunes.findings import Findings, TraitFinding
from undertone.report.canvas import Canvas, Figure, Row, figure, of, padded, placed, texts
from undertone.report.measure import shift_of

if TYPE_CHECKING:
    import altair as alt

DATA, CONTROL, BASE = "#d55e00", "#009e73", "#7a7f87"
STEP = 44
NARROW, LOWER = 66, 20
MOST = 20
"""Traits drawn, those that differ most."""


def canaries_figures(findings: Findings) -> dict[str, Figure]:
    """Every figure that these findings allow, by name."""
    drawn = figure("students", "How often each student names the trait", partial(_students, findings))
    return {} if drawn is None else {drawn.name: drawn}


def _students(findings: Findings, canvas: Canvas) -> alt.LayerChart | None:
    import altair as alt

    shown = [trait for trait in findings.traits if trait.of_data][:MOST]
    if not shown:
        return None
    step, lower = (NARROW, LOWER) if canvas.narrow else (STEP, 0)
    rows = [row for i, trait in enumerate(shown) for row in _rows(trait, step // 2 + i * step, lower)]
    height, edges = len(shown) * step, [row["x"] for row in rows if "x" in row]
    ends = [8, canvas.width - 8] if canvas.narrow else [190, canvas.width - 190]
    scale = alt.Scale(domain=padded(min(edges), max(edges), least=10), range=ends, nice=False, zero=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(grid=True, tickCount=6, title="answers that name it, %"))
    y = placed(height)
    layers = [
        of(rows, "base").mark_tick(thickness=2, size=26, color=BASE).encode(x=x, y=y),
        of(rows, "control").mark_point(filled=False, size=60, strokeWidth=2, color=CONTROL).encode(x=x, y=y),
        of(rows, "data").mark_point(filled=True, size=60, opacity=0.75, color=DATA).encode(x=x, y=y),
        *texts(rows, canvas, height, room=180),
    ]
    return alt.LayerChart(layer=layers).properties(width=canvas.width, height=height)


def _rows(trait: TraitFinding, y: int, lower: int) -> Iterator[Row]:
    """Where there is no room beside the marks, the texts stand above and below them."""
    yield {"kind": "label", "text": trait.name, "y": y - lower}
    yield {"kind": "value", "text": f"{shift_of(trait.difference, trait.ci)} points", "y": y + lower}
    if trait.base is not None:
        yield {"kind": "base", "x": 100 * trait.base, "y": y}
    for kind, rates in (("control", trait.of_control), ("data", trait.of_data)):
        yield from ({"kind": kind, "x": 100 * rate, "y": y} for rate in rates)
