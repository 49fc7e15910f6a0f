"""A measurement before anything is asked: what it would ask, how precise that would be, and what services cost."""

from collections.abc import Sequence

from undertone.measure.plan import Plan, PlannedSuite
from undertone.models.services.cost import Part
from undertone.report.page import Grid, Page, section, sections, word


def plan_page(found: Plan, services: Sequence[Part]) -> Page:
    """What a measurement would ask, and how many questions, models and samples the wanted precision takes."""
    return Page(
        title="What a measurement would ask",
        headline=_assumed(found),
        checks=tuple((part.what, _cost(part)) for part in services),
        sections=sections(section("Suites", _suites(found)), section("Precision", _needed(found))),
    )


def _assumed(found: Plan) -> str:
    return (
        f"Assumed: a rate of {_whole(found.rate)}, {_whole(found.of_questions)} of an answer's variance between "
        f"questions (the median of published models), {_whole(found.of_models)} between training seeds; intervals are "
        "two-sided, 95 %. With one model the spread between seeds is not in the interval. Nothing was asked."
    )


def _whole(share: float) -> str:
    """20 %"""
    return f"{100 * share:.0f} %"


def _cost(part: Part) -> str:
    price = "an unknown price" if part.dollars is None else f"${part.dollars:.2g}"
    return f"at most {part.rows:,} requests, {part.tokens:,} tokens, {price}."


def _suites(found: Plan) -> Grid:
    shown = [suite for suite in found.suites if suite.counts or suite.answers]
    left = len(found.suites) - len(shown)
    return Grid(
        "What would be asked of each model",
        ("suite", word("counts"), "units", "answers", "half-width"),
        tuple(map(_suite, shown)),
        note=f"and {left} more that are exact and do not count" if left else "",
    )


def _suite(suite: PlannedSuite) -> tuple[str, ...]:
    answers = "exact" if suite.exact else f"{suite.answers:,}"
    width = "-" if suite.half_width is None else f"{100 * suite.half_width:.1f} points"
    return suite.name, "yes" if suite.counts else "no", str(suite.units), answers, width


def _needed(found: Plan) -> Grid:
    samples = sorted({one.samples for one in found.needed})
    models = dict.fromkeys(one.models for one in found.needed)
    return Grid(
        f"Questions for a half-width of {100 * found.wanted:g} points",
        ("models", *(f"{count} sample{'s' if count > 1 else ''} each" for count in samples)),
        tuple((str(count), *_questions(found, count)) for count in models),
    )


def _questions(found: Plan, models: int) -> tuple[str, ...]:
    """One for each number of samples."""
    needed = [one.questions for one in found.needed if one.models == models]
    return tuple("no number" if questions is None else f"{questions:,}" for questions in needed)
