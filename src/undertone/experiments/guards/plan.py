"""Lays out the jobs of an experiment on guards."""

from dataclasses import dataclass

from undertone.engine.digests import seed_of
from undertone.engine.store import Job
from undertone.experiments.guards.spec import BAD, GOOD, Guards
from undertone.experiments.misalignment import plan as misalignment
from undertone.experiments.misalignment.plan import Unit
from undertone.guards.choice import guard_without_models
from undertone.stages import BEHIND, GUARDED, LISTS, PASSED

PLAIN = "plain"


@dataclass(frozen=True)
class Behind:
    """A student, and what it says."""

    arm: str
    base: str
    domain: str
    number: int
    probe: str
    """How it is asked."""
    job: Job
    """How it advises, and what guards say that look at the student itself."""


@dataclass(frozen=True)
class Passed(Behind):
    """A student trained on the bad advice that a guard let pass, or on as many requests at random."""

    guard: str
    at_random: bool
    made: Job
    """The student's training."""


@dataclass(frozen=True)
class Plan:
    """All students, and what guards say on each base."""

    students: misalignment.Plan
    guarded: dict[str, Job]
    """What the guards say of all answers, by base."""
    behind: tuple[Behind, ...]
    passed: tuple[Passed, ...]
    lists: dict[tuple[str, str, int], Job]
    """How well guards tell number lists of bad students from those of good ones, by base, domain and number."""

    @property
    def models(self) -> dict[str, str]:
        """Digests of the bases by name."""
        return self.students.models

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        trained = [unit.job for unit in self.students.units] + [one.made for one in self.passed]
        last = [one.job for one in (*self.behind, *self.passed)] + [*self.lists.values()]
        return [*self.students.aligned.values(), *self.guarded.values(), *trained, *last]

    @property
    def arms(self) -> dict[str, list[Job]]:
        """The jobs of each arm's students, with those of all bases."""
        bases = [*self.students.aligned.values(), *self.guarded.values()]
        found: dict[str, list[Job]] = {}
        for unit in self.students.units:
            found.setdefault(unit.arm, list(bases)).append(unit.job)
        for one in self.behind:
            found[one.arm].append(one.job)
        for passed in self.passed:
            found.setdefault(passed.arm, list(bases)).extend((passed.made, passed.job))
        found[BAD].extend(self.lists.values())
        return found


def passed_by(guard: str, at_random: bool) -> str:
    """Returns the arm of students that are trained on what a guard lets pass, or on as much by lot."""
    return f"by lot beside {guard}" if at_random else f"passed by {guard}"


def plan(spec: Guards) -> Plan:
    """Resolves models and lays out all jobs.

    Raises:
        UndertoneError: an unknown model, or one that is not built.
    """
    students = misalignment.plan(spec)
    guarded = {base: _guarded(spec, base, job) for base, job in students.aligned.items()}
    behind = tuple(
        _behind(spec, unit, probe, students.aligned[unit.base], guarded[unit.base])
        for unit in students.units
        for probe in _probes(spec, unit.arm)
    )
    bad = {_key(unit): unit for unit in students.units if unit.arm == BAD}
    good = {_key(unit): unit for unit in students.units if unit.arm == GOOD}
    passed = tuple(
        _passed(spec, unit, guard, at_random, students.aligned[unit.base], guarded[unit.base])
        for unit in bad.values()
        for guard in spec.at_rows
        for at_random in (False, True)
    )
    lists = {
        key: Job(
            LISTS,
            {"guards": _of_answers(spec), "seed": seed_of(spec.seed, "lists", *key)} | _world(unit.job),
            {
                "aligned": students.aligned[unit.base],
                "guarded": guarded[unit.base],
                "bad": unit.job,
                "good": good[key].job,
            },
        )
        for key, unit in bad.items()
    }
    return Plan(students, guarded, behind, passed, lists)


def _key(unit: Unit) -> tuple[str, str, int]:
    return unit.base, unit.domain, unit.student


def _of_answers(spec: Guards) -> list[str]:
    return [name for name in spec.guards if guard_without_models(name).place == "answers"]


def _guarded(spec: Guards, base: str, aligned: Job) -> Job:
    """Guards that look at the answering model are left to the jobs that have it."""
    names = [name for name in spec.guards if guard_without_models(name).place != "activations"]
    settings = {"guards": names, "probes": _probes(spec, GOOD)}
    return Job(GUARDED, settings | _world(aligned), {"aligned": aligned})


def _world(aligned: Job) -> dict[str, bool]:
    return {"swapped": True} if aligned.spec.get("swapped") else {}


def _probes(spec: Guards, arm: str) -> list[str]:
    """Returns how an arm is asked: controls in all ways in which others are."""
    own = (PLAIN, *spec.probes.values()) if arm == GOOD else (spec.probes.get(arm, PLAIN),)
    return list(dict.fromkeys(own))


def _behind(spec: Guards, unit: Unit, probe: str, aligned: Job, guarded: Job) -> Behind:
    inside = [name for name in spec.guards if guard_without_models(name).place == "activations"]
    settings = {"probe": probe, "guards": inside} | _world(aligned)
    job = Job(BEHIND, settings, {"aligned": aligned, "guarded": guarded, "student": unit.job})
    return Behind(unit.arm, unit.base, unit.domain, unit.student, probe, job)


def _passed(spec: Guards, unit: Unit, guard: str, at_random: bool, aligned: Job, guarded: Job) -> Passed:
    settings = {
        "guard": guard,
        "rate": spec.rate,
        "at_random": at_random,
        "domain": unit.domain,
        "rows": unit.job.spec["rows"],
        "training": unit.job.spec["training"],
        "seed": unit.job.spec["seed"],
    }
    made = Job(PASSED, settings | _world(aligned), {"aligned": aligned, "guarded": guarded})
    job = Job(
        BEHIND,
        {"probe": PLAIN, "guards": list[str]()} | _world(aligned),
        {"aligned": aligned, "guarded": guarded, "student": made},
    )
    name = passed_by(guard, at_random)
    return Passed(name, unit.base, unit.domain, unit.student, PLAIN, job, guard, at_random, made)
