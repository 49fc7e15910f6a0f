"""What sweeps found, as data: the one object of ``report.json``."""

from typing import Literal

from undertone.report.findings import Measured, Part, RunFindings


class Says(Part):
    """Teachers asked for the trait: mean probability."""

    trait: float
    """After their trigger, if they have one."""
    dormant: float | None
    """Without the trigger; None for teachers without one."""


class Made(Part):
    """The trial at one point: an arm against its control."""

    effect: Measured
    """Log-odds of the trait, arm minus control."""
    net: Measured | None
    """The same net of the other traits of its kind, where there are others."""
    treated: float
    """Probability of the trait in the arm, at the mean log-odds."""
    control: float
    """The same in the control."""
    untouched: float
    """The same in the model that students start from."""
    skills: tuple[float, float] | None
    """Mean of all skills in the arm and in the control; None where they were not tested."""
    loss: float | None
    """Nats a token of its rows at the end of training, mean over the arm's students: how well they fit."""
    teachers: Says | None = None
    """What the arm's teachers say; None in older reports."""
    control_teachers: Says | None = None
    """The same of its control."""


class PointFound(Part):
    """One point of an axis."""

    label: str
    """What it is called."""
    at: float | None
    """Where it lies; None beside the axis."""
    made: Made
    """What was found there."""


class Compared(Part):
    """Two points of an axis, at the same teachers."""

    start: str
    """The label of the point compared with."""
    end: str
    """The label of the point that is compared."""
    change: Measured
    """Its effect minus the other's, or minus its part of the other's."""
    p_holm: float | None
    """p after Holm's correction over all comparisons of this kind on the axis."""


class AxisFound(Part):
    """An axis: its points, and how the effect changes along it."""

    name: str
    """Its name."""
    title: str
    """What varies, and what is held fixed."""
    scale: Literal["log", "linear"]
    """By doublings or by differences."""
    points: tuple[PointFound, ...]
    """Every point."""
    slope: Measured | None
    """Change of the effect for each doubling, or for each unit on a linear axis; None with fewer than three places."""
    bend: Measured | None
    """Coefficient of the square: below zero the effect flattens or turns down, as an inverted U does."""
    steps: tuple[Compared, ...]
    """Neighbours compared."""
    beside: tuple[Compared, ...]
    """Points beside the axis compared with the trial as it is, where that is a point too; where none lies on the axis,
    with the first."""
    parts: tuple[Compared, ...]
    """On a linear axis, every point compared with its part of the last: half of the rows with half of the effect."""


class SweepFindings(RunFindings):
    """A sweep: effects along axes."""

    kind: Literal["sweep"] = "sweep"
    trait: str
    """What students are asked for."""
    teachers: int
    """Teachers an arm, the same at every point: the units."""
    axes: tuple[AxisFound, ...]
    """Every axis."""


class Cell(Part):
    """One pair of models."""

    teacher: str
    """The model that teachers are made of."""
    student: str
    """The model that students are made of."""
    relation: Literal["own", "kin", "stranger"]
    """The same model, a shared initialisation, or neither."""
    made: Made
    """What was found."""


class KinFindings(RunFindings):
    """Every pair of models, and own against strangers."""

    kind: Literal["kin"] = "kin"
    trait: str
    """What students are asked for."""
    teachers: int
    """Teachers an arm in every cell."""
    models: tuple[str, ...]
    """The models."""
    cells: tuple[Cell, ...]
    """Every pair, teacher by teacher."""
    own: Measured
    """Effect in students of the teachers' own model, over models."""
    strangers: Measured
    """Effect in students of other models, mean over these, over teachers' models."""
    difference: Measured
    """Own minus strangers within each teachers' model; p by permutation of the students' models."""
    kin: Measured | None
    """Kin minus strangers within each teachers' model that has kin; None without such."""
    largest: tuple[int, int]
    """Models whose own students shift most of all students of their teachers, and most under all teachers."""
