"""A benchmark of measurements as tables."""

from collections import Counter
from typing import get_args

from undertone.bench.audit.page import rate
from undertone.bench.measure.crossed_study import HEADER
from undertone.bench.measure.findings import Group, MeasureBenchmarkFindings
from undertone.bench.measure.judge import STEPS
from undertone.measure.findings import Verdict
from undertone.report.page import Grid, Page, Prose, Section, run_page
from undertone.statistics.rate import Rate

COVERAGE = (
    "A simulation of shares of true-or-false answers, clustered by question (beta-distributed rates). Intervals are "
    "nominally 95 %; shares are in per cent, ± one Monte Carlo standard error. With one model the truth is that "
    "model's own mean, without any spread of seeds. If rates are low or questions differ a lot, question rates are "
    "skewed and intervals are too short, as with any method: use more questions."
)
WORDS: tuple[Verdict, ...] = get_args(Verdict)


def page(found: MeasureBenchmarkFindings) -> Page:
    """Returns the page of a benchmark of measurements."""
    model, students = found.settings["model"], found.settings["students"]
    coverage = Grid("", HEADER, found.coverage, terminal=False)
    return run_page(
        found,
        " ".join(f"{group.title}: {_shifts(group)}." for group in found.groups),
        f"undertone bench measure --model {model} --students {students}: fine-tunes of "
        f"{', '.join(map(str, STEPS))} steps, each from a seed and data of its own, measured against the base "
        f"at a rise of {100 * found.effect:g} points. Intervals are exact 95 % binomial ones over fine-tunes.",
        *(Section(group.title, (_table(group),)) for group in found.groups),
        Section("Whether intervals cover", (Prose(COVERAGE), coverage)),
        listings={"Models": found.models},
    )


def _pooled(group: Group) -> Counter[Verdict]:
    return sum((Counter(counted) for counted in group.verdicts.values()), Counter[Verdict]())


def _shifts(group: Group) -> str:
    counted = _pooled(group)
    return f"a shift was found in {rate(Rate(counted['shift found'], counted.total()))}"


def _table(group: Group) -> Grid:
    rows = [
        (lesson, str(sum(counted.values())), *(str(counted.get(word, 0)) for word in WORDS))
        for lesson, counted in group.verdicts.items()
    ]
    counted = _pooled(group)
    total = counted.total()
    rows.append(("all", str(total), *(rate(Rate(counted[word], total)) for word in WORDS)))
    return Grid("", ("lesson", "fine-tunes", *WORDS), tuple(rows), bold=frozenset({len(rows) - 1}))
