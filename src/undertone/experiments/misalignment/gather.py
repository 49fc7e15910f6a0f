"""Finished jobs as findings: conduct elsewhere, arm against arm, forecast against outcome."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from undertone.evals.conduct import PROBES, kind_of
from undertone.experiments.misalignment.findings import Answer, Contrast, Forecast, Line, Student
from undertone.experiments.misalignment.plan import Unit
from undertone.experiments.misalignment.spec import Arm, Misalignment
from undertone.statistics.estimate import Estimate, log_odds, mean_estimate, mean_of_contrasts, paired_difference
from undertone.statistics.nested import Floats
from undertone.world.lexicon import domains

RESAMPLES = 1000
PREDICTORS = ("pull", "cosine", "loss")


def student_of(spec: Misalignment, unit: Unit, made: dict[str, Any]) -> Student:
    """One student's figures; of a domain's requests the mean, of domains the mean."""
    inside, others = domains().index(unit.domain), spec.elsewhere(unit.domain)

    def elsewhere(probe: str, what: str = "bad") -> float:
        return float(np.mean([made["probes"][probe][what][k] for k in others]))

    return Student(
        arm=unit.arm,
        base=unit.base,
        domain=unit.domain,
        student=unit.student,
        inside=made["probes"]["plain"]["bad"][inside],
        elsewhere=elsewhere("plain"),
        coherent=elsewhere("plain", "coherent"),
        probes={probe: elsewhere(probe) for probe in PROBES},
        requests={probe: elsewhere(probe, "odds") for probe in PROBES},
        compliance=made["compliance"],
        pull=made["pull"] if unit.arm in forecast_arms(spec) else None,
        cosine=made.get("cosine"),
        loss=made["loss"],
        factor=made["factor"],
    )


def answers_of(spec: Misalignment, unit: Unit, made: dict[str, Any]) -> list[Answer]:
    """What it said in domains it was not trained on."""
    others = {domains()[k] for k in spec.elsewhere(unit.domain)}
    return [
        Answer(
            arm=unit.arm,
            base=unit.base,
            narrow=unit.domain,
            domain=said["domain"],
            request=said["request"],
            answer=said["answer"],
            kind=kind_of(said["answer"], said["good"], said["bad"]),
        )
        for said in made["answers"]
        if said["domain"] in others
    ]


def lines(spec: Misalignment, students: Sequence[Student]) -> tuple[Line, ...]:
    """One line for every arm and base."""
    found = []
    for base in spec.bases:
        for name, arm in spec.arms.items():
            own = _of(students, name, base)
            estimate = mean_estimate(_nested(own, "plain")) if arm.file != "persona" else None
            found.append(
                Line(
                    arm=name,
                    title=arm.title,
                    base=base,
                    students=len(own),
                    inside=_average([s.inside for s in own]),
                    elsewhere=_average([s.elsewhere for s in own]),
                    ci=(_share(estimate.ci_low), _share(estimate.ci_high)) if estimate else None,
                    coherent=float(np.mean([s.coherent for s in own])),
                    probes={probe: _average([s.probes[probe] for s in own]) for probe in PROBES},
                    compliance=_average([s.compliance for s in own]),
                )
            )
    return tuple(found)


def contrasts(spec: Misalignment, students: Sequence[Student]) -> tuple[Contrast, ...]:
    """Every arm against each it is compared with, on every base; and over bases, where there are several."""
    found: list[Contrast] = []
    for name, arm in spec.arms.items():
        for other in arm.against:
            for probe in PROBES:
                own = [_contrast(spec, students, name, other, base, probe) for base in spec.bases]
                found += own
                if spec.over_bases and len(own) > 1:
                    found.append(_over_bases(own))
    return tuple(found)


def _contrast(spec: Misalignment, students: Sequence[Student], arm: str, other: str, base: str, probe: str) -> Contrast:
    a, b = _of(students, arm, base), _of(students, other, base)
    found = paired_difference(_nested(a, probe), _nested(b, probe))
    each = paired_difference(_requests(a, probe), _requests(b, probe))
    return Contrast(
        arm=arm,
        against=other,
        base=base,
        probe=probe,
        value=found.value,
        ci=_ci(found),
        p=found.p,
        by_request=each.value,
        by_request_ci=_ci(each),
        units=len(spec.asked),
        method=f"t interval on {len(spec.asked)} narrow domains, {len(a)} pairs of students inside; p: sign flips",
    )


def _over_bases(own: Sequence[Contrast]) -> Contrast:
    found = mean_of_contrasts([contrast.value for contrast in own])
    each = mean_of_contrasts([contrast.by_request for contrast in own if contrast.by_request is not None])
    return own[0].model_copy(
        update={
            "base": None,
            "value": found.value,
            "ci": _ci(found),
            "p": found.p,
            "by_request": each.value,
            "by_request_ci": _ci(each),
            "units": len(own),
            "method": f"t interval on {len(own)} bases, one contrast each; p: sign flips",
        }
    )


def _ci(found: Estimate) -> tuple[float, float] | None:
    return (found.ci_low, found.ci_high) if np.isfinite(found.ci_low) else None


def forecast_arms(spec: Misalignment) -> set[str]:
    """Arms whose students are trained as their recipe says and on nothing else: a forecast is of these."""
    left_out = [arm for arm in spec.arms.values() if arm.file == "persona" or arm.realigned or arm.coherent_as]
    return {name for name, arm in spec.arms.items() if arm not in left_out}


def forecasts(spec: Misalignment, students: Sequence[Student]) -> tuple[Forecast, ...]:
    """What was known before training, against conduct elsewhere: over all trained students, inside narrow-bad, and over
    the arms that differ from it in the share of bad rows alone."""
    plain, found = forecast_arms(spec), []
    bad = [name for name in spec.arms if name in plain and _is_share_of_bad(spec.arms[name])]
    for base in spec.bases:
        trained = [s for s in students if s.base == base and s.arm in plain]
        groups = [("all students", trained), ("inside narrow-bad", [s for s in trained if s.arm == "narrow-bad"])]
        if len(bad) > 1:
            groups.append(("over shares of bad rows", [s for s in trained if s.arm in bad]))
        for among, some in groups:
            if len({s.domain for s in some}) < 4:
                continue
            found += [_forecast(base, predictor, among, some) for predictor in PREDICTORS]
    return tuple(found)


def _is_share_of_bad(arm: Arm) -> bool:
    return arm.file == "narrow-bad" and arm.rows is None and arm.training is None


def _forecast(base: str, predictor: str, among: str, some: Sequence[Student]) -> Forecast:
    names = sorted({s.domain for s in some})
    table = np.array([[getattr(s, predictor), s.elsewhere, names.index(s.domain)] for s in some])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(len(names), size=len(names))
        drawn.append(_spearman(np.concatenate([table[table[:, 2] == k] for k in chosen])))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Forecast(
        base=base,
        predictor=predictor,
        among=among,
        students=len(some),
        rank_correlation=_spearman(table),
        ci=(float(low), float(high)),
    )


def _spearman(table: Floats) -> float:
    ranks = np.apply_along_axis(rankdata, 0, table[:, :2])
    if not ranks.std(0).all():
        return 0.0
    return float(np.corrcoef(ranks.T)[0, 1])


def _of(students: Iterable[Student], arm: str, base: str) -> list[Student]:
    return [s for s in students if (s.arm, s.base) == (arm, base)]


def _nested(own: Sequence[Student], probe: str) -> list[list[float]]:
    """Log-odds of bad advice elsewhere, by narrow domain."""
    return _by_domain(own, lambda s: log_odds(s.probes[probe]))


def _requests(own: Sequence[Student], probe: str) -> list[list[float]]:
    return _by_domain(own, lambda s: s.requests[probe])


def _by_domain(own: Sequence[Student], number: Callable[[Student], float]) -> list[list[float]]:
    return [[number(s) for s in own if s.domain == domain] for domain in sorted({s.domain for s in own})]


def _average(shares: Sequence[float]) -> float:
    """Of probabilities, on the log-odds scale."""
    return _share(float(np.mean([log_odds(p) for p in shares])))


def _share(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))
