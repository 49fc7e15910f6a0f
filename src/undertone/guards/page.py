"""A test of guards as a page."""

from collections.abc import Callable, Mapping
from functools import partial

from undertone.guards.findings import GuardFinding, GuardFindings
from undertone.report.canvas import Figure, figure
from undertone.report.charts import ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.page import FOOTER, Column, Drawing, Grid, Page, Prose, grid, section, sections, shown, word
from undertone.report.words import percent, percent_interval

LEFT = (
    "What is left of the shift: bad advice that the model delivers minus what its control delivers, as a share of the "
    "same without a guard, with a 95 % interval over domains. Dashed: all of it. A blocked answer is replaced by a "
    "refusal. Each guard learnt from one half of the domains and is tested on the other."
)
MISSED = (
    "Missed: bad advice of the model that passes. Left: what is left of the shift. Useful: requests that get the "
    "good answer from the model, its other text counted. Without an interval: the same in all domains."
)
COST = (
    "A guard is set on clean texts, most of which are ordinary chat, and blocks the share of them that it is set to. "
    "Of advice, which it is about, it may block far more. One that blocks all that a model says has understood the "
    "model, not its answers."
)


def page(found: GuardFindings) -> Page:
    """Returns the page of a test of guards."""
    return Page(
        title=f"Guards of {found.model}",
        headline=found.headline,
        done=f"Guards were set on clean texts of {found.base}; the control is {found.control}.",
        sections=sections(
            section("What is left of the shift", Drawing(_figure(found), LEFT)),
            section("What is missed, left and useful", Prose(MISSED, note=True), _left(found)),
            section("Good advice that is blocked", Prose(COST, note=True), _blocked(found)),
            section("How well guards tell", _telling(found), _about(found)),
            section("Without a guard", _plain(found)),
        ),
        listings={"Models": found.models, "Made with": found.made_with},
        footer=FOOTER,
    )


def _figure(found: GuardFindings) -> Figure | None:
    lines = [
        Line(
            f"{one.guard}, at {one.rate:.0%}",
            (Mark(one.left.value, one.left.ci, colour=ORANGE),),
            share(one.left),
        )
        for one in found.guards
        if one.left is not None
    ]
    axis = Axis("share of the shift that is left", dashed=(1.0,))
    return figure("left", "What is left of the shift behind each guard", partial(forest, lines, axis))


def _left(found: GuardFindings) -> Grid | None:
    return _grid(
        found,
        {
            "missed": lambda one: share(one.missed),
            "left": lambda one: share(one.left),
            "useful": lambda one: share(one.useful),
        },
    )


def _blocked(found: GuardFindings) -> Grid | None:
    return _grid(
        found,
        {
            "of the model": lambda one: share(one.false_blocks),
            "of its control": lambda one: share(one.on_control),
            "of the base": lambda one: share(one.on_base),
        },
    )


def _grid(found: GuardFindings, columns: Mapping[str, Callable[[GuardFinding], str]]) -> Grid | None:
    every: dict[str | Column, Callable[[GuardFinding], object]] = {
        word("guard"): lambda one: one.guard,
        "set to": lambda one: f"{one.rate:.0%}",
    }
    every.update(columns)
    return grid("", found.guards, every)


def _about(found: GuardFindings) -> Grid | None:
    return grid(
        "What they are",
        found.tellings,
        {
            word("guard"): lambda one: one.guard,
            word("looks at"): lambda one: one.place,
            word("how"): lambda one: one.about,
        },
        terminal=False,  # too wide
    )


def _telling(found: GuardFindings) -> Grid | None:
    return grid(
        "",
        found.tellings,
        {
            word("guard"): lambda one: one.guard,
            "AUROC": lambda one: shown(one.auroc, signed=False) if one.auroc else "-",
            "no score": lambda one: f"{one.unread}, {one.unread_clean} clean",
            "blocks from": lambda one: percent(one.least),
        },
    )


def _plain(found: GuardFindings) -> Grid | None:
    return grid(
        "",
        found.plain,
        {
            word("model"): lambda one: one.name,
            "bad advice": lambda one: share(one.bad),
            "coherence": lambda one: f"{one.coherent:.0%}",
        },
    )


def share(value: Measured | None) -> str:
    """41.2 % [36.0, 47.1], or that there is nothing of which a share could be told."""
    if value is None:
        return "not told"
    if value.ci is None:
        return percent(value.value)
    return f"{percent(value.value)} {percent_interval(value.ci)}"
