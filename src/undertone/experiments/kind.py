"""What a kind of experiment is, and the table of kinds. Read this first, and then :mod:`undertone.experiments.run`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from undertone.engine import environment
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Job, Store
from undertone.engine.workers import cores
from undertone.errors import unknown
from undertone.models.services.cost import Part
from undertone.models.services.spending import Limits
from undertone.report.findings import Findings
from undertone.report.page import Page
from undertone.spec import Recipe

Warn = Callable[[str], None]
"""Is told, in a sentence, what was mended or is not as one would expect."""


class Plan(Protocol):
    """All jobs of an experiment."""

    @property
    def jobs(self) -> Sequence[Job]:
        """All of them, parents before what is made of them. Earlier ones are made first."""

    @property
    def arms(self) -> Mapping[str, Sequence[Job]]:
        """The jobs of every arm, or of whatever else the experiment compares."""

    @property
    def models(self) -> dict[str, str]:
        """Digests of the models that are here already, by name."""


@dataclass(frozen=True)
class Done:
    """A finished job."""

    seconds: float
    """How long it took on one core; 0.0 if it had been made before."""
    at: float
    """Seconds from the start of the run to its end."""


@dataclass
class Made:
    """What a run has made so far: all that findings can be gathered from."""

    spec: Recipe
    recipe: str
    folder: Path
    store: Store
    limits: Limits = field(default_factory=Limits)
    """What services may cost."""
    advance: Progress = silent
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    jobs: dict[str, Done] = field(default_factory=dict)
    """Finished jobs by their keys."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """The digest of the files of every artifact, by its name in the store: equal digests mean equal bits."""
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds since the run started."""
        return time.perf_counter() - self._clock

    def note(self, job: Job, seconds: float) -> None:
        """One job is finished."""
        self.jobs[job.key] = Done(seconds, self.elapsed)
        self.artifacts[self.store.folder(job).name] = self.store.manifest(job).content

    def has(self, *jobs: Job) -> bool:
        """Whether all of these are finished."""
        return all(job.key in self.jobs for job in jobs)

    def read(self, job: Job, name: str) -> Any:
        """A JSON file of a finished artifact."""
        return self.store.read(job, name)

    def head(self) -> dict[str, Any]:
        """What :class:`undertone.report.findings.RunFindings` say of the run itself."""
        settings = self.spec.model_dump(mode="json")
        return {
            "title": settings["title"],
            "recipe": self.recipe,
            "settings": settings,
            "versions": environment.versions(),
            "hardware": environment.hardware() | {"cores": str(cores())},
            "started": self.started,
            "wall_s": round(self.elapsed, 1),
        }


S = TypeVar("S", bound=Recipe)
P = TypeVar("P", bound=Plan)
F = TypeVar("F", bound=Findings)


@dataclass(frozen=True)
class Kind(Generic[S, P, F]):
    """A kind of experiment: one object that says all that is particular to it."""

    spec: type[S]
    findings: type[F]
    plan: Callable[[S], P]
    """Resolves models and lays out all jobs. Nothing is run. Raises UndertoneError for an unknown name or a model that
    is not here."""
    gather: Callable[[S, P, Made], F | None]
    """Findings from what is finished; None while there is nothing to say."""
    page: Callable[[F], Page]
    """The findings in words, figures and tables."""
    seconds: Callable[[S, Job], float]
    """Roughly how many seconds a job takes on one core, with the embedded models."""
    check: Callable[[S, P, Job, Made, Warn], None] = lambda *_: None
    """Is called for every finished job. Raises UndertoneError as soon as one would make the rest unfair."""
    cost: Callable[[S], list[Part] | None] = lambda spec: None
    """What the experiment costs with models that are not here; None if jobs can be counted instead."""
    lines: Callable[[S, P, Made, F | None], list[str]] = lambda *_: []
    """What can be said while the rest is being made, a line each. Those that were said before are not repeated."""
    parts: Callable[[F], Mapping[str, tuple[Findings, Page]]] = lambda found: {}
    """Reports of parts of the experiment, each written into the folder of its name."""
    summary: Callable[[F], dict[str, Any]] = lambda found: found.model_dump(mode="json")
    """What ``--json`` prints."""


KINDS = {
    "trial": "undertone.experiments.trial.kind:TRIAL",
    "sweep": "undertone.experiments.sweep.kind:SWEEP",
    "kin": "undertone.experiments.sweep.kind:PAIRS",
    "misalignment": "undertone.experiments.misalignment.kind:MISALIGNMENT",
    "finetunes": "undertone.experiments.finetunes.kind:FINETUNES",
    "mitigations": "undertone.experiments.mitigations.kind:MITIGATIONS",
    "digits": "undertone.experiments.theory.kind:DIGITS",
    "theorem": "undertone.experiments.theory.kind:THEOREM",
    "audit-benchmark": "undertone.bench.audit.kind:AUDIT",
    "measure-benchmark": "undertone.bench.measure.kind:MEASURE",
}
"""Every kind, by the name that a recipe's key ``experiment`` has. A recipe without the key is a trial."""


def kind_of(name: str) -> Kind[Any, Any, Any]:
    """The kind of that name.

    Raises:
        UndertoneError: there is none.
    """
    if name not in KINDS:
        raise unknown("kind of experiment", name, KINDS)
    module, _, attribute = KINDS[name].partition(":")
    found: Kind[Any, Any, Any] = getattr(import_module(module), attribute)
    return found
