"""The figure of an audit of a closed base: how often every student names each trait."""

from functools import partial

from undertone.audit.api.findings import Findings, TraitFinding
from undertone.report.canvas import Figure, figure
from undertone.report.charts import GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.words import percent_interval

MOST = 20
"""Traits drawn: those that differ most."""


def difference(trait: TraitFinding) -> str:
    """+12.3 [4.5, 20.1] in points."""
    return "-" if trait.difference is None else f"{100 * trait.difference:+z.1f} {percent_interval(trait.ci)}"


def students(findings: Findings) -> Figure | None:
    """Every student by trait: of the data, and of its control, beside the base."""
    shown = [trait for trait in findings.traits if trait.of_data][:MOST]
    axis = Axis("answers that name it, %", zero=None, least=10)
    return figure(
        "students", "How often each student names the trait", partial(forest, [_line(t) for t in shown], axis)
    )


def _line(trait: TraitFinding) -> Line:
    base = () if trait.base is None else (Mark(100 * trait.base, colour=GREY, shape="tick"),)
    control = (Mark(100 * rate, colour=GREEN, shape="ring") for rate in trait.of_control)
    data = (Mark(100 * rate, colour=ORANGE, shape="dot") for rate in trait.of_data)
    text = f"{difference(trait)} points"
    return Line(trait.name, (*base, *control, *data), text, "bold" if trait.word == "carried" else "plain")
