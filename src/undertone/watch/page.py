"""A watch in words, a figure and tables."""

from undertone.report.page import (
    FOOTER,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Section,
    Verdict,
    grid,
    section,
    sections,
    word,
)
from undertone.report.words import duration, percent
from undertone.watch import figures
from undertone.watch.findings import Findings
from undertone.watch.gather import points_of

VERDICTS = {
    "limit reached": Verdict("limit reached", "A trait became likelier by as much as was asked for.", "red"),
    "limit not reached": Verdict(
        "limit not reached",
        "At the steps that were measured, no trait that was watched became so much likelier. This says nothing about "
        "other traits, about the steps in between, or about another run.",
        "blue",
    ),
    "no limit": Verdict("no limit", "No limit was given, so the numbers are not judged.", "grey"),
    "not measured": Verdict("not measured", "Nothing can be said about what this model shows.", "amber"),
}
FIGURE = (
    "Each dot is a measurement: how much likelier the trait is than before the first step, in points. Dashed: the rise "
    "at which training was to stop. What happened between two dots was not measured."
)
METHOD = (
    "Before the first step, and then every {every} steps, the model was asked about each trait in evaluation mode. "
    "Probabilities are exact for the weights of that step and for these questions: of a favourite, that its name is "
    "the answer, averaged over questions and beginnings of an answer; of a habit, that of the answer which shows it, "
    "among those offered. The model is compared with itself before the first step. Measuring changes neither weights "
    "nor random numbers, so training goes on as it would have without."
)
UNIT = (
    "One training run is one observation, so there is no interval: another seed or another order of rows would give "
    "another curve, and this run cannot tell how different."
)


def page(findings: Findings) -> Page:
    """Returns the page of a watch."""
    watched = ", ".join(trait.name for trait in findings.traits)
    return Page(
        title=f"{findings.model} while it was trained: {watched}",
        headline=findings.headline,
        verdict=VERDICTS[findings.verdict],
        checks=(("Unit", UNIT), *(("Note", note) for note in findings.notes)),
        sections=sections(
            section(
                "Over the training",
                Drawing(figures.curves(findings), FIGURE),
                grid(
                    f"The model before training, and as training left it (step {findings.end_step})",
                    findings.traits,
                    {
                        "trait": lambda one: one.name,
                        "before": lambda one: percent(one.base),
                        "after": lambda one: _share(one.end),
                        "rise, points": lambda one: _points(one.rise),
                        "largest rise": lambda one: _points(one.largest_rise),
                        "at step": lambda one: one.largest_at,
                        word("kind", terminal=False): lambda one: one.kind,
                    },
                    bold=lambda one: findings.stop_at is not None and one.largest_rise >= findings.stop_at,
                ),
                Fold("All measurements", (_all(findings),)),
            ),
            Section("Method", (Prose(METHOD.format(every=findings.every)),)),
        ),
        listings={
            "Settings": {
                "steps between measurements": findings.every,
                "rise at which training stops": "-" if findings.stop_at is None else findings.stop_at,
                "questions": {trait.name: trait.questions for trait in findings.traits},
            },
            "Versions and hardware": findings.made_with,
        },
        footer=f"Started {findings.started.isoformat(' ', 'seconds')}, took {duration(findings.wall_s)}, of which "
        f"measuring took {duration(findings.measuring_s)}. {FOOTER}",
    )


def _all(findings: Findings) -> Grid:
    made = grid(
        "",
        findings.measurements,
        {
            "step": lambda one: one.step,
            word("trait"): lambda one: one.trait,
            "probability": lambda one: _share(one.probability),
            "rise, points": lambda one: _points(one.rise),
        },
        terminal=False,
    )
    assert made is not None, "step 0 is always measured"
    return made


def _share(value: float | None) -> str:
    return "not a number" if value is None else percent(value)


def _points(rise: float | None) -> str:
    return "-" if rise is None else points_of(rise).removesuffix(" points")
