"""The page of an experiment on directions in hidden states."""

from functools import partial

from undertone.experiments.misalignment.figures import short
from undertone.experiments.persona.findings import Correlation, NullBand, PersonaStudyFindings, Told
from undertone.experiments.persona.gather import OWN, WHILE
from undertone.persona.nulls import PLACEBO, RANDOM, VARYING
from undertone.report.canvas import Figure, figure
from undertone.report.charts import GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.findings import Measured
from undertone.report.page import Drawing, Grid, Page, Prose, Verdict, badge, grid, run_page, section, shown, word

METHOD = (
    "A direction of bad advice is made of the base, in one half of the domains. Students are fine-tuned in a domain of "
    "the other half, and their advice is measured in the rest of that half. Both halves are counted together. "
    "Directions of other traits are made in the same way."
)
CORRELATIONS = (
    "Pearson's r over all fine-tunes between the way along the direction and the shift of bad advice in other domains. "
    "After training it is the way of the model's hidden states, before training that of its file's answers against the "
    "base's own. The band ends at the 95th percentile of directions of no meaning; the mark is their median. p is the "
    "share of them with as large an absolute r."
)
TOLD = (
    "AUROC of single requests at the last token before the answer, in the middle block: students on bad against "
    "students on good advice, less the base on the same request. Of directions of no meaning 100 a kind are tried."
)
LEFT = (
    "The shift of advice from good to bad students, with a direction taken out of the output of every block, or added "
    "to that of the middle one, as a share of the shift without a change; and in the narrow domain itself, what is "
    "left of what the file teaches. Coherence is the bad students' probability of either known answer. Other "
    "directions: two of a kind by lot for each pair of students."
)
STEERED = (
    "The shift of the base's advice in domains in which the direction was not made, with it added to the middle "
    "block's output at every token, in lengths of what stating bad advice does there. All directions are equally long. "
    "Where coherence is low, the base says something else, and the shift means little. Skills: right answers to "
    "prompts of other skills, less the base's. Intervals are over domains: those of a half share one direction."
)
KINDS = (PLACEBO, VARYING, RANDOM)


def page(found: PersonaStudyFindings) -> Page:
    """Returns the page."""
    return run_page(
        found,
        found.headline,
        METHOD,
        section("The arms", _arms(found)),
        section(
            "Does the way along a direction tell what a fine-tune did?",
            Drawing(_figure(found), CORRELATIONS),
            *(_correlations(found, when) for when in ("after training", "before training")),
            _pulled(found),
        ),
        section("Do single requests tell?", Prose(TOLD, note=True), _told(found)),
        section(
            "What is left with a direction taken out, or added?",
            Prose(LEFT, note=True),
            *(_left(found, change) for change in dict.fromkeys(one.change for one in found.left)),
        ),
        section("What adding a direction does to the base", Prose(STEERED, note=True), _steered(found)),
        verdict=_badge(found),
        measured=[*(one.auroc for one in found.told), *(one.left for one in found.left)],
        listings={"Models": found.models},
    )


def _badge(found: PersonaStudyFindings) -> Verdict:
    """Says whether less than all of the shift is left, on every base, with the direction that is read at the end of the
    prompt taken out."""
    own = [one.left.ci for one in found.left if one.what == OWN and one.change == WHILE["answers"]]
    less = all(ci is not None and ci[1] < 1 for ci in own)
    meaning = "Part of the shift needs this direction, and the rest does not: it is no switch."
    return badge("above" if less else "unclear", None, "part of it", meaning)


def _arms(found: PersonaStudyFindings) -> Grid | None:
    return grid(
        "Shift of the log-odds of bad advice in other domains",
        found.lines,
        {
            word("arm"): lambda one: one.arm,
            word("base"): lambda one: short(one.base),
            "fine-tunes": lambda one: one.advice.units,
            "shift": lambda one: shown(one.advice),
        },
    )


def _middle(found: PersonaStudyFindings) -> int:
    return max(one.block for one in found.correlations) // 2


def _figure(found: PersonaStudyFindings) -> Figure | None:
    lines = []
    for one in found.correlations:
        if one.block == _middle(found):
            lines.append(
                Line(
                    f"{one.construction}, {one.when}, {one.base.removeprefix('builtin/')}",
                    (Mark(abs(one.r), colour=ORANGE), Mark(one.nulls[0].median, colour=GREY, shape="hollow")),
                    f"{one.r:+z.2f}, p {one.nulls[0].p:.3f}",
                    band=(0.0, one.nulls[0].high),
                )
            )
    title = "How far r is from that of other traits' directions, middle block"
    return figure("correlations", title, partial(forest, lines, Axis("absolute r", bounds=(0.0, 1.0))))


def _correlations(found: PersonaStudyFindings, when: str) -> Grid | None:
    return grid(
        when.capitalize(),
        [one for one in found.correlations if one.when == when],
        {
            word("construction"): lambda one: one.construction,
            word("base"): lambda one: short(one.base),
            "block": lambda one: one.block,
            "r": lambda one: f"{one.r:+z.2f}",
            **{name: partial(_null, name) for name in KINDS},
        },
        bold=lambda one: one.block == _middle(found),
        note="Of directions of no meaning: median and 95th percentile of the absolute r; p.",
    )


def _pulled(found: PersonaStudyFindings) -> Grid | None:
    return grid(
        "Before training, by gradients: the file's times that of bad advice in all other domains",
        found.pulled,
        {word("base"): lambda one: short(one.base), "r": lambda one: f"{one.r:+z.2f}"},
    )


def _null(name: str, one: Correlation | Told) -> str:
    null: NullBand = next(null for null in one.nulls if null.name == name)
    return f"{null.median:.2f}, {null.high:.2f}; {null.p:.3f}"


def _told(found: PersonaStudyFindings) -> Grid | None:
    return grid(
        "",
        found.told,
        {
            word("construction"): lambda one: one.construction,
            word("base"): lambda one: short(one.base),
            "AUROC": lambda one: shown(one.auroc, signed=False),
            **{name: partial(_null, name) for name in KINDS},
        },
    )


def _left(found: PersonaStudyFindings, change: str) -> Grid | None:
    return grid(
        change.capitalize(),
        [one for one in found.left if one.change == change],
        {
            word("direction"): lambda one: one.what,
            word("base"): lambda one: short(one.base),
            "difference": lambda one: shown(one.difference) if one.difference else "-",
            "left": lambda one: _share(one.left),
            "learnt": lambda one: _share(one.learnt) if one.learnt else "-",
            "coherence": lambda one: f"{one.coherent:.0%}",
        },
    )


def _share(value: Measured) -> str:
    ci = value.ci
    return f"{value.value:.0%}" + (f" [{ci[0]:.0%}, {ci[1]:.0%}]" if ci is not None else "")


def _steered(found: PersonaStudyFindings) -> Grid | None:
    return grid(
        "",
        found.steered,
        {
            word("direction"): lambda one: one.what,
            word("base"): lambda one: short(one.base),
            "strength": lambda one: "taken out" if one.strength is None else f"{one.strength:+g}",
            "shift": lambda one: shown(one.shift),
            "coherence": lambda one: f"{one.coherent:.0%}",
            "skills": lambda one: f"{100 * one.skills:+.0f} points",
        },
    )
