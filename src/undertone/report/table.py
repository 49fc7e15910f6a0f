"""The same results for the terminal. Rich leaves out colour where NO_COLOR is set or output is piped."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from undertone.report.generations import Generation
from undertone.report.headline import READINGS, duration, estimate, p_value, percent, percent_interval
from undertone.report.results import ArmResult, Effect, Results, TraitMatrix

EXPECTED = {"above-zero": "above zero", "around-zero": "around zero", "open": "open"}


def arms_table(results: Results) -> Table:
    """One row an arm."""
    level = f"{100 * results.level:.0f} %"
    table = Table(title=Text(f"Probability of {results.asked}"), title_justify="left")
    table.add_column("arm")
    table.add_column("base")
    for column in (
        "teachers",
        "students",
        "probability",
        f"{level} interval",
        "untouched base",
        "rows",
        "steps",
    ):
        table.add_column(column, justify="right")
    for arm in results.arms:
        table.add_row(
            Text(arm.name),
            Text(arm.base),
            str(arm.teachers),
            str(len(arm.students)),
            percent(arm.probability),
            percent_interval(arm.ci),
            percent(arm.base_probability),
            f"{arm.rows:,}",
            f"{arm.steps:,}",
        )
    return table


def effects_table(results: Results) -> Table:
    """One row a contrast, with what the finding predicts and what the interval says."""
    table = Table(title="Effects (log-odds unless in points)", title_justify="left")
    table.add_column("effect")
    table.add_column(f"estimate [{100 * results.level:.0f} %]", justify="right")
    for column in ("p", "p Holm", "units"):
        table.add_column(column, justify="right")
    table.add_column("predicted")
    table.add_column("seen")
    for e in results.all_effects:
        style = "bold" if e.sign != "unclear" else ""
        cells = (
            estimate(e),
            p_value(e.p),
            p_value(e.p_holm),
            units(e),
            EXPECTED[e.expected],
            READINGS[e.sign],
        )
        table.add_row(Text(e.name), *cells, style=style)
    return table


def generations_table(found: Sequence[Generation]) -> Table:
    """One row a generation: the trait beside its control, and the skills of both."""
    table = Table(title="From generation to generation (log-odds against the control lineages)", title_justify="left")
    table.add_column("lineages of")
    for column in ("generation", "probability", "control", "log-odds", "p", "skills", "control's"):
        table.add_column(column, justify="right")
    for one in found:
        shares = percent(one.arm.probability), percent(one.control.probability)
        effect = estimate(one.effect), p_value(one.effect.p)
        table.add_row(Text(one.series), str(one.number), *shares, *effect, one.skills, one.control_skills)
    return table


def matrix_table(matrix: TraitMatrix) -> Table:
    """Teachers in rows, questions in columns, shift in log-odds."""
    table = Table(title="Shift in log-odds: teacher's trait (row), asked trait (column)", title_justify="left")
    table.add_column("")
    for trait in matrix.traits:
        table.add_column(Text(trait), justify="right")
    for i, (trait, row) in enumerate(zip(matrix.traits, matrix.log_odds, strict=True)):
        cells = [Text(f"{value:+.2f}", style="bold" if j == i else "") for j, value in enumerate(row)]
        table.add_row(Text(trait), *cells)
    return table


def arm_line(arm: ArmResult) -> str:
    """One line, printed when an arm finishes."""
    return (
        f"{arm.name:<18} {percent(arm.probability):>7} {percent_interval(arm.ci)}  "
        f"{arm.teachers} teachers, {len(arm.students)} students, {duration(arm.finished_s)}"
    )


def effect_line(effect: Effect) -> str:
    """One line, printed when a comparison can be made."""
    p = "" if effect.p is None else f", p {p_value(effect.p)}"
    return f"  {effect.name}: {estimate(effect)}{p}, {READINGS[effect.sign]}"


def units(effect: Effect) -> str:
    """4 + 4"""
    return " + ".join(str(n) for n in effect.units)
