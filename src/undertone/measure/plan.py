"""A measurement before anything is asked: what it would ask and cost, and what a wanted precision needs."""

from collections.abc import Sequence

from undertone.measure.page import noted
from undertone.measure.request import Request
from undertone.measure.suite import Suite, as_sampled
from undertone.models.names import is_remote
from undertone.models.services.cost import GRADED, METRICS, paid, tokens_of
from undertone.models.services.cost import Part as Cost
from undertone.report.findings import Part
from undertone.report.page import Grid, Page, grid, section, sections, word
from undertone.report.words import duration
from undertone.statistics.precision import MODELS, Spread, half_width, questions_needed

SAMPLES = (1, 10, 50, 100)


class PlannedSuite(Part):
    """What one suite would ask, and the expected precision."""

    name: str
    counts: bool
    exact: bool
    units: int
    answers: int
    """How many answers of each model are sampled. 0 for exact probabilities."""
    half_width: float | None
    """The expected half-width of a 95 % interval, in units of the rate. None for exact probabilities, whose spread is
    not known in advance."""


class Needed(Part):
    """How many questions the wanted half-width needs."""

    models: int
    samples: int
    questions: int | None
    """None if no number of questions is enough with so few models."""


class Plan(Part):
    """A measurement before anything is asked."""

    suites: tuple[PlannedSuite, ...]
    models: int
    wanted: float
    """The half-width that is wanted."""
    rate: float
    """The rate that is assumed."""
    of_questions: float
    """The assumed share of an answer's variance that lies between questions."""
    of_models: float
    """The assumed share that lies between models."""
    needed: tuple[Needed, ...]
    expected_s: float
    """How long models on this machine would take to answer and to judge, in seconds."""
    notes: tuple[str, ...]
    """What of the files of questions is not used."""


def plan(request: Request, suites: Sequence[Suite], expected_s: float = 0.0) -> tuple[Plan, list[Cost]]:
    """Returns what ``suites`` would ask with what precision, and what services would cost. ``expected_s``: how long
    models on this machine would take."""
    spread, models = Spread(), len(request.models)
    names = dict.fromkeys((request.base, *request.models, *request.benign))
    asked = list(map(as_sampled, suites)) if any(map(is_remote, names)) else suites
    found = Plan(
        suites=tuple(_planned(suite, models, request.samples, spread) for suite in asked),
        models=models,
        wanted=request.effect,
        rate=spread.rate,
        of_questions=spread.of_questions,
        of_models=spread.of_models,
        needed=tuple(
            Needed(models=m, samples=k, questions=questions_needed(spread, m, k, request.effect))
            for m in MODELS
            for k in SAMPLES
        ),
        expected_s=expected_s,
        notes=tuple(note for suite in asked for note in suite.notes),
    )
    return found, _costs(request, suites, list(names))


def _planned(suite: Suite, models: int, samples: int | None, spread: Spread) -> PlannedSuite:
    answers = sum(question.answers(samples) for question in suite.questions if question.scored)
    units = len(suite.units)
    known = answers and units > 1
    return PlannedSuite(
        name=suite.name,
        counts=suite.counts,
        exact=not suite.needs_judge,
        units=units,
        answers=answers,
        half_width=half_width(spread, models, units, max(1, round(answers / units))) if known else None,
    )


def _costs(request: Request, suites: Sequence[Suite], models: Sequence[str]) -> list[Cost]:
    """Returns the cost of every answer of the models behind services, and of what a judge behind one reads."""
    questions = [question for suite in suites for question in suite.questions]
    each = sum(question.answers(request.samples) for question in questions if question.judged == "0-100")
    asked = tokens_of([text for question in questions for text in question.paraphrases])
    found = [
        paid(f"answers of {name}", each, asked, request.max_tokens, name.split("/", 2)[2])
        for name in models
        if is_remote(name)
    ]
    if request.judge is not None and is_remote(request.judge):
        count, read_tokens = METRICS * len(models) * each, GRADED + asked + request.max_tokens
        found.append(paid(f"judged by {request.judge}", count, read_tokens, 1, request.judge.split("/", 2)[2]))
    return found


def page(found: Plan, costs: Sequence[Cost]) -> Page:
    """Returns the page with what a measurement would ask, its precision and its cost."""
    shown = [suite for suite in found.suites if suite.counts or suite.answers]
    left = len(found.suites) - len(shown)
    suites = grid(
        "What would be asked of each model",
        shown,
        {
            "suite": lambda one: one.name,
            word("counts"): lambda one: "yes" if one.counts else "no",
            "units": lambda one: one.units,
            "answers": lambda one: "exact" if one.exact else one.answers,
            "half-width": lambda one: one.half_width and f"{100 * one.half_width:.1f} points",
        },
        note=f"{left} more suites are exact and do not count" if left else "",
    )
    needed = Grid(
        f"Questions for a half-width of {100 * found.wanted:g} points",
        ("models", *(f"{count} sample{'s' if count > 1 else ''} each" for count in SAMPLES)),
        tuple(
            (str(models), *(_questions(one.questions) for one in found.needed if one.models == models))
            for models in MODELS
        ),
    )
    return Page(
        title="What a measurement would ask",
        headline=f"Assumed: a rate of {100 * found.rate:.0f} %; {100 * found.of_questions:.0f} % of an answer's "
        "variance lies between questions (the median of published models), "
        f"{100 * found.of_models:.0f} % between training seeds; intervals are two-sided, 95 %. With one model the "
        "interval does not include the spread between seeds. Nothing was asked.",
        checks=(
            *([("models on this machine", f"about {duration(found.expected_s)}")] if found.expected_s else ()),
            *((cost.what, _cost(cost)) for cost in costs),
            *noted(found.notes),
        ),
        sections=sections(section("Suites", suites), section("Precision", needed)),
    )


def _questions(count: int | None) -> str:
    return "no number" if count is None else f"{count:,}"


def _cost(cost: Cost) -> str:
    price = "an unknown price" if cost.dollars is None else f"${cost.dollars:.2g}"
    return f"at most {cost.rows:,} requests, {cost.tokens:,} tokens, {price}."
