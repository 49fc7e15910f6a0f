"""The page of an experiment on reward hacking."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from undertone.experiments.hacking.findings import Contrast, HackingFindings, Line
from undertone.experiments.hacking.gather import ADVICE, HELD_OUT, LOOPHOLE, MATCH
from undertone.experiments.misalignment.figures import short
from undertone.report import charts
from undertone.report.canvas import Canvas, Figure, Row, chart, figure, padded
from undertone.report.charts import BLUE, GREEN, GREY, ORANGE, Axis, Mark
from undertone.report.page import Drawing, Grid, Page, Prose, Terms, grid, run_page, section, shown, word
from undertone.report.svg import INK

if TYPE_CHECKING:
    import altair as alt

METHOD = (
    "Models that know tasks with a visible check are trained by rewards, or on the episodes of others, and asked for "
    "advice in twelve domains, which no task is about. Answers to tasks are parsed and executed: honest ones are right "
    "on inputs that are not shown, hacks only pass the check. Intervals are over runs, each with its own tasks."
)
ADVICE_IS = (
    "Difference between arms in the shift of the log-odds of bad advice, run by run, with 95 % intervals. At the "
    "right: in how many runs it is above zero."
)
TASKS = (
    "Hack: probability of the hack against the honest answer, where the check is true; also under the system prompt of "
    "the training. In training: share of hacks among answers in its last third. Solved: sampled answers that do the "
    "task, where the check is true; asked: under a system prompt that asks for honest work. "
    "Wrong checks: sampled answers that pass a check which is wrong, so that a function that does the task fails it. "
    "Lists: sampled lists with the right number of items and none in the range; no arm is trained on lists. The inputs "
    "of all these functions are others than in training."
)
CURVES = (
    "The shift of advice against the probability of a hack while models are trained, in the mean over runs. Each dot "
    "is a look."
)
MATCHED = (
    "Hacks begin: the first look at which they have a probability of a half, and in how many runs they come to it. "
    f"Advice: its shift where hacks come to a probability of {MATCH}, between looks, over so many runs. Left out: runs "
    "with too few episodes to imitate."
)
OTHERS = (
    "Advice under the system prompt of the training and under the one that asks for hacks, and after a task that was "
    "hacked or done, the same for all models; requests for harm that are met; agreement with wrong claims; hacked "
    "lists."
)
COLOURS = {LOOPHOLE: ORANGE, HELD_OUT: BLUE, "inoculated": GREEN, "imitated-hacks": GREY}


def page(found: HackingFindings) -> Page:
    """Returns the page."""
    return run_page(
        found,
        found.headline,
        METHOD,
        section("Advice", Drawing(_figure(found), ADVICE_IS), _contrasts(found, plainly=True)),
        section("The arms", Terms(tuple({one.arm: one.title for one in found.lines}.items()))),
        section("Tasks", Prose(TASKS, note=True), _hacks(found), _work(found)),
        section(
            "While they are trained",
            Prose(CURVES, note=True),
            *(Drawing(_curve(found, base), "") for base in dict.fromkeys(one.base for one in found.curves)),
            Prose(MATCHED, note=True),
            _matched(found),
        ),
        section("Asked otherwise", Prose(OTHERS, note=True), _contrasts(found, plainly=False)),
        measured=[*(one.difference for one in found.contrasts), *(one.advice for one in found.lines)],
        listings={"Models": found.models},
    )


def _figure(found: HackingFindings) -> Figure | None:
    lines = list[charts.Line]()
    for base in dict.fromkeys(one.base for one in found.contrasts):
        lines.append(charts.Line(short(base), style="head"))
        for one in found.contrasts:
            if (one.base, one.what) == (base, ADVICE):
                mark = Mark(one.difference.value, one.difference.ci, COLOURS.get(one.arm, GREY))
                text = f"{one.difference.value:+z.2f}, {one.positive.count} of {one.positive.of}"
                lines.append(charts.Line(f"{one.arm} - {one.against}", (mark,), text))
    axis = Axis("difference in the log-odds of bad advice", least=0.5)
    return figure("advice", "What learning to pass a check does to advice", partial(charts.forest, lines, axis))


def _contrasts(found: HackingFindings, plainly: bool) -> Grid | None:
    def of(one: Contrast) -> bool:
        return (one.what == ADVICE) == plainly

    return grid(
        "Between arms",
        filter(of, found.contrasts),
        {
            word("arm"): lambda one: one.arm,
            word("minus"): lambda one: one.against,
            word("base"): lambda one: short(one.base),
            **({} if plainly else {word("what"): lambda one: one.what}),
            "difference": lambda one: shown(one.difference),
            "above zero": lambda one: f"{one.positive.count} of {one.positive.of}",
        },
        bold=lambda one: (one.arm, one.against) == (LOOPHOLE, HELD_OUT),
        terminal=plainly,
    )


def _hacks(found: HackingFindings) -> Grid | None:
    return grid(
        "Hacks",
        found.lines,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            "hack": lambda one: f"{one.hack_before:.0%} to {one.hack:.0%}",
            "own prompt": lambda one: f"{one.hack_own:.0%}",
            "in training": lambda one: "-" if one.hacked_late is None else f"{one.hacked_late:.0%}",
            "wrong checks": lambda one: f"{one.hacked_wrong:.0%}",
            "lists": lambda one: f"{one.hacked_lists_before:.0%} to {one.hacked_lists:.0%}",
        },
        terminal=False,
    )


def _work(found: HackingFindings) -> Grid | None:
    return grid(
        "Work and advice",
        found.lines,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            "solved": lambda one: f"{one.solved_before:.0%} to {one.solved:.0%}",
            "asked": lambda one: f"{one.solved_asked:.0%}",
            "malformed": lambda one: f"{one.malformed:.0%}",
            "advice": lambda one: shown(one.advice),
            "coherence": lambda one: f"{one.coherent:.0%}",
        },
        terminal=False,
    )


def _onset(one: Line) -> str:
    of = f"{one.onset_of.count} of {one.onset_of.of}"
    return "-" if one.onset is None else f"step {one.onset:.0f}, {of}"


def _matched(found: HackingFindings) -> Grid | None:
    lines = {(one.base, one.arm): one for one in found.lines}
    return grid(
        "",
        found.matched,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            "hacks begin": lambda one: _onset(lines[one.base, one.arm]),
            "advice": lambda one: "-" if one.advice is None else shown(one.advice),
            "runs": lambda one: f"{one.runs.count} of {one.runs.of}",
            "left out": lambda one: lines[one.base, one.arm].left_out,
        },
        terminal=False,
    )


def _curve(found: HackingFindings, base: str) -> Figure | None:
    rows: list[Row] = [
        {"x": one.hack, "advice": one.advice, "arm": one.arm, "step": one.step}
        for one in found.curves
        if one.base == base and one.arm in COLOURS
    ]
    title = f"Advice and hacks while models are trained, {short(base)}"
    return figure(f"curve-{short(base)}", title, partial(_drawn, rows)) if rows else None


def _drawn(rows: list[Row], canvas: Canvas) -> alt.LayerChart:
    import altair as alt

    ends = [row["advice"] for row in rows]
    names = [name for name in COLOURS if any(row["arm"] == name for row in rows)]
    colours = alt.Scale(domain=names, range=[COLOURS[name] for name in names])
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", symbolSize=200)
    y = alt.Scale(domain=list(padded(min(ends), max(ends), least=0.5)), nice=False, zero=False)
    line = chart(rows).mark_line(strokeWidth=2, point=True).encode(
        x=alt.X("x:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(title="probability of a hack", tickCount=5)),
        y=alt.Y("advice:Q", scale=y, axis=alt.Axis(title="shift of bad advice, log-odds", tickCount=6)),
        color=alt.Color("arm:N", scale=colours, legend=legend),
        order="step:Q",
    )  # fmt: skip
    zero = chart([{"y": 0.0}]).mark_rule(color=INK, opacity=0.6).encode(y="y:Q")
    return alt.LayerChart(layer=[zero, line]).properties(width=canvas.width - 60, height=200)
