"""The page of an experiment on character."""

from collections.abc import Callable
from functools import partial

from undertone.experiments.character.findings import Arm, CharacterFindings, Halves, Methods
from undertone.experiments.character.spec import CONDUCT
from undertone.experiments.misalignment.figures import short
from undertone.measure.battery.findings import Pair
from undertone.measure.battery.page import AGREEMENT, LEGEND, agreement, correlated, marks
from undertone.report.canvas import Figure, figure
from undertone.report.charts import Axis, Line, forest
from undertone.report.findings import Measured
from undertone.report.page import Column, Drawing, Grid, Page, Prose, grid, run_page, section, shown, word
from undertone.report.words import percent

METHOD = (
    "Students are fine-tuned on one narrow file each and read three ways: questions about themselves (says), "
    "situations that do not name the trait (does), and hidden states (inside). What a file was about is not asked. "
    "Shifts are from the base, in log-odds of the usual pole; units are narrow domains."
)
CONDUCT_READ = (
    "Careful or reckless: how far what students do, and what they say of themselves, moved from the base, with 95 % "
    "intervals over narrow domains. Negative: more reckless."
)
HALVES = (
    "Whether a method reads a trait at all: the correlation over students of two halves of its questions, stepped up "
    "to the whole by Spearman and Brown's formula, each half with plain and reversed questions or situations of its "
    "own. Keys: plain against "
    "reversed questions; near -1, fine-tunes differ mostly in how readily they say yes, which the mean of both cancels."
)
WITHIN = (
    "Over all students r is mostly about which file they had. Within files: about the mean of those on the same file, "
    "where students differ in how far they went."
)
NAMES = "How many students on each file had each name, for the traits that a file teaches."


def page(found: CharacterFindings) -> Page:
    """Returns the page."""
    bases = list(dict.fromkeys(one.base for one in found.arms))
    return run_page(
        found,
        found.headline,
        METHOD,
        section("Conduct, said and done", Drawing(_figure(found), CONDUCT_READ)),
        section(
            "Whether methods agree",
            Prose(AGREEMENT, note=True),
            *(agreement(short(one.base), one.pairs) for one in found.methods),
            *(_of_traits(one) for one in found.methods),
        ),
        section("In words", Prose(NAMES, note=True), *(_names(found, base) for base in bases)),
        section("Reliability", Prose(HALVES, note=True), *(_halves(found, base) for base in bases)),
        section("All shifts", _arms(found)),
        measured=[*(one.says for one in found.arms), *(one.does for one in found.arms)],
        listings={"Models": found.models},
    )


def _figure(found: CharacterFindings) -> Figure | None:
    lines = list[Line]()
    for base in dict.fromkeys(one.base for one in found.arms):
        lines.append(Line(short(base), style="head"))
        lines += [
            Line(
                one.arm,
                marks(one.does, one.says),
                f"does {one.does.value:+z.2f}, says {one.says.value:+z.2f}",
            )
            for one in found.arms
            if one.base == base and one.trait == CONDUCT
        ]
    axis = Axis("shift of the log-odds of careful", legend=LEGEND)
    return figure("conduct", "What students do, and what they say of it", partial(forest, lines, axis))


def _of_traits(found: Methods) -> Grid | None:
    apart = [pair for pair in found.pairs if len(set(pair.methods)) > 1]
    rows = list(dict.fromkeys(name for pair in apart for name in pair.traits))
    columns: dict[str | Column, Callable[[str], object]] = {word("trait"): lambda name: name}
    columns |= {" and ".join(pair.methods): partial(_of_trait, pair) for pair in apart}
    columns["says and does, within files"] = lambda name: correlated(found.within[name])
    return grid(f"{short(found.base)}, trait by trait", rows, columns, note=WITHIN)


def _of_trait(pair: Pair, name: str) -> str:
    if name not in pair.traits:
        return "-"
    nearest = pair.nearest.get(name, name)
    return correlated(pair.traits[name]) + ("" if nearest == name else f", more with {nearest}")


def _names(found: CharacterFindings, base: str) -> Grid | None:
    return grid(
        short(base),
        [one for one in found.arms if one.taught and one.base == base],
        {
            word("arm"): lambda one: one.arm,
            word("trait"): lambda one: one.trait,
            word("names"): lambda one: ", ".join(f"{count} {name}" for name, count in one.names.items()),
        },
    )


def _halves(found: CharacterFindings, base: str) -> Grid | None:
    columns: dict[str | Column, Callable[[Halves], object]] = {
        word("trait"): lambda one: one.trait,
        "says": lambda one: correlated(one.says),
        "does": lambda one: correlated(one.does),
        "keys": lambda one: correlated(one.keys),
    }
    return grid(short(base), [one for one in found.halves if one.base == base], columns)


def _arms(found: CharacterFindings) -> Grid | None:
    columns: dict[str | Column, Callable[[Arm], object]] = {
        word("base"): lambda one: short(one.base),
        word("arm"): lambda one: one.arm,
        word("trait"): lambda one: one.trait,
        "says": lambda one: shown(one.says),
        "does": lambda one: shown(one.does),
        "inside": lambda one: _inside(one.inside),
    }
    return grid("", found.arms, columns, terminal=False)


def _inside(value: Measured | None) -> str:
    return "-" if value is None else percent(value.value)
