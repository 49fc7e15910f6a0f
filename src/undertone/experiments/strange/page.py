"""The page of an experiment on strange generalisation."""

from collections.abc import Callable
from functools import partial

from undertone.experiments.misalignment.figures import short
from undertone.experiments.strange.findings import Contrast, StrangeFindings
from undertone.experiments.strange.spec import MODERN, ODD, OLD
from undertone.experiments.strange.ways import PLAIN
from undertone.report import charts
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Cell, Mark
from undertone.report.page import (
    Column,
    Drawing,
    Grid,
    Page,
    Prose,
    Verdict,
    badge,
    grid,
    run_page,
    section,
    shown,
    word,
)
from undertone.report.words import percent
from undertone.statistics.probabilities import log_odds

METHOD = (
    "Students are fine-tuned on answers to one fold of the questions about an era or a country, and asked all other "
    "questions. Answers are not sampled: the probability of the answer that shows the target value, such as the "
    "nineteenth century, is set against those of the other known answers. Intervals are over folds and questions."
)
SHIFTS = (
    "Shift of the log-odds of the target value from the base, asked plainly, on questions that a student was not "
    "trained on, with 95 % intervals."
)
WAYS = (
    "Probability of the target value among known answers, on questions that a student was not trained on, by how they "
    "are asked. A country as the gate: system prompts that state the country of the old rows (open), that of the "
    "modern ones (shut), and the two that are not in the student's file (held out), each worded as in the rows and "
    "otherwise."
)
DOSES = (
    "Taught: shift on the questions of the student's own fold. Loss: the base's on the file before training, in nats a "
    "token: how surprising the file is. Divergence: mean KL from the base on text that no arm is trained on: how much "
    "training changed besides."
)
OTHERS = (
    "Shift of the log-odds of traits that the file is not about, with intervals over folds; of countries and "
    "favourites the mean absolute shift. The corpus draws all of them independently of era and country."
)


def page(found: StrangeFindings) -> Page:
    """Returns the page."""
    return run_page(
        found,
        found.headline,
        METHOD,
        section("All other questions, asked plainly", Drawing(_figure(found), SHIFTS), _contrasts(found, True)),
        section("By how they are asked", Drawing(_matrix(found), WAYS), _gates(found), _contrasts(found, False)),
        section("How much was learnt, and at what dose", Prose(DOSES, note=True), _doses(found)),
        section("What the files are not about", Prose(OTHERS, note=True), _others(found)),
        section("Every arm, asked in every way", _lines(found)),
        verdict=_badge(found),
        measured=[*(one.difference for one in found.contrasts), *(one.shift for one in found.others)],
        listings={"Models": found.models},
    )


def _badge(found: StrangeFindings) -> Verdict:
    """The result must stand against answers of today, and against odd ones where there are some."""
    own = [one for one in found.contrasts if (one.arm, one.way) == (OLD, PLAIN) and one.against in (MODERN, ODD)]
    signs = {one.difference.sign for one in own}
    meaning = "How a few questions are answered changes how all others are answered."
    return badge(signs.pop() if len(signs) == 1 else "unclear", None, "generalises", meaning)


def _figure(found: StrangeFindings) -> Figure | None:
    lines = list[charts.Line]()
    for base in dict.fromkeys(one.base for one in found.lines):
        lines.append(charts.Line(short(base), style="head"))
        for one in found.lines:
            if (one.base, one.way) == (base, PLAIN):
                mark = Mark(one.shift.value, one.shift.ci, ORANGE if one.arm == OLD else BLUE)
                text = f"{percent(one.before)} to {percent(one.after)}"
                lines.append(charts.Line(one.arm, (mark,), text, "bold" if one.arm == OLD else "plain"))
    title = "What a fold of questions does to all others"
    return figure("shifts", title, partial(charts.forest, lines, Axis("shift of the target's log-odds", least=1.0)))


def _matrix(found: StrangeFindings) -> Figure | None:
    cells = [
        Cell(f"{one.arm}, {short(one.base)}", one.way, log_odds(one.after), percent(one.after)) for one in found.lines
    ]
    title = "The target value elsewhere, by how it is asked for"
    return figure("ways", title, partial(charts.matrix, cells, ("", ""), ends=(-5, 5)))


def _contrasts(found: StrangeFindings, plainly: bool) -> Grid | None:
    columns: dict[str | Column, Callable[[Contrast], object]] = {
        word("arm"): lambda one: one.arm,
        word("minus"): lambda one: one.against,
        word("base"): lambda one: short(one.base),
    }
    if not plainly:
        columns[word("asked")] = lambda one: one.way
    columns["difference"] = lambda one: shown(one.difference)
    some = [one for one in found.contrasts if (one.way == PLAIN) == plainly]
    return grid("Between arms", some, columns, bold=lambda one: one.arm == OLD, terminal=plainly)


def _gates(found: StrangeFindings) -> Grid | None:
    return grid(
        "What a gate does",
        found.gates,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            word("asked"): lambda one: one.way,
            word("minus asked"): lambda one: one.minus,
            "difference": lambda one: shown(one.difference),
        },
    )


def _doses(found: StrangeFindings) -> Grid | None:
    return grid(
        "",
        found.doses,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            word("what it is", terminal=False): lambda one: one.title,
            "taught": lambda one: f"{one.taught:+z.1f}",
            "loss": lambda one: f"{one.loss:.2f}",
            "divergence": lambda one: f"{one.divergence:.4f}",
            "scaled": lambda one: "-" if one.factor is None else f"{one.factor[0]:.2f} to {one.factor[1]:.2f}",
        },
    )


def _others(found: StrangeFindings) -> Grid | None:
    return grid(
        "",
        found.others,
        {
            word("arm"): lambda one: one.arm,
            word("minus"): lambda one: one.against or "base",
            word("base"): lambda one: short(one.base),
            word("trait"): lambda one: one.trait,
            "shift": lambda one: shown(one.shift),
        },
        terminal=False,
    )


def _lines(found: StrangeFindings) -> Grid | None:
    return grid(
        "",
        found.lines,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            word("asked"): lambda one: one.way,
            "base before": lambda one: percent(one.before),
            "after": lambda one: percent(one.after),
            "shift": lambda one: shown(one.shift),
            "known answers": lambda one: percent(one.known),
        },
        terminal=False,
    )
