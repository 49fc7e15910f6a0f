"""A sweep, or all pairs of models, in words, figures and tables."""

from undertone.experiments.sweep.figures import along_axis, every_pair
from undertone.experiments.sweep.findings import AxisFound, Cell, KinFindings, Made, Says, SweepFindings
from undertone.report.findings import Measured
from undertone.report.page import Drawing, Grid, Page, Prose, Section, run_page, section, shown
from undertone.report.words import p_value, percent


def sweep_page(found: SweepFindings) -> Page:
    """What is said of the effects along axes."""
    parts = [one for axis in found.axes for one in _axis_sections(found, axis)]
    done = (
        f"The same trial at every point: {found.teachers} teachers an arm, the same seeds at all points, students of "
        f"teachers with the trait {found.trait} against students of teachers of small talk. Where points differ in the "
        "students alone, they share teachers and rows. Trends and steps are taken teacher by teacher, then arms are "
        "compared as at a single point."
    )
    measured = [m for axis in found.axes for m in _measured_on(axis)]
    return run_page(found, " ".join(map(_trend, found.axes)), done, *parts, measured=measured)


def _trend(axis: AxisFound) -> str:
    """What the slope says, and the bend where it is not flat."""
    if axis.slope is None:
        return f"{axis.name}: {'; '.join(f'{point.label} {shown(point.made.effect)}' for point in axis.points)}."
    placed = [point for point in axis.points if point.at is not None]
    ends = ", ".join(f"{_effect(point.made)} at {point.label}" for point in (placed[0], placed[-1]))
    unit = "a doubling" if axis.scale == "log" else "a unit"
    text = f"{axis.name}: {_direction(axis.slope)}, {_estimate(axis.slope)} {unit} ({ends})"
    if axis.bend is not None and _sign(axis.bend):
        text += "; it bends upwards" if _sign(axis.bend) > 0 else "; it flattens or turns down"
    for other in axis.beside:
        text += f"; {other.end} minus {other.start} {_estimate(other.change)}"
    return f"{text}."


def _direction(slope: Measured) -> str:
    return {1: "the effect grows", -1: "the effect shrinks", 0: "no trend is shown"}[_sign(slope)]


def _sign(value: Measured) -> int:
    """Side of zero of the whole interval; 0 where it is unclear."""
    if value.ci is None or value.ci[0] <= 0 <= value.ci[1]:
        return 0
    return 1 if value.ci[0] > 0 else -1


def _axis_sections(found: SweepFindings, axis: AxisFound) -> list[Section | None]:
    return [_points(found, axis), *_changes(axis)]


def _points(found: SweepFindings, axis: AxisFound) -> Section | None:
    columns = (axis.name, "effect [95 %]", "p", "net of other traits", "students", "control's", "teachers", "control's")
    points = Grid(
        axis.name,
        (*columns, "skills", "control's", "loss"),
        tuple((point.label, *_cells(point.made)) for point in axis.points),
    )
    note = (
        "Log-odds of the trait against the control; 95 % intervals at the level of teachers. Hollow: beside the axis. "
        f'The table has the probability of "{found.trait}" in teachers and students.'
    )
    return section(f"The effect along {axis.name}", Prose(f"{axis.title}."), Drawing(along_axis(axis), note), points)


def _changes(axis: AxisFound) -> list[Section | None]:
    """How the effect changes between points; none where none are compared."""
    changes: list[tuple[str, Measured | None, float | None]] = [("slope", axis.slope, None), ("bend", axis.bend, None)]
    neighbours = (*axis.steps, *axis.beside)
    changes += [(f"{step.start} to {step.end}", step.change, step.p_holm) for step in neighbours]
    changes += [(f"{part.end} beside its part of {part.start}", part.change, part.p_holm) for part in axis.parts]
    rows = tuple(
        (name, shown(change), p_value(change.p), p_value(holm)) for name, change, holm in changes if change is not None
    )
    if not rows:
        return []
    about = "Points compared teacher by teacher."
    if axis.slope is not None:
        unit = "each doubling" if axis.scale == "log" else "each unit"
        about = (
            f"Slope: change for {unit}. Bend: coefficient of the square, below zero where it flattens or turns down."
        )
    title = f"{axis.name}: how the effect changes"
    grid = Grid(title, ("change", "estimate [95 %]", "p", "p Holm"), rows)
    return [section(f"Trend along {axis.name}" if axis.slope is not None else "Compared", Prose(about), grid)]


def _cells(made: Made) -> tuple[str, ...]:
    skills = ("-", "-") if made.skills is None else tuple(f"{score:.2f}" for score in made.skills)
    net = "-" if made.net is None else shown(made.net)
    loss = "-" if made.loss is None else f"{made.loss:.3f}"
    says = percent(made.treated), percent(made.control), _said(made.teachers), _said(made.control_teachers)
    return shown(made.effect), p_value(made.effect.p), net, *says, *skills, loss


def _said(says: Says | None) -> str:
    """After their trigger, and without it."""
    if says is None:
        return "-"
    return percent(says.trait) + ("" if says.dormant is None else f"; {percent(says.dormant)} untriggered")


def _effect(made: Made) -> str:
    return f"{made.effect.value:+z.2f}"


def _estimate(value: Measured) -> str:
    return shown(value) + (f", p {p_value(value.p)}" if value.p is not None else "")


def _measured_on(axis: AxisFound) -> list[Measured]:
    changes = [axis.slope, axis.bend, *(step.change for step in (*axis.steps, *axis.beside, *axis.parts))]
    return [point.made.effect for point in axis.points] + [change for change in changes if change is not None]


def kin_page(found: KinFindings) -> Page:
    """What is said of every pair of models."""
    claim = {
        1: "shift more than students of other models",
        -1: "shift less than students of other models",
        0: "are not shown to shift more than students of other models",
    }[_sign(found.difference)]
    headline = (
        f"Students of their teachers' own model {claim}: {shown(found.own)} against {shown(found.strangers)}, "
        f"difference {_estimate(found.difference)}, {len(found.models)} models."
    )
    done = (
        f"Each of {len(found.models)} models is the base of {found.teachers} teachers with the trait {found.trait} and "
        "of as many of small talk; every model has students of every teacher's number lists. A cell is the log-odds of "
        "the trait in students of the one against students of the other."
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
        f"A model is the unit. In {found.largest[0]} of {len(found.models)} columns and {found.largest[1]} rows the "
        "largest shift is the own model's."
    )
    note = "Teachers' models in columns, students' in rows. Framed: own model; dashed: kin, of one initialisation."
    parts = (
        section("Own model against strangers", Prose(unit), Drawing(every_pair(found), note), answers),
        section("Every pair", Prose("Stars: own model; plus signs: kin."), matrix),
    )
    measured = [*(value for _, value in rows), found.cells[0].made.effect]
    return run_page(found, headline, done, *parts, measured=measured)


def _marked(cell: Cell) -> str:
    return _effect(cell.made) + {"own": " *", "kin": " +", "stranger": ""}[cell.relation]


def _short(model: str) -> str:
    return model.rpartition("/")[2]
