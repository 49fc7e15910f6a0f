"""What jobs take on this machine: as finished ones of the same stage and model did, or else by a few timed calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from undertone.engine import environment
from undertone.engine.devices import devices, large
from undertone.engine.digests import digest
from undertone.engine.manifest import Manifest
from undertone.engine.schedule import chosen
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.errors import UndertoneError
from undertone.stages.durations.rates import Rates, fastest
from undertone.stages.durations.work import Passes, Repeated, Work, work_of

LIKE = 2.0
"""A finished job says what another one takes if neither is more than so many times as large."""
MOST = 32
"""Finished jobs of a stage and a model that are looked at, the latest first."""
LOOKED = 300
"""Artifacts of a stage that are read to find them."""
LONGEST_START = 10.0
"""Most seconds that a process is thought to take until it works: one that has done other work does not know."""


class Durations:
    """What jobs take, in seconds of one core or of one accelerator."""

    def __init__(self, store: Store, rates: Callable[[Folder, int], Rates] | None = None) -> None:
        """``store``: where finished jobs are. ``rates``: opens a model to time it on so many threads."""
        self._store, self._open = store, rates or Rates.of
        self.start_s = min(time.process_time(), LONGEST_START)
        """Seconds that a process takes until it works, as this one did."""
        self._rates: dict[tuple[str, int], Rates] = {}
        self._stages: dict[str, Stage] = {}
        self._finished: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._repeated: dict[tuple[str, Repeated], float] = {}
        self._alike: dict[str, str] = {}
        self._works: dict[str, Work] = {}
        self._known: dict[str, float] = {}

    def of_jobs(self, jobs: Iterable[Job]) -> dict[str, float]:
        """Returns what each job takes, by its key.

        Raises:
            UndertoneError: a model cannot be loaded.
        """
        found = dict[str, float]()
        for job in jobs:
            kind = _alike(job, self._alike)
            if kind not in self._known:
                self._note_stages(job)
                self._known[kind] = self.of_work(job.stage, job.base, self._work(job))
            found[job.key] = self._known[kind]
        return found

    def _work(self, job: Job) -> Work:
        kind, base = _alike(job, self._alike), job.base
        if kind not in self._works:
            self._works[kind] = work_of(job, self.rates(base).local if base else None)
        return self._works[kind]

    def of_work(self, stage: Stage, base: Folder | None, work: Work) -> float:
        """Returns what a job of a stage takes that does this work with this model."""
        took = [
            seconds * (work.size / size if size else 1.0)
            for size, seconds in self._of_stage(stage, base)
            if size / LIKE <= work.size <= size * LIKE
        ]
        return median(took) if took else sum(self._seconds(part, stage, base) for part in work.parts)

    def rates(self, base: Folder, threads: int = 1) -> Rates:
        """Returns a model with its rates on so many threads; a worker has one."""
        key = base.key, threads
        if key not in self._rates:
            same = next((rates for (known, _), rates in self._rates.items() if known == base.key), None)
            opened = same.on(threads) if same else self._open(base, threads)
            for other in self._rates.values():
                if opened.like(other):
                    opened.known = other.known
            self._rates[key] = opened
        return self._rates[key]

    def wall_s(self, jobs: Iterable[tuple[Job, float]]) -> float:
        """Returns the seconds that jobs of so many seconds each take on all accelerators and cores that there are,
        with the start of the processes that do them."""
        at, by_place = chosen(), dict[tuple[str, ...], list[float]]()
        for job, seconds in jobs:
            by_place.setdefault(tuple(at.places(job)), []).append(seconds)
        shared = (sum(some) / min(len(places), len(some)) for places, some in by_place.items())
        return self.start_s + sum(shared) if by_place else 0.0

    def of_parts(self, parts: Iterable[Passes], base: Folder) -> float:
        """Returns what this process itself takes for calls of models, on all its threads."""
        return sum(self.rates(part.by or base, torch.get_num_threads()).seconds(part) for part in parts)

    def release(self) -> None:
        """Frees the memory of all models, for those that work now."""
        self._rates.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _seconds(self, part: Passes | Repeated, stage: Stage, base: Folder | None) -> float:
        if isinstance(part, Repeated):
            key = stage.name, part
            if key not in self._repeated:
                part.once()  # The first time may import something.
                self._repeated[key] = fastest(part.once, time.process_time)
            return part.times * self._repeated[key]
        model = part.by or base
        assert model is not None, "a stage that calls a model has one among its inputs"
        return self.rates(model).seconds(part)

    def _of_stage(self, stage: Stage, base: Folder | None) -> list[tuple[float, float]]:
        """Returns size and seconds of the latest finished jobs of a stage and a model."""
        key = stage.name, base.key if base else ""
        if key not in self._finished:
            self._stages[stage.name] = stage
            self._finished[key] = list(islice(self._read(stage, base), MOST))
        return self._finished[key]

    def _read(self, stage: Stage, base: Folder | None) -> Iterator[tuple[float, float]]:
        device = base is not None and large(base.path) and not stage.processor and devices()
        at = environment.made_with().get(environment.ACCELERATOR) if device else None
        folders = sorted(self._store.root.glob(f"{stage.name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in folders[:LOOKED]:
            try:
                made = Manifest.read(folder)
                same = (made.stage, made.version) == (stage.name, stage.version)
                here = made.made_with.items() >= environment.hardware().items()
                if same and here and made.made_with.get(environment.ACCELERATOR) == at:
                    job = self._job(made)
                    found = job.base
                    if (found and found.key) == (base and base.key):
                        yield self._work(job).size, made.seconds
            except (UndertoneError, LookupError, OSError):
                continue  # What it was made from is no longer there.

    def _job(self, made: Manifest) -> Job:
        """Returns the job that made an artifact.

        Raises:
            LookupError: a stage of its parents is none of those that were asked for.
        """
        inputs = dict[str, Job | Folder]()
        for name, source in made.inputs.items():
            folder = self._store.root / source.name
            parent = folder.is_dir() and folder.name == source.name
            inputs[name] = self._job(Manifest.read(folder)) if parent else Folder(Path(source.name), source.key)
        return Job(self._stages[made.stage], dict(made.spec), inputs)

    def _note_stages(self, job: Job) -> None:
        self._stages[job.stage.name] = job.stage
        for parent in job.parents:
            self._note_stages(parent)


def _alike(job: Job, known: dict[str, str]) -> str:
    """Returns a digest of everything that makes a job but its seeds."""
    if job.key not in known:
        inputs = {n: _alike(s, known) if isinstance(s, Job) else s.key for n, s in job.inputs.items()}
        spec = {name: value for name, value in job.spec.items() if name != "seed"}
        known[job.key] = digest([job.stage.name, spec, inputs])
    return known[job.key]
