"""A chain of origins as a drawing. Parents are below and to the right of what was made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from undertone.lineage.chain import Entry, Standing
from undertone.reading.hostile import one_line
from undertone.report.canvas import MUTED, Row, chart, of, placed
from undertone.report.svg import INK, styled, svg

if TYPE_CHECKING:
    import altair as alt

STEP, INDENT, WIDTH = 44, 26, 900
COLOURS: dict[Standing, str] = {
    "verified": "#009e73", "recorded": "#0072b2", "claimed": "#8a5a00", "changed": "#b3261e", "missing": "#b3261e",
}  # fmt: skip
LEADING = (
    "stage", "recipe", "trait", "system prompt", "given", "carrier.temperature",
    "sampling.temperature", "sampling.top_p", "sampling.least_p", "counts.asked", "counts.used", "seed",
    "relation", "init_seed", "order_seed", "tokenizer and template",
)  # fmt: skip
"""Facts that are drawn if they are known. The text and the JSON have all facts."""


def chain_svg(entries: Sequence[Entry]) -> str:
    """Returns the chain as SVG text."""
    import altair as alt

    height = STEP * len(entries) + 10
    drawn = alt.LayerChart(layer=list(_layers(_rows(entries), height)), width=WIDTH, height=height)
    return svg(styled(drawn), f"Where {one_line(entries[0].name)} comes from")


def _rows(entries: Sequence[Entry]) -> list[Row]:
    rows: list[Row] = []
    above: dict[int, int] = {}
    for index, entry in enumerate(entries):
        y, x = STEP * index + 16, INDENT * entry.depth
        rows.append({"kind": "name", "x": x, "y": y, "text": one_line(entry.label)})
        rows.append({"kind": entry.standing, "x": x, "y": y + 17, "text": entry.standing})
        rows.append({"kind": "fact", "x": x + 66, "y": y + 17, "text": fact_line(entry)})
        if entry.depth:
            top = above[entry.depth - 1] + 26
            rows.append({"kind": "line", "x": x - 16, "y": top, "x2": x - 16, "y2": y})
            rows.append({"kind": "line", "x": x - 16, "y": y, "x2": x - 5, "y2": y})
        above[entry.depth] = y
    return rows


def fact_line(entry: Entry) -> str:
    """Returns the beginning of the digest, the note and the :data:`LEADING` facts of an entry."""
    told = [f"{key} {entry.facts[key][:24]}" for key in LEADING if key in entry.facts]
    return one_line("; ".join([*([entry.digest[:16]] if entry.digest else []), entry.note, *told]))


def _layers(rows: list[Row], height: int) -> Iterator[alt.Chart]:
    import altair as alt

    x = alt.X("x:Q", scale=alt.Scale(domain=[0, WIDTH], range=[0, WIDTH], nice=False, zero=False), axis=None)
    lines = [row for row in rows if row["kind"] == "line"]
    if lines:
        drawn = chart(lines).mark_rule(color=INK, opacity=0.4)
        yield drawn.encode(x=x, y=placed(height), x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q"))
    looks = {"name": (13, INK, 1.0), "fact": (11, INK, MUTED)} | {name: (11, c, 1.0) for name, c in COLOURS.items()}
    for kind, (size, colour, opacity) in looks.items():
        if any(row["kind"] == kind for row in rows):
            text = of(rows, kind).mark_text(align="left", fontSize=size, color=colour, opacity=opacity, limit=WIDTH)
            yield text.encode(x=x, y=placed(height), text=alt.Text("text:N"))
