"""The report of a benchmark of mitigations."""

from functools import partial

from undertone.experiments.mitigations import figures
from undertone.experiments.mitigations.findings import MitigationFindings, Outcome, Shift
from undertone.experiments.mitigations.headline import verdict
from undertone.report.page import Column, Drawing, Grid, Page, Prose, Section, Terms, grid, run_page, section, word
from undertone.report.words import interval
from undertone.treat.findings import PLAIN
from undertone.treat.page import mean_skill, whole

FRONTIER = (
    "Each point is a mitigation, numbered as in the table, with 95 % intervals both ways; an interval that reaches the "
    "edge continues beyond it. Grey: untreated, or a control that does as much at random; a dotted line joins a "
    "mitigation and its control. Orange: hides the trait. Green area: at most 10 % of the transfer and at least 95 % "
    "of the utility."
)
PROBES = "Share of the transfer that is left, with 95 % intervals, on plain and on conditional questions."
VERDICTS = (
    ("stops", "The transfer is lower than untreated, and none is shown to remain on any question."),
    ("lowers", "The transfer is lower than untreated, but some remains."),
    ("hides", "The transfer is lower on plain questions, but more of it remains on some conditional ones."),
    ("shifts", "Students move away from the trait, those of clean files too; the difference is not shown to fall."),
)
METHOD = (
    "The transfer is the difference in log-odds of the trait between students of files that carry it and students of "
    "clean files, unit by unit, with both files treated in the same way. What is left is the mean transfer as a share "
    "of the untreated mean, with Fieller's interval over units; it is unbounded where the untreated transfer is not "
    "significantly different from zero. The level compares with students of untreated clean files, so a mitigation "
    "that moves every student away from the trait looks good there without removing anything. Utility is the gain "
    "over the base, as a share of the untreated gain. Treated files are trained on for as many epochs as untreated "
    "ones. Intervals are not corrected for the number of mitigations."
)


def page(found: MitigationFindings) -> Page:
    """Returns the report."""
    untreated, probes = found.untreated, Drawing(figures.probes(found), PROBES)
    transfer = f"{shift(untreated.shifts[PLAIN])} log-odds of {found.trait}, files that carry it minus clean files"
    titles = [(f"{i} {one.name}", _about(one)) for i, one in enumerate(found.treatments, 1)]
    return run_page(
        found,
        found.headline,
        f"Students of {found.base}; the trait is {found.trait}. Every mitigation is judged by students that were "
        "trained on the treated files, never by scores of rows.",
        section("Mitigations", Drawing(figures.frontier(found), FRONTIER), _table(found), Terms(tuple(titles))),
        section("Verdicts", Terms(VERDICTS)),
        section("Plain and conditional questions", probes, Terms(tuple(found.probes.items()))),
        Section("Method", (Prose(METHOD),)),
        verdict=verdict(found.treatments),
        checks=(
            ("Untreated", f"{transfer}; {untreated.gain:+.4f} nats a token on the task."),
            ("Unit", f"{len(found.units)} {found.unit}; 95 % intervals, Fieller's for shares."),
            ("Task", f"{found.task}."),
        ),
        listings={"Models": found.models},
    )


def _about(one: Outcome) -> str:
    return one.title + (f"; its control: {one.beside}" if one.beside else "")


def _left(probe: str, item: tuple[int, Outcome]) -> str:
    return whole(item[1].left[probe].value)


def _table(found: MitigationFindings) -> Grid | None:
    return grid(
        "",
        enumerate(found.treatments, 1),
        {
            "mitigation": lambda item: f"{item[0]} {item[1].name}",
            "transfer left": lambda item: item[1].left[PLAIN],
            **{name: partial(_left, name) for name in found.probes if name != PLAIN},
            "utility left": lambda item: item[1].utility,
            word("verdict"): lambda item: item[1].word,
            Column("level", terminal=False): lambda item: item[1].level,
            Column("shift, log-odds", terminal=False): lambda item: shift(item[1].shifts[PLAIN]),
            "other traits": lambda item: f"{item[1].others:.2f}",
            "skills": lambda item: mean_skill(item[1].skills),
        },
        bold=lambda item: item[1].word == "stops",
        dim=lambda item: item[1].word == "not seen to help",
    )


def shift(found: Shift) -> str:
    """Returns a shift with its interval, as in "+0.50 [0.19, 0.82]"."""
    return f"{found.value:+z.2f} {interval(found.ci)}"
