"""What a kind of experiment is, and the table of kinds. Read this first, then :mod:`undertone.experiments.run`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from undertone.engine import environment
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Job, Store
from undertone.engine.workers import cores
from undertone.errors import unknown
from undertone.models.services.cost import Part
from undertone.models.services.spending import Limits
from undertone.report.findings import Findings
from undertone.spec import Recipe

if TYPE_CHECKING:
    from undertone.stages.durations.durations import Durations

Warn = Callable[[str], None]
"""Called with a sentence about something unexpected, or something that was repaired."""


class Plan(Protocol):
    """All jobs of an experiment."""

    @property
    def jobs(self) -> Sequence[Job]:
        """Every job, parents before the jobs that depend on them. Earlier jobs are run first."""

    @property
    def arms(self) -> Mapping[str, Sequence[Job]]:
        """The jobs of each arm, or of each other group that the experiment compares."""

    @property
    def models(self) -> dict[str, str]:
        """Digests of the existing models that the experiment starts from, by name."""


@dataclass(frozen=True)
class Done:
    """A finished job."""

    seconds: float
    """Seconds on one core; 0.0 if the artifact existed already."""
    at: float
    """When the job finished, in seconds from the start of the run."""


@dataclass
class Made:
    """The state of a run: the finished jobs, from which findings are gathered."""

    spec: Recipe
    recipe: str
    folder: Path
    store: Store
    limits: Limits = field(default_factory=Limits)
    """Limits on what services may cost."""
    advance: Progress = silent
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    jobs: dict[str, Done] = field(default_factory=dict)
    """Finished jobs by key."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """Digest of each artifact's files, by the artifact's name in the store. Equal digests mean equal bits."""
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return time.perf_counter() - self._clock

    def note(self, job: Job, seconds: float) -> None:
        """Records that a job has finished."""
        self.jobs[job.key] = Done(seconds, self.elapsed)
        self.artifacts[self.store.folder(job).name] = self.store.manifest(job).content

    def has(self, *jobs: Job) -> bool:
        """Whether all of these jobs have finished."""
        return all(job.key in self.jobs for job in jobs)

    def read(self, job: Job, name: str) -> Any:
        """Reads a JSON file of a finished job's artifact."""
        return self.store.read(job, name)

    def head(self) -> dict[str, Any]:
        """Returns the fields of :class:`undertone.report.findings.RunFindings` that describe the run itself."""
        settings = self.spec.model_dump(mode="json")
        return {
            "title": settings["title"],
            "recipe": self.recipe,
            "settings": settings,
            "versions": environment.versions(),
            "commit": environment.commit(),
            "hardware": environment.hardware() | {"cores": str(cores())},
            "started": self.started,
            "wall_s": round(self.elapsed, 1),
        }


S = TypeVar("S", bound=Recipe)
P = TypeVar("P", bound=Plan)
F = TypeVar("F", bound=Findings)


@dataclass(frozen=True)
class Kind(Generic[S, P, F]):
    """A kind of experiment: everything that distinguishes it from the other kinds."""

    spec: type[S]
    findings: type[F]
    """What is found; its class says how it is shown."""
    plan: Callable[[S], P]
    """Resolves models and lays out all jobs without running any. Raises UndertoneError for an unknown name and for a
    model that is not on this machine."""
    gather: Callable[[S, P, Made], F]
    """Computes findings from finished jobs."""
    check: Callable[[S, P, Job, Made, Warn], None] = lambda *_: None
    """Called after every finished job. Raises UndertoneError if the result makes the comparison unfair."""
    partial: bool = False
    """Whether ``gather`` is called after each finished arm. By default it is called once, after all jobs."""
    cost: Callable[[S], list[Part]] = lambda spec: []
    """Estimates what services cost, and what is done with models that need not be on this machine."""
    besides: "Callable[[S, Durations], float]" = lambda *_: 0.0
    """Estimates the seconds that this process takes for what is no job, such as asking models questions."""
    lines: Callable[[S, P, Made, F | None], list[str]] = lambda *_: []
    """Lines to print during the run, called after each finished arm. A line that was printed is not repeated."""
    parts: Callable[[F], Mapping[str, Findings]] = lambda found: {}
    """Additional reports, each written to a subfolder of the run's folder, by the subfolder's name."""
    summary: Callable[[F], dict[str, Any]] = lambda found: found.model_dump(mode="json")
    """The object that ``--json`` prints."""


KINDS = {
    "trial": "undertone.experiments.trial.kind:TRIAL",
    "sweep": "undertone.experiments.sweep.kind:SWEEP",
    "kin": "undertone.experiments.sweep.kind:PAIRS",
    "replications": "undertone.experiments.sweep.kind:REPLICATIONS",
    "misalignment": "undertone.experiments.misalignment.kind:MISALIGNMENT",
    "persona": "undertone.experiments.persona.kind:PERSONA",
    "guards": "undertone.experiments.guards.kind:GUARDS",
    "character": "undertone.experiments.character.kind:CHARACTER",
    "strange": "undertone.experiments.strange.kind:STRANGE",
    "hacking": "undertone.experiments.hacking.kind:HACKING",
    "finetunes": "undertone.experiments.finetunes.kind:FINETUNES",
    "mitigations": "undertone.experiments.mitigations.kind:MITIGATIONS",
    "digits": "undertone.experiments.theory.kind:DIGITS",
    "theorem": "undertone.experiments.theory.kind:THEOREM",
    "audit-benchmark": "undertone.bench.audit.kind:AUDIT",
    "measure-benchmark": "undertone.bench.measure.kind:MEASURE",
}
"""Every kind, by the value of a recipe's key ``experiment``. A recipe without this key is a trial."""


def kind_of(name: str) -> Kind[Any, Any, Any]:
    """Returns the kind of that name.

    Raises:
        UndertoneError: there is no such kind.
    """
    if name not in KINDS:
        raise unknown("kind of experiment", name, KINDS)
    kind: Kind[Any, Any, Any] = resolve_name(KINDS[name])
    return kind
