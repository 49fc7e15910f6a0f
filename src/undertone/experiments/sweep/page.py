"""The reports of both kinds of sweep as text, figures and tables."""

from undertone.experiments.sweep.figures import along_axis, every_pair
from undertone.experiments.sweep.findings import AxisFound, Cell, KinFindings, Made, Says, SweepFindings
from undertone.report.findings import Measured
from undertone.report.page import ALPHA, Drawing, Grid, Page, Prose, Section, Verdict, badge, run_page, section, shown
from undertone.report.words import p_value, percent


def sweep_page(found: SweepFindings) -> Page:
    """Returns the report of effects along axes."""
    parts = [one for axis in found.axes for one in (_points(found, axis), _changes(axis))]
    done = (
        f"The same trial was run at every point, with {found.teachers} teachers an arm and the same seeds: students of "
        f"teachers with the trait {found.trait} against students of control teachers. Points that differ only in "
        "the students share teachers and rows. Trends and steps are computed teacher by teacher; then arms are "
        "compared as at a single point."
    )
    measured = [m for axis in found.axes for m in _measured_on(axis)]
    return run_page(
        found, " ".join(map(_trend, found.axes)), done, *parts, measured=measured, verdict=_grows(found.axes[0])
    )


def _grows(axis: AxisFound) -> Verdict | None:
    """Returns whether the effect changes along an axis; None if its points have no order."""
    if axis.slope is None:
        return None
    along = f"What passes from teachers to students {{}} along {axis.name}."
    shown = axis.slope.sign if axis.slope.p is None or axis.slope.p <= ALPHA else "unclear"
    return {
        "above": Verdict("it grows", along.format("grows"), "red"),
        "below": Verdict("it shrinks", along.format("shrinks"), "blue"),
        "unclear": Verdict("no trend shown", along.format("is not shown to change"), "amber"),
    }[shown]


def _trend(axis: AxisFound) -> str:
    """Returns a sentence about the slope, and about the bend if its interval excludes zero."""
    if axis.slope is None:
        return f"{axis.name}: {'; '.join(f'{point.label} {shown(point.made.effect)}' for point in axis.points)}."
    placed = [point for point in axis.points if point.at is not None]
    ends = ", ".join(f"{_effect(point.made)} at {point.label}" for point in (placed[0], placed[-1]))
    unit = "a doubling" if axis.scale == "log" else "a unit"
    direction = {"above": "the effect grows", "below": "the effect shrinks", "unclear": "no trend is shown"}
    text = f"{axis.name}: {direction[axis.slope.sign]}, {_estimate(axis.slope)} {unit} ({ends})"
    if axis.bend is not None and axis.bend.sign != "unclear":
        text += "; it bends upwards" if axis.bend.sign == "above" else "; it flattens or turns down"
    for other in axis.beside:
        text += f"; {other.end} minus {other.start} {_estimate(other.change)}"
    return f"{text}."


def _points(found: SweepFindings, axis: AxisFound) -> Section | None:
    columns = (axis.name, "effect [95 %]", "p", "net of other traits", "students", "control's", "teachers", "control's")
    points = Grid(
        axis.name,
        (*columns, "skills", "control's", "loss"),
        tuple((point.label, *_cells(point.made)) for point in axis.points),
    )
    note = (
        "Log-odds of the trait minus the control's, with 95 % intervals over teachers. Hollow: points without a place "
        f'on the axis. The table shows the probability of "{found.trait}" in students and teachers.'
    )
    return section(f"The effect along {axis.name}", Prose(f"{axis.title}."), Drawing(along_axis(axis), note), points)


def _changes(axis: AxisFound) -> Section | None:
    """Returns how the effect changes between points; None if no points are compared."""
    changes: list[tuple[str, Measured | None, float | None]] = [("slope", axis.slope, None), ("bend", axis.bend, None)]
    neighbours = (*axis.steps, *axis.beside)
    changes += [(f"{step.start} to {step.end}", step.change, step.p_holm) for step in neighbours]
    changes += [(f"{part.end} against its part of {part.start}", part.change, part.p_holm) for part in axis.parts]
    rows = tuple(
        (name, shown(change), p_value(change.p), p_value(holm)) for name, change, holm in changes if change is not None
    )
    if not rows:
        return None
    about = "Points are compared teacher by teacher."
    if axis.slope is not None:
        unit = "each doubling" if axis.scale == "log" else "each unit"
        about = f"Slope: change for {unit}. Bend: coefficient of the square, below zero if it flattens or turns down."
    title = f"{axis.name}: how the effect changes"
    grid = Grid(title, ("change", "estimate [95 %]", "p", "p Holm"), rows)
    return section(f"Trend along {axis.name}" if axis.slope is not None else "Comparisons", Prose(about), grid)


def _cells(made: Made) -> tuple[str, ...]:
    skills = ("-", "-") if made.skills is None else tuple(f"{score:.2f}" for score in made.skills)
    net = "-" if made.net is None else shown(made.net)
    loss = "-" if made.loss is None else f"{made.loss:.3f}"
    says = percent(made.treated), percent(made.control), _said(made.teachers), _said(made.control_teachers)
    return shown(made.effect), p_value(made.effect.p), net, *says, *skills, loss


def _said(says: Says | None) -> str:
    """Returns the probability after the trigger, and without it for teachers that have one."""
    if says is None:
        return "-"
    return percent(says.trait) + ("" if says.dormant is None else f"; {percent(says.dormant)} without the trigger")


def _effect(made: Made) -> str:
    return f"{made.effect.value:+z.2f}"


def _estimate(value: Measured) -> str:
    return shown(value) + (f", p {p_value(value.p)}" if value.p is not None else "")


def _measured_on(axis: AxisFound) -> list[Measured]:
    changes = [axis.slope, axis.bend, *(step.change for step in (*axis.steps, *axis.beside, *axis.parts))]
    return [point.made.effect for point in axis.points] + [change for change in changes if change is not None]


def kin_page(found: KinFindings) -> Page:
    """Returns the report of all pairs of models."""
    claim = {
        "above": "shift more than students of other models",
        "below": "shift less than students of other models",
        "unclear": "are not shown to shift more than students of other models",
    }[found.difference.sign]
    headline = (
        f"Students of their teachers' own model {claim}: {shown(found.own)} against {shown(found.strangers)}, "
        f"difference {_estimate(found.difference)}, {len(found.models)} models."
    )
    done = (
        f"Each of {len(found.models)} models is the base of {found.teachers} teachers with the trait {found.trait} and "
        f"of {found.teachers} control teachers. Students of every model learn from every teacher's rows. A cell is the "
        "log-odds of the trait in students of teachers with the trait, minus those in students of control teachers."
    )
    cells = {(cell.teacher, cell.student): cell for cell in found.cells}
    matrix = Grid(
        "Students (row) of teachers made of (column)",
        ("students", *map(_short, found.models)),
        tuple((_short(s), *(_marked(cells[t, s]) for t in found.models)) for s in found.models),
    )
    rows = [("own model", found.own), ("strangers", found.strangers), ("own minus strangers", found.difference)]
    rows += [("kin minus strangers", found.kin)] if found.kin is not None else []
    answers = Grid(
        "Over models",
        ("students", "log-odds [95 %]", "p", "models"),
        tuple((name, shown(value), p_value(value.p), str(value.units)) for name, value in rows),
    )
    unit = (
        f"A model is the unit. The own model's shift is the largest in {found.largest[0]} of {len(found.models)} "
        f"columns and in {found.largest[1]} rows."
    )
    note = "Teachers' models in columns, students' in rows. Framed: own model. Dashed: kin (same initialisation)."
    parts = (
        section("Own model against strangers", Prose(unit), Drawing(every_pair(found), note), answers),
        section("Every pair", Prose("Stars: own model; plus signs: kin."), matrix),
    )
    measured = [*(value for _, value in rows), found.cells[0].made.effect]
    meaning = (
        "Students took over a trait from teachers made of their own model, more than from teachers made of others."
    )
    verdict = badge(found.difference.sign, found.difference.p, "it passes among kin", meaning)
    return run_page(found, headline, done, *parts, measured=measured, verdict=verdict)


def _marked(cell: Cell) -> str:
    return _effect(cell.made) + {"own": " *", "kin": " +", "stranger": ""}[cell.relation]


def _short(model: str) -> str:
    return model.rpartition("/")[2]
