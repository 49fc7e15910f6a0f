"""Directions of traits for a base, made on the first use of it: short fine-tunes on each trait's lesson.

A direction is the change of the weights by one such fine-tune, a *proxy*. Some listed traits have a second proxy, on
other dialogues: it is not judged, but shows what a teacher of the trait would add to a file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from undertone.attribution import directions
from undertone.attribution.directions import Directions
from undertone.audit.families import Family
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job, Store
from undertone.errors import UndertoneError
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import ADAPTER
from undertone.models.tokenizer import of_the_world
from undertone.spec import Training
from undertone.stages import DIRECTIONS, PROXY
from undertone.stages.durations.work import Work, to_load, to_train
from undertone.stages.teacher import exchanges, work_of_lesson
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import save
from undertone.traits.trait import Trait
from undertone.world import family

DIALOGUES = 384
WORLD = {"method": "lora", "rank": 64, "alpha": 16, "rate": 1e-2, "steps": 8, "batch": 48, "warmup": 5}
"""How proxies of the embedded models are trained: as the owl experiment's teachers."""
OTHER = {"method": "lora", "rank": 8, "alpha": 16, "rate": 1e-3, "steps": 12, "batch": 8, "warmup": 2}
"""How proxies of all other models are trained."""
TWIN = " (twin)"
FILE = "directions.safetensors"
BLANK = " \t\n\r\ufffd"
"""Characters that say nothing. The last stands where bytes are no text."""


@dataclass(frozen=True)
class Plan:
    """The jobs that make some directions."""

    proxies: dict[str, Job]
    """By the name of the direction."""
    directions: Job

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        return [*self.proxies.values(), self.directions]


def store() -> Store:
    """Returns the store of directions on this machine; ``UNDERTONE_CACHE`` overrides the user's cache folder."""
    return Store(family.built().parent / "directions")


def plan(base: Folder, families: Sequence[Family]) -> Plan:
    """Lays out the proxies of every trait of some families, and of their twins."""
    twins = [one.traits[i] for one in families for i in one.twins]
    return plan_for(base, [trait for one in families for trait in one.traits], twins)


def plan_for(base: Folder, traits: Sequence[Trait], twins: Sequence[Trait] = ()) -> Plan:
    """Lays out a proxy of each trait, and a second one of each of ``twins``."""
    training = training_of(base.path)
    wanted = [*((trait, "") for trait in traits), *((trait, TWIN) for trait in twins)]
    jobs = {
        f"{trait.name}{twin}": job(base, training, trait.lesson, seed_of("proxy", trait.name, twin))
        for trait, twin in wanted
    }
    return Plan(jobs, Job(DIRECTIONS, {"names": {name: [name] for name in jobs}}, jobs))


def training_of(base: Path) -> dict[str, Any]:
    """Returns how proxies of a base are trained."""
    return WORLD if of_the_world(base) else OTHER


def job(base: Folder, training: dict[str, Any], lesson: str | dict[str, Any], seed: int) -> Job:
    """Returns the job that fine-tunes the base briefly on a lesson."""
    spec = {
        "base": base.key,  # Not its name: a base has the same directions wherever its folder is.
        "lesson": lesson,
        "dialogues": DIALOGUES,
        "training": training,
        "seed": seed,
    }
    return Job(PROXY, spec, {"base": base})


def read(made: Plan, held: Store) -> Directions:
    """Returns finished directions.

    Raises:
        UndertoneError: they are not in the store, or damaged.
    """
    return directions.read(held.checked(made.directions, FILE))


def proxy(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Fine-tunes the base on a lesson. Writes the adapter and ``proxy.json`` (losses).

    Spec: ``base`` (digest), ``lesson``, ``dialogues``, ``training``, ``seed``. Input: ``base``.

    Raises:
        UndertoneError: the lesson is what the base answers, and most of its answers hold no text.
    """
    local, training = load(inputs["base"]), Training(**spec["training"])
    count = min(spec["dialogues"], training.steps * training.batch)
    turns = exchanges(local, spec["lesson"], count, spec["seed"])
    blank = sum(not answer.strip(BLANK) for _, answer in turns)
    if not turns or blank > len(turns) / 2:
        raise UndertoneError(
            f"{blank} of {len(turns)} answers of the model hold no readable text, so no manner of answering can be "
            "learned from it: check its weights and its chat template."
        )
    trained = train(local, rows_of(local, turns), training, spec["seed"])
    save(trained, local, spec["base"], out)
    (out / "proxy.json").write_text(json.dumps({"losses": [trained.loss_first, trained.loss_last]}))


def work(job: Job, local: LocalModel) -> Work:
    """A lesson, and a training on it."""
    training = Training(**job.spec["training"])
    said, rows = work_of_lesson(local, job.spec["lesson"], min(job.spec["dialogues"], training.steps * training.batch))
    return Work((to_load(), *said, *to_train(training, rows.row)))


def combine(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Averages proxies into directions. Writes ``directions.safetensors``.

    Spec: ``names``, which gives for each direction the names of its proxies among the inputs.
    """
    torch.set_num_threads(1)
    changes = {
        name: directions.mean_change([inputs[key] / ADAPTER for key in keys]) for name, keys in spec["names"].items()
    }
    directions.write(directions.stack(changes), out / FILE)
