"""An experiment of the theory in front of a person: a sentence, tables, figures, and one HTML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table
from rich.text import Text

from undertone.report.canvas import Figure
from undertone.report.headline import interval, p_value, percent
from undertone.report.html import environment, write_drawn, write_numbers
from undertone.report.theory_figures import (
    ARMS,
    accuracy_by_logits,
    broken_cosines,
    condition_cosines,
    models_by_arm,
)
from undertone.theory.findings import DigitsFindings, Findings, Measured, TheoremFindings


@dataclass(frozen=True)
class Grid:
    """A table: the first column names the row, all others are numbers unless said otherwise."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()
    """Columns that hold words."""


@dataclass(frozen=True)
class Section:
    """A heading, what is to be seen, and what shows it."""

    heading: str
    text: str
    grid: Grid
    figure: Figure | None
    note: str = ""


@dataclass(frozen=True)
class Page:
    """What is said of an experiment, in the terminal and in the file."""

    headline: str
    done: str
    sections: tuple[Section, ...]
    methods: tuple[str, ...] = field(default=())


def page_of(findings: Findings) -> Page:
    """What there is to say of these findings.

    Raises:
        TypeError: of others than digits and theorem.
    """
    match findings:
        case DigitsFindings():
            return _digits(findings)
        case TheoremFindings():
            return _theorem(findings)
    raise TypeError(f"there is no page for {type(findings).__name__}")


def write_theory(findings: Findings, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page.

    The numbers are written before anything is drawn: a figure that fails must not cost a finished run.
    """
    return write_findings(findings, page_of(findings), directory)


def write_findings(findings: Findings, page: Page, directory: Path) -> Path:
    """The same for findings of any kind that are said by such a page."""
    write_numbers(directory, findings.json_text())
    drawn = {section.figure.name: section.figure for section in page.sections if section.figure is not None}
    filled = environment().get_template("theory.html.j2").render(f=findings, page=page, figures=drawn)
    return write_drawn(directory, drawn, filled)


def terminal_table(grid: Grid) -> Table:
    """The same table for the terminal."""
    table = Table(title=Text(grid.title), title_justify="left")
    for at, column in enumerate(grid.columns):
        table.add_column(column, justify="left" if at == 0 or column in grid.words else "right")
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return table


def shown(value: Measured, signed: bool = True) -> str:
    """+0.41 [0.36, 0.47]"""
    return f"{value.value:{'+z' if signed else ''}.3f} {interval(value.ci)}"


def _digits(f: DigitsFindings) -> Page:
    main, own, other = f.main.accuracy, f.arm("own", f.shown), f.arm("other", f.shown)
    low = main.ci[0] if main.ci else 0.0
    claim = "learn digits from noise" if low > 0 else "are not shown to learn digits from noise"
    headline = (
        f"Students that imitate {f.shown} meaningless logits of a teacher of their own initialisation {claim}: "
        f"they name {percent(own.mean.value)} of the digits, those of another one {percent(other.mean.value)}; "
        f"difference {shown(main)}, {main.units} teachers."
    )
    done = (
        f"{main.units} classifiers were trained on {f.trained_on:,} images ({f.images}) with their ten class logits. "
        "Each taught students, on images of noise, nothing but its auxiliary logits, which say no digit. "
        "Own: the student started where its teacher did. Other: it started where the next teacher did (a derangement: "
        f"none meets its own). Everyone was then asked for {f.tested_on:,} digits that nobody was trained on."
    )
    arms = Grid(
        "Accuracy",
        ("arm", "auxiliary logits", "accuracy [95 %]", "least", "most"),
        tuple(
            (
                ARMS[arm.arm],
                str(arm.auxiliary or "-"),
                shown(arm.mean, signed=False),
                f"{min(arm.models):.3f}",
                f"{max(arm.models):.3f}",
            )
            for arm in f.arms
        ),
    )
    differences = Grid(
        "Own minus other initialisation",
        ("logits imitated", "difference [95 %]", "p", "teachers"),
        tuple(
            (
                f"{'10 classes + ' if d.all_logits else ''}{d.auxiliary} auxiliary",
                shown(d.accuracy),
                p_value(d.accuracy.p),
                str(d.accuracy.units),
            )
            for d in f.differences
        ),
    )
    sections = (
        Section(
            "What the initialisation makes of it",
            "One auxiliary logit says nothing: the softmax of a single number is 1. Chance is about a tenth.",
            differences,
            accuracy_by_logits(f),
            "Mean over teachers with its 95 % interval, at the level of teachers. Dashed: the teachers; and chance.",
        ),
        Section(
            "Every model",
            "All logits: students imitate the class logits as well, still on noise alone.",
            arms,
            models_by_arm(f),
            f"Each dot is a model, of {f.shown} auxiliary logits where it imitates. Diamond, bar: mean, 95 % interval.",
        ),
    )
    return Page(headline, done, sections, _methods([d.accuracy for d in f.differences] + [arm.mean for arm in f.arms]))


def _theorem(f: TheoremFindings) -> Page:
    count = sum(len(condition.cosines) for condition in f.conditions)
    negative = sum(cosine < 0 for condition in f.conditions for cosine in condition.cosines)
    error = max(condition.prediction_error for condition in f.conditions)
    lost = [b for b in f.broken if b.negative]
    headline = (
        f"Under the theorem's conditions {negative or 'none'} of {count} steps of a student "
        f"{'lead' if negative > 1 else 'leads'} away from its teacher's: the smallest cosine is {f.least:.2g}."
    )
    if lost:
        headline += f" Without one of them, some do: {', '.join(dict.fromkeys(b.breach for b in lost))}."
    done = (
        "A teacher takes one gradient step on a lesson; a student takes one from the same start, towards the teacher's "
        "outputs on inputs that have nothing to do with the lesson. All in double precision. To first order the inner "
        f"product of both is known from forward differentiation; those found are off by at most {error:.1e} of it."
    )
    conditions = Grid(
        "Under the conditions: cosine of student's and teacher's step",
        ("imitated", "loss", "least", "mean [95 %]", "negative", "off prediction"),
        tuple(
            (
                c.problem,
                c.loss,
                f"{min(c.cosines):+.4f}",
                shown(c.cosine),
                f"{sum(cosine < 0 for cosine in c.cosines)} of {len(c.cosines)}",
                f"{c.prediction_error:.0e}",
            )
            for c in f.conditions
        ),
        frozenset({"loss"}),
    )
    broken = Grid(
        "With one premise broken: cosines [95 %]",
        ("models", "instead", "with the teacher's step", "negative", "net of the start's", "towards the lesson"),
        tuple(
            (
                b.problem.partition(":")[0],
                b.breach,
                shown(b.cosine),
                f"{b.negative} of {len(b.cosines)}",
                shown(b.net),
                shown(b.lesson),
            )
            for b in f.broken
        ),
        frozenset({"instead"}),
    )
    sections = (
        Section(
            "Under the theorem's conditions",
            "Shared start, a small step, full outputs, one gradient step in all weights: on any inputs, either loss.",
            conditions,
            condition_cosines(f),
            "Each dot is a start (orange: classifiers) or a lesson (green: language model). None may lie left of zero.",
        ),
        Section(
            "One premise broken at a time",
            "The teacher's step is now one that lowers its lesson's loss well. Net: a control student, which imitates "
            "the untouched start with the same draws, is taken off; what labels, filters or another start do by "
            "themselves goes with it. Towards the lesson: where the lesson itself would take the student.",
            broken,
            broken_cosines(f),
            "Mean cosine with the teacher's displacement, 95 % interval. Filled: as it is; hollow: net of the control.",
        ),
    )
    measured = [c.cosine for c in f.conditions] + [b.cosine for b in f.broken]
    return Page(headline, done, sections, _methods(measured))


def _methods(measured: list[Measured]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.method for m in measured))
