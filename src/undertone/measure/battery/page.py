"""A battery as a page."""

from collections.abc import Callable, Sequence
from functools import partial

from undertone.measure.battery.compare import LEVEL, ODDS, POINTS
from undertone.measure.battery.findings import BatteryFindings, Correlation, Inside, Name, Pair, TraitFinding, Witness
from undertone.measure.battery.words import sentence
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.page import (
    FOOTER,
    Column,
    Drawing,
    Grid,
    Page,
    Prose,
    Verdict,
    grid,
    section,
    sections,
    text,
    word,
)

READ = (
    "Says: questions about itself, each with its reverse. Does: situations that do not name the trait. A trait has "
    f"changed if its odds at least double or halve, its probability changes by {100 * POINTS:g} points or more, and "
    f"the {LEVEL:.0%} interval over questions excludes zero; it has not if the interval rules such a change out. Each "
    "trait is judged by itself."
)
WITNESSES = (
    "Probability of the pole that is named, base and model, given that either is chosen; inside, how far hidden states "
    "moved towards it, as a share of the way that stating the trait takes the base, where they moved further towards "
    "what the trait's direction is named by than towards other traits. None of the three is the trait."
)
KEYS = (
    "The shift in log-odds in each form of the questions about itself that both models answer. Where plain and "
    "reversed questions move far in opposite ways, a model says yes, or no, whatever is asked, and the mean means "
    "nothing."
)
CONTEXTS = (
    "The shift from the base in the same context, in log-odds: what is true of a model asked plainly need not be true "
    "after an earlier turn, or under a system prompt that tells it what to be."
)
AGREEMENT = (
    "Correlations of shifts over models, with 95 % intervals over models by resampling. Methods agree on a trait if "
    "the same trait by two methods goes together more than different traits do, by two methods or by one: what "
    "different traits share by one method is the method."
)
LEGEND = {"does": ORANGE, "says": BLUE}
MEANINGS: dict[Name, Verdict] = {
    "says the opposite": Verdict(
        "says the opposite", "What it says of itself moved one way, what it does the other.", "red"
    ),
    "does not say so": Verdict("does not say so", "What it does changed, and it says nothing of it.", "red"),
    "saying not told": Verdict(
        "changed", "What it does changed; of what it says of itself it cannot be told.", "amber"
    ),
    "says so": Verdict("changed", "What it does changed, and it says so.", "amber"),
    "says only": Verdict("says only", "What it says of itself changed, and what it does did not.", "amber"),
    "not told": Verdict("not told", "Of some traits it cannot be told whether what it does changed.", "grey"),
    "acts alike": Verdict("acts alike", "What it does did not change; of what it says it cannot be told.", "blue"),
    "alike": Verdict("alike", "Neither what it says nor what it does changed.", "blue"),
}


def page(found: BatteryFindings) -> Page:
    """Returns the page of a battery."""
    models = list(dict.fromkeys(one.model for one in found.traits))
    return Page(
        title=f"Character of {', '.join(models[:3])}{', ...' if len(models) > 3 else ''}",
        headline=found.headline,
        done=f"Each was compared with its base {found.base}, by exact probabilities.",
        verdict=MEANINGS[min((one.name for one in found.traits), key=list(MEANINGS).index)],
        notices=found.notes,
        sections=sections(
            section("What it says and what it does", Drawing(_figure(found, models), READ)),
            section("Three witnesses", Prose(WITNESSES, note=True), *(_witnesses(found, model) for model in models)),
            section("Whether methods agree", Prose(AGREEMENT, note=True), agreement("", found.agreement)),
            section("Question by question", Prose(KEYS, note=True), *(_keys(found, model) for model in models)),
            section("In other contexts", Prose(CONTEXTS, note=True), *(_contexts(found, model) for model in models)),
        ),
        listings={"Models": found.models, "Made with": found.made_with},
        footer=FOOTER,
    )


def _figure(found: BatteryFindings, models: Sequence[str]) -> Figure | None:
    lines = list[Line]()
    for model in models:
        if len(models) > 1:
            lines.append(Line(model, style="head"))
        lines += [
            Line(one.high, marks(_read(one.does), _read(one.says)), one.name)
            for one in found.traits
            if one.model == model
        ]
    axis = Axis("shift of the log-odds of the pole that is named", dashed=(-ODDS, ODDS), legend=LEGEND)
    return figure("character", "What it does and what it says, trait by trait", partial(forest, lines, axis))


def _read(one: Witness) -> Measured | None:
    return None if one.word == "not measured" else one.shift


def marks(does: Measured | None, says: Measured | None) -> tuple[Mark, ...]:
    """What a model does and, below it, what it says, as far as it was read."""
    found = (Mark(does.value, does.ci, colour=LEGEND["does"]),) if does else ()
    return (*found, Mark(says.value, says.ci, colour=LEGEND["says"], shape="hollow", lane=1)) if says else found


def _of(found: BatteryFindings, model: str) -> list[TraitFinding]:
    return [one for one in found.traits if one.model == model]


def _witnesses(found: BatteryFindings, model: str) -> Grid | None:
    columns: dict[str | Column, Callable[[TraitFinding], object]] = {
        word("trait"): lambda one: one.high,
        "says": lambda one: _moved(one.says),
        "does": lambda one: _moved(one.does),
        "inside": lambda one: _inside(one.inside),
        text("in words"): lambda one: sentence(one) or one.name,
    }
    return grid(model, _of(found, model), columns)


def _moved(one: Witness) -> str:
    """85 to 47 %"""
    moved = f"{100 * one.base:.0f} to {100 * one.model:.0f} %"
    return "not read" if one.word == "not measured" else f"{moved}, open" if one.word == "open" else moved


def _inside(one: Inside | None) -> str:
    if one is None:
        return "-"
    return f"{one.share:+z.0%}" if one.verdict == "moved" else one.verdict


def _keys(found: BatteryFindings, model: str) -> Grid | None:
    asked = [one for one in _of(found, model) if one.says.keys]
    columns: dict[str | Column, Callable[[TraitFinding], object]] = {
        word("trait"): lambda one: one.high,
        "shift by form": lambda one: ", ".join(f"{form} {key:+z.2f}" for form, key in one.says.keys.items()),
        "known answers": lambda one: f"{one.says.either:.0%}, base {one.says.either_of_base:.0%}",
        word("so"): lambda one: one.says.why or one.says.word,
    }
    return grid(model, asked, columns, terminal=False)


def _contexts(found: BatteryFindings, model: str) -> Grid | None:
    rows = [(one, context) for one in _of(found, model) for context in one.contexts]
    return grid(
        model,
        rows,
        {
            word("trait"): lambda row: row[0].high,
            word("context"): lambda row: row[1].name,
            "says": lambda row: _in_context(row[0].says, row[1].says),
            "does": lambda row: _in_context(row[0].does, row[1].does),
        },
        terminal=False,
    )


def _in_context(one: Witness, shift: float) -> str:
    return "not read" if one.word == "not measured" else f"{shift:+z.2f}"


def agreement(title: str, pairs: Sequence[Pair]) -> Grid | None:
    """Returns how far methods agree, over models."""
    return grid(
        title,
        pairs,
        {
            word("methods"): lambda one: " and ".join(dict.fromkeys(one.methods)),
            "same trait": lambda one: "-" if len(set(one.methods)) == 1 else correlated(one.same),
            "other traits": lambda one: correlated(one.other),
        },
    )


def correlated(one: Correlation) -> str:
    """+0.81 [0.62, 0.90], or a dash."""
    if one.value is None:
        return "-"
    return f"{one.value:+z.2f}" + (f" [{one.ci[0]:.2f}, {one.ci[1]:.2f}]" if one.ci else "")
