"""Fine-tunes as a kind of experiment: base → one file an arm → students → each measured against base and controls."""

from dataclasses import dataclass

from undertone.engine.digests import seed_of
from undertone.engine.environment import quiet_libraries
from undertone.engine.store import Folder, Job
from undertone.experiments.finetunes.cost import of_finetunes
from undertone.experiments.finetunes.findings import FinetunesFindings
from undertone.experiments.finetunes.page import page
from undertone.experiments.finetunes.spec import Finetunes
from undertone.experiments.kind import Kind, Made
from undertone.measure.findings import Findings as Measurement
from undertone.measure.measure import measure
from undertone.measure.page import page as measurement_page
from undertone.measure.request import Request
from undertone.models.names import resolve
from undertone.models.services.spending import Budget
from undertone.stages import FINE_TUNED


@dataclass(frozen=True)
class Plan:
    """The students of every arm. Student *i* of each has the same seed."""

    base: Folder
    arms: dict[str, list[Job]]

    @property
    def jobs(self) -> list[Job]:
        """Arm by arm."""
        return [job for jobs in self.arms.values() for job in jobs]

    @property
    def models(self) -> dict[str, str]:
        """The digest of the base."""
        return {self.base.name: self.base.key}


def plan(spec: Finetunes) -> Plan:
    """Lays out the students.

    Raises:
        UndertoneError: an unknown model, or a file that is missing.
    """
    base, files = resolve(spec.base), {name: Folder.of_file(arm.file) for name, arm in spec.arms.items()}
    return Plan(
        base,
        {
            name: [Job(FINE_TUNED, _student(spec, i), {"base": base, "file": file}) for i in range(spec.students)]
            for name, file in files.items()
        },
    )


def _student(spec: Finetunes, i: int) -> dict[str, object]:
    training = spec.student.training(spec.rows).model_dump(mode="json")
    seed = seed_of(spec.seed, "finetunes", i)
    return {"base": spec.base, "rows": spec.rows, "draw": spec.seed, "training": training, "seed": seed}


def gather(spec: Finetunes, plan: Plan, made: Made) -> FinetunesFindings:
    """Asks the students. Their answers are kept in ``answers`` beside the folder of the run and reused."""
    quiet_libraries()
    names = {arm: tuple(f"{spec.base}:{made.store.folder(job)}" for job in own) for arm, own in plan.arms.items()}
    budget = Budget(made.limits)
    arms = {arm: _measured(spec, arm, names, made, budget) for arm in spec.measured}
    return FinetunesFindings(**made.head(), models=plan.models, arms=arms)


def _measured(spec: Finetunes, arm: str, names: dict[str, tuple[str, ...]], made: Made, budget: Budget) -> Measurement:
    request = Request(
        models=names[arm],
        base=spec.base,
        benign=tuple(name for other in spec.arms[arm].against for name in names[other]),
        suites=spec.suites,
        judge=spec.judge,
        effect=spec.effect,
        samples=spec.samples,
        max_tokens=spec.max_tokens,
        seed=spec.seed,
    )
    return measure(request, made.folder.parent / "answers", made.advance, budget).findings


def seconds(spec: Finetunes, job: Job) -> float:
    """Never asked for: what fine-tunes cost is counted in tokens."""
    raise NotImplementedError


FINETUNES = Kind(
    spec=Finetunes,
    findings=FinetunesFindings,
    plan=plan,
    gather=gather,
    page=page,
    seconds=seconds,
    cost=of_finetunes,
    parts=lambda found: {arm: (one, measurement_page(one)) for arm, one in found.arms.items()},
)
