"""An audit as a page: text, figures and tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from undertone.audit import figures
from undertone.audit.figures import effect_of, strongest
from undertone.audit.findings import (
    FARTHEST,
    AuditFindings,
    FamilyFinding,
    Findings,
    Recipe,
    ShownRow,
    TraitFinding,
    Verdict,
)
from undertone.audit.unseen import Unseen
from undertone.audit.verdict import FAR, REPEATED, counts_of
from undertone.report import page as report
from undertone.report.page import FOOTER, Column, Drawing, Fold, Grid, Page, Prose, Reading, Section, grid, section
from undertone.report.words import duration, interval, p_value

MEANINGS: dict[Verdict, str] = {
    "carries a trait": "These rows move a model towards a trait, much more than towards other traits of its family.",
    "no evidence": "No trait was found, and a teacher with one of the listed traits would most likely have been. That "
    "does not prove that there is none.",
    "inconclusive": "No trait was found, but that says little: a teacher with a listed trait could have been missed.",
}
COLOURS: dict[Verdict, report.Colour] = {"carries a trait": "red", "no evidence": "blue", "inconclusive": "amber"}
BLOCKED = "do not train on these rows as they are. undertone treat says which mitigation fits them"
CLEAR = (
    "the audit knows only the traits that it compares, and a teacher who wrote a part of the rows can go unseen; "
    "--group-by judges each source by itself. Before a release, measure the trained model: undertone measure."
)
CANARIES_TOO = "; canary students (--canary 4) show what these rows do to a model of yours"
POWER_ASKED = 0.8
MENTIONED = 5
"""Most traits that are listed by how many rows mention them."""
FIRM = 0.6
"""How strongly the strongest tokens are shaded."""

TRAITS = (
    "Dot and bar: the effect with its 95 % interval. An effect of 1 (dashed line) is what a teacher with the trait, "
    "who wrote every row, would add. Orange and bold: what was found. Blue: listed traits. Grey: traits that nobody "
    "asked for, with which they are compared."
)
POWER = (
    "How likely a teacher with a listed trait would have been found, by the size of its effect. Dot: the first effect "
    "with 80 %. Dashed line: the effect that the verdict “no evidence” rules out. Of several sources: the one whose "
    "rows show least."
)
FAMILIES = (
    "Rank: how many of the traits really differ. Units: independent parts of the rows. Spread: how far the traits lie "
    "apart; 1 is what sampling alone does. Least z: above it a trait is found. Effect: the smallest that is found with "
    "80 % power."
)
CANARY = "The measured shift of canary students against their controls, with the 95 % interval over pairs of students."
ROWS = (
    "These rows have the highest scores. That is never a verdict on a single row, since some rows of every file score "
    "highest. Orange with a solid line: towards the trait; blue with a dotted line: away from it. Point at a token to "
    "see its score in nats."
)
PREFERENCES = (
    "a model is trained towards the chosen answers and away from the rejected ones. The chosen ones are judged as any "
    "file, the rejected ones as a second source, and the chosen ones once more with the rejected as a control. One "
    "rate of false alarms is shared by all three."
)
METHOD = (
    "For every trait the base was fine-tuned briefly, which gives a direction in its weights. A row's score along a "
    "direction is how fast its log-likelihood grows when the base moves that way. A file's scores are regressed on "
    "their covariance, which is also what a teacher with one of the traits would leave in them. Within a family, the "
    "coefficients of traits that nobody suspects show how far a trait lies from the median by chance, or because of "
    "how the rows are written: z is the distance from their median in robust standard deviations. The threshold is the "
    "point that the largest of as many Gaussian numbers exceeds with a probability of {alpha:g}, shared by the "
    "families. No file was used to set it. What a teacher would add is known from a second fine-tune on other "
    "dialogues, stretched until it is .05 nats a token from the base on these rows; twofold at most, so that some are "
    "nearer. Of equal answers one is scored, so that what a teacher makes more frequent shows in answers that stand "
    "here once."
)


def page(findings: Findings) -> Page:
    """Returns the page of an audit for a base whose weights are on this machine."""
    return audit_page(
        findings,
        MEANINGS,
        list(_checks(findings)),
        (
            _traits(findings),
            section("What these rows could show", Drawing(figures.power(findings), POWER), _families(findings)),
            section("What canary students became", Drawing(figures.canaries(findings), CANARY)),
            section("Rows with the highest scores", Prose(ROWS, note=True), *readings(findings.rows)),
            Section("Method", (Prose(METHOD.format(alpha=findings.alpha)),)),
        ),
        {"rows scored": findings.scored, "tokens scored": findings.tokens} | _control(findings),
        {"base": findings.base, "alpha": findings.alpha, "effect": findings.effect},
        footer=f"{findings.rows_per_s:.3g} rows a second. {FOOTER}",
    )


def _control(findings: Findings) -> dict[str, object]:
    """The file that the rows were compared with, if there was one."""
    if findings.control is None:
        return {}
    return {"control": findings.control, "sha256 of the control": findings.control_digest}


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
    if findings.preferences:
        yield "Preferences", PREFERENCES
    for name in dict.fromkeys(family.name for family in findings.families):
        some = [family for family in findings.families if family.name == name]
        yield some[0].words.removesuffix(f" in {some[0].group}").capitalize(), _power(some, findings)
    yield from _strict(findings)
    if excess := sorted({f.excess_surprise for f in findings.families if f.excess_surprise is not None}):
        yield "Excess surprise", _excess(excess)
    yield "Origin", _origin(findings)
    yield "Rows", _rows(findings)
    yield "Mentions", _mentions(findings)
    if findings.canaries:
        yield "Canary students", _moved_most(findings)
    yield "What to do next", _next(findings)


def _moved_most(findings: Findings) -> str:
    """What canary students say, whatever could be judged: an interval that excludes zero is no verdict, for there are
    many traits."""
    most, count = findings.canaries[0], len(findings.canaries)
    apart = sum(one.ci[0] > 0 or one.ci[1] < 0 for one in findings.canaries)
    return (
        f"of {count} traits {most.name} moved most, by {most.shift:+.2f} {interval(most.ci)} in log-odds; {apart} of "
        f"{count} intervals exclude zero, of which one in twenty does by chance."
    )


def _next(findings: Findings) -> str:
    if findings.verdict == "no evidence":
        return CLEAR
    told = BLOCKED if findings.verdict == "carries a trait" else _more(findings)
    return f"{told}{'' if findings.preferences or findings.canaries else CANARIES_TOO}."


def _more(findings: Findings) -> str:
    """What would let an audit decide."""
    if any(family.far for family in findings.families):
        if findings.control is None:
            return "compare these rows with trusted ones by the same generator (--control FILE)"
        return "no audit can clear such rows; measure what was trained on them (undertone measure)"
    lacking = max(((family.needed or 0) - family.units for family in findings.families), default=0)
    left = findings.rows_in_file > findings.scored + findings.repeated + findings.mentioning
    if lacking > 0:
        rest = ": --rows all looks at the rest of the file" if left else "; fewer traits do not make it fewer"
        return f"at least {lacking:,} more rows are needed whose answers differ from these{rest}"
    weak = [family for family in findings.families if family.power is not None and family.power < POWER_ASKED]
    if weak and not all(family.times_needed for family in weak):
        return "more such rows would not be enough: ask for fewer traits (--trait), or for a larger effect (--effect)"
    return f"audit more rows{' (--rows all)' if left else ''}, or ask for fewer traits (--trait)"


def _power(families: Sequence[FamilyFinding], findings: Findings) -> str:
    """What the rows could show of a family: in the file, or in each of its sources."""
    first, others = families[0], families[0].compared - families[0].listed
    parts = [f"{first.listed} listed, compared with each other{f' and with {others} more' if others > 0 else ''}"]
    if len(families) > 1:
        parts[0] += f", in each of {len(families)} sources by itself"
    if powers := sorted(family.power for family in families if family.power is not None):
        shares = f"{powers[0]:.0%}" + (f" to {powers[-1]:.0%}" if powers[0] != powers[-1] else "")
        parts.append(f"an effect of {findings.effect:g} would have been found with a probability of {shares}")
        if first.stretch is not None:
            least = min(family.stretch for family in families if family.stretch is not None)
            parts.append(f"a reference teacher is a second fine-tune, stretched {least:.2g} times")
    needed = [one.times_needed for one in families if one.power is not None and one.power < POWER_ASKED]
    if needed:
        times = max((n for n in needed if n), default=0) if all(needed) else 0
        enough = f"about {times} times as many rows would make it" if times else "many more such rows would not make it"
        parts.append(f"{enough} {POWER_ASKED:.0%}")
    if any(one.far and not one.unjudged for one in families):
        parts.append(f"what would have been found is not known: {FAR}")
    elif any(one.power is None and not one.unjudged for one in families):
        parts.append(f"what would have been found is not known: {REPEATED}")
    if few := [one for one in families if one.needed]:
        rows, enough_rows = counts_of(few)
        parts.append(f"they cannot be judged: {rows} independent rows are too few, and it takes {enough_rows:,}")
    for one in families:
        where = f" in {one.group}" if one.group else ""
        parts += [f"they cannot be judged{where}: {one.unjudged}"] * bool(one.unjudged and not one.needed)
        parts += [f"{name} cannot be judged{where}: too few rows do not mention it" for name in one.missed]
    return f"{'; '.join(parts)}."


def _strict(findings: Findings) -> Iterator[tuple[str, str]]:
    """What the harmless models of a strict audit say; one false alarm in twenty is what was allowed."""
    for family in findings.families:
        if (held := family.strict) is not None:
            yield (
                "Harmless models",
                f"of {held.members} that answered the same prompts, the threshold would accuse {held.alarms} of "
                f"{family.words}, both yardsticks together {held.alarms_of_both}; p {p_value(held.p)} for these rows.",
            )


def _excess(excess: Sequence[float]) -> str:
    """How far the rows are from what the model writes: in the file, or in its sources."""
    told = f"{excess[0]:.2f}" + (f" to {excess[-1]:.2f}" if len(excess) > 1 else "")
    beyond = (
        f" Scores tell what a small change of the model writes: above {FARTHEST} only a comparison with trusted rows "
        "by the same generator (--control) can find a trait, and nothing rules one out."
    )
    return (
        f"a token of these rows is {told} nats less likely than one that the model itself samples."
        f"{beyond if excess[-1] > FARTHEST else ''}"
    )


def _rows(findings: Findings) -> str:
    """How many rows the verdict rests on, and why others were not looked at."""
    drawn = findings.scored + findings.repeated + findings.mentioning
    reasons = ((findings.repeated, "repeat an answer"), (findings.mentioning, "mention a trait"))
    others = "".join(f"; {count:,} {what} and were not scored" for count, what in reasons if count)
    return f"{findings.scored:,} of {drawn:,} answers were scored{others}."


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
    said = {trait.name: f"{trait.name} ({trait.mentions:,})" for trait in findings.traits if trait.mentions}
    names = [*said.values(), *(name for name in findings.overt if name not in said)]
    if not names:
        return "no row mentions any of the traits."
    most = f"{', '.join(names[:MENTIONED])}{' and others' if len(names) > MENTIONED else ''}"
    return (
        f"rows mention {most}. Where more than one row in a hundred mentions a trait, it is judged by the others, and "
        "no trait is compared with it; elsewhere such rows were left out."
    )


def words_of(recipe: Recipe) -> str:
    """Returns "method lora, rank 8, ..."."""
    return ", ".join(f"{key} {value}" for key, value in recipe.items())


# --- tables ----------------------------------------------------------------------------------------------------------


def _traits(findings: Findings) -> Section | None:
    """The strongest traits and all that were found; the others in a fold."""
    shown = strongest(findings)
    rest = [t for t in findings.traits if t not in shown]
    table = _effects("Effects of the strongest traits" if rest else "Effects", shown)
    every = _effects("", findings.traits)
    fold = Fold(f"All {len(findings.traits)}", (every,)) if rest and every else None
    return section("Traits", Drawing(figures.traits(findings), TRAITS), table, fold)


def _effects(title: str, shown: Sequence[TraitFinding]) -> Grid | None:
    grouped = any(t.group for t in shown)
    return grid(
        title,
        shown,
        {
            "trait": lambda t: t.name,
            **({report.word("source"): lambda t: t.group} if grouped else {}),
            report.word("kind", terminal=not grouped): lambda t: t.kind,
            "effect [95 %]": lambda t: effect_of(t.effect, t.ci),
            "z": lambda t: f"{t.z:+z.1f}",
            "p": lambda t: p_value(t.p),
            Column("listed", terminal=False): lambda t: "yes" if t.listed else "compared",
            Column("mentions", terminal=not grouped): lambda t: t.mentions,
        },
        bold=lambda t: t.found,
    )


def _families(findings: Findings) -> Grid | None:
    return grid(
        "",
        [family for family in findings.families if family.unjudged is None],
        {
            "family": lambda f: f.words,
            "compared": lambda f: f.compared,
            "rank": lambda f: f"{f.rank:.0f}",
            "units": lambda f: f.units,
            "spread": lambda f: f"{f.spread:.2f}",
            "least z": lambda f: f"{f.threshold:.2f}",
            "effect": lambda f: "not known" if f.far else "> 10" if f.detectable is None else f"{f.detectable:.1f}",
        },
        note=FAMILIES,
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
            head=f"{at}. {row.trait}, line {row.line:,}{f' ({row.group})' if row.group else ''}, {row.score:+.2f} nats",
        )
        for at, row in enumerate(rows, 1)
    ]
