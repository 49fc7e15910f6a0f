"""Computes the findings from finished jobs. Guards and requests are the same for all fine-tunes of a base, so that
figures are means over fine-tunes, domain by domain, and intervals are over domains of advice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from undertone.engine.store import Job
from undertone.evals.conduct import Conduct
from undertone.experiments.guards.findings import Arm, GuardsFindings, Line, Told, Trained
from undertone.experiments.guards.plan import PLAIN, Behind, Plan, passed_by
from undertone.experiments.guards.spec import BAD, GOOD, Guards
from undertone.experiments.kind import Made
from undertone.guards.choice import guard_without_models
from undertone.guards.delivery import Delivery, Judged, mean_of
from undertone.guards.findings import Role, best, left_of, share_of
from undertone.guards.guard import blocked
from undertone.guards.guarding import RATES
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import domains

Tensors = Mapping[str, Floats]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Student:
    """A student, and what it says."""

    of: Behind
    tensors: Tensors

    @cached_property
    def advice(self) -> Conduct:
        """Its advice in all domains."""
        return advice_of(self.tensors, "")


@dataclass(frozen=True)
class Base:
    """A base, what guards say on it, and all its students."""

    name: str
    judged: Tensors
    students: Sequence[Student]

    def arm(self, name: str, probe: str = PLAIN) -> list[Student]:
        """The students of an arm that were asked in this way, by narrow domain and number."""
        return [one for one in self.students if (one.of.arm, one.of.probe) == (name, probe)]

    def where(self, key: str) -> Tensors:
        """What a guard said that has this key: on the base, or else on the first student."""
        return next(one for one in (self.judged, *(student.tensors for student in self.students)) if key in one)

    def advice(self, probe: str) -> Conduct:
        """The base's own advice."""
        return advice_of(self.judged, f"/{probe}")

    def p(self, guard: str, probe: str, student: Student | None = None, of_base: bool = False) -> Floats:
        """Returns a guard's p of all answers, (domains, requests, 2): of a student's if the guard looks at models; or,
        ``of_base``, of the base's, which was asked where the student was."""
        own = student.tensors.get(f"{'base/' if of_base else ''}{guard}/p") if student else None
        return self.judged[f"{guard}/{probe}/p"] if own is None else own


def advice_of(tensors: Tensors, end: str) -> Conduct:
    """Returns what a model advises; log-odds are not kept."""
    bad = tensors[f"bad{end}"]
    return Conduct(bad=bad, odds=np.full_like(bad, np.nan), coherent=tensors[f"coherent{end}"])


def elsewhere(students: Sequence[Student]) -> Mask:
    """Returns which domains count for which student, (students, domains): all but its narrow one."""
    return np.array([[name != one.of.domain for name in domains()] for one in students])


def gather(spec: Guards, plan: Plan, made: Made) -> GuardsFindings:
    """Computes the findings once all jobs are finished."""
    bases = [_base(name, plan, made) for name in spec.bases]
    lines = tuple(line for base in bases for line in behind_guards(base, spec))
    return GuardsFindings(
        **made.head(),
        models=plan.models,
        headline=headline(lines),
        arms=tuple(arm for base in bases for arm in arms(base, spec)),
        lines=lines,
        told=tuple(one for base in bases for one in tellings(base, spec, plan, made)),
        trained=tuple(one for base in bases for one in at_rows(base, spec, plan, made)),
    )


def _base(name: str, plan: Plan, made: Made) -> Base:
    students = [
        Student(one, _read(made, one.job, "behind.safetensors"))
        for one in (*plan.behind, *plan.passed)
        if one.base == name
    ]
    return Base(name, _read(made, plan.guarded[name], "judged.safetensors"), students)


def _read(made: Made, job: Job, name: str) -> Tensors:
    return {key: value.numpy() for key, value in load_file(made.store.checked(job, name)).items()}


def arms(base: Base, spec: Guards) -> Iterator[Arm]:
    """Yields the advice of every arm without a guard."""
    for name, arm in spec.arms.items():
        own = base.arm(name, spec.probes.get(name, PLAIN))
        yield Arm(
            base=base.name,
            arm=name,
            title=arm.title,
            bad=share_of(_bad(own)),
            coherent=float(np.mean([one.advice.coherent.mean() for one in own])),
        )


def _bad(students: Sequence[Student]) -> Floats:
    """Returns the mean share of bad advice over students, by domain."""
    return mean_of(np.stack([one.advice.bad.mean(1) for one in students]), elsewhere(students))


def behind_guards(base: Base, spec: Guards) -> Iterator[Line]:
    """Yields every guard at every rate at which it can block, on the students of every arm but the control. All models
    are asked in the arm's own way."""
    for arm in spec.arms:
        if arm == GOOD:
            continue
        probe = spec.probes.get(arm, PLAIN)
        own, controls = base.arm(arm, probe), base.arm(GOOD, probe)
        counted, shift = elsewhere(own), _bad(own) - _bad(controls)
        for guard in spec.guards:
            for rate in RATES:
                if rate < least(base, guard):
                    continue
                sent: dict[Role, list[Delivery]] = {"model": [], "control": [], "base": []}
                for one, other in zip(own, controls, strict=True):
                    sent["model"].append(_sent(one.advice, base.p(guard, probe, one), rate))
                    sent["control"].append(_sent(other.advice, base.p(guard, probe, other), rate))
                    sent["base"].append(_sent(base.advice(probe), base.p(guard, probe, other, of_base=True), rate))
                joined = {role: Delivery.mean(some, counted) for role, some in sent.items()}
                yield Line.of(guard, rate, joined, shift, base=base.name, arm=arm)


def _sent(advice: Conduct, p: Floats, rate: float) -> Delivery:
    return Delivery.of(advice, blocked(p, rate))


def least(base: Base, guard: str) -> float:
    """Returns the smallest rate at which a guard can block anything that it reads."""
    return float(base.where(f"{guard}/least")[f"{guard}/least"].max())


def tellings(base: Base, spec: Guards, plan: Plan, made: Made) -> Iterator[Told]:
    """Yields how well every guard tells answers apart, and number lists."""
    read = [made.read(job, "lists.json") for (name, *_), job in plan.lists.items() if name == base.name]
    for name in spec.guards:
        guard, tensors = guard_without_models(name), base.where(f"{name}/least")
        key = f"{name}/{PLAIN}" if tensors is base.judged else name
        on_lists = share_of(np.array([one[name] for one in read]), "pairs of students") if name in read[0] else None
        yield Told.of(
            guard,
            Judged(tensors[f"{key}/scores"], tensors[f"{key}/p"]),
            int(tensors[f"{name}/unread"].sum()),
            least(base, name),
            base=base.name,
            on_lists=on_lists,
        )


def at_rows(base: Base, spec: Guards, plan: Plan, made: Made) -> Iterator[Trained]:
    """Yields what each guard at the training file prevents. Shifts are from the base, as which a student stays where
    nothing passes."""
    start, bad = base.advice(PLAIN), base.arm(BAD)
    whole = _bad(bad) - start.bad.mean(1)
    for guard in spec.at_rows:
        through, lot = (base.arm(passed_by(guard, at_random)) for at_random in (False, True))
        shares = [
            made.read(one.made, "passed.json")["passed"]
            for one in plan.passed
            if one.base == base.name and one.guard == guard and not one.at_random
        ]
        p = base.p(guard, PLAIN)
        behind = Delivery.mean([_sent(one.advice, p, spec.rate) for one in through], elsewhere(through)).bad
        yield Trained(
            base=base.name,
            guard=guard,
            rate=spec.rate,
            passed=share_of(np.array(shares), "narrow domains"),
            trained=sum(share > 0 for share in shares),
            left=left_of(_bad(through) - start.bad.mean(1), whole),
            at_random=left_of(_bad(lot) - start.bad.mean(1), whole),
            left_behind=left_of(behind - _sent(start, p, spec.rate).bad, whole),
        )


def headline(lines: Sequence[Line]) -> str:
    """Returns the result in a sentence for each base."""
    found = [one for one in lines if one.arm == BAD]
    bases = dict.fromkeys(one.base for one in found)
    own = {base: best([one for one in found if one.base == base], RATES[-1]) for base in bases}
    return " ".join(f"On {base.removeprefix('builtin/')}: {said}" for base, said in own.items())
