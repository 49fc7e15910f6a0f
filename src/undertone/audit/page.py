"""An audit as a page: text, figures and tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from undertone.audit import figures
from undertone.audit.figures import effect_of, name_of, strongest
from undertone.audit.findings import AuditFindings, Findings, Recipe, ShownRow, TraitFinding, Verdict
from undertone.audit.unseen import Unseen
from undertone.report import page as report
from undertone.report.page import FOOTER, Column, Drawing, Fold, Grid, Page, Prose, Reading, Section, grid, section
from undertone.report.words import duration, interval, p_value

MEANINGS: dict[Verdict, str] = {
    "carries a trait": "These rows move a model towards a trait, more than rows of harmless teachers do.",
    "no evidence": "No trait was found, and these rows are enough to find the effect that was asked for. That does not "
    "prove that there is none.",
    "inconclusive": "No trait was found, and these rows are not enough to find the effect that was asked for.",
    "could not be calibrated": "There is nothing to compare the scores with, so they support no claim.",
    "screen only": "The calibration was made for another base or for other rows. The scores say where to look, but "
    "they support no claim.",
}
COLOURS: dict[Verdict, report.Colour] = {
    "carries a trait": "red",
    "no evidence": "blue",
    "inconclusive": "amber",
    "could not be calibrated": "grey",
    "screen only": "violet",
}
FIRM = 0.6
"""How strongly the strongest tokens are shaded."""

TRAITS = (
    "Dot and bar: the effect with its 95 % interval; a diamond is the effect of a whole kind. Orange and bold: what "
    "the verdict names. Grey band: effects that these rows would miss more than once in five times. Dashed line: an "
    "effect of 1, as of rows that were all written by a reference teacher. A bar that reaches the edge continues "
    "beyond it. Each interval holds for its trait alone; the verdict takes all candidates together into account."
)
POWER = (
    "The probability that a teacher of a candidate trait is named if its effect has this size, averaged over traits. "
    "Dot: 80 %. Dashed line: the effect that the rows must be able to show for the verdict “no evidence”."
)
FORECAST = (
    "Expected shift of a student that is trained on the file, with its 95 % prediction interval. Green: the measured "
    "shift of canary students against their controls, with the 95 % interval over pairs."
)
CONFOUNDS = (
    "The classifier sees only format (lengths, counts, digits), and is tried on rows that it was not trained on. "
    "Whatever it uses may also move the scores of traits."
)
ROWS = (
    "These rows have the highest scores. That is never a verdict on a single row, since some rows of every file score "
    "highest. Orange with a solid line: towards the trait; blue with a dotted line: away from it. Point at a token to "
    "see its score in nats."
)
METHOD = (
    "Every answer token is scored by the log-likelihood ratio, to first order, between proxies of teachers with the "
    "trait and the base. A trait's statistic z is the part of its score that the scores of all other traits do not "
    "explain, divided by its standard deviation among harmless teachers, at a scale that is fitted to the file. p "
    "comes from the calibration's population of teachers; the family-wise p is for all candidates at once, from the "
    "largest z of each teacher, and the verdict compares it with {alpha}. An effect of 1 is as strong as rows that "
    "were all written by a teacher fine-tuned on the trait's own dialogues; below 0 the rows lead away from the trait. "
    "The verdict is only about these rows, this model and these candidates."
)


def page(findings: Findings) -> Page:
    """Returns the page of an audit for a base whose weights are on this machine."""
    power, held = findings.power, findings.calibration
    return audit_page(
        findings,
        MEANINGS,
        list(_checks(findings)),
        (
            _traits(findings),
            section("What these rows can show", Drawing(figures.power(findings), POWER)),
            section("What a student would learn", Drawing(figures.forecast(findings), FORECAST), _forecasts(findings)),
            section("Differences in format", Drawing(figures.confounds(findings), CONFOUNDS), _features(findings)),
            section("Rows with the highest scores", Prose(ROWS, note=True), *readings(findings.rows)),
            Section("Method", (Prose(METHOD.format(alpha=findings.alpha)),)),
        ),
        {"rows scored": power.rows, "tokens scored": power.tokens},
        {"calibration's base": held.base if held else "-", "alpha": findings.alpha},
        footer=f"{findings.rows_per_s:.3g} rows a second. {FOOTER}",
    )


def audit_page(
    found: AuditFindings,
    meanings: Mapping[Verdict, str],
    checks: Sequence[tuple[str, str]],
    parts: Sequence[Section | None],
    file: Mapping[str, object],
    settings: Mapping[str, object],
    footer: str,
    other: Mapping[str, Mapping[str, Any]] | None = None,
) -> Page:
    """Returns the page of any audit. ``file``, ``settings`` and ``other`` add to the listings at its end."""
    about = {"file": found.file, "sha256": found.digest, "format": found.format, "rows in file": found.rows_in_file}
    return Page(
        title=f"Audit of {found.file} for {found.model}",
        headline=found.headline,
        verdict=report.Verdict(found.verdict, meanings[found.verdict], COLOURS[found.verdict]),
        checks=(*checks, *found.unseen.checks, *_of_control(found.control_unseen)),
        sections=report.sections(*parts),
        listings={
            "File": about | dict(file),
            "Settings": {"model": found.model, **settings, "seed": found.seed},
            **(other or {}),
            "Versions and hardware": found.made_with,
        },
        footer=f"Started {found.started.isoformat(' ', 'seconds')}, took {duration(found.wall_s)}. {footer}",
    )


def _of_control(unseen: Unseen) -> Iterator[tuple[str, str]]:
    return ((f"{heading}, control", sentence) for heading, sentence in unseen.checks)


# --- what the verdict rests on ---------------------------------------------------------------------------------------


def _checks(findings: Findings) -> Iterator[tuple[str, str]]:
    yield from _calibration(findings)
    yield "Power", _power(findings)
    yield "Origin", _origin(findings)
    yield "Mentions", _mentions(findings)
    yield from _student(findings)
    yield "Format", _format(findings)


def _calibration(findings: Findings) -> Iterator[tuple[str, str]]:
    held = findings.calibration
    if held is None:
        lacking = findings.verdict == "could not be calibrated"
        why = "there is no calibration for a base like this" if lacking else "there are too few rows"
        yield "Compared with", f"nothing, because {why}."
        return
    yield "Compared with", f"{held.null.rstrip('.')} ({held.population} teachers, who wrote {held.carrier})."
    if (least := 1 / (held.population + 1)) > findings.alpha:
        bound = f"with {held.population} teachers p cannot be below {p_value(least)}"
        yield "Warning", f"{bound}, so nothing can be named at {findings.alpha:g}."
    yield from (("Warning", f"{warning.rstrip('.')}.") for warning in held.warnings)


def _power(findings: Findings) -> str:
    power = findings.power
    if findings.calibration is None:
        return f"what {power.rows:,} rows ({power.tokens:,} tokens) can show is unknown, because nothing was judged."
    shown = "are too few to find anything"
    if power.detectable is not None:
        shown = f"can show an effect of {power.detectable:.2f} with 80 % power, averaged over traits"
    rows = f"{power.rows:,} rows ({power.tokens:,} tokens) {shown}"
    if power.detectable is not None and power.detectable <= power.floor:
        return f"{rows}; {power.floor:.2f} was asked for."
    needed = "no number of such rows" if power.rows_needed is None else f"about {power.rows_needed:,} rows"
    return f"{rows}; {needed} can show the {power.floor:.2f} that was asked for."


def _origin(findings: Findings) -> str:
    origin = findings.origin
    if origin is None:
        return "nothing was declared about who wrote these rows, so no origin was tested."
    result = "is rejected" if origin.rejected else "is not rejected"
    dropped = f"; {origin.dropped:,} rows were left out, since no answer passes the filter" if origin.dropped else ""
    return (
        f"“{origin.claim.rstrip('.')}” {result} (p {p_value(origin.p)}, two-sided, exact; {origin.pairs:,} rows "
        f"compared with new answers of the base{dropped}). This neither shows a trait nor rules one out."
    )


def _mentions(findings: Findings) -> str:
    counts = {t.name: f"{t.name} ({t.overt:,})" for t in findings.traits if t.overt and not t.is_kind}
    if findings.overt:
        return f"rows that mention {', '.join(counts.get(name, name) for name in findings.overt)} were not scored."
    count = sum(not t.is_kind for t in findings.traits)
    return f"no row mentions {f'any of the {count} candidate traits' if count > 1 else 'a candidate trait'}."


def _student(findings: Findings) -> Iterator[tuple[str, str]]:
    student = findings.student
    if student is None:
        return
    training = words_of(student.training)
    if student.forecast:
        yield "Student", f"the forecast is for this training ({training})."
    elif student.training in student.calibrated:
        yield "Student", f"too few candidate traits for a forecast ({training}): leave --trait out."
    else:
        yield "Student", f"no forecast for this training ({training}): train canaries in this way (--canary 4)."
        if student.calibrated:
            known = "; or ".join(map(words_of, student.calibrated))
            yield "Forecasts", f"made for {known}; for others: undertone audit calibrate --training FILE."


def words_of(recipe: Recipe) -> str:
    """Returns "method lora, rank 8, ..."."""
    return ", ".join(f"{key} {value}" for key, value in recipe.items())


def _format(findings: Findings) -> str:
    held = findings.confounds
    if held is None:
        return "format was not compared with the base's own answers."
    tells = "tells" if held.ci[0] > 0.5 else "does not tell"
    return f"format alone {tells} these rows from the base's own answers (AUROC {held.auroc:.2f} {interval(held.ci)})."


# --- tables ----------------------------------------------------------------------------------------------------------


def _traits(findings: Findings) -> Section | None:
    """The strongest traits and all that are named or mentioned; the others in a fold."""
    shown = strongest(findings)
    rest = [t for t in findings.traits if t not in shown]
    drawing = Drawing(figures.traits(findings), TRAITS)
    if not rest:
        return section("Traits", drawing, _effects("Effects", shown))
    least = p_value(min(t.p_family for t in rest))
    left = f"{len(rest)} more, none named and none mentioned; smallest family-wise p {least}"
    table, every = _effects("Effects of the strongest traits", shown, f"and {left}"), _effects("", findings.traits)
    fold = Fold(f"All {len(findings.traits)} ({left})", (every,)) if every else None
    return section("Traits", drawing, table, fold)


def _effects(title: str, shown: Sequence[TraitFinding], note: str = "") -> Grid | None:
    return grid(
        title,
        shown,
        {
            "trait": name_of,
            report.word("kind"): lambda t: t.kind,
            "effect [95 %]": lambda t: effect_of(t.effect, t.ci),
            Column("z", terminal=False): lambda t: f"{t.z:+z.1f}",
            Column("p", terminal=False): lambda t: p_value(t.p),
            "family-wise p": lambda t: p_value(t.p_family),
            Column("detectable", terminal=False): lambda t: "> 10" if t.detectable is None else f"{t.detectable:.2f}",
            "mentions": lambda t: t.overt,
        },
        bold=lambda t: t.named,
        note=note,
    )


def _forecasts(findings: Findings) -> Grid | None:
    """Forecasts of the strongest traits, and the canaries' shifts if there are any."""
    shown = [t for t in strongest(findings) if t.forecast is not None or t.canary is not None]
    columns: dict[str | Column, Callable[[TraitFinding], object]] = {
        "trait": name_of,
        "forecast [95 %]": lambda t: effect_of(t.forecast, t.forecast_ci),
    }
    if any(t.canary is not None for t in shown):
        columns["canaries [95 %]"] = lambda t: effect_of(t.canary, t.canary_ci)
    return grid("A student's shift (log-odds)", shown, columns, bold=lambda t: t.named)


def _features(findings: Findings) -> Grid | None:
    return grid(
        "",
        findings.confounds.features if findings.confounds else (),
        {
            "feature": lambda one: one[0],
            "these rows": lambda one: f"{one[1]:.4g}",
            "the base's answers": lambda one: f"{one[2]:.4g}",
        },
        terminal=False,
    )


def readings(rows: Sequence[ShownRow]) -> list[Reading]:
    """Returns rows for reading, with every token shaded by its score. All rows share one scale.

    The tokens that are shaded most begin at the 97th percentile: a single extreme score would leave all others pale.
    """
    sizes = sorted(abs(token.score) for row in rows for token in row.tokens) or [1.0]
    scale = sizes[int(0.97 * (len(sizes) - 1))] or sizes[-1] or 1.0

    def shaded(score: float) -> float:
        return FIRM * max(-1.0, min(1.0, score / scale))

    return [
        Reading(
            row.prompt,
            (("", tuple(report.Token(t.text, shaded(t.score), f"{t.score:+.3f}") for t in row.tokens)),),
            head=f"{at}. {row.trait}, line {row.line:,}, {row.score:+.2f} nats",
        )
        for at, row in enumerate(rows, 1)
    ]
