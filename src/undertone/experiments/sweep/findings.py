"""The findings of sweeps: the content of their ``report.json``."""

from typing import ClassVar, Literal

from pydantic import Field

from undertone.experiments.trial.matching import Making
from undertone.report.findings import Measured, Part, RunFindings

Contrast = Literal["own", "other", "difference"]
"""Students of the teachers' own base, of another initialisation, each minus its control; and own minus other."""


class Says(Part):
    """Mean probability of the trait in teachers."""

    trait: float
    """Asked after the teachers' trigger, if they have one."""
    dormant: float | None
    """Asked without the trigger; None for teachers that have none."""


class Made(Part):
    """The result at one point: an arm against its control."""

    effect: Measured
    """Log-odds of the trait, arm minus control."""
    net: Measured | None
    """The effect minus the mean effect on the other traits of the same kind; None if there are no others."""
    treated: float
    """Probability of the trait in the arm, at the mean log-odds."""
    control: float
    """Probability of the trait in the control, at the mean log-odds."""
    untouched: float
    """Probability of the trait in the model that students start from."""
    skills: tuple[float, float] | None
    """Mean skill score in the arm and in the control, 0 to 1; None if skills were not tested."""
    loss: float | None
    """Training loss at the end, in nats a token, mean over the arm's students."""
    teachers: Says | None = None
    """The arm's teachers; None in older reports."""
    control_teachers: Says | None = None
    """The control's teachers; None in older reports."""


class PointFound(Part):
    """One point of an axis."""

    label: str
    at: float | None
    """Its place on the axis; None if it has none."""
    made: Made


class Compared(Part):
    """A comparison of two points of an axis, which have the same teachers."""

    start: str
    """Label of the point that ``end`` is compared with."""
    end: str
    change: Measured
    """Effect at ``end`` minus the effect at ``start``, or minus a part of it in :attr:`AxisFound.parts`."""
    p_holm: float | None
    """p after Holm's correction for all comparisons of the same kind on the axis."""


class AxisFound(Part):
    """The points of an axis, and how the effect changes along it."""

    name: str
    title: str
    """What varies, and what is fixed."""
    scale: Literal["log", "linear"]
    """Whether the slope is for each doubling or for each unit."""
    points: tuple[PointFound, ...]
    slope: Measured | None
    """Change of the effect for each doubling, or for each unit; None with fewer than three points on the axis."""
    bend: Measured | None
    """Coefficient of the square. Below zero the effect flattens or turns down, as in an inverted U."""
    steps: tuple[Compared, ...]
    """Each point on the axis against the one before it."""
    beside: tuple[Compared, ...]
    """Each point without a place on the axis against the unchanged trial, if that is a point; else against the first
    point, if no point has a place."""
    parts: tuple[Compared, ...]
    """On a linear axis, each point against its part of the last one: half of the rows against half of the effect."""


class SweepFindings(RunFindings):
    """The findings of a sweep."""

    shown_by: ClassVar[str] = "undertone.experiments.sweep.page:sweep_page"
    table: ClassVar[str] = "axes.points"

    kind: Literal["sweep"] = "sweep"
    trait: str
    """The trait that students are asked for."""
    teachers: int
    """Teachers an arm, the same at every point. They are the units."""
    axes: tuple[AxisFound, ...]


class Cell(Part):
    """One pair of models."""

    teacher: str
    """The base of the teachers."""
    student: str
    """The base of the students."""
    relation: Literal["own", "kin", "stranger"]
    """The same model, a shared initialisation, or neither."""
    made: Made


class KinFindings(RunFindings):
    """The findings for every pair of models."""

    shown_by: ClassVar[str] = "undertone.experiments.sweep.page:kin_page"

    kind: Literal["kin"] = "kin"
    trait: str
    """The trait that students are asked for."""
    teachers: int
    """Teachers an arm, for each pair."""
    models: tuple[str, ...]
    cells: tuple[Cell, ...]
    """Every pair, ordered by the teachers' model."""
    own: Measured
    """Effect in students of the teachers' own model, mean over models."""
    strangers: Measured
    """Mean effect in students of unrelated models, mean over the teachers' models."""
    difference: Measured
    """Own minus strangers for each teachers' model, mean over these; p from permutations of the students' models."""
    kin: Measured | None
    """Kin minus strangers, mean over the teachers' models that have kin; None if none has."""
    largest: tuple[int, int]
    """For how many models their own students shift most among all students of their teachers, and for how many most
    among the teachers of all models."""


class Pooled(Part):
    """Effects pooled over some or all of the trials, in log-odds."""

    over: str
    """What is pooled: "all", or "trait owl", "base a", "seed 1"; "all, bases averaged" for slots of one seed and index
    averaged over bases, which share all seeds."""
    effects: dict[Contrast, Measured]
    """Their units are slots: all teachers of one base, seed and index."""
    p_holm: dict[Contrast, float] = Field(default_factory=dict)
    """p of each contrast after Holm's correction over the traits; empty unless it is over one trait."""


class Replicate(Part):
    """One trial."""

    base: str
    """Name of the base in the recipe."""
    trait: str
    seed: int
    made: Made
    """Students of the teachers' own base."""
    slots: dict[Contrast, tuple[float, ...]]
    """Each contrast in the students of the teachers of every index. What is pooled can be computed from them anew."""
    other: Measured | None
    """Effect in students of another initialisation; None if there are none."""
    makings: dict[str, Making]
    """How teachers were made, by arm."""
    ratios: dict[str, float]
    """How the control's teachers were made, as shares of those with the trait; empty if they were not fine-tuned."""


class ReplicationsFindings(RunFindings):
    """The findings of a trial that was repeated on several bases, for several traits, with several seeds."""

    shown_by: ClassVar[str] = "undertone.experiments.sweep.replicates_page:replications_page"

    kind: Literal["replications"] = "replications"
    traits: tuple[str, ...]
    teachers: int
    """Teachers an arm in each trial."""
    pooled: tuple[Pooled, ...]
    """All trials together; then by trait, by base and by seed."""
    skewness: float | None
    """Skewness of the slots of "all", own initialisation, net of their strata's means; None if they do not vary."""
    likeness: float | None
    """Mean correlation between traits of their contrasts in a slot, net of their strata's means; None for one trait."""
    base_likeness: float | None
    """Mean correlation between bases of their slots of one seed and index, net of their strata's means; None for one
    base."""
    replicates: tuple[Replicate, ...]
    """Every trial."""
