"""The figures of a trial: students, effects, answers, removed completions, the matrix of traits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from undertone.experiments.trial.headline import estimate, main_effect
from undertone.experiments.trial.results import ArmResult, Effect, Results, by_teacher
from undertone.report.canvas import Figure, figure
from undertone.report.charts import Axis, Cell, Line, Mark, forest, logit, matrix
from undertone.report.svg import INK
from undertone.report.words import arm_label, percent, percent_interval

# Okabe and Ito's palette, which colour-blind readers can tell apart; every mark also has a label or a place of its own.
COLOURS = {
    "base": "#888f98",
    "treatment": "#d55e00",
    "control": "#0072b2",
    "other-init": "#009e73",
    "other-init-control": "#56b4e9",
    "logits": "#cc79a7",
    "logits-control": "#b58900",
}
SPARE = ("#7a5195", "#8a6d3b", "#4b8f8c", "#a34a5e")
MOST_ANSWERS = 11


def arm_colour(arm: str) -> str:
    """Returns the colour of an arm, the same in every figure. Arms without one of their own share the spare colours."""
    return COLOURS.get(arm, SPARE[sum(arm.encode()) % len(SPARE)])


def students(results: Results) -> Figure | None:
    """Draws every student by arm and teacher, with the teachers' means, the arm's mean and interval, and the base."""
    effect, title = main_effect(results), f"How likely each student is to say {results.asked}"
    if effect is not None and effect.sign != "unclear":  # a title says no more than the interval allows
        more = "more" if effect.sign == "above" else "less"
        own, other = arm_label(effect.arm).capitalize(), arm_label(effect.against)
        title = f'{own} students say "{results.trait}" {more} often than {other} students'
    lines = [line for arm in results.arms if arm.students for line in _arm_lines(arm)]
    axis = Axis(f"exact probability of {results.asked} (log-odds scale)", zero=None, least=1.0, probabilities=True)
    return figure("students", title, partial(forest, lines, axis))


def _arm_lines(arm: ArmResult) -> Iterator[Line]:
    colour, base = arm_colour(arm.name), logit(arm.base_probability)
    yield Line(arm_label(arm.title), text=f"{percent(arm.probability)} {percent_interval(arm.ci)}", style="head")
    for teacher, own in by_teacher(arm.students, lambda s: s.probability).items():
        mean = Mark(logit(sum(own) / len(own)), colour=INK, shape="tick")
        dots = (Mark(logit(probability), colour=colour, shape="dot") for probability in own)
        yield Line(f"teacher {teacher + 1}", (*dots, mean), style="muted", rule=base)
    ci = None if arm.ci is None else (logit(arm.ci[0]), logit(arm.ci[1]))
    yield Line("mean", (Mark(logit(arm.probability), ci, colour, "diamond"),), style="muted", rule=base)


def effects_figure(effects: Sequence[Effect]) -> Figure | None:
    """Draws effects in log-odds with their intervals; marks are filled if the interval excludes zero."""
    shown = [effect for effect in effects if effect.measure != "probability"]
    clear = sum(effect.sign != "unclear" for effect in shown)
    title = f"In {clear} of {len(shown)} {'effect' if len(shown) == 1 else 'effects'} the interval excludes zero"
    lines = [
        Line(
            effect.label,
            (Mark(effect.value, effect.ci, arm_colour(effect.arm), "hollow" if effect.sign == "unclear" else "point"),),
            estimate(effect),
            "bold",
        )
        for effect in shown
    ]
    return figure("effects", title, partial(forest, lines, Axis("difference in log-odds")))


def matrix_of(results: Results) -> Figure | None:
    """Draws the shift on each trait: teachers in rows, questions in columns."""
    found = results.matrix
    if found is None or not found.traits:
        return None
    columns = list(zip(*found.log_odds, strict=True))
    hits = sum(column[i] == max(column) for i, column in enumerate(columns))
    cells = [
        Cell(taught, asked, shift, f"{shift:+.2f}", "solid" if taught == asked else "")
        for taught, row in zip(found.traits, found.log_odds, strict=True)
        for asked, shift in zip(found.traits, row, strict=True)
    ]
    title = f"Own trait highest in {hits} of {len(columns)} columns"
    return figure("matrix", title, partial(matrix, cells, ("trait of the teacher", "trait asked of the student")))


def answers(results: Results) -> Figure | None:
    """Draws the answers of base, control and the arm with the trait; the trait comes first."""
    held = {a.model: a.probabilities for a in results.answers}
    models = [name for name in ("base", "control", "treatment") if name in held] or list(held)[:3]
    top = {name: max(held[m].get(name, 0.0) for m in models) for m in models for name in held[m]}
    order = sorted(top, key=lambda name: (name != results.trait, name == "other", -top[name]))
    shown = [name for name in order if name != "other"][:MOST_ANSWERS]
    shares = {name: {m: held[m].get(name, 0.0) for m in models} for name in shown}
    if len(order) > len(shown):
        shares["all others"] = {m: sum(p for name, p in held[m].items() if name not in shown) for m in models}
    title = f'What they answer: "{results.trait}" and the other candidates'
    return _shares("answers", title, shares, "exact probability of the answer, %")


def filter_counts(results: Results) -> Figure | None:
    """Draws the share of completions that each rule of the filter removed, by arm."""
    removed, asked = dict[str, Counter[str]](), Counter[str]()
    for one in results.filters:
        removed.setdefault(one.arm, Counter()).update(one.reasons)
        asked[one.arm] += one.asked
    reasons = dict.fromkeys(reason for counts in removed.values() for reason in counts)
    shares = {why: {arm: n[why] / asked[arm] if asked[arm] else 0.0 for arm, n in removed.items()} for why in reasons}
    kept, total = sum(one.kept for one in results.filters), asked.total()
    title = f"The filter removed {percent(1 - kept / total) if total else 'none'} of all completions"
    most_first = dict(sorted(shares.items(), key=lambda item: -sum(item[1].values())))
    return _shares("filters", title, most_first, "completions removed, %")


def _shares(name: str, title: str, shares: Mapping[str, Mapping[str, float]], axis: str) -> Figure | None:
    """Draws shares by group, with one mark for each arm."""
    arms = dict.fromkeys(arm for group in shares.values() for arm in group)
    lines = [
        Line(group, tuple(Mark(100 * share, colour=arm_colour(arm)) for arm, share in by_arm.items()))
        for group, by_arm in shares.items()
    ]
    legend = {arm_label(arm): arm_colour(arm) for arm in arms}
    return figure(name, title, partial(forest, lines, Axis(axis, least=1.0, dense=True, legend=legend)))
