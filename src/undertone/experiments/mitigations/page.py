"""A benchmark of mitigations in words, figures and tables."""

from functools import partial

from undertone.experiments.mitigations import figures
from undertone.experiments.mitigations.findings import MitigationFindings, Outcome, Shift
from undertone.report.page import (
    Column,
    Drawing,
    Grid,
    Page,
    Prose,
    Section,
    Terms,
    grid,
    run_page,
    section,
    word,
)
from undertone.report.words import interval
from undertone.treat.findings import PLAIN
from undertone.treat.page import mean_skill, whole

FRONTIER = (
    "Each point is a mitigation, by its number in the table, with 95 % intervals both ways; an interval that "
    "reaches the edge goes on beyond it. Grey: untreated, or done at random; a dotted line joins a mitigation with "
    "what does as much at random. Orange: only hides. Green: at most 10 % of the transfer, at least 95 % of the "
    "utility."
)
PROBES = (
    "What is left of the transfer, with its 95 % interval, on the standard questions (plain) and on conditional ones. "
    "Colours as above."
)
SEEN = Terms(
    (
        ("stops", "The transfer is told apart from the untreated one, and from none on no question."),
        ("hides", "Lowered on the standard questions, and not on some conditional ones, where more of it is left."),
        ("lowers", "The transfer is told apart from the untreated one, and from none."),
        (
            "shifts",
            "Students are moved away from the trait, those of clean files as well; what the file carries is not "
            "seen to fall.",
        ),
    )
)
METHOD = (
    "The transfer is the log-odds of the trait in students of files that carry it minus those of clean files, unit "
    "by unit, both treated alike; what is left is its mean over the untreated mean, with Fieller's interval over "
    "the units. It is unbounded where the untreated transfer is not told apart from zero. The level compares with "
    "students of clean files that were not treated: a mitigation that pushes every student away from the trait "
    "looks good there and removes nothing. Utility is the gain over the base as a share of that gain untreated. A "
    "treated file is trained on for as many epochs as an untreated one. Mitigations are many and each interval is "
    "at 95 % by itself."
)


def page(found: MitigationFindings) -> Page:
    """All that is said of a benchmark."""
    untreated = next(one for one in found.treatments if one.word == "untreated")
    titles = tuple((f"{i} {one.name}", _about(one)) for i, one in enumerate(found.treatments, 1))
    return run_page(
        found,
        found.headline,
        f"Students of {found.base}; the trait is {found.trait}. Every mitigation is judged by the students "
        "that are trained on the treated files, never by scores of rows.",
        section("Mitigations", Drawing(figures.frontier(found), FRONTIER), _table(found), Terms(titles)),
        section("What was seen", SEEN),
        section(
            "Asked plainly and otherwise",
            Drawing(figures.probes(found), PROBES),
            Terms(tuple(found.probes.items())),
        ),
        Section("Method", (Prose(METHOD),)),
        checks=(
            (
                "Untreated",
                f"{shift(untreated.shifts[PLAIN])} log-odds of {found.trait}, carrying minus clean files; "
                f"{untreated.gain:+.4f} nats a token on the task.",
            ),
            ("Unit", f"{len(found.units)} {found.unit}; 95 % intervals, Fieller's for shares."),
            ("Task", f"{found.task}."),
        ),
        listings={"Models": found.models},
    )


def _about(one: Outcome) -> str:
    return one.title + (f"; as much at random: {one.beside}" if one.beside else "")


def _left(probe: str, item: tuple[int, Outcome]) -> str:
    return whole(item[1].left[probe].value)


def _table(found: MitigationFindings) -> Grid | None:
    conditional = [name for name in found.probes if name != PLAIN]
    return grid(
        "",
        enumerate(found.treatments, 1),
        {
            "mitigation": lambda item: f"{item[0]} {item[1].name}",
            "transfer left": lambda item: item[1].left[PLAIN],
            **{name: partial(_left, name) for name in conditional},
            "utility left": lambda item: item[1].utility,
            word("seen"): lambda item: item[1].word,
            Column("level", terminal=False): lambda item: item[1].level,
            Column("shift, log-odds", terminal=False): lambda item: shift(item[1].shifts[PLAIN]),
            "other traits": lambda item: f"{item[1].others:.2f}",
            "skills": lambda item: mean_skill(item[1].skills),
        },
        bold=lambda item: item[1].word == "stops",
        dim=lambda item: item[1].word == "not seen to help",
    )


def shift(found: Shift) -> str:
    """+0.50 [0.19, 0.82]"""
    return f"{found.value:+z.2f} {interval(found.ci)}"
