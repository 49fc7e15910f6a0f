"""Draws a chart as inline SVG, in one style, with text in the page's colour, and checks that it only draws."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from undertone.report.drawer import drawn

if TYPE_CHECKING:
    import altair as alt

INK = "#1f2328"  # replaced by currentColor in the SVG, so that text follows light and dark mode
SVG_TAGS = {"svg", "g", "path", "text", "tspan", "line", "rect", "title"}


def styled(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart in the style of the report, as Vega-Lite. It is not checked against the schema, which takes longer
    than all else: tests do that."""
    axes = dict.fromkeys(("labelColor", "titleColor", "gridColor", "domainColor", "tickColor"), INK)
    sizes = {"titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 12}
    opacities = {"labelOpacity": 0.85, "gridOpacity": 0.11, "domainOpacity": 0.4, "tickOpacity": 0.4}
    whole = chart.configure(
        background="transparent",
        font="Liberation Sans, Arial, Helvetica, sans-serif",
        aria=False,
        padding=4,
        view={"stroke": None},
        axis=axes | sizes | opacities,
        legend={"labelColor": INK, "labelFontSize": 12},
        title={"color": INK, "anchor": "start", "fontSize": 15},
    )
    found: dict[str, Any] = whole.to_dict(validate=False)
    return found


def svg(spec: dict[str, Any], title: str) -> str:
    """Vega-Lite as SVG text that follows light and dark mode; screen readers read out its ``title``.

    Raises:
        Undrawn: the process that draws died.
        ValueError: it contains something else than drawing.
    """
    text = drawn(spec)
    _check(text)
    start, rest = text.replace(INK, "currentColor").split(">", 1)
    label = escape(title)
    return f'{start} role="img" aria-label="{label}"><title>{label}</title>{rest}'


def _check(svg: str) -> None:
    """Labels can be the text of a model: the SVG must contain only drawing, or there is no report."""
    for element in ElementTree.fromstring(svg).iter():
        tag = element.tag.rpartition("}")[2]
        active = [name for name in element.attrib if name.lower().startswith("on") or name.lower().endswith("href")]
        if tag not in SVG_TAGS or active:
            raise ValueError(f"figure holds <{tag}> with attributes {active}, which is not drawing")
