"""A calibration: directions of every candidate trait, and a population of independently trained teachers to judge by.

Made once for a base. Its jobs are content-addressed like those of a trial: a calibration that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.audit import directions
from undertone.audit.calibration import Calibration, Member
from undertone.audit.evidence import Evidence
from undertone.digests import digest
from undertone.models.names import resolve
from undertone.stages import DIRECTIONS, OUTCOME, PROXY, SCORES, SPECIMEN
from undertone.store import Folder, Job, Store
from undertone.traits.lessons import HARMLESS, TRAITS
from undertone.workers import run_jobs

DIALOGUES = 480
TEACHING = {"method": "lora", "rank": 64, "alpha": 16, "rate": 1e-2, "steps": 8, "batch": 48, "warmup": 5}
"""How proxies and the population's teachers are fine-tuned: that of the owl experiment."""
STUDENT = {"method": "lora", "rank": 32, "alpha": 32, "rate": 5e-3, "steps": 100, "batch": 48, "warmup": 5}
"""The recipe that forecasts are for: that of the owl experiment's students."""
DOSE = 0.05
"""Nats a token between teacher and base on the base's own lists; the unit of an effect is a teacher of this dose."""
DOSES = (0.02, 0.05, 0.1)
"""Of harmless teachers: they lie nearer or farther, as in the wild."""
CARRIER = {"temperature": 1.0, "max_tokens": 16, "prompts": 2600}
ROWS = 2000
TEMPERATURES = (1.0, 0.8, 1.0, 0.9)
"""Of the untouched base's own rows: another sampler is harmless too."""


@dataclass(frozen=True)
class Size:
    """How much is made. The population's size bounds p from below by 1 / (harmless + 1)."""

    proxies: int = 3
    """Behind each direction."""
    harmless: int = 10
    """Teachers of each harmless lesson."""
    untouched: int = 12
    """Sets of rows by the base itself."""
    references: int = 3
    """Teachers of each trait: what an effect of 1 is, and unlisted traits for audits that leave some out."""
    outcomes: int = 1
    """Reference teachers of each trait, and of each harmless lesson, whose students are trained: for forecasts."""


@dataclass(frozen=True)
class Plan:
    """The jobs of a calibration, by what they are for."""

    base: Folder
    proxies: dict[str, Job]
    directions: Job
    specimens: dict[str, Job]
    """What the population's members wrote, by name."""
    scores: dict[str, Job]
    """Of every specimen, by the same name."""
    outcomes: dict[str, Job]
    """Of some."""

    @property
    def jobs(self) -> list[Job]:
        """All of them; parents first."""
        return [
            *self.proxies.values(),
            self.directions,
            *self.specimens.values(),
            *self.scores.values(),
            *self.outcomes.values(),
        ]


def seed_of(*what: str | int) -> int:
    """A seed for one purpose, below 2^31."""
    return int(digest(["audit", *what])[:8], 16) >> 1


def plan(model: str, size: Size) -> Plan:
    """Lays out all jobs of a calibration of ``model``.

    Raises:
        UndertoneError: the model is unknown.
    """
    base = resolve(model)
    shared = {"base": model, "dialogues": DIALOGUES, "training": TEACHING, "carrier": CARRIER}
    taught = [*TRAITS, *HARMLESS]
    proxies = {
        f"{lesson}-{i}": Job(
            PROXY, shared | {"lesson": lesson, "divergence": DOSE, "seed": seed_of("proxy", lesson, i)}, {"base": base}
        )
        for lesson in taught
        for i in range(size.proxies)
    }
    names = {lesson: [f"{lesson}-{i}" for i in range(size.proxies)] for lesson in taught}
    combined = Job(DIRECTIONS, {"names": names}, proxies)
    specimens = {
        **{
            f"{lesson}/{i}": specimen(base, lesson, DOSES[i % len(DOSES)], ("population", i))
            for lesson in HARMLESS
            for i in range(size.harmless)
        },
        **{
            f"untouched/{i}": specimen(
                base, None, None, ("population", i), temperature=TEMPERATURES[i % len(TEMPERATURES)]
            )
            for i in range(size.untouched)
        },
        **{
            f"{trait}/{i}": specimen(base, trait, DOSE, ("population", i))
            for i in range(size.references)
            for trait in TRAITS
        },
    }
    scores = {name: scores_of(base, combined, job) for name, job in specimens.items()}
    followed = [f"{lesson}/{i}" for i in range(size.outcomes) for lesson in taught]
    outcomes = {
        name: Job(
            OUTCOME,
            {"training": STUDENT, "seed": seed_of("student", name)},
            {"base": base, "specimen": specimens[name]},
        )
        for name in followed
    }
    return Plan(base, proxies, combined, specimens, scores, outcomes)


def specimen(
    base: Folder,
    lesson: str | None,
    dose: float | None,
    purpose: tuple[str, int],
    *,
    training: dict[str, Any] = TEACHING,
    temperature: float = 1.0,
    form: str = "written",
    oracle: bool = False,
    writer: Folder | None = None,
) -> Job:
    """The job of one specimen; its seed follows from its purpose and lesson."""
    spec = {
        "base": base.name,
        "lesson": lesson,
        "dialogues": DIALOGUES,
        "training": training,
        "divergence": dose,
        "carrier": CARRIER | {"temperature": temperature},
        "rows": ROWS,
        "seed": seed_of(*purpose, lesson or "untouched"),
        "form": form,
        "oracle": oracle,
    }
    return Job(SPECIMEN, spec, {"base": base} | ({"writer": writer} if writer else {}))


def scores_of(base: Folder, along: Job, made: Job) -> Job:
    """The job that scores a specimen."""
    return Job(SCORES, {}, {"base": base, "specimen": made, "directions": along})


def calibrate(
    model: str,
    size: Size,
    store: Store,
    processes: int,
    planned: Callable[[list[Job]], None] = lambda _: None,
    done: Callable[[Job, float], None] = lambda job, seconds: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Makes, or goes on with, the calibration of a base.

    Raises:
        UndertoneError: the model is unknown, the store cannot be written, a worker was killed twice.
    """
    layout = plan(model, size)
    planned(layout.jobs)
    with store.opened(), closing(run_jobs(layout.jobs, store, processes, warn)) as finished:
        for job, seconds in finished:
            done(job, seconds)
        return gather(layout, store)


def gather(layout: Plan, store: Store) -> Calibration:
    """Finished artifacts as a calibration."""
    members = []
    for name, job in layout.scores.items():
        lesson, _, index = name.partition("/")
        outcome = store.read(layout.outcomes[name], "outcome.json") if name in layout.outcomes else None
        shifts = {t: outcome["student"][t] - outcome["base"][t] for t in outcome["base"]} if outcome else None
        members.append(Member(lesson, int(index), read_scores(store, job), shifts))
    return Calibration(
        base=layout.base.key,
        model=layout.base.name,
        carrier="number lists",
        directions=directions.read(store.checked(layout.directions, "directions.safetensors")),
        members=tuple(members),
    )


def read_scores(store: Store, job: Job) -> Evidence:
    """What a finished scores job found."""
    made = store.read(job, "scores.json")
    return Evidence(np.array(made["sums"]), np.array(made["tokens"]))


def cached(model: str, root: Path) -> Path:
    """Where the calibration of a base lies, below ``root``."""
    return root / resolve(model).key[:20]
