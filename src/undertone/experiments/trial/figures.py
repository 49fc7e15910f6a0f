"""The figures of a trial: students, effects, answers, what was filtered out, the matrix of traits."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from undertone.experiments.trial.headline import estimate, main_effect
from undertone.experiments.trial.results import ArmResult, Effect, FilterCount, Results
from undertone.report.canvas import Figure, figure
from undertone.report.charts import Axis, Cell, Line, Mark, forest, logit, matrix
from undertone.report.svg import INK
from undertone.report.words import percent, percent_interval

# Okabe and Ito's palette, told apart by colour-blind readers; every mark is also labelled or placed by arm.
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
    """The same colour for an arm everywhere; arms without one of their own share the spare ones."""
    return COLOURS.get(arm, SPARE[sum(arm.encode()) % len(SPARE)])


def students(results: Results) -> Figure | None:
    """Every student by arm and teacher, with the teachers' means, the arm's interval and the base."""
    lines = [line for arm in results.arms if arm.students for line in _arm_lines(arm)]
    axis = Axis(f"exact probability of {results.asked} (log-odds scale)", zero=None, least=1.0, probabilities=True)
    return figure("students", _students_title(results), partial(forest, lines, axis))


def _students_title(results: Results) -> str:
    """Says what is seen, and no more than the interval allows."""
    effect = main_effect(results)
    if effect is None or effect.sign == "unclear":
        return f"How likely each student is to say {results.asked}"
    more = "more" if effect.sign == "above" else "less"
    return f'{effect.arm.capitalize()} students say "{results.trait}" {more} often than {effect.against} students'


def _arm_lines(arm: ArmResult) -> Iterator[Line]:
    colour, base = arm_colour(arm.name), logit(arm.base_probability)
    yield Line(arm.title, text=f"{percent(arm.probability)} {percent_interval(arm.ci)}", style="head")
    for teacher in sorted({student.teacher for student in arm.students}):
        own = [student.probability for student in arm.students if student.teacher == teacher]
        mean = Mark(logit(sum(own) / len(own)), colour=INK, shape="tick")
        dots = (Mark(logit(probability), colour=colour, shape="dot") for probability in own)
        yield Line(f"teacher {teacher + 1}", (*dots, mean), style="muted", rule=base)
    ci = None if arm.ci is None else (logit(arm.ci[0]), logit(arm.ci[1]))
    yield Line("mean", (Mark(logit(arm.probability), ci, colour, "diamond"),), style="muted", rule=base)


def effects_figure(effects: Sequence[Effect]) -> Figure | None:
    """Effects in log-odds with their intervals, against zero; filled where zero is outside."""
    shown = [effect for effect in effects if effect.measure != "probability"]
    clear = sum(effect.sign != "unclear" for effect in shown)
    title = f"In {clear} of {len(shown)} {'effect' if len(shown) == 1 else 'effects'} the interval leaves out zero"
    lines = [
        Line(
            effect.name,
            (Mark(effect.value, effect.ci, arm_colour(effect.arm), "hollow" if effect.sign == "unclear" else "point"),),
            estimate(effect),
            "bold",
        )
        for effect in shown
    ]
    return figure("effects", title, partial(forest, lines, Axis("difference in log-odds")))


def matrix_of(results: Results) -> Figure | None:
    """Trait by trait: teachers in rows, questions in columns."""
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
    """Answer distributions of base, control and treatment, the trait first."""
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
    """Share of completions removed, by the rule that removed them."""
    arms = dict.fromkeys(f.arm for f in results.filters)
    sums = {arm: removed_by_reason([f for f in results.filters if f.arm == arm]) for arm in arms}
    reasons = dict.fromkeys(reason for removed in sums.values() for reason in removed)
    shares = {reason: {arm: removed.get(reason, 0.0) for arm, removed in sums.items()} for reason in reasons}
    most_first = sorted(shares, key=lambda reason: -sum(shares[reason].values()))
    asked, kept = sum(f.asked for f in results.filters), sum(f.kept for f in results.filters)
    title = f"The filter removed {percent(1 - kept / asked) if asked else 'none'} of all completions"
    return _shares("filters", title, {reason: shares[reason] for reason in most_first}, "completions removed, %")


def _shares(name: str, title: str, shares: Mapping[str, Mapping[str, float]], axis: str) -> Figure | None:
    """Shares by group, one mark for each arm."""
    arms = list(dict.fromkeys(arm for group in shares.values() for arm in group))
    lines = [
        Line(group, tuple(Mark(100 * share, colour=arm_colour(arm)) for arm, share in by_arm.items()))
        for group, by_arm in shares.items()
    ]
    legend = {arm: arm_colour(arm) for arm in arms}
    return figure(name, title, partial(forest, lines, Axis(axis, least=1.0, dense=True, legend=legend)))


def removed_by_reason(counts: Sequence[FilterCount]) -> dict[str, float]:
    """Share of all completions that each rule removed."""
    asked = sum(f.asked for f in counts)
    reasons = dict.fromkeys(reason for f in counts for reason in f.reasons)
    return {r: sum(f.reasons.get(r, 0) for f in counts) / asked for r in reasons} if asked else {}
