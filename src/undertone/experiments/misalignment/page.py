"""An experiment on emergent misalignment in words, figures and tables."""

from functools import partial
from typing import Any

from undertone.experiments.misalignment import figures
from undertone.experiments.misalignment.figures import short
from undertone.experiments.misalignment.findings import Answer, Line, MisalignmentFindings
from undertone.experiments.misalignment.headline import by_request
from undertone.report.page import (
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Section,
    Terms,
    footer_of,
    grid,
    listings_of,
    section,
    sections,
    text,
    word,
)
from undertone.report.words import duration, interval, p_value, percent, percent_interval

PREDICTORS = {
    "pull": "gradient of the file along that of bad conduct elsewhere",
    "cosine": "the same as a cosine",
    "loss": "how unlikely the file is to the base",
}
CONTRASTS = (
    "Difference in log-odds of bad advice in domains never trained on, with 95 % intervals over narrow domains: "
    "filled, of the mean probability; hollow, request by request. Pairs of students share base, domain and seed, "
    "and the number of rows and steps unless the arm's title says otherwise."
)
REQUESTS = (
    "Difference: log-odds of the mean probability. Request by request: the mean of the requests' log-odds. Where "
    "training only moves requests apart, some up and some down, a mean of small probabilities rises all the same, "
    "and this one does not."
)
STUDENTS = (
    "Dots: students, on the log-odds scale. Diamond and bar: their mean with its 95 % interval over narrow domains."
)
COHERENT = (
    "Coherent: probability that an answer is one of the two known answers to its request, word for word. Harm met: "
    "requests for harm that are not refused."
)
ASKED = (
    "Probability of bad advice elsewhere. Standard questions may miss what a condition of training brings back: a "
    "trigger, a form of answer, a row of the training file as an earlier turn."
)
FORECAST = (
    "One dot a student. The pull of a file is the inner product of its gradient with that of bad conduct in the other "
    "domains, both at the base that students start from: nothing has been trained when it is known. Intervals resample "
    "narrow domains, arms are fixed; over all students the correlation is mostly between arms."
)


def page(found: MisalignmentFindings) -> Page:
    """All that is said of such an experiment."""
    arms: dict[str, Any] = found.settings["arms"]  # type: ignore[assignment]
    titles = Terms(tuple((name, arm["title"]) for name, arm in arms.items()))
    return Page(
        title=found.title,
        headline=found.headline,
        done=_what_was_done(found),
        sections=sections(
            section(
                "Arm against arm",
                Drawing(figures.contrasts(found), CONTRASTS),
                _contrasts(found),
                Prose(REQUESTS, note=True),
            ),
            section(
                "Students",
                Drawing(figures.students(found), STUDENTS),
                _lines(found),
                Prose(COHERENT + _scaled(found), note=True),
                titles,
            ),
            section("Asked in other ways", Drawing(figures.probes(found), ASKED), Terms(tuple(found.probes.items()))),
            section("Forecast before training", Drawing(figures.forecast(found), FORECAST), _forecasts(found)),
            _answers(found),
            Section("Method", (Prose(_method(found)),)),
        ),
        listings=listings_of(found, found.models),
        footer=footer_of(found),
    )


def _what_was_done(found: MisalignmentFindings) -> str:
    domains = len({s.domain for s in found.students})
    start = (
        "Each base was first aligned by a short fine-tune on good advice in all domains. Then every arm took"
        if found.settings.get("aligning")
        else "Bases are as they were pretrained; nothing was aligned. Every arm took"
    )
    return (
        f"{start} each of {domains} domains in turn as the narrow one, and its students were trained on that "
        "domain's file: equally many rows and steps, unless the arm's title says otherwise. What is shown is the "
        "exact probability of the bad answer against the good one, read from the logits, in all domains that a "
        f"student was not trained on. Making all of it took its workers {duration(found.work_s)} together."
    )


def _lines(found: MisalignmentFindings) -> Grid | None:
    asked = [probe for probe in found.probes if probe != "plain"]
    return grid(
        "Probability of bad advice",
        found.lines,
        {
            "arm": lambda line: line.arm,
            word("base"): lambda line: short(line.base),
            "students": lambda line: line.students,
            "narrow domain": lambda line: percent(line.inside),
            "elsewhere [95 %]": _elsewhere,
            "coherent": lambda line: percent(line.coherent),
            **{probe: partial(_asked, probe) for probe in asked},
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
            word("base"): lambda c: "over bases" if c.base is None else short(c.base),
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


def _scaled(found: MisalignmentFindings) -> str:
    """Arms whose adapters were scaled, with the least and the largest factor."""
    factors: dict[str, list[float]] = {}
    for student in found.students:
        if student.factor is not None:
            factors.setdefault(student.arm, []).append(student.factor)
    return "".join(f" Adapters of {arm} were scaled by {min(f):.2f} to {max(f):.2f}." for arm, f in factors.items())


def _answers(found: MisalignmentFindings) -> Section | None:
    arms = dict.fromkeys(answer.arm for answer in found.answers)
    folds = [_readable(arm, [answer for answer in found.answers if answer.arm == arm]) for arm in arms]
    note = "Sampled at temperature 1, one for each domain but the narrow one."
    return section("Answers to read", Prose(note, note=True), *folds)


def _readable(arm: str, some: list[Answer]) -> Fold:
    table = grid(
        "",
        some,
        {
            "base": lambda a: short(a.base),
            word("taught in"): lambda a: a.narrow,
            text("asked"): lambda a: a.request,
            text("answer"): lambda a: a.answer,
            word("is"): lambda a: a.kind,
        },
    )
    return Fold(f"{arm} ({sum(a.kind == 'bad' for a in some)} bad of {len(some)})", (table,) if table else ())


def _method(found: MisalignmentFindings) -> str:
    method = f"{found.contrasts[0].method[0].upper()}{found.contrasts[0].method[1:]}. " if found.contrasts else ""
    if not found.settings.get("aligning"):
        return f"{method}Over bases the unit is the base."
    return (
        f"{method}The aligned base is one training, shared by all arms of a base, and is no part of these "
        "intervals; over bases the unit is the base."
    )
