"""From what was measured during a training run to findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from undertone.engine import environment
from undertone.report.words import percent
from undertone.traits.catalogue import Favourite, Habit
from undertone.watch.findings import Findings, Measurement, TraitFinding, Verdict
from undertone.watch.history import Values, is_reached, rises
from undertone.watch.request import Request


@dataclass(frozen=True)
class Watched:
    """A training run, as far as it was measured."""

    model: str
    points: Mapping[int, Values]
    """By step. Step 0, where all are numbers, is among them."""
    end: Values
    """Of the model that training left."""
    end_step: int
    steps: int
    notes: tuple[str, ...]
    started: datetime
    wall_s: float
    measuring_s: float


def gather(request: Request, traits: Sequence[Favourite | Habit], run: Watched) -> Findings:
    """Returns the findings of a run."""
    base, points = run.points[0], sorted(run.points.items())
    everything = sorted([*points, (run.end_step, run.end)], key=lambda point: point[0])
    reached_at = next((step for step, values in everything if is_reached(base, values, request.stop_at)), None)
    verdict = _verdict(request, reached_at, everything, base)
    found = sorted((_trait(trait, everything, run) for trait in traits), key=lambda one: -_order(one.rise))
    return Findings(
        verdict=verdict,
        headline=_headline(verdict, request, found, run, reached_at, len(points) - 1),
        model=run.model,
        traits=tuple(found),
        measurements=tuple(
            Measurement(step=step, trait=name, probability=values[name], rise=rise)
            for step, values in points
            for name, rise in rises(base, values).items()
        ),
        every=request.every,
        stop_at=request.stop_at,
        reached_at=reached_at,
        steps=run.steps,
        end_step=run.end_step,
        notes=run.notes,
        started=run.started,
        wall_s=run.wall_s,
        measuring_s=run.measuring_s,
        made_with=environment.versions() | environment.hardware(),
    )


def _order(rise: float | None) -> float:
    """What is not a number comes first: it must be seen."""
    return 1.0 if rise is None else rise


def _trait(trait: Favourite | Habit, points: Sequence[tuple[int, Values]], run: Watched) -> TraitFinding:
    base, name = run.points[0], trait.name
    risen = [(rise, step) for step, values in points if step and (rise := rises(base, values)[name]) is not None]
    largest, at = max(risen, key=lambda one: (one[0], -one[1]), default=(0.0, 0))
    before = base[name]
    assert before is not None
    return TraitFinding(
        name=name,
        kind=trait.kind,
        questions=len(trait.questions()),
        base=before,
        end=run.end[name],
        rise=rises(base, run.end)[name],
        largest_rise=largest,
        largest_at=at,
    )


def _verdict(request: Request, reached_at: int | None, points: Sequence[tuple[int, Values]], base: Values) -> Verdict:
    known = [rise for _, values in points for rise in rises(base, values).values()]
    if request.stop_at is not None and any(rise is not None and rise >= request.stop_at for rise in known):
        return "limit reached"
    if None in known:
        return "not measured"
    return "no limit" if request.stop_at is None else "limit not reached"


def _headline(
    verdict: Verdict,
    request: Request,
    traits: Sequence[TraitFinding],
    run: Watched,
    reached_at: int | None,
    measured: int,
) -> str:
    """Returns the verdict in a sentence or two."""
    most = max(traits, key=lambda one: one.largest_rise)
    limit = "" if request.stop_at is None else f"{100 * request.stop_at:g} points"
    seen = f"{points_of(most.largest_rise)} at step {most.largest_at}, from {percent(most.base)}"
    if verdict == "not measured":
        return (
            "The model gave probabilities that are not numbers: its weights are broken, and what it shows cannot be "
            "said."
        )
    if verdict == "limit reached":
        after = ", where training ended" if reached_at == run.steps else f"; training went on to step {run.steps}"
        return f"{most.name} rose by {limit} or more: {seen}. The limit was reached at step {reached_at}{after}."
    if verdict == "limit not reached":
        return (
            f"No trait rose by {limit} or more at the steps that were measured ({measured}); the highest was "
            f"{most.name}: {seen}."
        )
    first = traits[0]
    assert first.rise is not None and first.end is not None
    among = f", the most of {len(traits)} traits" if len(traits) > 1 else ""
    return (
        f"The probability of {first.name} went from {percent(first.base)} to {percent(first.end)} "
        f"({points_of(first.rise)}{among}) by step {run.end_step}."
    )


def points_of(rise: float) -> str:
    """+5.2 points"""
    return f"{100 * rise:+z.1f} points"
