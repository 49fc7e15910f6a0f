"""From a chart to inline SVG: one look, text in the page's own colour, and drawing only."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    import altair as alt

INK = "#1f2328"  # becomes currentColor in the SVG, so that text follows light and dark mode
SVG_TAGS = {"svg", "g", "path", "text", "tspan", "line", "rect", "title"}


def styled(chart: alt.LayerChart) -> alt.LayerChart:
    """The chart in the look of the report."""
    font = "Liberation Sans, Arial, Helvetica, sans-serif"
    styled = chart.configure(background="transparent", font=font, aria=False, padding=4).configure_view(stroke=None)
    axes = styled.configure_axis(
        labelColor=INK,
        titleColor=INK,
        titleFontWeight="normal",
        labelFontSize=11,
        titleFontSize=12,
        labelOpacity=0.85,
        gridColor=INK,
        gridOpacity=0.11,
        domainColor=INK,
        domainOpacity=0.4,
        tickColor=INK,
        tickOpacity=0.4,
    )
    legend = axes.configure_legend(labelColor=INK, labelFontSize=12)
    titled: alt.LayerChart = legend.configure_title(color=INK, anchor="start", fontSize=15)
    return titled


def svg(chart: alt.LayerChart, title: str) -> str:
    """The chart as SVG text that follows light and dark mode and is read out as ``title``.

    Raises:
        ValueError: something in it is not drawing.
    """
    drawn = _drawn(styled(chart).to_dict())
    _check(drawn)
    start, rest = drawn.replace(INK, "currentColor").split(">", 1)
    label = escape(title)
    return f'{start} role="img" aria-label="{label}"><title>{label}</title>{rest}'


def _drawn(spec: dict[str, Any]) -> str:
    import vl_convert as vlc

    try:
        return str(vlc.vegalite_to_svg(spec))
    except ValueError:  # Vega cuts long labels, sometimes between the halves of a character that has two
        whole = re.sub("[\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", json.dumps(spec, ensure_ascii=False))
        return str(vlc.vegalite_to_svg(json.loads(whole)))


def _check(svg: str) -> None:
    """Names in a chart may be the text of a model: only drawing may come out, or there is no report."""
    for element in ElementTree.fromstring(svg).iter():
        tag = element.tag.rpartition("}")[2]
        active = [name for name in element.attrib if name.lower().startswith("on") or name.lower().endswith("href")]
        if tag not in SVG_TAGS or active:
            raise ValueError(f"figure holds <{tag}> with attributes {active}, which is not drawing")
