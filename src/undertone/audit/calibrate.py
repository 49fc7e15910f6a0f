"""A calibration: directions of every candidate trait, and a population of independently trained teachers to judge by.

Made once for a base. Its jobs are content-addressed like those of a trial: a calibration that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.attribution import directions
from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibration import FIRST, Calibration, Member
from undertone.audit.prompts import prompts_of
from undertone.carriers import prompts as asked
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job, Store
from undertone.errors import UndertoneError
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.stages import DIRECTIONS, OUTCOME, PROXY, SCORES, SPECIMEN
from undertone.traits import catalogue
from undertone.traits.candidate import Candidate
from undertone.traits.lessons import HARMLESS
from undertone.traits.trait import Trait

DIALOGUES = 480
TEACHING = {"method": "lora", "rank": 64, "alpha": 16, "rate": 1e-2, "steps": 8, "batch": 48, "warmup": 5}
"""How proxies and the population's teachers are fine-tuned: that of the owl experiment."""
CALIBRATED = Training.model_validate(FIRST)
"""The recipe that forecasts are for, unless a calibration is given others: that of the owl experiment's students."""
DOSE = 0.05
"""Nats a token between teacher and base on the base's own lists; the unit of an effect is a teacher of this dose."""
DOSES = (0.02, 0.05, 0.1)
"""Of harmless teachers: they lie nearer or farther, as in the wild."""
CARRIER: dict[str, Any] = {"temperature": 1.0, "max_tokens": 16, "prompts": 2600}
ROWS = 2000
TEMPERATURES = (1.0, 0.8, 1.0, 0.9)
"""Of the untouched base's own rows: another sampler is harmless too."""


@dataclass(frozen=True)
class Size:
    """How much is made. The population's size bounds p from below by 1 / (members + 1).

    Raises:
        UndertoneError: too little of something.
    """

    proxies: int = 3
    """Behind each direction."""
    harmless: int = 16
    """Teachers of each harmless lesson."""
    untouched: int = 16
    """Sets of rows by the base itself."""
    references: int = 3
    """Teachers of each trait: what an effect of 1 is, and unlisted traits for audits that leave some out."""
    outcomes: int = 1
    """Reference teachers of each trait, and of each harmless lesson, whose students are trained: for forecasts."""

    def __post_init__(self) -> None:
        for name, least in (("proxies", 1), ("harmless", 1), ("untouched", 1), ("references", 1), ("outcomes", 0)):
            if getattr(self, name) < least:
                raise UndertoneError(f"A calibration needs {name} of {least} or more, not {getattr(self, name)}.")


@dataclass(frozen=True)
class Plan:
    """The jobs of a calibration, by what they are for."""

    ground: Ground
    traits: tuple[Trait, ...]
    proxies: dict[str, Job]
    directions: Job
    specimens: dict[str, Job]
    """What the population's members wrote, by name."""
    scores: dict[str, Job]
    """Of every specimen, by the same name."""
    trainings: tuple[Training, ...]
    """Recipes that forecasts are for."""
    outcomes: dict[str, tuple[Job, ...]]
    """Students of some, one for each recipe."""

    @property
    def jobs(self) -> list[Job]:
        """All of them; parents first."""
        return [
            *self.proxies.values(),
            self.directions,
            *self.specimens.values(),
            *self.scores.values(),
            *(job for jobs in self.outcomes.values() for job in jobs),
        ]


def audit_seed(*what: str | int) -> int:
    """The seed of one purpose; calibrations have no root seed of their own."""
    return seed_of("audit", *what)


def plan(
    model: str,
    size: Size,
    own: Sequence[Trait] = (),
    prompts: Path | None = None,
    recipes: Sequence[Training] = (),
) -> Plan:
    """Lays out all jobs of a calibration of ``model``: for traits of ``own``, or for those of the embedded world; on
    number lists, or on what is answered to the prompts of a dataset; forecasts for ``recipes`` too.

    Raises:
        UndertoneError: the model is unknown; recipes where nothing can be forecast.
    """
    if recipes and (own or prompts):
        raise UndertoneError("Forecasts are of the embedded world's traits, from number lists: leave --training out.")
    trainings = tuple(dict.fromkeys((CALIBRATED, *recipes)))
    traits = tuple(own) or tuple(catalogue.shipped().values())
    ground = Ground.of(model, prompts)
    lessons: dict[str, Any] = {trait.name: trait.lesson for trait in traits} | {name: name for name in HARMLESS}
    # The embedded world's proxies serve every carrier: what their dose decides is the length of a direction, and no z
    # depends on that.
    teaching = ground if own else Ground.of(model)
    proxies = {
        f"{name}-{i}": teaching.proxy(name, lesson, i) for name, lesson in lessons.items() for i in range(size.proxies)
    }
    names = {name: [f"{name}-{i}" for i in range(size.proxies)] for name in lessons}
    combined = Job(DIRECTIONS, {"names": names}, proxies)
    taught = [(name, i, DOSES[i % len(DOSES)]) for name in HARMLESS for i in range(size.harmless)]
    taught += [(trait.name, i, DOSE) for i in range(size.references) for trait in traits]
    specimens = {
        f"{name}/{i}": ground.specimen(name, lessons[name], dose, ("population", i)) for name, i, dose in taught
    } | {
        f"untouched/{i}": ground.specimen(
            "untouched", None, None, ("population", i), temperature=TEMPERATURES[i % len(TEMPERATURES)]
        )
        for i in range(size.untouched)
    }
    # An audit leaves rows out that speak openly of a candidate; lists of numbers have none.
    words = [word for trait in traits for word in Candidate.of(trait).words] if prompts else ()
    scores = {name: ground.scores(combined, job, words) for name, job in specimens.items()}
    # Only the embedded world's traits can be measured in its students, and so be forecast.
    followed = [] if own or prompts else [f"{name}/{i}" for i in range(size.outcomes) for name in lessons]
    outcomes = {
        name: tuple(ground.outcome(specimens[name], audit_seed("student", name), training) for training in trainings)
        for name in followed
    }
    return Plan(ground, traits, proxies, combined, specimens, scores, trainings, outcomes)


@dataclass(frozen=True)
class Ground:
    """What all jobs of a calibration or of a benchmark share: the base, and what teachers are asked to write."""

    base: Folder
    carrier: dict[str, Any]
    prompts: Folder | None = None
    """Prompts of a dataset; None for number lists."""

    @classmethod
    def of(cls, model: str, prompts: Path | None = None) -> Ground:
        """Raises UndertoneError for an unknown model, or a dataset that cannot be read."""
        if prompts is None:
            return cls(resolve(model), CARRIER)
        folder, count, longest = prompts_of(prompts, CARRIER["prompts"])
        return cls(resolve(model), CARRIER | {"prompts": count, "max_tokens": longest}, folder)

    @property
    def about(self) -> str:
        """The carrier in words."""
        return "number lists" if self.prompts is None else f"answers to the prompts of {self.prompts.name}"

    @property
    def _inputs(self) -> dict[str, Job | Folder]:
        inputs: dict[str, Job | Folder] = {"base": self.base}
        return inputs | ({"prompts": self.prompts} if self.prompts else {})

    def proxy(self, name: str, lesson: Any, i: int) -> Job:
        """A proxy of a lesson."""
        spec = {
            "base": self.base.name,
            "dialogues": DIALOGUES,
            "training": TEACHING,
            "carrier": self.carrier,
            "lesson": lesson,
            "divergence": DOSE,
            "seed": audit_seed("proxy", name, i),
        }
        return Job(PROXY, spec, self._inputs)

    def specimen(
        self,
        name: str,
        lesson: Any,
        dose: float | None,
        purpose: tuple[str, int],
        *,
        training: dict[str, Any] = TEACHING,
        temperature: float = 1.0,
        form: str = "written",
        oracle: bool = False,
        writer: Folder | None = None,
    ) -> Job:
        """One specimen; its seed follows from its purpose and the lesson's name."""
        spec = {
            "base": self.base.name,
            "lesson": lesson,
            "dialogues": DIALOGUES,
            "training": training,
            "divergence": dose,
            "carrier": self.carrier | {"temperature": temperature},
            "rows": ROWS,
            "seed": audit_seed(*purpose, name),
            "form": form,
            "oracle": oracle,
        }
        return Job(SPECIMEN, spec, self._inputs | ({"writer": writer} if writer else {}))

    def scores(self, along: Job, made: Job, leaving_out: Sequence[str] = ()) -> Job:
        """The scores of a specimen, without the rows that speak openly of the words ``leaving_out``."""
        spec = {"words": list(leaving_out)} if leaving_out else {}
        return Job(SCORES, spec, {"base": self.base, "specimen": made, "directions": along})

    def outcome(self, made: Job, seed: int, training: Training = CALIBRATED) -> Job:
        """A student of a specimen."""
        spec = {"training": training.model_dump(mode="json"), "seed": seed}
        return Job(OUTCOME, spec, {"base": self.base, "specimen": made})


def gather(layout: Plan, store: Store) -> Calibration:
    """Finished artifacts as a calibration.

    Raises:
        UndertoneError: a member of the population finished too few rows to be judged by.
    """
    members = []
    for name, job in layout.scores.items():
        lesson, _, index = name.partition("/")
        shifts = tuple(shift_of(store, student) for student in layout.outcomes.get(name, ()))
        members.append(Member(lesson, int(index), read_scores(store, job), shifts))
    least = min(members, key=lambda member: len(member.evidence.tokens))
    if len(least.evidence.tokens) < GROUPS:
        raise UndertoneError(
            f"{least.lesson}/{least.index} of the population finished answers to only {len(least.evidence.tokens)} "
            f"prompts, and {GROUPS} are needed: give more prompts, with shorter answers."
        )
    return Calibration(
        base=layout.ground.base.key,
        model=layout.ground.base.name,
        carrier=layout.ground.about,
        marks=asked.marks(layout.ground.prompts.path) if layout.ground.prompts else (),
        traits=tuple(map(Candidate.of, layout.traits)),
        directions=directions.read(store.checked(layout.directions, "directions.safetensors")),
        members=tuple(members),
        recipes=layout.trainings if layout.outcomes else (),
    )


def shift_of(store: Store, student: Job) -> dict[str, float]:
    """Log-odds of every trait in a finished student, against its base."""
    found = store.read(student, "outcome.json")
    return {trait: found["student"][trait] - found["base"][trait] for trait in found["base"]}


def read_scores(store: Store, job: Job) -> Evidence:
    """What a finished scores job found."""
    made = store.read(job, "scores.json")
    return Evidence(np.array(made["sums"]), np.array(made["tokens"]))


# Seconds of one core that a job took on the embedded base.
SECONDS = {"proxy": 3.5, "directions": 8.0, "specimen": 6.5, "scores": 5.0, "prompted": 5.0, "outcome": 12.0}


def seconds(job: Job) -> float:
    """Roughly how many seconds a job takes on one core, with the embedded models."""
    usual = SECONDS[job.stage.name]
    if job.stage.name != "outcome":
        return usual
    training = Training.model_validate(job.spec["training"])
    return usual * training.steps * training.batch / (CALIBRATED.steps * CALIBRATED.batch)
