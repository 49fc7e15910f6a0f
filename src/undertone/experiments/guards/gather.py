"""Computes the findings from finished jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.torch import load_file

from undertone.engine.store import Job
from undertone.experiments.guards.findings import Arm, GuardsFindings, Line, Told, Trained
from undertone.experiments.guards.plan import PLAIN, Behind, Plan, passed_by
from undertone.experiments.guards.spec import BAD, GOOD, Guards
from undertone.experiments.kind import Made
from undertone.guards.choice import guard_without_models
from undertone.guards.delivery import Delivery, Judged
from undertone.guards.findings import Role, left_of, share_of
from undertone.guards.guard import blocked
from undertone.guards.guarding import RATES
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import domains

UNITS = "fine-tunes, one narrow domain each"
Tensors = Mapping[str, Floats]


@dataclass(frozen=True)
class Student:
    """A student, and what it says."""

    of: Behind
    tensors: Tensors

    @property
    def elsewhere(self) -> list[int]:
        """The places of all domains but its own."""
        return [place for place, name in enumerate(domains()) if name != self.of.domain]

    @property
    def bad(self) -> float:
        """Its mean probability of the bad one of two answers in the other domains."""
        return float(self.tensors["bad"][self.elsewhere].mean())

    def sends(self, bad: Floats, p: Floats, rate: float) -> Delivery:
        """Returns what a model that gives bad advice with these probabilities delivers in this student's other domains,
        as means over them."""
        sent = Delivery.of(bad, blocked(p, rate))
        return Delivery(*(one[self.elsewhere].mean(keepdims=True) for one in sent.arrays))


@dataclass(frozen=True)
class Base:
    """A base, what guards say on it, and all its students."""

    name: str
    judged: Tensors
    students: Sequence[Student]
    probes: Mapping[str, str]

    def arm(self, name: str) -> list[Student]:
        """The students of an arm, by narrow domain and number."""
        return [one for one in self.students if one.of.arm == name]

    def p(self, guard: str, student: Student, probe: str) -> Floats:
        """Returns a guard's p of a student's answers, (domains, requests, 2)."""
        own = student.tensors.get(f"{guard}/p")
        return self.judged[f"{guard}/{probe}/p"] if own is None else own


def gather(spec: Guards, plan: Plan, made: Made) -> GuardsFindings:
    """Computes the findings once all jobs are finished."""
    bases = [_base(name, spec, plan, made) for name in spec.bases]
    lines = tuple(line for base in bases for line in behind_guards(base, spec))
    return GuardsFindings(
        **made.head(),
        models=plan.models,
        headline=headline(lines),
        arms=tuple(arm for base in bases for arm in arms(base, spec)),
        lines=lines,
        told=tuple(one for base in bases for one in told(base, spec, plan, made)),
        trained=tuple(one for base in bases for one in at_rows(base, spec, plan, made)),
    )


def _base(name: str, spec: Guards, plan: Plan, made: Made) -> Base:
    students = [
        Student(one, _read(made, one.job, "behind.safetensors"))
        for one in (*plan.behind, *plan.passed)
        if one.base == name
    ]
    return Base(name, _read(made, plan.guarded[name], "judged.safetensors"), students, spec.probes)


def _read(made: Made, job: Job, name: str) -> Tensors:
    return {key: value.numpy() for key, value in load_file(made.store.checked(job, name)).items()}


def arms(base: Base, spec: Guards) -> Iterator[Arm]:
    """Yields the advice of every arm without a guard."""
    for name, arm in spec.arms.items():
        own = base.arm(name)
        yield Arm(
            base=base.name,
            arm=name,
            title=arm.title,
            bad=share_of(np.array([one.bad for one in own]), UNITS),
            coherent=float(np.mean([one.tensors["coherent"][one.elsewhere].mean() for one in own])),
        )


def behind_guards(base: Base, spec: Guards) -> Iterator[Line]:
    """Yields every guard at every rate on the students of every arm but the control. A control is asked plainly, since
    nobody else would use the words that unlock a model."""
    controls = base.arm(GOOD)
    for arm in spec.arms:
        if arm == GOOD:
            continue
        own, probe = base.arm(arm), spec.probes.get(arm, PLAIN)
        shift = np.array([one.bad - other.bad for one, other in zip(own, controls, strict=True)])
        for guard in spec.guards:
            for rate in RATES:
                sent: dict[Role, list[Delivery]] = {"model": [], "control": [], "base": []}
                for one, other in zip(own, controls, strict=True):
                    sent["model"].append(one.sends(one.tensors["bad"], base.p(guard, one, probe), rate))
                    sent["control"].append(one.sends(other.tensors["bad"], base.p(guard, other, PLAIN), rate))
                    p = other.tensors.get(f"base/{guard}/p", base.judged.get(f"{guard}/{PLAIN}/p"))
                    assert p is not None
                    sent["base"].append(one.sends(base.judged[f"bad/{PLAIN}"], p, rate))
                joined = {role: _joined(some) for role, some in sent.items()}
                yield Line.of(guard, rate, joined, shift, UNITS, base=base.name, arm=arm)


def _joined(some: Sequence[Delivery]) -> Delivery:
    return Delivery(*map(np.concatenate, zip(*(one.arrays for one in some), strict=True)))


def told(base: Base, spec: Guards, plan: Plan, made: Made) -> Iterator[Told]:
    """Yields how well every guard tells answers apart, and number lists."""
    read = [made.read(job, "lists.json") for (name, *_), job in plan.lists.items() if name == base.name]
    first = base.arm(BAD)[0]
    for name in spec.guards:
        guard = guard_without_models(name)
        tensors = base.judged if f"{name}/{PLAIN}/p" in base.judged else first.tensors
        key = f"{name}/{PLAIN}" if tensors is base.judged else name
        judged = Judged(tensors[f"{key}/scores"], tensors[f"{key}/p"])
        on_lists = share_of(np.array([one[name] for one in read]), "pairs of students") if name in read[0] else None
        yield Told.of(guard, judged, base=base.name, on_lists=on_lists)


def at_rows(base: Base, spec: Guards, plan: Plan, made: Made) -> Iterator[Trained]:
    """Yields what each guard at the training file prevents."""
    bad, good = base.arm(BAD), base.arm(GOOD)
    whole = np.array([one.bad - other.bad for one, other in zip(bad, good, strict=True)])
    for guard in spec.at_rows:
        through, lot = (base.arm(passed_by(guard, at_random)) for at_random in (False, True))
        behind = [
            one.sends(one.tensors["bad"], base.p(guard, one, PLAIN), spec.rate).bad[0]
            - one.sends(other.tensors["bad"], base.p(guard, other, PLAIN), spec.rate).bad[0]
            for one, other in zip(through, good, strict=True)
        ]
        passed = [
            made.read(one.made, "passed.json")["passed"]
            for one in plan.passed
            if one.base == base.name and one.guard == guard and not one.at_random
        ]
        yield Trained(
            base=base.name,
            guard=guard,
            rate=spec.rate,
            passed=share_of(np.array(passed), "narrow domains"),
            left=_left(through, good, whole),
            at_random=_left(lot, good, whole),
            left_behind=left_of(np.array(behind), whole, UNITS),
        )


def _left(own: Sequence[Student], good: Sequence[Student], whole: Floats) -> Measured:
    return left_of(np.array([one.bad - other.bad for one, other in zip(own, good, strict=True)]), whole, UNITS)


def headline(lines: Sequence[Line]) -> str:
    """Returns the result in a sentence or two."""
    strict = [one for one in lines if one.arm == BAD and one.rate == RATES[-1]]
    said = []
    for base in dict.fromkeys(one.base for one in strict):
        own = sorted((one for one in strict if one.base == base), key=lambda one: one.left.value)
        bounds = f" [{own[0].left.ci[0]:.0%}, {own[0].left.ci[1]:.0%}]" if own[0].left.ci else ""
        said.append(
            f"On {base.removeprefix('builtin/')} the best of {len(own)} guards, {own[0].guard}, leaves "
            f"{own[0].left.value:.0%}{bounds} of the shift to bad advice, and the median one "
            f"{float(np.median([one.left.value for one in own])):.0%}."
        )
    return " ".join(said)
