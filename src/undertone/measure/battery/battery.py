"""Reads a battery of traits from models and their base."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from undertone.engine.environment import made_with
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.measure.battery import battery_file, world_scales
from undertone.measure.battery.compare import compared
from undertone.measure.battery.contexts import Reading
from undertone.measure.battery.findings import BatteryFindings, Correlation, Inside, Pair, TraitFinding
from undertone.measure.battery.reading import read
from undertone.measure.battery.request import Request
from undertone.measure.battery.scale import Scale
from undertone.measure.battery.words import headline
from undertone.measure.select import refuse_swapped
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.models.tokenizer import of_the_world, refuse_strangers
from undertone.persona.look import Look
from undertone.statistics.arrays import Floats
from undertone.statistics.traits_by_methods import agreement, ends

FEWEST = 10
"""Fewest models over which methods are compared."""
METHODS = ("says", "does", "inside")


def battery(request: Request, progress: Progress = silent) -> BatteryFindings:
    """Reads a battery from models on this machine.

    Raises:
        UndertoneError: a model is unknown, the base itself, or no fine-tune of it; or there is no such battery.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    base = resolve(request.base, request.chat_template)
    models = {name: resolve(name, request.chat_template) for name in request.models}
    for name, model in models.items():
        if model.key == base.key:
            raise UndertoneError(f"{name} and its base are the same weights; name the fine-tune and what it came from.")
    refuse_strangers(request.base, {request.base: base.path} | {name: model.path for name, model in models.items()})
    world, notes = of_the_world(base.path), list[str]()
    if request.own is None:
        refuse_swapped(request.base)
    local = load(base.path)
    scales = scales_of(request.own, local, world)
    look = _look(base.key, local, world, scales, notes, progress)
    everything = (1 + len(models)) * len(scales)

    def asked(at: int, model: LocalModel) -> Reading:
        return read(model, scales, lambda what, done, of: progress(what, at * of + done, everything))

    before = asked(0, local)
    found = list[TraitFinding]()
    for number, (name, model) in enumerate(models.items(), 1):
        tuned = load(model.path)
        moved, after = inside(look, tuned, scales), asked(number, tuned)
        found += [compared(name, one, before[one.name], after[one.name], moved.get(one.name)) for one in scales]
    return BatteryFindings(
        headline=headline(found),
        models={key: digest for model in (*models.values(), base) for key, digest in model.digests.items()},
        base=request.base,
        traits=tuple(found),
        agreement=agreements(found),
        notes=tuple([*notes, *_silent(found)]),
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=made_with(),
    )


def scales_of(own: Path | None, base: LocalModel, world: bool) -> list[Scale]:
    """Returns the scales of a file, or else those that fit the base."""
    return world_scales.scales(base) if world and own is None else battery_file.read(own)


def _silent(found: Sequence[TraitFinding]) -> Iterator[str]:
    for model in dict.fromkeys(one.model for one in found):
        own = [one for one in found if one.model == model]
        if all(one.says.word == "not measured" for one in own):
            yield f"{model} or its base does not answer questions about itself: what it says is not read"


def _look(
    model: str, local: LocalModel, world: bool, scales: Sequence[Scale], notes: list[str], progress: Progress
) -> Look | None:
    try:
        return Look.of(model, local, world, directions(scales), None, progress)
    except UndertoneError as error:
        notes.append(f"nothing was looked at inside: {error}")
        return None


def directions(scales: Sequence[Scale]) -> list[str]:
    """Returns the traits whose directions are read."""
    return [scale.direction for scale in scales if scale.direction is not None]


def inside(look: Look | None, model: LocalModel, scales: Sequence[Scale]) -> dict[str, Inside]:
    """Returns how far hidden states moved along the direction of each scale that has one."""
    if look is None:
        return {}
    found = {trait.name: trait for trait in look.findings(look.change(model))}
    return {
        scale.name: Inside(
            direction=trait.name,
            share=trait.judged.share if scale.to_high else -trait.judged.share,
            verdict=trait.verdict,
        )
        for scale in scales
        if scale.direction is not None and (trait := found[scale.direction])
    }


def agreements(found: Sequence[TraitFinding], units: Sequence[object] = ()) -> tuple[Pair, ...]:
    """Returns how far each two methods agree over models; nothing for too few of them. What was not measured is left
    out. ``units``: of each model, what it shares with others."""
    traits = list(dict.fromkeys(one.trait for one in found))
    rows = [[one for one in found if one.trait == trait] for trait in traits]
    if len(rows[0]) < FEWEST:
        return ()
    shifts = {method: {t: _shifts(own, method) for t, own in zip(traits, rows, strict=True)} for method in METHODS}
    pairs = (_pair(shifts, a, b, units) for a, b in combinations_with_replacement(METHODS, 2))
    return tuple(pair for pair in pairs if pair is not None)


def _shifts(found: Sequence[TraitFinding], method: str) -> Floats | None:
    """The shifts of one trait over models, not a number where they were not measured; None if there are none."""
    if method == "inside":
        moved = [one.inside for one in found]
        return np.array([one.share for one in moved if one]) if all(moved) else None
    read = [one.says if method == "says" else one.does for one in found]
    values = np.array([np.nan if one.word == "not measured" else one.shift.value for one in read])
    return values if np.isfinite(values).any() else None


def _pair(
    shifts: Mapping[str, Mapping[str, Floats | None]], one: str, two: str, units: Sequence[object]
) -> Pair | None:
    """Traits that a method does not read are left out of its pairs."""
    both = {name: (a, b) for name, a in shifts[one].items() if a is not None and (b := shifts[two][name]) is not None}
    if not both:
        return None
    a, b = (np.column_stack(values) for values in zip(*both.values(), strict=True))
    got = agreement(a, b, units)
    names, of_traits = list(both), (correlation(got.traits[:, k]) for k in range(len(both)))
    rows = np.where(np.isfinite(got.matrix), got.matrix, -np.inf)
    return Pair(
        methods=(one, two),
        same=correlation(got.same),
        other=correlation(got.other),
        traits=dict(zip(names, of_traits, strict=True)),
        nearest={name: names[row.argmax()] for name, row in zip(names, rows, strict=True) if np.isfinite(row.max())},
    )


def correlation(values: Floats) -> Correlation:
    """Returns a correlation from what was found and its resampled values, (1 + draws,)."""
    return Correlation(value=float(values[0]) if np.isfinite(values[0]) else None, ci=ends(values[1:]))
