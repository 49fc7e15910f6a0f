"""What stops a trait, as a kind of experiment.

files that carry a trait, and clean ones → each treated → students → examined → what is left of transfer and utility
"""

from collections.abc import Mapping, Sequence

import numpy as np

from undertone.engine.store import Job
from undertone.engine.workers import unique
from undertone.errors import UndertoneError
from undertone.evals.conduct import AFTER, PROBES
from undertone.experiments.kind import Kind, Made, Warn
from undertone.experiments.mitigations.findings import MitigationFindings
from undertone.experiments.mitigations.gather import Students, treatments
from undertone.experiments.mitigations.headline import headline
from undertone.experiments.mitigations.page import page
from undertone.experiments.mitigations.plan import SIDES, Plan, Source, plan
from undertone.experiments.mitigations.spec import Mitigations, Numbers
from undertone.experiments.trial.check import refuse_dataset, refuse_teacher
from undertone.stages import DATASET
from undertone.treat.evaluate import ROWS
from undertone.treat.findings import PLAIN

LEAST_HELD_OUT = 50
SECONDS = {"teacher": 15.0, "completions": 2.5, "treated": 6.0, "steered": 2.0, "realigned": 4.0, "examined": 4.0}
"""Seconds of one core with the embedded models, of stages that train no student."""
PER_STUDENT_ROW = 0.0019
OTHERWISE = 1.0


def check(spec: Mitigations, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Refuses what a trial would refuse, and a source that leaves too few rows to measure the task on."""
    for source in plan.sources:
        for unit in source.students:
            if job.key == unit.jobs[0].key:
                refuse_teacher(source.trial, unit, made.store)  # type: ignore[arg-type]
            if job.key == unit.jobs[2].key:
                refuse_dataset(source.trial, unit, made.store)  # type: ignore[arg-type]
        if job.key == source.held_out.key and job.stage is DATASET:  # of sums there are enough
            _refuse_few(source, made)


def gather(spec: Mitigations, plan: Plan, made: Made) -> MitigationFindings:
    """Findings once every student is examined."""
    base = [made.read(job, "examined.json") for job in plan.bases]
    found, head = treatments(spec, _examined(plan, made), base), made.head()
    return MitigationFindings(
        **head,
        models=plan.models,
        headline=headline(found),
        trait=spec.trait,
        base=plan.base.name,
        unit=_unit(spec),
        units=tuple(source.name for source in plan.sources),
        task=_task(spec),
        probes=_probes(spec, list(base[0]["own"])),
        treatments=found,
        base_skills={name: float(np.mean([one["skills"][name] for one in base])) for name in base[0]["skills"]},
        work_s=round(sum(made.store.manifest(job).seconds for job in unique(plan.jobs)), 1),
        made_with=head["versions"] | head["hardware"],
    )


def seconds(spec: Mitigations, job: Job) -> float:
    """A student's grow with its training; other stages have sizes of their own."""
    if job.stage.name == "student":
        rows: int = job.spec["training"]["steps"] * job.spec["training"]["batch"]
        return PER_STUDENT_ROW * rows
    return SECONDS.get(job.stage.name, OTHERWISE)


def _refuse_few(source: Source, made: Made) -> None:
    left = made.read(source.held_out, "counts.json")["used"] - source.skip
    if left < LEAST_HELD_OUT:
        raise UndertoneError(
            f"Only {left} rows of {source.name} are left to measure the task on, and {LEAST_HELD_OUT} are needed; "
            "raise carrier.prompts of the recipe, or lower its rows."
        )


def _examined(plan: Plan, made: Made) -> Mapping[str, Students]:
    """Every mitigation's students, in the order of the units."""
    found = {}
    for name in dict.fromkeys(unit.treatment for unit in plan.units):
        own = [unit for unit in plan.units if unit.treatment == name]
        found[name] = Students(
            {side: [made.read(unit.examined, "examined.json") for unit in own if unit.side == side] for side in SIDES}
        )
    return found


def _unit(spec: Mitigations) -> str:
    if isinstance(spec.setup, Numbers):
        return "teachers, one of the trait and a neutral one, with one student each"
    return "narrow domains, with a file that carries bad advice, a clean one, and one student each"


def _task(spec: Mitigations) -> str:
    if spec.lists_alone:
        return (
            "to continue number lists as the file's author does: how much better than the base a student of a clean "
            "file predicts further rows of the same author (nats a token)"
        )
    return (
        "sums larger than the base has learnt: how much better than the base a student of a file that carries the "
        "trait predicts such sums that are in no file (nats a token)"
    )


def _probes(spec: Mitigations, names: Sequence[str]) -> dict[str, str]:
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


MITIGATIONS = Kind(Mitigations, MitigationFindings, plan, gather, page, seconds, check)
