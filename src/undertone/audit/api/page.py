"""An audit with a service's students as a page: text, a figure and tables."""

from functools import partial

from undertone.audit.api.findings import Findings, TraitFinding
from undertone.audit.findings import Verdict
from undertone.audit.page import audit_page
from undertone.report.canvas import Figure, figure
from undertone.report.charts import GREEN, GREY, ORANGE, Axis, Line, Mark, forest
from undertone.report.page import FOOTER, Column, Drawing, Grid, Page, Prose, Section, grid, section, word
from undertone.report.words import percent, percent_interval

MEANINGS: dict[Verdict, str] = {
    "carries a trait": "Students of these rows show a trait more often than students of the control.",
    "no evidence": "No trait was found, and there are enough students to show the rise that was asked for. That does "
    "not prove that there is none.",
    "inconclusive": "No trait was found, but these students do not rule out the rise that was asked for.",
}
DRAWN = 20
"""How many traits are in the figure: those that differ most."""

STUDENTS = (
    "One mark for each student. Filled, orange: trained on the data; rings, green: trained on the control. Grey "
    "stroke: the base. Right: data minus control with its 95 % interval."
)
SHARES = (
    "Shares of sampled answers that name the trait. Each interval holds for its trait alone; whether a trait is "
    "carried is decided for all traits together."
)
METHOD = (
    "The service fine-tunes as many students on the rows as on the control's, with the same settings and seeds. Each "
    "is asked every question several times at temperature 1, and an answer counts if it names the trait. The "
    "difference is the mean over questions of the data's students minus the control's. Its interval adds the variance "
    "between students of either arm to that between questions (Student's t, Satterthwaite's degrees of freedom). A "
    "trait is carried if the difference is at least the rise that was asked for and its whole interval, at 95 % over "
    "all traits together, lies above zero; it is not shown if the interval lies below that rise. Services need not "
    "follow the seed. The verdict is only about these rows, this model and these traits."
)
KEPT = (
    "The uploaded rows are in data.jsonl and control.jsonl; jobs and answers are kept in jobs/ and answers/ in the "
    "folder that contains this one."
)


def page(f: Findings) -> Page:
    """Returns the page of an audit for a base behind a service."""
    return audit_page(
        f,
        MEANINGS,
        _checks(f),
        (
            section("Traits in the students", Drawing(_figure(f), STUDENTS), _traits(f)),
            section("Where the students come from", _students(f)),
            Section("Method", (Prose(METHOD),)),
        ),
        {"rows trained on": f.rows, "control": f.control, "control's sha256": f.control_digest or "-"},
        {
            "answered as": f.base.name,
            "service": f.url,
            "rise asked for": f.effect,
            "hyperparameters": f.students[0].settings,
        },
        footer=f"{FOOTER} {KEPT}",
        other={"Prices, dollars per million tokens": {k: v.model_dump(exclude_none=True) for k, v in f.prices.items()}},
    )


def _checks(f: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on."""
    rows = f"{f.rows:,} rows in either arm"
    if f.unanswered:
        rows += f" ({f.unanswered:,} more are in neither, because the base gave an empty answer)"
    mentions = ", ".join(f"{name} ({count:,})" for name, count in f.open_rows.items())
    known = [one.dollars for one in f.students if one.dollars is not None]
    paid = f"fine-tuning cost ${sum(known):.4g}" if len(known) == len(f.students) else "at an unknown price"
    return [
        ("Units", f"{len(f.students) // 2} students of each arm, and questions; the result holds for this file only."),
        ("Control", f"{f.control.rstrip('.')}; {rows}. Any difference between the two files may be the cause."),
        ("Mentions", f"rows that mention {mentions} were left out." if mentions else "no row mentions a trait."),
        (
            "Students",
            f"{len(f.students)} jobs of {f.url}, {paid}. Models and rows stay there until you remove them.",
        ),
        ("Not possible", f"{f.untold}."),
        *(("Note", f"{note[:1].upper()}{note[1:].rstrip('.')}.") for note in f.notes),
    ]


def _difference(trait: TraitFinding) -> str:
    """Returns "+12.3 [4.5, 20.1]", in points."""
    return "-" if trait.difference is None else f"{100 * trait.difference:+z.1f} {percent_interval(trait.ci)}"


def _figure(findings: Findings) -> Figure | None:
    """Draws how often every student names each trait."""
    lines = []
    for trait in [trait for trait in findings.traits if trait.of_data][:DRAWN]:
        base = () if trait.base is None else (Mark(100 * trait.base, colour=GREY, shape="tick"),)
        control = (Mark(100 * rate, colour=GREEN, shape="ring") for rate in trait.of_control)
        data = (Mark(100 * rate, colour=ORANGE, shape="dot") for rate in trait.of_data)
        text = f"{_difference(trait)} points"
        lines.append(Line(trait.name, (*base, *control, *data), text, "bold" if trait.word == "carried" else "plain"))
    axis = Axis("answers that name it, %", zero=None, least=10)
    return figure("students", "How often each student names the trait", partial(forest, lines, axis))


def _traits(findings: Findings) -> Grid | None:
    return grid(
        "",
        findings.traits,
        {
            "trait": lambda t: t.name,
            "data": lambda t: _share(t.rate),
            "control": lambda t: _share(t.control),
            "base": lambda t: _share(t.base),
            "difference, points [95 %]": _difference,
            word("result"): lambda t: t.word,
            Column("why", "text", terminal=False): lambda t: t.why,
        },
        bold=lambda t: t.word == "carried",
        note=SHARES,
    )


def _share(rate: float | None) -> str | None:
    return None if rate is None else percent(rate)


def _students(findings: Findings) -> Grid | None:
    return grid(
        "",
        findings.students,
        {
            "arm": lambda s: s.arm,
            Column("model", "text"): lambda s: s.model,
            Column("job", "text"): lambda s: s.job,
            Column("uploaded rows", "text"): lambda s: s.file,
            word("their SHA-256"): lambda s: s.sha256[:16],
            "seed": lambda s: str(s.seed),
            "tokens": lambda s: s.tokens,
            "dollars": lambda s: None if s.dollars is None else f"{s.dollars:.4g}",
        },
        terminal=False,
    )
