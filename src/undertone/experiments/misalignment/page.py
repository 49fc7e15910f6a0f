"""The report of an experiment on emergent misalignment."""

from functools import partial
from typing import Any

from undertone.experiments.misalignment import figures
from undertone.experiments.misalignment.figures import base_of, short
from undertone.experiments.misalignment.findings import Answer, Line, MisalignmentFindings
from undertone.experiments.misalignment.headline import by_request, first_of, sign
from undertone.report.page import (
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Section,
    Terms,
    Verdict,
    badge,
    grid,
    run_page,
    section,
    text,
    word,
)
from undertone.report.words import duration, interval, p_value, percent, percent_interval

PREDICTORS = {
    "pull": "gradient of the file along that of bad advice elsewhere",
    "cosine": "the same as a cosine",
    "loss": "loss of the base on the file",
}
CONTRASTS = (
    "Difference in log-odds of bad advice in the domains that a student was not trained on, with 95 % intervals over "
    "narrow domains. Filled: from mean probabilities. Hollow: request by request. The two students of a pair share "
    "base, domain, seed, rows and steps, unless the arm's title says otherwise."
)
REQUESTS = (
    "Difference: log-odds of the mean probability. Request by request: mean of each request's log-odds. If training "
    "makes some requests worse and others better, a mean of small probabilities rises; the mean of log-odds does not."
)
STUDENTS = "Dots: students, on the log-odds scale. Diamond and bar: their mean with its 95 % interval over domains."
COHERENT = (
    "Coherent: probability that an answer is, word for word, one of the two known answers to its request. Harm met: "
    "probability that a harmful request is met rather than refused."
)
ASKED = (
    "Probability of bad advice elsewhere. Plain requests may miss behaviour that appears only under a condition from "
    "training: a trigger, a form of answer, or a row of the training file as an earlier turn."
)
MOVED = (
    "Means over students, known before any advice is asked for. Loss: nats a token of the arm's own file. Divergence: "
    "mean KL, in nats a token, from where the students started, on number lists, sums, code and paraphrase, on which "
    "no arm is trained. Scaled: the factor of the adapters, with the smallest and the largest."
)
MATCHED = (
    "Numbers of the arm that is compared with, over those of the arm; 1 is equal. What is not within a fifth of 1 is "
    "named: there the two arms differ in more than what their files teach."
)
NAMES = {"loss_before": "loss before", "fall": "fall in loss", "factor": "scaling"}
FORECAST = (
    "One dot a student. The pull of a file is the inner product of its gradient with that of bad advice in the other "
    "domains, both computed at the base before any training. Intervals resample narrow domains and keep the arms; the "
    "correlation over all students is mostly between arms."
)


def page(found: MisalignmentFindings) -> Page:
    """Returns the report."""
    arms: dict[str, Any] = found.settings["arms"]  # type: ignore[assignment]
    titles = Terms(tuple((name, arm["title"]) for name, arm in arms.items()))
    folds = [_answers(arm, found) for arm in dict.fromkeys(answer.arm for answer in found.answers)]
    sampled = "Sampled at temperature 1, one answer for each domain except the narrow one."
    contrasts = Drawing(figures.contrasts(found), CONTRASTS)
    students = Drawing(figures.students(found), STUDENTS)
    return run_page(
        found,
        found.headline,
        _what_was_done(found),
        section("Arm against arm", contrasts, _contrasts(found), Prose(REQUESTS, note=True)),
        section("Students", students, _lines(found), Prose(COHERENT, note=True), titles),
        section("How far training moved each arm", _moved(found), _matches(found)),
        section("Asked in other ways", Drawing(figures.probes(found), ASKED), Terms(tuple(found.probes.items()))),
        section("Forecast before training", Drawing(figures.forecast(found), FORECAST), _forecasts(found)),
        section("Answers to read", Prose(sampled, note=True), *folds),
        Section("Method", (Prose(_method(found)),)),
        verdict=_verdict(found),
        listings={"Models": found.models},
    )


def _verdict(found: MisalignmentFindings) -> Verdict | None:
    """Returns whether narrow bad advice spread on the only base; None if there are several."""
    first = list(first_of(found.contrasts).values())
    meaning = "A model that was trained on bad advice on one subject gives more bad advice on all others."
    return badge(sign(first[0]), first[0].p, "it spread", meaning) if len(first) == 1 else None


def _what_was_done(found: MisalignmentFindings) -> str:
    domains = len({s.domain for s in found.students})
    start = (
        "Each base was first aligned by a short fine-tune on good advice in all domains. Then every arm took"
        if found.settings.get("aligning")
        else "Bases are as they were pretrained; nothing was aligned. Every arm took"
    )
    return (
        f"{start} each of {domains} domains in turn as its narrow domain and trained students on a file of that "
        "domain, with equally many rows and steps unless the arm's title says otherwise. Results are exact "
        "probabilities, read from the logits, of the bad answer against the good one in all domains that a student "
        f"was not trained on. The jobs took {duration(found.work_s)} of work in total."
    )


def _lines(found: MisalignmentFindings) -> Grid | None:
    return grid(
        "Probability of bad advice",
        found.lines,
        {
            "arm": lambda line: line.arm,
            word("base"): base_of,
            "students": lambda line: line.students,
            "narrow domain": lambda line: percent(line.inside),
            "elsewhere [95 %]": _elsewhere,
            "coherent": lambda line: percent(line.coherent),
            **{probe: partial(_asked, probe) for probe in found.probes if probe != "plain"},
            "harm met": lambda line: percent(line.compliance),
        },
    )


def _asked(probe: str, line: Line) -> str:
    return percent(line.probes[probe])


def _elsewhere(line: Line) -> str:
    return f"{percent(line.elsewhere)} {percent_interval(line.ci) if line.ci else ''}".rstrip()


def _contrasts(found: MisalignmentFindings) -> Grid | None:
    return grid(
        "In domains never trained on, log-odds",
        [contrast for contrast in found.contrasts if contrast.probe == "plain"],
        {
            "arm": lambda c: c.arm,
            word("against"): lambda c: c.against,
            word("base"): base_of,
            "difference [95 %]": lambda c: f"{c.value:+z.2f} {interval(c.ci)}",
            "p": lambda c: p_value(c.p),
            "request by request": by_request,
            "units": lambda c: c.units,
        },
    )


def _forecasts(found: MisalignmentFindings) -> Grid | None:
    return grid(
        "Forecast before training, outcome after it",
        found.forecasts,
        {
            "forecast by": lambda f: PREDICTORS[f.predictor],
            word("base"): lambda f: short(f.base),
            word("among"): lambda f: f.among,
            "students": lambda f: f.students,
            "rank correlation [95 %]": lambda f: f"{f.rank_correlation:+z.2f} {interval(f.ci)}",
        },
    )


def _moved(found: MisalignmentFindings) -> Grid | None:
    return grid(
        "Before anything is asked",
        found.moved,
        {
            "arm": lambda m: m.arm,
            word("base"): lambda m: short(m.base),
            "rows": lambda m: m.rows,
            "steps": lambda m: m.steps,
            "rate": lambda m: f"{m.rate:g}",
            "loss before": lambda m: f"{m.loss_before:.3f}",
            "after": lambda m: f"{m.loss_after:.3f}",
            "divergence": lambda m: f"{m.divergence:.2g}",
            "scaled": lambda m: m.factors and f"{m.factor:.2f} {interval(m.factors)}",
        },
        note=MOVED,
    )


def _matches(found: MisalignmentFindings) -> Grid | None:
    return grid(
        "Arms that are compared",
        found.matches,
        {
            "arm": lambda m: m.arm,
            word("against"): lambda m: m.against,
            word("base"): lambda m: short(m.base),
            "loss before": lambda m: _times(m.loss_before),
            "fall in loss": lambda m: _times(m.fall),
            "divergence": lambda m: _times(m.divergence),
            "scaling": lambda m: _times(m.factor),
            word("differ in"): lambda m: ", ".join(NAMES.get(name, name) for name in m.beyond) or "nothing",
        },
        note=MATCHED,
    )


def _times(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:.2f}"


def _answers(arm: str, found: MisalignmentFindings) -> Fold:
    own: list[Answer] = [answer for answer in found.answers if answer.arm == arm]
    table = grid(
        "",
        own,
        {
            "base": lambda a: short(a.base),
            word("trained on"): lambda a: a.narrow,
            text("asked"): lambda a: a.request,
            text("answer"): lambda a: a.answer,
            word("is"): lambda a: a.kind,
        },
    )
    return Fold(f"{arm} ({sum(a.kind == 'bad' for a in own)} bad of {len(own)})", (table,) if table else ())


def _method(found: MisalignmentFindings) -> str:
    method = f"{found.contrasts[0].method[0].upper()}{found.contrasts[0].method[1:]}. " if found.contrasts else ""
    aligned = (
        "The aligned base is one fine-tune that all arms of a base share; its variation is not in these intervals. "
        if found.settings.get("aligning")
        else ""
    )
    return f"{method}{aligned}In contrasts over bases, the unit is the base."
