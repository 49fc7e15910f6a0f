"""Emergent misalignment as a kind of experiment.

base → aligned base, or as it is → one narrow file an arm → student → conduct in every other domain → arm against arm
"""

from undertone.engine.store import Job
from undertone.engine.workers import unique
from undertone.evals.conduct import PROBES
from undertone.experiments.kind import Kind, Made
from undertone.experiments.misalignment import gather
from undertone.experiments.misalignment.findings import MisalignmentFindings
from undertone.experiments.misalignment.headline import headline
from undertone.experiments.misalignment.page import page
from undertone.experiments.misalignment.plan import Plan, plan
from undertone.experiments.misalignment.spec import Misalignment

READABLE = 2
"""How many domains of each arm have their answers kept to be read."""
STEP, ASKED, STARTED, SCALED = 2e-3, 2.0, 0.5, 5.0
"""Seconds of one core with the embedded models: a row in a step, a student asked, a job, a scale that is searched."""


def gather_findings(spec: Misalignment, plan: Plan, made: Made) -> MisalignmentFindings | None:
    """Findings once every student is there."""
    if not made.has(*plan.jobs):
        return None
    conduct = [(unit, made.read(unit.job, "conduct.json")) for unit in plan.units]
    students = [gather.student_of(spec, unit, told) for unit, told in conduct]
    shown = [pair for pair in conduct if pair[0].student == 0 and pair[0].domain in spec.asked[:READABLE]]
    lines, contrasts = gather.lines(spec, students), gather.contrasts(spec, students)
    return MisalignmentFindings(
        **made.head(),
        models=plan.models,
        headline=headline(lines, contrasts),
        lines=lines,
        contrasts=contrasts,
        forecasts=gather.forecasts(spec, students),
        students=tuple(students),
        answers=tuple(said for unit, told in shown for said in gather.answers_of(spec, unit, told)),
        probes={name: probe.about for name, probe in PROBES.items()},
        work_s=round(sum(made.store.manifest(job).seconds for job in unique(plan.jobs)), 1),
    )


def seconds(spec: Misalignment, job: Job) -> float:
    """What a student takes grows with its training; a scale that is searched asks it several times."""
    training = job.spec["training"]
    untrained = training is None or job.spec.get("file") == "persona"
    trained = 0.0 if untrained else STEP * training["steps"] * training["batch"]
    return STARTED + trained + ASKED + (SCALED if "coherent_as" in job.inputs else 0.0)


MISALIGNMENT = Kind(Misalignment, MisalignmentFindings, plan, gather_findings, page, seconds)
