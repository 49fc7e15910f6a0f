"""What all charts share: two widths, vertical positions in pixels, and a figure of both drawings.

Each chart is drawn twice, wide and narrow, and the page shows the one that fits: on a phone, a wide chart would have
text of five pixels. Altair is imported inside functions, because it is slow to import and only a report needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from undertone.reading.hostile import one_line
from undertone.report.drawer import Undrawn
from undertone.report.svg import styled, svg

if TYPE_CHECKING:
    import altair as alt

Row = dict[str, Any]
MUTED = 0.68
"""Opacity of less important text."""


@dataclass(frozen=True)
class Canvas:
    """The width of a drawing, in pixels."""

    width: int
    narrow: bool


WIDE = Canvas(width=860, narrow=False)
NARROW = Canvas(width=370, narrow=True)


@dataclass(frozen=True)
class Figure:
    """A figure of a report."""

    name: str
    title: str
    """What the figure shows."""
    spec: dict[str, Any] = field(repr=False)
    """The wide drawing in Vega-Lite, with its title and data."""
    wide: str = field(repr=False)
    """SVG for screens and paper."""
    narrow: str = field(repr=False)
    """SVG for phones."""
    fault: str = ""
    """Why it could not be drawn; the drawings then are this sentence."""

    @property
    def chart(self) -> alt.Chart | alt.LayerChart:
        """The wide drawing as a chart of Altair, to change or to save, as in ``chart.save("effects.png")``."""
        import altair as alt

        return alt.Chart.from_dict(self.spec)

    def _repr_html_(self) -> str:
        """What a notebook shows: the wide drawing, without scripts and without the network."""
        return self.wide


def figure(name: str, title: str, draw: Callable[[Canvas], alt.LayerChart | None]) -> Figure | None:
    """The figure of what ``draw`` draws; None if there is nothing to draw."""
    import altair as alt

    with alt.utils.schemapi.debug_mode(False):  # parts are not checked against the schema either
        charts = [chart for chart in map(draw, (WIDE, NARROW)) if chart is not None]
        specs = [styled(chart) for chart in charts]
    if len(specs) < 2:
        return None
    (wide, narrow), title = specs, one_line(title)
    spec = wide | {"title": title}
    try:
        return Figure(name, title, spec, wide=svg(wide, title), narrow=svg(narrow, title))
    except Undrawn as error:
        told = f"<p>{escape(str(error))}</p>"
        return Figure(name, title, spec, wide=told, narrow=told, fault=str(error))


def chart(rows: list[Row]) -> alt.Chart:
    """A chart of these rows of data."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=rows))


def of(rows: list[Row], kind: str) -> alt.Chart:
    """A chart of the rows whose ``kind`` is this."""
    return chart([row for row in rows if row["kind"] == kind])


def placed(height: int) -> alt.Y:
    """The vertical position of rows: their ``y`` in pixels from the top."""
    import altair as alt

    return alt.Y("y:Q", scale=alt.Scale(domain=[height, 0], range=[height, 0], nice=False, zero=False), axis=None)


def x_at(pixels: float) -> alt.XValue:
    """A horizontal position in pixels from the left."""
    import altair as alt

    made: Any = alt.XValue  # which lacks types; alt.value has Altair search for the class, 5 ms each time
    found: alt.XValue = made(pixels)
    return found


def padded(low: float, high: float, least: float) -> tuple[float, float]:
    """A domain with a margin, and at least ``least`` long, so that noise does not look large."""
    pad = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - pad, high + pad
