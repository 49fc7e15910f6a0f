"""The report of replications as text, figures and tables."""

from functools import partial

from undertone.experiments.sweep.findings import Contrast, Pooled, Replicate, ReplicationsFindings
from undertone.experiments.trial.matching import TOLERANCE, Making
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.page import ALPHA, Column, Drawing, Grid, Page, Prose, badge, grid, run_page, section, shown, word
from undertone.report.words import p_value, percent
from undertone.statistics import coverage

CONTRASTS: dict[Contrast, str] = {
    "own": "own base",
    "other": "other base",
    "difference": "own minus other",
}
READ = {"above": "pass to students", "below": "turn round in students", "unclear": "are not shown to pass to students"}


def replications_page(found: ReplicationsFindings) -> Page:
    """Returns the report: all trials pooled, then by trait, base and seed, then one by one."""
    overall = found.pooled[0]
    effects = [effect for part in found.pooled for effect in part.effects.values()]
    return run_page(
        found,
        _headline(found, overall),
        _what_was_done(found),
        section(
            "Pooled", Drawing(_pooled_figure(found), _note(found)), _pooled(found), Prose(_trust(found), note=True)
        ),
        section("Trial by trial", Drawing(_trials_figure(found), ONE_BY_ONE), _trials(found)),
        section("How teachers were made", _matching(found), _makings(found)),
        verdict=badge(
            overall.effects["own"].sign,
            overall.effects["own"].p,
            "traits passed",
            "Students came to share traits of the teachers who wrote their rows.",
        ),
        measured=[*effects, *(one.made.effect for one in found.replicates)],
    )


SIMULATED = 20
"""The fewest slots for which coverage was simulated."""
ONE_BY_ONE = (
    "Log-odds of the trait, students of teachers with the trait minus the control's, one initialisation; bars are 95 % "
    "intervals over teachers. A single trial is a small sample: read them together."
)


def _headline(found: ReplicationsFindings, overall: Pooled) -> str:
    own, count = overall.effects["own"], len(found.replicates)
    above = sum(one.made.effect.value > 0 for one in found.replicates)
    clear = sum(one.made.effect.sign == "above" for one in found.replicates)
    said = (
        f"Traits {READ[own.sign]} of the teachers' own base: {_estimate(own)}, over {count} trials, of which {above} "
        f"point upwards and {clear} lie above zero with their whole interval"
    )
    if "other" in overall.effects:
        said += f"; students of another initialisation: {_estimate(overall.effects['other'])}"
        said += f"; own minus other: {_estimate(overall.effects['difference'])}"
    if own.sign != "unclear" and own.p is not None and own.p > ALPHA:
        said += "; by the p value alone chance is not ruled out"
    return f"{said}."


def _what_was_done(found: ReplicationsFindings) -> str:
    bases = len({one.base for one in found.replicates})
    seeds = len({one.seed for one in found.replicates})
    return (
        f"One trial was run for each of {len(found.traits)} traits ({', '.join(found.traits)}), {bases} bases and "
        f"{seeds} seeds, with {found.teachers} teachers an arm."
    )


def _note(found: ReplicationsFindings) -> str:
    units = found.pooled[0].effects["own"].units
    return (
        "Log-odds against the control with 95 % intervals. The unit is a slot: all teachers of one base, seed and "
        f"index, {units} in all, since traits share a control. The interval is about these traits and these bases."
        + (f" With {units} slots nothing is known of how often it covers." if units < SIMULATED else "")
    )


def _trust(found: ReplicationsFindings) -> str:
    """Returns how often the pooled interval covers, and the figures of these slots on which that depends."""
    shape = "" if found.skewness is None else f" The skewness of these slots is {found.skewness:+.1f}."
    if found.likeness is not None:
        shape += f" The correlation of traits within slots is {found.likeness:+.2f}."
    if found.base_likeness is not None:
        shape += (
            f" Slots of different bases have the same seeds and a correlation of {found.base_likeness:+.2f}; the more "
            'they are alike, the more the row "all, bases averaged" is the one to trust.'
        )
    return coverage.POOLED + shape


def _pooled_figure(found: ReplicationsFindings) -> Figure | None:
    lines = []
    for part in found.pooled:
        lines.append(Line(part.over, style="head"))
        for contrast, effect in part.effects.items():
            mark = Mark(effect.value, effect.ci, ORANGE if contrast == "own" else BLUE)
            lines.append(Line(CONTRASTS[contrast], (mark,), shown(effect)))
    drawn = partial(forest, lines, Axis("log-odds against the control", least=0.1))
    return figure("pooled", "Pooled effects", drawn)


def _trials_figure(found: ReplicationsFindings) -> Figure | None:
    lines = [
        Line(_name(one), (Mark(one.made.effect.value, one.made.effect.ci, ORANGE),), shown(one.made.effect))
        for one in found.replicates
    ]
    drawn = partial(forest, lines, Axis("log-odds against the control", least=0.1))
    return figure("trials", "Every trial", drawn)


def _pooled(found: ReplicationsFindings) -> Grid | None:
    rows = [
        (part.over, CONTRASTS[name], effect, part.p_holm.get(name))
        for part in found.pooled
        for name, effect in part.effects.items()
    ]
    return grid(
        "Pooled effects (log-odds)",
        rows,
        {
            word("over"): lambda row: row[0],
            word("students"): lambda row: row[1],
            word("effect [95 %]"): lambda row: shown(row[2]),
            "p": lambda row: p_value(row[2].p),
            Column("p Holm", terminal=False): lambda row: p_value(row[3]),
            "slots": lambda row: row[2].units,
        },
        bold=lambda row: row[2].sign != "unclear",
    )


def _trials(found: ReplicationsFindings) -> Grid | None:
    return grid(
        "Every trial (log-odds)",
        found.replicates,
        {
            word("trial"): _name,
            word("effect [95 %]"): lambda one: shown(one.made.effect),
            "p": lambda one: p_value(one.made.effect.p),
            Column("students say", terminal=False): lambda one: percent(one.made.treated),
            Column("control's", terminal=False): lambda one: percent(one.made.control),
            word("other base"): lambda one: "-" if one.other is None else shown(one.other),
        },
        bold=lambda one: one.made.effect.sign != "unclear",
    )


def _fine_tuned(found: ReplicationsFindings) -> list[Replicate]:
    """Returns the trials whose teachers were fine-tuned, not prompted or steered."""
    return [one for one in found.replicates if {"treatment", "control"} <= one.makings.keys()]


def _matching(found: ReplicationsFindings) -> Prose | None:
    trials = _fine_tuned(found)
    alike = sum(_control(one).alike(_treatment(one)) for one in trials)
    said = (
        f"In {alike} of {len(trials)} trials control teachers were made like those with the trait: the share of the "
        f"loss that training removed, the stretch and the dose lie within {100 * TOLERANCE:.0f} % of theirs. Stretch "
        "is the factor by which adapters were multiplied after training to reach the dose, the divergence from the "
        "base."
    )
    nats = [one.ratios["nats of loss removed"] for one in trials if "nats of loss removed" in one.ratios]
    if nats:
        said += f" In nats a token it removed {min(nats):.2f} to {max(nats):.2f} of what it removed from those."
    return Prose(said) if trials else None


def _makings(found: ReplicationsFindings) -> Grid | None:
    def pair(value: str, one: Replicate) -> str:
        both = getattr(_treatment(one), value), getattr(_control(one), value)
        return "; ".join("-" if number is None else f"{number:.2f}" for number in both)

    return grid(
        "Teachers with the trait; of the control",
        _fine_tuned(found),
        {
            "trial": _name,
            "loss before": partial(pair, "before"),
            "after": partial(pair, "after"),
            "stretch": partial(pair, "stretch"),
            "dose": partial(pair, "dose"),
            "alike": lambda one: "yes" if _control(one).alike(_treatment(one)) else "no",
        },
    )


def _treatment(one: Replicate) -> Making:
    return one.makings["treatment"]


def _control(one: Replicate) -> Making:
    return one.makings["control"]


def _name(one: Replicate) -> str:
    return f"{one.trait}, {one.base}, seed {one.seed}"


def _estimate(effect: Measured) -> str:
    return f"{shown(effect)}, p {p_value(effect.p)}"
