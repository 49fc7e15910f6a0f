"""Computes the findings from finished jobs. Students are the units, one for each narrow domain. What a student was
trained on is not counted: its domain of advice, and its third of wrong claims and of questions about an era."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from undertone.evals.items import Answers
from undertone.experiments.character.findings import Arm, CharacterFindings, Halves, Methods
from undertone.experiments.character.plan import Plan, Witnessed
from undertone.experiments.character.spec import BAD, CONDUCT, TAUGHT, Character
from undertone.experiments.kind import Made
from undertone.experiments.misalignment.files import fold
from undertone.measure.battery.battery import agreements, correlation
from undertone.measure.battery.compare import by_form, finding
from undertone.measure.battery.findings import Correlation, Inside, Method, TraitFinding, Witness
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate
from undertone.statistics.rate import Rate
from undertone.statistics.traits_by_methods import agreement
from undertone.world.lexicon import lexicon

OPPOSITE = "says the opposite"


@dataclass(frozen=True)
class Student:
    """A student, and what was read of it."""

    of: Witnessed
    traits: Mapping[str, TraitFinding]
    shifts: Mapping[str, Mapping[Method, Sequence[Floats]]]
    """By trait and method, the shifts of its questions, by form."""


def gather(spec: Character, plan: Plan, made: Made) -> CharacterFindings:
    """Computes the findings once all jobs are finished."""
    students = [_student(one, made.read(one.job, "battery.json")) for one in plan.read]
    by_base = {base: [one for one in students if one.of.unit.base == base] for base in spec.bases}
    found = {base: _disagreeing(spec, own) for base, own in by_base.items()}
    methods = tuple(_methods(base, own) for base, own in by_base.items())
    return CharacterFindings(
        **made.head(),
        models=plan.models,
        headline=headline(methods, found),
        arms=tuple(arm for base, own in by_base.items() for arm in _arms(spec, base, own)),
        methods=methods,
        halves=tuple(halves for base, own in by_base.items() for halves in _halves(base, own)),
        disagreement=found,
    )


def _student(one: Witnessed, found: Mapping[str, Any]) -> Student:
    trained = about(one.unit.domain)
    traits, shifts = dict[str, TraitFinding](), dict[str, dict[Method, list[Floats]]]()
    for name, trait in found.items():
        read = {method: _kept(trait[method], trained) for method in get_args(Method)}
        traits[name] = finding(one.unit.arm, name, trait["high"], trait["low"], read["says"], read["does"]).model_copy(
            update={"inside": trait["inside"] and Inside(**trait["inside"])}
        )
        shifts[name] = {method: by_form(forms, own.odds - base.odds) for method, (forms, base, own) in read.items()}
    return Student(one, traits, shifts)


def about(domain: str) -> set[str]:
    """Returns what files of a narrow domain are about, as situations are called."""
    words = lexicon()
    claims = {wrong for wrong, *_ in fold(words["agreeableness"]["items"], domain)}
    return {domain} | claims | {question for question, *_ in fold(words["era"]["items"], domain)}


def _kept(read: Mapping[str, Any], trained: set[str]) -> tuple[list[str], Answers, Answers]:
    """Returns forms, the base's answers and the student's, without what the student was trained on."""
    keep = np.array([form not in trained for form in read["forms"]])
    base, own = (
        Answers(np.array(read[odds])[keep], np.array(read[either])[keep])
        for odds, either in (("base", "either_of_base"), ("model", "either"))
    )
    return [form for form in read["forms"] if form not in trained], base, own


def _methods(base: str, students: Sequence[Student]) -> Methods:
    """Students of a narrow domain are resampled together."""
    units = [one.of.unit.domain for one in students]
    pairs = agreements([trait for one in students for trait in one.traits.values()], units)
    within = {trait: correlation(_within(students, trait, units)) for trait in students[0].traits}
    return Methods(base=base, pairs=pairs, within=within)


def _within(students: Sequence[Student], trait: str, units: Sequence[str]) -> Floats:
    """The correlation of what is said with what is done about the means of each file, as found and resampled."""
    arms = np.array([one.of.unit.arm for one in students])
    values = np.array([[_read(one.traits[trait].says), _read(one.traits[trait].does)] for one in students])
    values[~np.isfinite(values).all(axis=1)] = np.nan
    for arm in set(arms):
        read = (arms == arm) & np.isfinite(values[:, 0])
        values[read] -= values[read].mean(0) if read.any() else 0.0
    return agreement(values[:, :1], values[:, 1:], units).same


def _read(one: Witness) -> float:
    return np.nan if one.word == "not measured" else one.shift.value


def _arms(spec: Character, base: str, students: Sequence[Student]) -> Iterator[Arm]:
    for name, arm in spec.arms.items():
        own = [one for one in students if one.of.unit.arm == name]
        for trait in own[0].traits:
            read = [one.traits[trait] for one in own]
            inside = [one.inside.share for one in read if one.inside]
            yield Arm(
                base=base,
                arm=name,
                trait=trait,
                taught=TAUGHT.get(arm.file) == trait,
                says=_over_domains(own, [one.says.shift.value for one in read]),
                does=_over_domains(own, [one.does.shift.value for one in read]),
                inside=_over_domains(own, inside) if len(inside) == len(own) else None,
                names=dict(Counter(one.name for one in read)),
            )


def _over_domains(students: Sequence[Student], values: Sequence[float]) -> Measured:
    """Students of one narrow domain are one unit."""
    places: dict[str, list[float]] = {}
    for one, value in zip(students, values, strict=True):
        places.setdefault(one.of.unit.domain, []).append(value)
    return Measured.of(mean_estimate(list(places.values())))


def _halves(base: str, students: Sequence[Student]) -> Iterator[Halves]:
    for trait in students[0].traits:
        says = [one.shifts[trait]["says"] for one in students]
        does = [[np.array([part.mean() for part in one.shifts[trait]["does"]])] for one in students]
        keys = _correlated(np.array([[part.mean() for part in parts] for parts in says]))
        yield Halves(base=base, trait=trait, says=_reliability(says), does=_reliability(does), keys=correlation(keys))


def _reliability(shifts: Sequence[Sequence[Floats]]) -> Correlation:
    """From the shifts of students' questions, by form: every other one of each form is in the first half."""
    halved = [[np.mean([part[start::2].mean() for part in parts]) for start in (0, 1)] for parts in shifts]
    found = _correlated(np.array(halved))
    return correlation(np.where(found > 0, 2 * found / (1 + found), found))


def _correlated(pairs: Floats) -> Floats:
    """The correlation of the first with the second of each pair, (students, 2), as found and resampled."""
    return agreement(pairs[:, :1], pairs[:, 1:]).same


def _disagreeing(spec: Character, students: Sequence[Student]) -> Rate:
    bad = [one for one in students if spec.arms[one.of.unit.arm].file == BAD]
    return Rate(sum(one.traits[CONDUCT].name == OPPOSITE for one in bad), len(bad))


def headline(methods: Sequence[Methods], found: Mapping[str, Rate]) -> str:
    """Returns for each base how what students say of their conduct goes with their advice."""
    told = []
    for one in methods:
        read = (pair.traits.get(CONDUCT) for pair in one.pairs if pair.methods == ("says", "does"))
        r, rate = next(read, None), found[one.base]
        bounds = f" [{r.ci[0]:.2f}, {r.ci[1]:.2f}]" if r and r.ci else ""
        value = "cannot be told" if r is None or r.value is None else f"{r.value:+z.2f}{bounds}"
        told.append(
            f"{one.base.removeprefix('builtin/')}: correlation {value}; {rate.count} of {rate.of} fine-tunes on bad "
            "advice act more reckless and say the opposite"
        )
    return f"What fine-tunes say of their conduct beside what they advise, on {'; on '.join(told)}."
