"""Computes the findings from finished jobs: every figure of a direction beside those of directions of no meaning."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from safetensors.torch import load_file

from undertone.engine.store import Job, Store
from undertone.experiments.kind import Made
from undertone.experiments.persona.during import STRENGTHS, TAKEN_OUT
from undertone.experiments.persona.findings import (
    Change,
    Correlation,
    Left,
    Line,
    NullBand,
    PersonaStudyFindings,
    Pulled,
    Steered,
    Told,
    When,
)
from undertone.experiments.persona.plan import Looked, Plan
from undertone.experiments.persona.spec import BAD, GOOD, Persona
from undertone.experiments.persona.stages import CONSTRUCTIONS, TRAIT
from undertone.persona.contrast import half_of
from undertone.persona.findings import Construction
from undertone.persona.nulls import RANDOM, meaningless
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.statistics.auroc import auroc
from undertone.statistics.estimate import mean_estimate
from undertone.world.lexicon import domains

AT: dict[Construction, str] = {"fixed": "answer", "own": "answer", "prompt": "prompt"}
"""Where the change of a student is read, by the construction of the direction."""

WHILE: dict[str, Change] = {
    "answers": "taken out while it answers",
    "taken out": "taken out while it is trained",
    "added": "added while it is trained",
}
OWN = f"{TRAIT}, prompt"
"""The direction that the headline is about."""
TRIED = 100
"""Most directions of a kind by which single requests are told apart."""


@dataclass(frozen=True)
class Seen:
    """A fine-tune, and all that was read of it."""

    look: Looked
    tensors: Mapping[str, Floats]
    measured: tuple[int, ...]
    """The places of the domains in which its advice is measured: those of its own half but its own."""
    advice: float
    """Mean log-odds of bad advice there, less the base's."""
    pull: float
    """What the file's gradient foretold."""
    changed: Mapping[Change, Mapping[str, Mapping[str, list[float]]]]
    """By how hidden states were changed, and by the direction, of which "nothing" is one; empty where they were not."""

    @property
    def narrow(self) -> tuple[int, ...]:
        """The place of its narrow domain."""
        return (domains().index(self.look.unit.domain),)

    @property
    def arm(self) -> str:
        """Its arm."""
        return self.look.unit.arm

    @property
    def key(self) -> tuple[str, int]:
        """Its narrow domain and its number, which arms share."""
        return self.look.unit.domain, self.look.unit.student


@dataclass(frozen=True)
class Base:
    """A base, its directions, and all its fine-tunes."""

    name: str
    axes: Mapping[str, Floats]
    states: Mapping[str, Floats]
    seen: tuple[Seen, ...]
    seed: int

    @cached_property
    def others(self) -> list[str]:
        """The traits whose directions mean nothing here."""
        return [name.removeprefix("fixed/") for name in self.axes if name.startswith("fixed/") and TRAIT not in name]

    @cached_property
    def pairs(self) -> list[tuple[Seen, Seen]]:
        """Each student on bad advice with the one on good advice in the same domain."""
        good = {one.key: one for one in self.seen if one.arm == GOOD}
        return [(one, good[one.key]) for one in self.seen if one.arm == BAD]

    @property
    def blocks(self) -> int:
        """How many blocks the base has."""
        return len(next(iter(self.axes.values())))

    def own(self, how: Construction, half: int) -> Floats:
        """Returns the direction of bad advice, made in one half of the domains, (blocks, hidden)."""
        return self.axes[f"{how}/{TRAIT}/{half}"]

    def nulls(self, how: Construction, block: int) -> dict[str, Floats]:
        """Returns directions of no meaning, (directions, hidden), by kind."""
        placebos = np.stack([self.axes[f"{how}/{name}"][block] for name in self.others])
        return meaningless(placebos, self.states[AT[how]][:, block], self.seed)


def gather(spec: Persona, plan: Plan, made: Made) -> PersonaStudyFindings:
    """Computes the findings once all jobs are finished."""
    bases = [base_of(name, spec, plan, made) for name in spec.bases]
    correlations = tuple(one for base in bases for one in correlated(base))
    left = tuple(one for base in bases for one in leavings(base))
    return PersonaStudyFindings(
        **made.head(),
        models=plan.models,
        headline=headline(correlations, left),
        lines=tuple(one for base in bases for one in lines(base, spec)),
        correlations=correlations,
        pulled=tuple(map(pulled, bases)),
        told=tuple(one for base in bases for one in tellings(base)),
        left=left,
        steered=tuple(one for base in spec.bases for one in steered(base, plan, made)),
    )


def base_of(name: str, spec: Persona, plan: Plan, made: Made) -> Base:
    """Reads all that was made of a base."""
    axes = plan.axes[name]
    before = np.array(made.read(axes, "conduct.json")["odds"])
    return Base(
        name=name,
        axes=_tensors(made.store, axes, "axes.safetensors"),
        states=_tensors(made.store, axes, "states.safetensors"),
        seen=tuple(_seen(look, before, plan, made) for look in plan.looks if look.unit.base == name),
        seed=spec.seed,
    )


def _tensors(store: Store, job: Job, name: str) -> dict[str, Floats]:
    return {key: one.double().numpy() for key, one in load_file(store.checked(job, name)).items()}


def _seen(look: Looked, before: Floats, plan: Plan, made: Made) -> Seen:
    report = made.read(look.unit.job, "conduct.json")
    after = np.array(report["probes"]["plain"]["odds"])
    own = half_of(domains(), 1 - look.half)
    measured = tuple(place for place, name in enumerate(domains()) if name in own and name != look.unit.domain)
    return Seen(
        look=look,
        tensors=_tensors(made.store, look.job, "looked.safetensors"),
        measured=measured,
        advice=float((after - before)[list(measured)].mean()),
        pull=report["pull"],
        changed=_changed(look, plan, made),
    )


def _changed(look: Looked, plan: Plan, made: Made) -> dict[Change, Mapping[str, Mapping[str, list[float]]]]:
    if not look.job.spec["changed"]:
        return {}
    answering = made.read(look.job, "changed.json")
    plain = {"nothing": answering["nothing"]}
    found: dict[Change, Mapping[str, Mapping[str, list[float]]]] = {WHILE["answers"]: answering}
    for one in plan.led:
        if one.unit == look.unit:
            found[WHILE[one.change]] = _called(made.read(one.job, "advice.json")) | plain
    return found


def _called(found: Mapping[str, Any]) -> dict[str, Any]:
    """The direction of bad advice at the end of the prompt, called as it is elsewhere."""
    return {OWN if name == TRAIT else name: one for name, one in found.items()}


def lines(base: Base, spec: Persona) -> Iterator[Line]:
    """Yields the advice of every arm."""
    for name, arm in spec.arms.items():
        advice = over_domains([one.advice for one in base.seen if one.arm == name])
        yield Line(base=base.name, arm=name, title=arm.title, advice=advice)


def over_domains(values: Sequence[float]) -> Measured:
    """Returns the mean over fine-tunes, one or more for each narrow domain, with its interval."""
    found = Measured.of(mean_estimate([[float(one)] for one in values]))
    return found.model_copy(update={"method": f"t interval over {len(values)} fine-tunes, one narrow domain each"})


# --- correlations ----------------------------------------------------------------------------------------------------


def correlated(base: Base) -> Iterator[Correlation]:
    """Yields, for every construction and block, how the way along the direction goes with the advice."""
    advice = np.array([one.advice for one in base.seen])
    whens: tuple[When, ...] = ("after training", "before training")
    for when in whens:
        for how in CONSTRUCTIONS:
            at = AT[how] if when == "after training" else "file"
            for block in range(base.blocks):
                changes = np.stack([one.tensors[at][block] for one in base.seen])
                own = np.stack([base.own(how, one.look.half)[block] for one in base.seen])
                r = correlation((changes * _units(own)).sum(1), advice)
                yield Correlation(
                    base=base.name,
                    when=when,
                    construction=how,
                    block=block,
                    r=r,
                    fine_tunes=len(advice),
                    nulls=tuple(
                        band(kind, np.abs([correlation(changes @ vector, advice) for vector in vectors]), abs(r))
                        for kind, vectors in base.nulls(how, block).items()
                    ),
                )


def pulled(base: Base) -> Pulled:
    """Returns how the pull of the training file's gradient goes with the advice."""
    r = correlation(np.array([one.pull for one in base.seen]), np.array([one.advice for one in base.seen]))
    return Pulled(base=base.name, r=r, fine_tunes=len(base.seen))


def correlation(a: Floats, b: Floats) -> float:
    """Returns Pearson's r; 0 where either does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def band(name: str, found: Floats, own: float) -> NullBand:
    """Returns what directions of no meaning give, beside what one gives."""
    return NullBand(
        name=name,
        directions=len(found),
        median=float(np.median(found)),
        high=float(np.percentile(found, 95)),
        p=float((1 + (found >= own).sum()) / (1 + len(found))),
    )


def _units(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


# --- single requests -------------------------------------------------------------------------------------------------


def tellings(base: Base) -> Iterator[Told]:
    """Yields how well single requests tell bad students from good ones, with the direction of each construction."""
    block = (base.blocks - 1) // 2
    for how in CONSTRUCTIONS:
        own = [_auroc(bad, good, base.own(how, bad.look.half)[block]) for bad, good in base.pairs]
        yield Told(
            base=base.name,
            construction=how,
            auroc=over_domains(own),
            nulls=tuple(
                band(
                    kind,
                    np.array([_turned(_mean_auroc(base.pairs, vector)) for vector in some[:TRIED]]),
                    _turned(float(np.mean(own))),
                )
                for kind, some in base.nulls(how, block).items()
            ),
        )


def _auroc(bad: Seen, good: Seen, vector: Floats) -> float:
    places = list(bad.measured)
    return auroc(*((one.tensors["asked"][places] @ vector).ravel() for one in (bad, good)))


def _mean_auroc(pairs: Sequence[tuple[Seen, Seen]], vector: Floats) -> float:
    return float(np.mean([_auroc(bad, good, vector) for bad, good in pairs]))


def _turned(value: float) -> float:
    return max(value, 1 - value)


# --- what is left ----------------------------------------------------------------------------------------------------


def leavings(base: Base) -> Iterator[Left]:
    """Yields what is left of the shift from good to bad students where hidden states are changed."""
    answers, changes = WHILE["answers"], base.pairs[0][0].changed
    plain = float(np.mean([_difference(pair, answers, ["nothing"], pair[0].measured) for pair in base.pairs]))
    there = float(np.mean([_difference(pair, answers, ["nothing"], pair[0].narrow) for pair in base.pairs]))
    for change in changes:
        for kind, each in _by_kind(base, change).items():
            pairs = list(zip(base.pairs, each, strict=True))
            differences = [_difference(pair, change, names, pair[0].measured) for pair, names in pairs]
            learnt = [_difference(pair, change, names, pair[0].narrow) / there for pair, names in pairs]
            coherent = [
                np.mean([bad.changed[change][name]["coherent"][place] for name in names for place in bad.measured])
                for (bad, _), names in pairs
            ]
            yield Left(
                base=base.name,
                change=change,
                what=kind,
                difference=over_domains(differences),
                left=over_domains([one / plain for one in differences]),
                learnt=over_domains(learnt),
                coherent=float(np.mean(coherent)),
            )


def _by_kind(base: Base, change: Change) -> dict[str, list[list[str]]]:
    """Returns the names of the directions of each kind, pair by pair."""
    kinds: dict[str, list[list[str]]] = {}
    for bad, _ in base.pairs:
        for kind, names in of_kinds(bad.changed[change]).items():
            kinds.setdefault(kind, []).append(names)
    return kinds


def of_kinds(names: Iterable[str]) -> dict[str, list[str]]:
    """Returns directions by kind: those of bad advice by themselves, others together, whose names are the kind, a comma
    and one more word."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name if name.startswith((TRAIT, "nothing")) else name.rpartition(",")[0], []).append(name)
    return found


def _difference(pair: tuple[Seen, Seen], change: Change, names: Sequence[str], places: Sequence[int]) -> float:
    """Returns the mean difference in log-odds between the students of a pair, over places in the list of domains, with
    both changed along each of some directions. These have one seed, so one name."""
    bad, good = (np.array([one.changed[change][name]["odds"] for name in names])[:, list(places)] for one in pair)
    return float((bad - good).mean())


def steered(base: str, plan: Plan, made: Made) -> Iterator[Steered]:
    """Yields what adding directions does to a base while it answers: over the domains of the half in which the
    direction was not made, both halves together."""
    before = np.array(made.read(plan.axes[base], "conduct.json")["odds"])
    jobs = [(half, job) for name, half, job in plan.curves if name == base]
    read = [(half, _called(made.read(job, "curve.json")), made.read(job, "skills.json")) for half, job in jobs]
    for kind in of_kinds(name for _, found, _ in read[:1] for name in found):
        for strength in (*map(str, STRENGTHS), TAKEN_OUT):
            shifts, coherent, skills = list[float](), list[float](), list[float]()
            for half, found, right in read:
                places = [place for place, name in enumerate(domains()) if name in half_of(domains(), 1 - half)]
                own = [found[name][strength] for name in of_kinds(found)[kind]]
                shifts += (np.mean([one["odds"] for one in own], axis=0) - before)[places].tolist()
                coherent += np.mean([one["coherent"] for one in own], axis=0)[places].tolist()
                skills += [one["skills"] - right for one in own]
            yield Steered(
                base=base,
                what=kind,
                strength=None if strength == TAKEN_OUT else float(strength),
                shift=Measured.of(mean_estimate([[one] for one in shifts])),
                coherent=float(np.mean(coherent)),
                skills=float(np.mean(skills)),
            )


def headline(correlations: Sequence[Correlation], left: Sequence[Left]) -> str:
    """Returns the result in two sentences."""
    after = [one for one in correlations if one.when == "after training"]
    random = [null for one in after for null in one.nulls if null.name == RANDOM]
    high, median = (float(np.median([getattr(null, what) for null in random])) for what in ("high", "median"))
    said = (
        f"A random direction goes with bad advice at |r| {median:.2f} in the median and {high:.2f} at the 95th "
        f"percentile over {after[0].fine_tunes} fine-tunes, so that r alone proves little."
    )
    own = [one for one in left if one.what == OWN and one.change == WHILE["answers"]]
    shares = " and ".join(f"{one.left.value:.0%}" for one in own)
    return f"{said} With the trait's direction taken out of every block, {shares} of the shift is left."
