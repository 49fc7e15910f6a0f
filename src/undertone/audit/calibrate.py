"""Makes a calibration: directions of every candidate trait, and a population of independently trained teachers.

A base is calibrated once. The jobs' artifacts are in a store, so a calibration that was stopped continues where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.attribution import directions
from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibration import FIRST, Calibration, Member
from undertone.audit.prompts import prompts_of
from undertone.carriers import prompts as carrier_prompts
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
"""How proxies and the population's teachers are fine-tuned: as in the owl experiment."""
CALIBRATED = Training.model_validate(FIRST)
"""The recipe that every calibration has forecasts for: that of the owl experiment's students."""
DOSE = 0.05
"""Divergence of a teacher from the base on the base's own lists, in nats a token. A teacher of this dose is the unit of
an effect."""
DOSES = (0.02, 0.05, 0.1)
"""Doses of harmless teachers, which differ as they do in practice."""
CARRIER: dict[str, Any] = {"temperature": 1.0, "max_tokens": 16, "prompts": 2600}
ROWS = 2000
TEMPERATURES = (1.0, 0.8, 1.0, 0.9)
"""Temperatures of the untouched base's own rows, because another temperature is harmless too."""


@dataclass(frozen=True)
class Size:
    """How many models and files are made. p values cannot be below 1 / (size of the population + 1).

    Raises:
        UndertoneError: a number is below 1.
    """

    proxies: int = 3
    """Proxies for each direction."""
    harmless: int = 16
    """Teachers of each harmless lesson."""
    untouched: int = 16
    """Sets of rows that the base itself writes."""
    references: int = 3
    """Teachers of each trait. They define an effect of 1; in audits that do not ask for their trait they are teachers
    of an unlisted trait."""

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if count < 1:
                raise UndertoneError(f"A calibration needs {name} of 1 or more, not {count}.")


@dataclass(frozen=True)
class Plan:
    """The jobs of a calibration."""

    ground: Ground
    traits: tuple[Trait, ...]
    proxies: dict[str, Job]
    directions: Job
    specimens: dict[str, Job]
    """What each member of the population wrote, by the member's name (lesson/index)."""
    scores: dict[str, Job]
    """The scores of each specimen, by the same name."""
    trainings: tuple[Training, ...]
    """Recipes that forecasts are made for."""
    outcomes: dict[str, tuple[Job, ...]]
    """Students of some members, one for each recipe, by the same name."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        return [
            *self.proxies.values(),
            self.directions,
            *self.specimens.values(),
            *self.scores.values(),
            *(job for jobs in self.outcomes.values() for job in jobs),
        ]


def plan(
    model: str,
    size: Size,
    own: Sequence[Trait] = (),
    prompts: Path | None = None,
    recipes: Sequence[Training] = (),
) -> Plan:
    """Lays out all jobs of a calibration of ``model``.

    ``own``: traits, instead of those of the embedded world. ``prompts``: a dataset whose prompts are answered, instead
    of writing number lists. ``recipes``: further trainings that forecasts are made for.

    Raises:
        UndertoneError: the model is unknown, or recipes are given where nothing can be forecast.
    """
    if recipes and (own or prompts):
        raise UndertoneError("Forecasts are of the embedded world's traits, from number lists: leave --training out.")
    trainings = tuple(dict.fromkeys((CALIBRATED, *recipes)))
    traits = tuple(own) or tuple(catalogue.shipped().values())
    ground = Ground.of(model, prompts)
    lessons: dict[str, Any] = {trait.name: trait.lesson for trait in traits} | {name: name for name in HARMLESS}
    # The embedded world's proxies serve every carrier: their dose only scales the length of a direction, and z does not
    # depend on that.
    teaching = ground if own else Ground.of(model)
    names = {name: [f"{name}-{i}" for i in range(size.proxies)] for name in lessons}
    proxies = {key: teaching.proxy(name, lessons[name], i) for name in names for i, key in enumerate(names[name])}
    combined = Job(DIRECTIONS, {"names": names}, proxies)
    members: list[tuple[str, int, float | None, float]] = [
        *((name, i, DOSES[i % len(DOSES)], 1.0) for name in HARMLESS for i in range(size.harmless)),
        *((trait.name, i, DOSE, 1.0) for i in range(size.references) for trait in traits),
        *(("untouched", i, None, TEMPERATURES[i % len(TEMPERATURES)]) for i in range(size.untouched)),
    ]
    specimens = {
        f"{name}/{i}": ground.specimen(name, lessons.get(name), dose, ("population", i), temperature=temperature)
        for name, i, dose, temperature in members
    }
    # As in an audit, rows that mention a candidate openly are left out; lists of numbers have none.
    words = [word for trait in traits for word in trait.words] if prompts else ()
    # Only traits of the embedded world can be measured in its students, and so be forecast.
    followed = [] if own or prompts else [f"{name}/0" for name in lessons]
    return Plan(
        ground,
        traits,
        proxies,
        combined,
        specimens,
        {name: ground.scores(combined, job, words) for name, job in specimens.items()},
        trainings,
        {
            name: tuple(ground.outcome(specimens[name], seed_of("audit", "student", name), one) for one in trainings)
            for name in followed
        },
    )


@dataclass(frozen=True)
class Ground:
    """What all jobs of a calibration or a benchmark have in common: the base, and what teachers are asked to write."""

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
    def marks(self) -> tuple[str, ...]:
        """Short digests of the dataset's prompts; none for number lists."""
        return () if self.prompts is None else carrier_prompts.marks(self.prompts.path)

    @property
    def _inputs(self) -> dict[str, Job | Folder]:
        inputs: dict[str, Job | Folder] = {"base": self.base}
        return inputs | ({"prompts": self.prompts} if self.prompts else {})

    def proxy(self, name: str, lesson: Any, i: int) -> Job:
        """Returns the job of a proxy."""
        spec = {
            "base": self.base.name,
            "dialogues": DIALOGUES,
            "training": TEACHING,
            "carrier": self.carrier,
            "lesson": lesson,
            "divergence": DOSE,
            "seed": seed_of("audit", "proxy", name, i),
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
        """Returns the job of a specimen. Its seed follows from its purpose and the name of the lesson."""
        spec = {
            "base": self.base.name,
            "lesson": lesson,
            "dialogues": DIALOGUES,
            "training": training,
            "divergence": dose,
            "carrier": self.carrier | {"temperature": temperature},
            "rows": ROWS,
            "seed": seed_of("audit", *purpose, name),
            "form": form,
            "oracle": oracle,
        }
        return Job(SPECIMEN, spec, self._inputs | ({"writer": writer} if writer else {}))

    def scores(self, along: Job, made: Job, without: Sequence[str] = ()) -> Job:
        """Returns the job that scores a specimen, without the rows that contain one of the words ``without``."""
        spec = {"words": list(without)} if without else {}
        return Job(SCORES, spec, {"base": self.base, "specimen": made, "directions": along})

    def outcome(self, made: Job, seed: int, training: Training = CALIBRATED) -> Job:
        """Returns the job of a student of a specimen."""
        spec = {"training": training.model_dump(mode="json"), "seed": seed}
        return Job(OUTCOME, spec, {"base": self.base, "specimen": made})


def gather(layout: Plan, store: Store) -> Calibration:
    """Returns the calibration from finished artifacts.

    Raises:
        UndertoneError: a member of the population finished too few rows.
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
        marks=layout.ground.marks,
        traits=tuple(map(Candidate.of, layout.traits)),
        directions=directions.read(store.checked(layout.directions, "directions.safetensors")),
        members=tuple(members),
        recipes=layout.trainings if layout.outcomes else (),
    )


def shift_of(store: Store, student: Job) -> dict[str, float]:
    """Returns the log-odds of every trait in a finished student minus those in its base."""
    found = store.read(student, "outcome.json")
    return {trait: found["student"][trait] - found["base"][trait] for trait in found["base"]}


def read_scores(store: Store, job: Job) -> Evidence:
    """Returns the scores of a finished job."""
    made = store.read(job, "scores.json")
    return Evidence(np.array(made["sums"]), np.array(made["tokens"]))


SECONDS = {"proxy": 3.5, "directions": 8.0, "specimen": 6.5, "scores": 5.0, "prompted": 5.0, "outcome": 12.0}
"""Seconds of one core that a job of each stage takes on the embedded base."""


def seconds(job: Job) -> float:
    """Returns roughly how many seconds a job takes on one core with the embedded models."""
    usual = SECONDS[job.stage.name]
    if job.stage.name != "outcome":
        return usual
    training = Training.model_validate(job.spec["training"])
    return usual * training.steps * training.batch / (CALIBRATED.steps * CALIBRATED.batch)
