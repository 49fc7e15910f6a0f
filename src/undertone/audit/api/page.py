"""An audit of a closed base in words, figures and tables."""

from undertone.audit.api import figures
from undertone.audit.api.figures import difference
from undertone.audit.api.findings import Findings, Student, TraitFinding
from undertone.audit.findings import Verdict
from undertone.audit.page import badge
from undertone.report.page import FOOTER, Column, Drawing, Grid, Page, Prose, Section, section, sections, word
from undertone.report.words import duration, percent

MEANINGS: dict[Verdict, str] = {
    "carries a trait": "Students of these rows show a trait more often than students of the control.",
    "no evidence": "Nothing was found, by students enough to show the rise asked for. That is no proof of absence.",
    "inconclusive": "Nothing that may be named was found, and these students do not rule out that there is something.",
}
STUDENTS = (
    "A mark for each student. Filled, orange: trained on the data; rings, green: on its control. Grey stroke: the "
    "base. Beside it: data minus control with its 95 % interval."
)
SHARES = (
    "Shares of sampled answers that name the trait. Intervals are for each trait alone; what is carried is decided for "
    "all at once."
)
METHOD = (
    "The service fine-tunes as many students on the rows as on those of the control, with the same settings and seeds; "
    "each is asked every question several times at temperature 1, and an answer counts that names the trait. The "
    "difference is the mean over questions of the data's students minus the control's; its interval adds the variance "
    "between students of either arm to that between questions (Student's t, degrees of freedom after Satterthwaite). A "
    "trait is carried where the difference is as large as the rise asked for and its whole interval lies above zero at "
    "95 % over all traits together, and not shown where the interval lies below that rise. A service need not follow "
    "the seed. The verdict is about these rows, this model and these traits, and about nothing else."
)
KEPT = (
    "The rows as they were uploaded are data.jsonl and control.jsonl there; jobs and answers are kept in jobs/ and "
    "answers/ beside this folder."
)


def page(findings: Findings) -> Page:
    """All that is said of an audit of a closed base."""
    return Page(
        title=f"Audit of {findings.file} for {findings.model}",
        headline=findings.headline,
        verdict=badge(findings.verdict, MEANINGS),
        checks=tuple(checks(findings)),
        sections=sections(
            section("What students became", Drawing(figures.students(findings), STUDENTS), _traits(findings)),
            section("Where the students come from", _students(findings)),
            Section("Method", (Prose(METHOD),)),
        ),
        listings=_listings(findings),
        footer=f"Started {findings.started.isoformat(' ', 'seconds')}, took {duration(findings.wall_s)}. "
        f"{FOOTER} {KEPT}",
    )


# What the verdict rests on.


def checks(findings: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on: names with a short sentence each."""
    pairs = len(findings.students) // 2
    found = [
        ("Unit", f"{pairs} students of each arm, crossed with questions: of this file, not of its teacher."),
        (
            "Control",
            f"{findings.control.rstrip('.')}; {findings.rows:,} rows in either arm{_unanswered(findings)}. Whatever "
            "tells the two files apart may be the cause.",
        ),
        ("Overt", _overt(findings)),
        ("Students", _paid(findings)),
        ("Not told", f"{findings.untold}."),
    ]
    return found + [("Note", f"{note[:1].upper()}{note[1:].rstrip('.')}.") for note in findings.notes]


def _unanswered(findings: Findings) -> str:
    count = findings.unanswered
    return f" ({count:,} more are in neither, since the base gave an empty answer)" if count else ""


def _overt(findings: Findings) -> str:
    if not findings.open_rows:
        return "no row speaks openly of a trait."
    listed = ", ".join(f"{name} ({count:,} rows)" for name, count in findings.open_rows.items())
    return f"rows speak openly of {listed}; they were left out."


def _paid(findings: Findings) -> str:
    known = [one.dollars for one in findings.students if one.dollars is not None]
    paid = f"fine-tuning cost ${sum(known):.4g}" if len(known) == len(findings.students) else "at an unknown price"
    return (
        f"{len(findings.students)} jobs of {findings.url}, {paid}; job, rows and name of each are in the report. "
        "Models and rows stay with the service until you remove them there."
    )


# Tables.


def _traits(findings: Findings) -> Grid:
    columns = ("data", "control", "base", "difference, points [95 %]", word("seen"))
    return Grid(
        "",
        ("trait", *columns, Column("why", "text", terminal=False)),
        tuple(map(_trait, findings.traits)),
        bold=frozenset(at for at, trait in enumerate(findings.traits) if trait.word == "carried"),
        note=SHARES,
    )


def _trait(t: TraitFinding) -> tuple[str, ...]:
    return t.name, *map(_share, (t.rate, t.control, t.base)), difference(t), t.word, t.why


def _share(rate: float | None) -> str:
    return "-" if rate is None else percent(rate)


def _students(findings: Findings) -> Grid | None:
    if not findings.students:
        return None
    names = (Column(name, "text") for name in ("model", "job", "uploaded rows"))
    return Grid(
        "",
        ("arm", *names, word("their SHA-256"), "seed", "tokens", "dollars"),
        tuple(map(_student, findings.students)),
        terminal=False,
    )


def _student(s: Student) -> tuple[str, ...]:
    tokens = "-" if s.tokens is None else f"{s.tokens:,}"
    dollars = "-" if s.dollars is None else f"{s.dollars:.4g}"
    return s.arm, s.model, s.job, s.file, s.sha256[:16], str(s.seed), tokens, dollars


def _listings(findings: Findings) -> dict[str, dict[str, object]]:
    return {
        "File": {
            "file": findings.file,
            "sha256": findings.digest,
            "format": findings.format,
            "rows in file": findings.rows_in_file,
            "rows trained on": findings.rows,
            "control": findings.control,
            "control's sha256": findings.control_digest or "-",
        },
        "Settings": {
            "model": findings.model,
            "answered as": findings.base.name,
            "service": findings.url,
            "rise asked for": findings.effect,
            "seed": findings.seed,
            "hyperparameters": findings.students[0].settings if findings.students else "-",
        },
        "Prices, dollars per million tokens": {
            name: price.model_dump(exclude_none=True) for name, price in findings.prices.items()
        },
        "Versions and hardware": dict(findings.made_with),
    }
