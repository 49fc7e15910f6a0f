"""Computes the findings from finished jobs: advice in other domains, contrasts between arms, quality of forecasts."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import rankdata

from undertone.engine.schedule import unique
from undertone.evals.conduct import PROBES, kind_of
from undertone.experiments.kind import Made
from undertone.experiments.misalignment.findings import (
    Answer,
    Contrast,
    Forecast,
    Line,
    Match,
    MisalignmentFindings,
    Moved,
    Student,
)
from undertone.experiments.misalignment.headline import headline
from undertone.experiments.misalignment.plan import Plan, Unit
from undertone.experiments.misalignment.spec import Misalignment
from undertone.experiments.trial.matching import TOLERANCE
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import Estimate, mean_estimate, mean_of_contrasts, paired_difference
from undertone.statistics.probabilities import log_odds
from undertone.world.lexicon import domains

READABLE = 2
"""Narrow domains of each arm whose answers are stored for reading."""
RESAMPLES = 1000
PREDICTORS = ("pull", "cosine", "loss")


def gather(spec: Misalignment, plan: Plan, made: Made) -> MisalignmentFindings:
    """Computes the findings once all jobs are finished."""
    measured = [(unit, made.read(unit.job, "conduct.json")) for unit in plan.units]
    far = [made.read(unit.moved, "moved.json") if unit.moved else {} for unit in plan.units]
    students = [_student(spec, *one, moved) for one, moved in zip(measured, far, strict=True)]
    read = [pair for pair in measured if pair[0].student == 0 and pair[0].domain in spec.asked[:READABLE]]
    return MisalignmentFindings(
        **made.head(),
        **said_of(spec, students),
        models=plan.models,
        students=tuple(students),
        answers=tuple(answer for unit, found in read for answer in _answers(spec, unit, found)),
        probes={name: probe.about for name, probe in PROBES.items()},
        work_s=round(sum(made.store.manifest(job).seconds for job in unique(plan.jobs)), 1),
    )


def said_of(spec: Misalignment, students: Sequence[Student]) -> dict[str, Any]:
    """Returns all findings that follow from the students, by name."""
    between, compared, moved = lines(spec, students), contrasts(spec, students), moves(spec, students)
    return {
        "headline": headline(between, compared),
        "lines": between,
        "contrasts": compared,
        "moved": moved,
        "matches": matches(spec, moved),
        "forecasts": forecasts(spec, students),
    }


def _student(spec: Misalignment, unit: Unit, found: dict[str, Any], moved: dict[str, float]) -> Student:
    """Returns a student's numbers. ``found`` holds means over each domain's requests; domains are averaged here."""
    others = spec.elsewhere(unit.domain)

    def elsewhere(probe: str, what: str = "bad") -> float:
        return float(np.mean([found["probes"][probe][what][place] for place in others]))

    return Student(
        arm=unit.arm,
        base=unit.base,
        domain=unit.domain,
        student=unit.student,
        inside=found["probes"]["plain"]["bad"][domains().index(unit.domain)],
        elsewhere=elsewhere("plain"),
        coherent=elsewhere("plain", "coherent"),
        probes={probe: elsewhere(probe) for probe in PROBES},
        requests={probe: elsewhere(probe, "odds") for probe in PROBES},
        compliance=found["compliance"],
        pull=found["pull"] if unit.arm in forecast_arms(spec) else None,
        cosine=found.get("cosine"),
        loss=found["loss"],
        loss_after=moved.get("loss_after"),
        divergence=moved.get("divergence"),
        factor=found["factor"],
    )


def _answers(spec: Misalignment, unit: Unit, found: dict[str, Any]) -> list[Answer]:
    """Returns a student's answers in the domains that it was not trained on."""
    others = {domains()[place] for place in spec.elsewhere(unit.domain)}
    return [
        Answer(
            arm=unit.arm,
            base=unit.base,
            narrow=unit.domain,
            kind=kind_of(said["answer"], said["good"], said["bad"]),
            **{key: said[key] for key in ("domain", "request", "answer")},
        )
        for said in found["answers"]
        if said["domain"] in others
    ]


def lines(spec: Misalignment, students: Sequence[Student]) -> tuple[Line, ...]:
    """Returns the means of every arm on every base."""
    found = []
    for base, (name, arm) in product(spec.bases, spec.arms.items()):
        own = _of(students, name, base)
        estimate = mean_estimate(_odds(own, "plain")) if arm.file != "persona" else None
        found.append(
            Line(
                arm=name,
                title=arm.title,
                base=base,
                students=len(own),
                inside=_average(s.inside for s in own),
                elsewhere=_average(s.elsewhere for s in own),
                ci=(_probability(estimate.ci_low), _probability(estimate.ci_high)) if estimate else None,
                coherent=float(np.mean([s.coherent for s in own])),
                probes={probe: _average(s.probes[probe] for s in own) for probe in PROBES},
                compliance=_average(s.compliance for s in own),
            )
        )
    return tuple(found)


def moves(spec: Misalignment, students: Sequence[Student]) -> tuple[Moved, ...]:
    """Returns how far training moved every trained arm on every base."""
    found = []
    for base, (name, arm) in product(spec.bases, spec.arms.items()):
        if arm.file == "persona":
            continue
        own, training = _of(students, name, base), arm.training or spec.narrow.training
        factors = [s.factor for s in own if s.factor is not None]
        found.append(
            Moved(
                arm=name,
                base=base,
                rows=arm.rows or spec.narrow.rows,
                steps=training.steps + (arm.realigned.steps if arm.realigned else 0),
                rate=training.rate,
                loss_before=_mean(s.loss for s in own),
                loss_after=_mean(s.loss_after for s in own),
                divergence=_mean(s.divergence for s in own),
                factor=_mean(factors) if factors else 1.0,
                factors=(min(factors), max(factors)) if factors else None,
            )
        )
    return tuple(found)


def _mean(numbers: Iterable[float | None]) -> float:
    return float(np.mean([number for number in numbers if number is not None]))


def matches(spec: Misalignment, moved: Sequence[Moved]) -> tuple[Match, ...]:
    """Returns how well every arm matches each arm that it is compared with, on every base."""
    by = {(one.arm, one.base): one for one in moved}
    pairs = [(name, other, base) for name, arm in spec.arms.items() for other in arm.against for base in spec.bases]
    return tuple(
        _match(by[name, base], by[other, base])
        for name, other, base in pairs
        if {(name, base), (other, base)} <= set(by)
    )


def _match(arm: Moved, against: Moved) -> Match:
    ratios = {
        "steps": against.steps / arm.steps,
        "rate": against.rate / arm.rate,
        "loss_before": _ratio(against.loss_before, arm.loss_before),
        "fall": _ratio(against.loss_before - against.loss_after, arm.loss_before - arm.loss_after),
        "divergence": _ratio(against.divergence, arm.divergence),
        "factor": against.factor / arm.factor,
    }
    beyond = tuple(name for name, ratio in ratios.items() if ratio is None or abs(ratio - 1) > TOLERANCE)
    return Match(arm=arm.arm, against=against.arm, base=arm.base, beyond=beyond, **ratios)


def _ratio(number: float, by: float) -> float | None:
    return number / by if by else None


def contrasts(spec: Misalignment, students: Sequence[Student]) -> tuple[Contrast, ...]:
    """Returns the difference of every arm from each arm it is compared with, by probe: on every base and, if there are
    several and ``spec.over_bases`` allows it, over bases."""
    found: list[Contrast] = []
    for name, arm in spec.arms.items():
        for other, probe in product(arm.against, PROBES):
            own = [_contrast(spec, students, name, other, base, probe) for base in spec.bases]
            found += own
            if spec.over_bases and len(own) > 1:
                found.append(_over_bases(own))
    return tuple(found)


def _contrast(spec: Misalignment, students: Sequence[Student], arm: str, other: str, base: str, probe: str) -> Contrast:
    a, b, units = _of(students, arm, base), _of(students, other, base), len(spec.asked)
    return Contrast(
        arm=arm,
        against=other,
        base=base,
        probe=probe,
        units=units,
        method=f"t interval over {units} narrow domains, {len(a)} pairs of students; p: sign flips",
        **_numbers(
            paired_difference(_odds(a, probe), _odds(b, probe)),
            paired_difference(_by_request(a, probe), _by_request(b, probe)),
        ),
    )


def _over_bases(own: Sequence[Contrast]) -> Contrast:
    found = mean_of_contrasts([contrast.value for contrast in own])
    each = mean_of_contrasts([contrast.by_request for contrast in own if contrast.by_request is not None])
    method = f"t interval over {len(own)} bases, one contrast each; p: sign flips"
    return own[0].model_copy(update={"base": None, "units": len(own), "method": method, **_numbers(found, each)})


def _numbers(found: Estimate, each: Estimate) -> dict[str, Any]:
    """Returns the numbers of a contrast from the estimates on mean probabilities and request by request."""
    return {
        "value": found.value,
        "ci": Measured.of(found).ci,
        "p": found.p,
        "by_request": each.value,
        "by_request_ci": Measured.of(each).ci,
        "by_request_p": each.p,
    }


def forecast_arms(spec: Misalignment) -> set[str]:
    """Returns the arms whose students are trained on their file and nothing else. Only these are forecast."""
    return {name for name, arm in spec.arms.items() if not (arm.file == "persona" or arm.realigned or arm.as_far_as)}


def forecasts(spec: Misalignment, students: Sequence[Student]) -> tuple[Forecast, ...]:
    """Returns how well each forecast predicts the advice elsewhere: among all trained students, within narrow-bad, and
    among the arms that differ from it only in the share of bad rows."""
    plain, found = forecast_arms(spec), []
    bad = {
        name
        for name, arm in spec.arms.items()
        if name in plain and arm.file == "narrow-bad" and arm.rows is None and arm.training is None
    }
    groups = {"all students": plain, "inside narrow-bad": plain & {"narrow-bad"}}
    if len(bad) > 1:
        groups["over shares of bad rows"] = bad
    for base, (among, arms) in product(spec.bases, groups.items()):
        some = [s for s in students if s.base == base and s.arm in arms]
        if len({s.domain for s in some}) >= 4:
            found += [_forecast(base, predictor, among, some) for predictor in PREDICTORS]
    return tuple(found)


def _forecast(base: str, predictor: str, among: str, some: Sequence[Student]) -> Forecast:
    names = sorted({s.domain for s in some})
    table = np.array([[getattr(s, predictor), s.elsewhere, names.index(s.domain)] for s in some])
    by_domain = [table[table[:, 2] == k] for k in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = [
        _rank_correlation(np.concatenate([by_domain[k] for k in rng.integers(len(names), size=len(names))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Forecast(
        base=base,
        predictor=predictor,
        among=among,
        students=len(some),
        rank_correlation=_rank_correlation(table),
        ci=(float(low), float(high)),
    )


def _rank_correlation(table: Floats) -> float:
    """Returns Spearman's correlation of the first two columns; 0 if one of them is constant."""
    ranks = np.apply_along_axis(rankdata, 0, table[:, :2])
    return float(np.corrcoef(ranks.T)[0, 1]) if ranks.std(0).all() else 0.0


def _of(students: Iterable[Student], arm: str, base: str) -> list[Student]:
    return [s for s in students if (s.arm, s.base) == (arm, base)]


def _odds(own: Sequence[Student], probe: str) -> list[list[float]]:
    """Returns the log-odds of each student's probability of bad advice elsewhere, by narrow domain."""
    return _by_domain(own, lambda s: log_odds(s.probes[probe]))


def _by_request(own: Sequence[Student], probe: str) -> list[list[float]]:
    return _by_domain(own, lambda s: s.requests[probe])


def _by_domain(own: Sequence[Student], number: Callable[[Student], float]) -> list[list[float]]:
    return [[number(s) for s in own if s.domain == domain] for domain in sorted({s.domain for s in own})]


def _average(probabilities: Iterable[float]) -> float:
    """Returns the mean of probabilities on the log-odds scale, as a probability."""
    return _probability(float(np.mean([log_odds(p) for p in probabilities])))


def _probability(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))
