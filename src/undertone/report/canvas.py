"""What all charts share: two widths, rows placed in pixels, and both drawings of one chart.

Each chart is drawn twice, wide and narrow, and the page shows the one that fits: a wide chart scaled down to
a phone has text of five pixels. Vertical positions in the charts of rows are pixels, so that both drawings
come from the same few layers. Altair is imported inside functions: it is slow to load and only a report needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from undertone.report.hostile import one_line
from undertone.report.svg import styled, svg

if TYPE_CHECKING:
    import altair as alt

Row = dict[str, Any]
MUTED = 0.68


@dataclass(frozen=True)
class Canvas:
    """How wide to draw."""

    width: int
    narrow: bool


WIDE = Canvas(width=860, narrow=False)
NARROW = Canvas(width=370, narrow=True)


@dataclass(frozen=True)
class Figure:
    """One figure of the report."""

    name: str
    title: str
    """What is seen."""
    spec: dict[str, Any]
    """Vega-Lite, wide, with its title and data."""
    wide: str
    """SVG for screens and paper."""
    narrow: str
    """SVG for phones."""


def figure(name: str, title: str, draw: Callable[[Canvas], alt.LayerChart | None]) -> Figure | None:
    """Both drawings of one chart; None where there is nothing to draw."""
    wide, narrow, title = draw(WIDE), draw(NARROW), one_line(title)
    if wide is None or narrow is None:
        return None
    spec = styled(wide.properties(title=title)).to_dict()
    return Figure(name, title, spec, wide=svg(wide, title), narrow=svg(narrow, title))


def chart(rows: list[Row]) -> alt.Chart:
    """A chart that holds its data."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=rows))


def of(rows: list[Row], kind: str) -> alt.Chart:
    """A chart of the rows of one kind."""
    return chart([row for row in rows if row["kind"] == kind])


def placed(height: int) -> alt.Y:
    """Rows are placed in pixels from the top."""
    import altair as alt

    return alt.Y("y:Q", scale=alt.Scale(domain=[height, 0], range=[height, 0], nice=False, zero=False), axis=None)


def padded(low: float, high: float, least: float) -> list[float]:
    """A domain with some air, and never so small that noise looks large."""
    pad = max(0.06 * (high - low), (least - (high - low)) / 2)
    return [low - pad, high + pad]
