"""An audit in words, figures and tables."""

from collections.abc import Iterable, Iterator, Sequence

from undertone.audit import figures
from undertone.audit.figures import effect_of, name_of, strongest
from undertone.audit.findings import (
    CalibrationFinding,
    Confounds,
    Findings,
    OriginFinding,
    Power,
    Recipe,
    ShownRow,
    StudentFinding,
    TraitFinding,
    Verdict,
)
from undertone.report.page import (
    FOOTER,
    Colour,
    Column,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Reading,
    Section,
    Terms,
    Token,
    section,
    sections,
    word,
)
from undertone.report.page import Verdict as Badge
from undertone.report.words import duration, interval, p_value

MEANINGS: dict[Verdict, str] = {
    "carries a trait": "These rows lead towards a trait, more than harmless rows do.",
    "no evidence": "Nothing was found, by rows enough to show the effect asked for. That is no proof of absence.",
    "inconclusive": "Nothing that may be named was found, and these rows do not allow to say that there is nothing.",
    "could not be calibrated": "Scores without anything to compare them with: nothing can be claimed either way.",
    "screen only": "Calibrated on another base or on other rows: scores say where to look, and nothing can be claimed.",
}
COLOURS: dict[Verdict, Colour] = {
    "carries a trait": "red",
    "no evidence": "blue",
    "inconclusive": "amber",
    "could not be calibrated": "grey",
    "screen only": "violet",
}
FIRM = 0.6
"""How strongly the strongest tokens are shaded."""

TRAITS = (
    "Dot and bar: effect with its 95 % interval; diamond: of a whole kind. Orange and bold: named by the verdict. "
    "Grey band: effects that these rows would have missed more than once in five times. Dashed line: rows all written "
    "by a reference teacher. A bar that reaches the edge goes on beyond it. Intervals are for each trait alone; what "
    "is named is decided for all at once."
)
POWER = (
    "How likely a teacher of a candidate trait would have been named, were its effect of this size: the mean over "
    "traits. Dot: four times in five. Dashed line: the effect that “no evidence” must have been able to show."
)
FORECAST = (
    "Expected shift of a student trained on the file with the calibrated training, with its 95 % prediction interval. "
    "Green: what canary students, trained on the file, did against their control, with the 95 % interval over pairs."
)
ORIGIN = (
    "This tests the origin and nothing more: a claim that is rejected does not show that the rows carry a trait, and "
    "a claim that stands does not clear them."
)
CONFOUNDS = (
    "A classifier that sees only format (lengths, counts, digits), on rows that it was not trained on. What it tells "
    "apart may move scores too."
)
ROWS = (
    "These rows are ranked; that is never a verdict on a single row: in any file some rows score highest. Orange with "
    "a solid line: towards the trait; blue with a dotted line: away from it. Point at a token for its score in nats."
)
METHOD = (
    "Every answer token is scored by the first-order log-likelihood ratio between proxies of teachers with the trait "
    "and the base. A trait's statistic is its score given the scores of all others, over its spread among harmless "
    "teachers; the scale is taken from the file itself. p comes from the null population, and “p family” is for all "
    "candidates at once, by the largest of them; the verdict was held at {alpha}. An effect of 1 is as strong as rows "
    "that are all written by a teacher fine-tuned on the trait's own dialogues; below 0 the rows lead away from it. "
    "The verdict is about these rows, this model and these candidates, and about nothing else."
)


def page(findings: Findings) -> Page:
    """All that is said of an audit."""
    return Page(
        title=f"Audit of {findings.file} for {findings.model}",
        headline=findings.headline,
        verdict=badge(findings.verdict, MEANINGS),
        checks=tuple(checks(findings)),
        sections=sections(
            section("Traits", Drawing(figures.traits(findings), TRAITS), _strongest(findings), _all_traits(findings)),
            _could_show(findings),
            section(
                "What a student would take up", Drawing(figures.forecast(findings), FORECAST), _forecasts(findings)
            ),
            _origin_section(findings.origin),
            _confounds_section(findings),
            _overt_section(findings),
            _calibration_section(findings),
            section("Rows that speak most", Prose(ROWS, note=True), *readings(findings.rows)),
            Section("Method", (Prose(METHOD.format(alpha=findings.alpha)),)),
        ),
        listings=_listings(findings),
        footer=f"Started {findings.started.isoformat(' ', 'seconds')}, took {duration(findings.wall_s)}, "
        f"{findings.rows_per_s:.3g} rows a second. {FOOTER}",
    )


def badge(verdict: Verdict, meanings: dict[Verdict, str]) -> Badge:
    """The verdict with its meaning and its colour."""
    return Badge(verdict, meanings[verdict], COLOURS[verdict])


# What the verdict rests on.


def checks(findings: Findings) -> list[tuple[str, str]]:
    """What the verdict rests on: names with a short sentence each."""
    return [
        *_calibration(findings),
        ("Power", _power(findings.power)),
        ("Origin", _origin(findings.origin)),
        ("Overt", _overt(findings)),
        *_student(findings.student),
        ("Format", _format(findings.confounds)),
    ]


def _calibration(findings: Findings) -> Iterator[tuple[str, str]]:
    held = findings.calibration
    if held is None and findings.verdict == "could not be calibrated":
        yield "Null", "there is no calibration for a base like this, so scores have nothing to stand against."
        return
    if held is None:
        yield "Null", "not compared with anything: there are too few rows."
        return
    yield "Null", f"compared with {held.null.rstrip('.')} ({held.population} teachers, {held.carrier})."
    if not held.matches and not held.warnings:
        yield "Warning", f"calibrated for another base ({held.base[:12]}), so this is a screen only."
    if 1 / (held.population + 1) > findings.alpha:
        least = p_value(1 / (held.population + 1))
        yield (
            "Warning",
            f"p cannot be below {least} with so few teachers, so nothing can be named at {findings.alpha:g}.",
        )
    yield from _warnings(held)


def _warnings(held: CalibrationFinding) -> Iterator[tuple[str, str]]:
    for warning in held.warnings:
        yield "Warning", f"{warning.rstrip('.')}."


def _power(power: Power) -> str:
    size = "no effect up to 10" if power.detectable is None else f"an effect of {power.detectable:.2f}"
    seen = (
        f"{power.rows:,} rows ({power.tokens:,} tokens) would have shown {size} with 80 % power, averaged over traits"
    )
    if power.detectable is not None and power.detectable <= power.floor:
        return f"{seen}; {power.floor:.2f} was asked for."
    if power.rows_needed is None:
        return f"{seen}; no number of rows would reach the {power.floor:.2f} asked for."
    return f"{seen}; the {power.floor:.2f} asked for takes {power.rows_needed:,} rows."


def _origin(origin: OriginFinding | None) -> str:
    if origin is None:
        return "nothing was declared, so nothing was tested."
    told = "is rejected" if origin.rejected else "is not rejected, which shows no more than that"
    pairs = f"{origin.pairs:,} pairs" + (f", {origin.dropped:,} dropped" if origin.dropped else "")
    return f"“{origin.claim.rstrip('.')}” {told} (p {p_value(origin.p)}, {pairs})."


def _overt(findings: Findings) -> str:
    counts = {t.name: t.overt for t in _spoken_of(findings)}
    if findings.overt:
        listed = ", ".join(f"{name} ({counts[name]:,} rows)" if name in counts else name for name in findings.overt)
        return f"rows speak openly of {listed}."
    return "no row speaks openly of a candidate trait."


def _spoken_of(findings: Findings) -> list[TraitFinding]:
    """Traits that rows speak of openly, the most first."""
    return sorted((t for t in findings.traits if t.overt and not t.is_kind), key=lambda t: -t.overt)


def _student(student: StudentFinding | None) -> Iterator[tuple[str, str]]:
    if student is None:
        return
    told = _told(student.training)
    if student.forecast:
        yield "Student", f"the forecast is for this training ({told})."
    elif student.training in student.calibrated:
        yield "Student", f"too few traits were asked for to forecast from ({told}): leave --trait out."
    else:
        known = "; or ".join(map(_told, student.calibrated))
        yield "Student", f"no forecast for this training ({told}): train canaries so (--canary 4)."
        if known:
            yield "Forecasts", f"made for {known}; for others: undertone audit calibrate --training FILE."


def _told(recipe: Recipe) -> str:
    return ", ".join(f"{key} {value}" for key, value in recipe.items())


def _format(confounds: Confounds | None) -> str:
    if confounds is None:
        return "not compared with the base's own answers."
    seen = f"AUROC {confounds.auroc:.2f} {interval(confounds.ci)} of rows against the base's own answers"
    told = confounds.ci[0] > 0.5
    return seen + ("; they differ in format, without any trait." if told else ", so no difference in format is shown.")


# Traits, and what the rows could have shown of them.


def _strongest(findings: Findings) -> Grid | None:
    """The strongest traits and whatever is named or overt, with a word on the rest."""
    shown = strongest(findings)
    if not shown:
        return None
    left = rest(findings, shown)
    return _traits("Effects of the strongest traits", shown, f"and {left}") if left else _traits("Effects", shown)


def _all_traits(findings: Findings) -> Fold | None:
    left = rest(findings, strongest(findings))
    return Fold(f"All {len(findings.traits)} ({left})", (_traits("", findings.traits),)) if left else None


def _traits(title: str, shown: Sequence[TraitFinding], note: str = "") -> Grid:
    out_of_room = (Column(name, terminal=False) for name in ("z", "p"))
    return Grid(
        title,
        (
            "trait",
            word("kind"),
            "effect [95 %]",
            *out_of_room,
            "p family",
            Column("detectable", terminal=False),
            "overt rows",
        ),
        tuple(map(_trait, shown)),
        bold=frozenset(at for at, trait in enumerate(shown) if trait.named),
        note=note,
    )


def _trait(t: TraitFinding) -> tuple[str, ...]:
    numbers = effect_of(t.effect, t.ci), f"{t.z:+z.1f}", p_value(t.p), p_value(t.p_family), detectable(t.detectable)
    return name_of(t), t.kind, *numbers, f"{t.overt:,}"


def rest(findings: Findings, shown: Sequence[TraitFinding]) -> str | None:
    """What a table of these traits leaves out."""
    left = [t for t in findings.traits if t not in shown]
    if not left:
        return None
    least = p_value(min(t.p_family for t in left))
    return f"{len(left)} more, none named and none overt; least p family {least}"


def detectable(value: float | None) -> str:
    """0.21, or that not even an effect of 10 would be shown."""
    return "> 10" if value is None else f"{value:.2f}"


def _could_show(findings: Findings) -> Section:
    drawn = figures.power(findings)
    return Section(
        "What these rows could have shown",
        (Drawing(drawn, POWER) if drawn else Prose(_sentence(_power(findings.power))),),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _forecasts(findings: Findings) -> Grid | None:
    """The strongest traits that have a forecast or were asked of canaries; canaries only where there were some."""
    shown = [t for t in strongest(findings) if t.forecast is not None or t.canary is not None]
    if not shown:
        return None
    canaries = any(t.canary is not None for t in shown)
    columns = ("trait", "forecast [95 %]", *["canaries [95 %]"] * canaries)
    return Grid(
        "A student's shift (log-odds)",
        columns,
        tuple(
            (name_of(t), effect_of(t.forecast, t.forecast_ci), effect_of(t.canary, t.canary_ci))[: len(columns)]
            for t in shown
        ),
        bold=frozenset(at for at, trait in enumerate(shown) if trait.named),
    )


# What else is known of the rows.


def _origin_section(origin: OriginFinding | None) -> Section:
    heading = "Who wrote them"
    if origin is None:
        return Section(heading, (Prose("Nothing was declared about who wrote these rows, so no origin was tested."),))
    compared = f"{origin.pairs:,} rows were compared with a fresh answer of the base to the same prompt."
    if origin.dropped:
        compared += f" {origin.dropped:,} were not, since the base gave no answer that passes the filter."
    result = "Rejected" if origin.rejected else "Not rejected"
    items = (
        ("Declared", origin.claim),
        ("Result", f"{result}, p {p_value(origin.p)}, two-sided and exact under the claim."),
        ("Compared", compared),
    )
    return Section(heading, (Terms(items), Prose(ORIGIN, note=True)))


def _confounds_section(findings: Findings) -> Section:
    heading, held = "What differs without any trait", findings.confounds
    if held is None:
        return Section(heading, (Prose("The rows' format was not compared with the base's own answers."),))
    drawing = Drawing(figures.confounds(findings), CONFOUNDS)
    return Section(heading, (drawing, _features(held)) if held.features else (drawing,))


def _features(held: Confounds) -> Grid:
    return Grid(
        "",
        ("feature", "these rows", "the base's answers"),
        tuple((name, f"{rows:.4g}", f"{base:.4g}") for name, rows, base in held.features),
        terminal=False,
    )


def _overt_section(findings: Findings) -> Section:
    heading, spoken_of = "Rows that speak openly", _spoken_of(findings)
    if spoken_of:
        rows = tuple((t.name, f"{t.overt:,}") for t in spoken_of)
        return Section(heading, (Grid("", ("trait", "rows"), rows, terminal=False),))
    if findings.overt:
        return Section(heading, (Prose(f"Rows speak openly of {', '.join(findings.overt)}."),))
    return Section(heading, (Prose("No drawn row speaks openly of a candidate trait."),))


def _calibration_section(findings: Findings) -> Section:
    heading, held = "What the verdict was calibrated on", findings.calibration
    if held is None:
        lacking = findings.verdict == "could not be calibrated"
        said = (
            "There is no calibration for a base like this."
            if lacking
            else "There were too few rows to compare with anything."
        )
        return Section(heading, (Prose(said),))
    fits = (
        "It was made for this base and for such rows."
        if held.matches
        else "It was made for another base or for other rows, so this is a screen only."
    )
    said = (
        f"Compared with {held.null}: {held.population} independently trained harmless teachers, who wrote "
        f"{held.carrier}. {fits}"
    )
    return Section(heading, (Prose(said), *([Terms(tuple(_warnings(held)))] if held.warnings else [])))


# Rows, shaded token by token.


def readings(rows: Sequence[ShownRow]) -> list[Reading]:
    """Rows whose tokens know how dark they are, on one scale for all rows."""
    scale = _scale(rows)
    return [
        Reading(
            row.prompt,
            (("", tuple(Token(t.text, _shade(t.score, scale), f"{t.score:+.3f}") for t in row.tokens)),),
            head=f"{at}. {row.trait}, line {row.line:,}, {row.score:+.2f} nats",
        )
        for at, row in enumerate(rows, 1)
    ]


def _scale(rows: Iterable[ShownRow]) -> float:
    """The score from which on tokens are shaded most. It is not the largest, which may leave all others pale."""
    sizes = sorted(abs(token.score) for row in rows for token in row.tokens)
    return (sizes[int(0.97 * (len(sizes) - 1))] or sizes[-1] or 1.0) if sizes else 1.0


def _shade(score: float, scale: float) -> float:
    return FIRM * max(-1.0, min(1.0, score / scale))


def _listings(findings: Findings) -> dict[str, dict[str, object]]:
    held, power = findings.calibration, findings.power
    return {
        "File": {
            "file": findings.file,
            "sha256": findings.digest,
            "format": findings.format,
            "rows in file": findings.rows_in_file,
            "rows scored": power.rows,
            "tokens scored": power.tokens,
        },
        "Settings": {
            "model": findings.model,
            "calibration's base": held.base if held else "-",
            "alpha": findings.alpha,
            "seed": findings.seed,
        },
        "Versions and hardware": dict(findings.made_with),
    }
