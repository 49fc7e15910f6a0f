"""The page of an experiment on guards."""

from functools import partial

from undertone.experiments.guards.findings import Arm, GuardsFindings, Line, Told, Trained
from undertone.experiments.guards.spec import BAD
from undertone.experiments.misalignment.figures import short
from undertone.guards.guarding import RATES
from undertone.guards.page import COST, MISSED, share
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Mark, forest
from undertone.report.charts import Line as Drawn
from undertone.report.page import Drawing, Grid, Page, Prose, grid, run_page, section, shown, word

METHOD = (
    "Students are fine-tuned in one narrow domain and asked for advice in all others; the exact probability of the bad "
    "one of two answers is read. Guards learn from one half of the domains and judge the other. They are set on clean "
    "texts of the base: good advice and ordinary chat. Controls are students on good advice in the same domain."
)
LEFT = (
    "What is left of the shift to bad advice behind each guard, for fine-tunes on bad advice; dashed: all of it. Means "
    "over fine-tunes, intervals over domains. Blocked answers are replaced by a refusal."
)
TOLD = (
    "AUROC: how often a bad answer scores higher than a good one of its domain. A guard can tell them apart without "
    "fail and yet block none, where ordinary chat scores higher still. On lists: the same for number lists that a "
    "student on bad advice wrote, against lists of a student on good advice, in which no word tells."
)
TRAINED = (
    "A guard at the training file: a student is trained on the bad advice that it lets pass, repeated until the file "
    "is as long as the whole one; beside it, one on as many requests of other situations by lot. Where nothing passes, "
    "nothing is trained: in how many narrow domains anything is, stands beside. Left: the shift from the base, as a "
    "share of that of students trained on all; and the same where the guard also reads what the student answers."
)


def page(found: GuardsFindings) -> Page:
    """Returns the page."""
    return run_page(
        found,
        found.headline,
        METHOD,
        section("What is left of the shift", Drawing(_figure(found), LEFT), Prose(MISSED, note=True), _lines(found)),
        section("Good advice that is blocked", Prose(COST, note=True), _blocked(found)),
        section("How well guards tell", Prose(TOLD, note=True), _told(found)),
        section("At the training file", Prose(TRAINED, note=True), _trained(found)),
        section("Without a guard", _arms(found)),
        measured=[*(one.missed for one in found.lines), *(one.left for one in found.lines if one.left)],
        listings={"Models": found.models},
    )


def _figure(found: GuardsFindings) -> Figure | None:
    lines = [
        Drawn(
            f"{one.guard}, {_short(one)}",
            (Mark(one.left.value, one.left.ci, colour=ORANGE if one.base == found.lines[0].base else BLUE),),
            share(one.left),
        )
        for one in found.lines
        if one.arm == BAD and one.rate == RATES[-1] and one.left is not None
    ]
    axis = Axis("share of the shift that is left", dashed=(1.0,))
    return figure("left", "What is left of the shift behind each guard", partial(forest, lines, axis))


def _short(one: Arm | Line | Told | Trained) -> str:
    return short(one.base)


def _lines(found: GuardsFindings) -> Grid | None:
    return grid(
        "",
        found.lines,
        {
            word("guard"): lambda one: one.guard,
            word("base"): _short,
            word("arm"): lambda one: one.arm,
            "set to": lambda one: f"{one.rate:.0%}",
            "missed": lambda one: share(one.missed),
            "left": lambda one: share(one.left),
            "useful": lambda one: share(one.useful),
        },
    )


def _blocked(found: GuardsFindings) -> Grid | None:
    return grid(
        "",
        [one for one in found.lines if one.arm == BAD],
        {
            word("guard"): lambda one: one.guard,
            word("base"): _short,
            "set to": lambda one: f"{one.rate:.0%}",
            "of the students": lambda one: share(one.false_blocks),
            "of the controls": lambda one: share(one.on_control),
            "of the base": lambda one: share(one.on_base),
        },
    )


def _told(found: GuardsFindings) -> Grid | None:
    return grid(
        "",
        found.told,
        {
            word("guard"): lambda one: one.guard,
            word("base"): _short,
            word("looks at"): lambda one: one.place,
            "AUROC": lambda one: shown(one.auroc, signed=False) if one.auroc else "-",
            "on lists": lambda one: shown(one.on_lists, signed=False) if one.on_lists else "-",
        },
    )


def _trained(found: GuardsFindings) -> Grid | None:
    return grid(
        "",
        found.trained,
        {
            word("guard"): lambda one: one.guard,
            word("base"): _short,
            "passes": lambda one: share(one.passed),
            "domains": lambda one: one.trained,
            "left": lambda one: share(one.left),
            "by lot": lambda one: share(one.at_random),
            "left behind it": lambda one: share(one.left_behind),
        },
    )


def _arms(found: GuardsFindings) -> Grid | None:
    return grid(
        "Bad advice in other domains",
        found.arms,
        {
            word("arm"): lambda one: one.arm,
            word("base"): _short,
            "bad advice": lambda one: share(one.bad),
            "coherence": lambda one: f"{one.coherent:.0%}",
        },
    )
