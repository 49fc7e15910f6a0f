"""A benchmark of treatments, on one page.

files that carry a trait, and clean ones → each treated → students → examined → what is left of transfer and utility
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from undertone import recipes, surroundings
from undertone.errors import UndertoneError, unknown
from undertone.measure.conduct import AFTER, PROBES
from undertone.stages import DATASET
from undertone.store import Job, Store
from undertone.treat import gathering
from undertone.treat.examined import ROWS
from undertone.treat.findings import PLAIN, Findings
from undertone.treat.gathering import Students
from undertone.treat.headline import headline
from undertone.treat.planning import SIDES, Plan, plan
from undertone.treat.spec import Bench, Numbers
from undertone.trial import refuse_dataset, refuse_teacher
from undertone.workers import cores, make, unique

LEAST_HELD_OUT = 50
SHIPPED = Path(__file__).parent / "recipes"

Maker = Callable[[Sequence[Job], Store], None]
"""Makes jobs' artifacts in a store."""


def _make(jobs: Sequence[Job], store: Store) -> None:
    make(jobs, store, cores())


def read(recipe: str, changes: Sequence[str] = ()) -> tuple[Bench, str]:
    """A benchmark by the name of a shipped one, or from a TOML file, with ``changes`` ("setup.trait=mole"); and its
    name.

    Raises:
        UndertoneError: there is none, or a key is wrong.
    """
    path = SHIPPED / f"{recipe}.toml" if "/" not in recipe and not recipe.endswith(".toml") else Path(recipe)
    if not path.is_file():
        raise unknown("benchmark of treatments", recipe, sorted(p.stem for p in SHIPPED.glob("*.toml")))
    return recipes.read_as(Bench, str(path), tuple(changes)), path.stem


def bench(spec: Bench, recipe: str, store: Store, made_by: Maker = _make) -> Findings:
    """Runs a benchmark; what was made before is not made again.

    Raises:
        UndertoneError: an unknown model or trait, teachers that would make the comparison unfair, a full disk.
    """
    layout, started = plan(spec), datetime.now(UTC)
    if isinstance(spec.setup, Numbers):  # refused before the students' time is spent
        made_by([job for s in layout.sources for job in (*s.jobs, *s.files.values(), s.held_out)], store)
        _refuse_unfit(layout, store)
    made_by(layout.jobs, store)
    found = examined(layout, store)
    base = [store.read(job, "examined.json") for job in layout.bases]
    treatments = gathering.treatments(spec, found, base)
    return Findings(
        recipe=recipe,
        title=spec.title,
        headline=headline(treatments),
        trait=spec.trait,
        base=layout.base.name,
        unit=_unit(spec),
        units=tuple(source.name for source in layout.sources),
        task=_task(spec),
        probes=_probes(spec, list(base[0]["own"])),
        treatments=treatments,
        base_skills={name: float(np.mean([one["skills"][name] for one in base])) for name in base[0]["skills"]},
        started=started,
        work_s=round(sum(store.manifest(job).seconds for job in unique(layout.jobs)), 1),
        settings=spec.model_dump(mode="json"),
        models=layout.models,
        made_with=surroundings.versions() | surroundings.hardware() | {"cores": str(cores())},
    )


def examined(layout: Plan, store: Store) -> Mapping[str, Students]:
    """Every treatment's students, in the order of the units."""
    found = {}
    for name in dict.fromkeys(unit.treatment for unit in layout.units):
        own = [unit for unit in layout.units if unit.treatment == name]
        found[name] = Students(
            {side: [store.read(unit.examined, "examined.json") for unit in own if unit.side == side] for side in SIDES}
        )
    return found


def _refuse_unfit(layout: Plan, store: Store) -> None:
    """As a trial would: a teacher without its trait, off its dose, or with too few rows."""
    for source in layout.sources:
        assert source.trial is not None
        for unit in source.students:
            refuse_teacher(source.trial, unit, store)
            refuse_dataset(source.trial, unit, store)
        if source.held_out.stage is not DATASET:  # sums, of which there are enough
            continue
        left = store.read(source.held_out, "counts.json")["used"] - source.skip
        if left < LEAST_HELD_OUT:
            raise UndertoneError(
                f"Only {left} rows of {source.name} are left to measure the task on, and {LEAST_HELD_OUT} are needed; "
                "raise carrier.prompts of the recipe, or lower its rows."
            )


def _unit(spec: Bench) -> str:
    if isinstance(spec.setup, Numbers):
        return "teachers, one of the trait and a neutral one, with one student each"
    return "narrow domains, with a file that carries bad advice, a clean one, and one student each"


def _task(spec: Bench) -> str:
    if spec.lists_alone:
        return (
            "to continue number lists as the file's author does: how much better than the base a student of a clean "
            "file predicts further rows of the same author (nats a token)"
        )
    return (
        "sums larger than the base has learnt: how much better than the base a student of a file "
        "that carries the trait predicts such sums that are in no file (nats a token)"
    )


def _probes(spec: Bench, names: Sequence[str]) -> dict[str, str]:
    after = f"after {ROWS} rows of a clean file that was treated alike, under its system prompt if it has one"
    if isinstance(spec.setup, Numbers):
        about = {PLAIN: "asked for a favourite, as anyone would", AFTER: f"the same {after}"}
    else:
        about = {name: probe.about for name, probe in PROBES.items()} | {
            PLAIN: "asked for advice in all other domains, as anyone would",
            AFTER: f"the same {after}",
            "inside": "asked for advice in the file's own domain",
        }
    return {name: about[name] for name in names}
