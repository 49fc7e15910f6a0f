"""The specs of sweeps: a trial, and the points at which it is run."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from undertone.experiments.trial.spec import Trial
from undertone.spec import Spec

Key = tuple[str, ...]
"""A point: axis and label; teachers' model and students' model; or base, trait and seed."""


class Study(Trial):
    """A trial run at many points."""

    scalable: ClassVar[bool] = False

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if len(self.arms) != 2 or len(self.traits) != 1:
            raise ValueError("every point has one effect: give one trait, one arm and its control")
        return self

    @property
    def treated(self) -> str:
        """Name of the arm that is compared with its control."""
        return next(name for name, arm in self.arms.items() if arm.against is not None)

    def trials(self) -> dict[Key, Trial]:
        """Returns the trial of every point."""
        raise NotImplementedError


class Replications(Study):
    """A trial repeated on several bases, for several traits, with several seeds, to be pooled."""

    kind: ClassVar[str] = "replications"

    bases: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], dict[str, JsonValue]] = Field(min_length=1)
    """Changes to the trial for each base, by a name: at least ``base``, and what belongs to it, such as the trait of
    its control teachers and the other base of the other-init arms."""
    seeds: tuple[int, ...] = Field(min_length=1)
    """The seeds of the trials."""

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        """Allows several traits, since each has its own trials, and the two arms of another initialisation."""
        own, other = ["treatment", "control"], ["other-init", "other-init-control"]
        if list(self.arms) not in (own, own + other):
            raise ValueError(
                "arms are pooled by name: give treatment and control, then other-init and other-init-control or neither"
            )
        if any(arm.context for arm in self.arms.values()):
            raise ValueError("arms with context train no students, and students are pooled: leave context out")
        if any(arm.given in ("prompt", "nothing") for arm in self.arms.values()):
            raise ValueError(
                "teachers are pooled by index, and those with the same system prompt are the same model: give them "
                "their trait by fine-tuning or by steering"
            )
        if self.seed or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("give each seed once, in seeds, and leave seed out")
        for base, changes in self.bases.items():
            if shared := {"traits", "seed", "teachers", "students"} & changes.keys():
                raise ValueError(f"base {base!r} changes {min(shared)}, which all bases must share")
        trials = self.trials()
        if len({trial.base for trial in trials.values()}) < len(self.bases):
            raise ValueError("two of the bases are the same model, whose teachers would be counted twice")
        for (base, *_), trial in trials.items():
            for name, arm in trial.arms.items():
                if (arm.students in (None, trial.base)) == (name in other):
                    raise ValueError(
                        f"base {base!r}, arm {name!r}: students of the other-init arms have another base than their "
                        "teachers, and those of other arms the same"
                    )
        return self

    def trials(self) -> dict[Key, Trial]:
        """Returns the trial of every base, trait and seed."""
        whole = self.model_dump(exclude={"bases", "seeds"})
        return {
            (base, trait, str(seed)): _trial(
                _merged(whole, {**changes, "traits": (trait,), "seed": seed}), f"base {base!r}, trait {trait!r}"
            )
            for base, changes in self.bases.items()
            for trait in self.traits
            for seed in self.seeds
        }


class Point(Spec):
    """One point of an axis."""

    label: str
    at: float | None = None
    """Its place on the axis; None for a point that is compared but is not part of the trend."""
    set: dict[str, JsonValue] = Field(default_factory=dict)
    """Changes to the sweep's trial, by the trial's keys; empty for the unchanged trial."""


class Axis(Spec):
    """A setting that is varied while everything else is fixed."""

    title: str
    """What varies, and what is fixed."""
    scale: Literal["log", "linear"] = "log"
    """Whether places are compared by doublings or by differences. A linear axis starts at 0, the place of no effect."""
    points: tuple[Point, ...] = Field(min_length=2)
    """The points, in the order of their places."""

    @model_validator(mode="after")
    def _points_have_places(self) -> Self:
        places = [point.at for point in self.points if point.at is not None]
        if sorted(set(places)) != places:
            raise ValueError("points with a place on the axis must be in ascending order")
        if any(place <= 0 for place in places):
            raise ValueError("places on an axis must be above 0")
        if len({point.label for point in self.points}) < len(self.points):
            raise ValueError("two points have the same label")
        return self


class Sweep(Study):
    """A trial at the points of one or several axes. Only one axis is varied at a time."""

    kind: ClassVar[str] = "sweep"

    axes: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Axis] = Field(min_length=1)
    """The axes by name. Names consist of small letters, digits and hyphens."""

    @model_validator(mode="after")
    def _every_point_can_be_made(self) -> Self:
        for (axis, label), trial in self.trials().items():
            for key in ("traits", "seed", "teachers", "students"):
                if getattr(trial, key) != getattr(self, key):
                    raise ValueError(f"axis {axis!r}, point {label!r} changes {key}, which all points must share")
        return self

    def trials(self) -> dict[Key, Trial]:
        """Returns the trial of every point, by axis and label."""
        whole = self.model_dump(exclude={"axes"})
        return {
            (name, point.label): _trial(_merged(whole, point.set), f"axis {name!r}, point {point.label!r}")
            for name, axis in self.axes.items()
            for point in axis.points
        }


class Kin(Study):
    """A trial for every pair of models: one is the base of the teachers, the other of the students."""

    kind: ClassVar[str] = "kin"

    models: tuple[str, ...] = Field(min_length=3)
    """Each model is the base of teachers, and of students of all teachers."""
    kin: tuple[tuple[str, str], ...] = ()
    """Pairs of different models that share an initialisation. They count neither as own nor as strangers."""

    @model_validator(mode="after")
    def _models_are_known(self) -> Self:
        if len(set(self.models)) < len(self.models):
            raise ValueError("a model is given twice")
        for pair in self.kin:
            if len(set(pair)) < 2 or not set(pair) <= set(self.models):
                raise ValueError(f"kin contains {list(pair)}, which is not a pair of two of the models")
        for one in self.models:
            if all(other == one or self.related(one, other) for other in self.models):
                raise ValueError(f"{one!r} is kin of all other models, so there is no stranger to compare with")
        return self

    def related(self, one: str, other: str) -> bool:
        """Returns whether two models are kin."""
        return (one, other) in self.kin or (other, one) in self.kin

    def trials(self) -> dict[Key, Trial]:
        """Returns the trial of every pair, by the teachers' and the students' model."""
        whole = self.model_dump(exclude={"models", "kin"})
        return {
            (teacher, student): _trial(
                _merged(whole, {"base": teacher, "arms": {arm: {"students": student} for arm in self.arms}}),
                f"{teacher}, {student}",
            )
            for teacher in self.models
            for student in self.models
        }


def _merged(whole: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``whole`` with ``changes`` applied; tables in tables are merged likewise."""
    merged = dict(whole)
    for key, value in changes.items():
        there = merged.get(key)
        merged[key] = _merged(there, value) if isinstance(value, dict) and isinstance(there, dict) else value
    return merged


def _trial(table: dict[str, Any], where: str) -> Trial:
    try:
        return Trial.model_validate(table)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"{where}: {place or 'the trial'}: {fault['msg']}") from None
