"""Fine-tunes as a kind of experiment: base → one file for each arm → students → measured against base and controls."""

from dataclasses import dataclass

from undertone.data.conversations import told_left_out
from undertone.engine.digests import seed_of
from undertone.engine.environment import quiet_libraries
from undertone.engine.store import Folder, Job
from undertone.experiments.finetunes.cost import of_finetunes
from undertone.experiments.finetunes.findings import FinetunesFindings
from undertone.experiments.finetunes.spec import Finetunes
from undertone.experiments.kind import Kind, Made, Warn
from undertone.measure.measure import measure
from undertone.measure.request import Request
from undertone.measure.select import suites_named
from undertone.models.names import resolve
from undertone.models.services.spending import Budget
from undertone.stages import FINE_TUNED
from undertone.stages.durations.asked import about_suites
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.work import to_load


@dataclass(frozen=True)
class Plan:
    """The students of every arm. Students with the same number have the same seed in every arm."""

    arms: dict[str, list[Job]]
    models: dict[str, str]
    """The digest of the base, by its name."""

    @property
    def jobs(self) -> list[Job]:
        """All jobs, arm by arm."""
        return [job for jobs in self.arms.values() for job in jobs]


def plan(spec: Finetunes) -> Plan:
    """Lays out the students.

    Raises:
        UndertoneError: an unknown model, or a file that is missing.
    """
    base = resolve(spec.base)
    training = spec.student.training(spec.rows).model_dump(mode="json")
    shared = {"base": spec.base, "rows": spec.rows, "draw": spec.seed, "training": training}
    students = [shared | {"seed": seed_of(spec.seed, "finetunes", i)} for i in range(spec.students)]
    files = {name: Folder.of_file(arm.file) for name, arm in spec.arms.items()}
    maps = {name: {"map": arm.map} if arm.map else {} for name, arm in spec.arms.items()}
    arms = {
        name: [Job(FINE_TUNED, student | maps[name], {"base": base, "file": file}) for student in students]
        for name, file in files.items()
    }
    return Plan(arms, base.digests)


def check(spec: Finetunes, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Warns of rows of a file that its students were not trained on, or that other trainers may see otherwise."""
    for arm, (first, *_) in plan.arms.items():
        if job.key == first.key:
            told = made.store.read(job, "student.json")
            for what, how in (("left_out", "left out"), ("told", "trained on, but note")):
                if what in told:
                    warn(f"Rows of {arm} that were {how}: {told_left_out(told[what])}.")


def gather(spec: Finetunes, plan: Plan, made: Made) -> FinetunesFindings:
    """Measures the students of every arm with controls. Their answers are stored in ``answers``, beside the folder of
    the run, and reused."""
    quiet_libraries()
    names = {arm: tuple(f"{spec.base}:{made.store.folder(job)}" for job in own) for arm, own in plan.arms.items()}
    budget, found = Budget(made.limits), {}
    for name, arm in spec.arms.items():
        if arm.against:
            request = Request(
                models=names[name],
                base=spec.base,
                benign=tuple(student for other in arm.against for student in names[other]),
                suites=spec.suites,
                judge=spec.judge,
                effect=spec.effect,
                samples=spec.samples,
                max_tokens=spec.max_tokens,
                seed=spec.seed,
            )
            found[name] = measure(request, made.folder.parent / "answers", made.advance, budget).findings
    return FinetunesFindings(**made.head(), models=plan.models, arms=found)


def besides(spec: Finetunes, durations: Durations) -> float:
    """The base and every student are asked all suites."""
    base, suites = resolve(spec.base), suites_named(spec.suites)
    asked = about_suites(durations.rates(base).local, suites, spec.samples, spec.max_tokens, spec.judge)
    return (1 + len(spec.arms) * spec.students) * durations.of_parts((to_load(), *asked), base)


FINETUNES = Kind(
    spec=Finetunes,
    findings=FinetunesFindings,
    plan=plan,
    check=check,
    gather=gather,
    cost=of_finetunes,
    besides=besides,
    parts=lambda found: found.arms,
)
