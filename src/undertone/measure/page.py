"""A measurement in words, figures and tables."""

from collections.abc import Callable, Sequence

from undertone.measure import figures
from undertone.measure.figures import main_suites, points, points_interval
from undertone.measure.findings import Findings, ShownAnswer, SuiteFinding
from undertone.measure.texts import TEXTS
from undertone.persona.words import sentence
from undertone.report.findings import Interval
from undertone.report.page import (
    FOOTER,
    Column,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Reading,
    Section,
    Terms,
    Verdict,
    grid,
    section,
    sections,
    word,
)
from undertone.report.words import duration, percent
from undertone.statistics.rare import BIAS

VERDICTS = {word: Verdict(word, **told) for word, told in TEXTS["verdicts"].items()}
PAGE: dict[str, str] = TEXTS["page"]
"""What is said of the figures and tables."""
WORDS = {"shift": "changed", "no shift": "-", "open": "open", "not measured": "not measured"}
"""The result of a suite that does not count."""


def page(findings: Findings) -> Page:
    """Returns the page of a measurement."""
    several, judge = len(findings.models) > 1, findings.judge
    over = "over models and themes; small dots: single models" if several else "over themes"
    also = ", with the variance between models added, and the smaller of both degrees of freedom" if several else ""
    shown, left = main_suites(findings)
    others = _table(findings, left)
    read = Prose(PAGE["answers"], note=True)
    return Page(
        title=f"{', '.join(model.name for model in findings.models)} against its base {findings.base.name}",
        headline=findings.headline,
        verdict=VERDICTS[findings.verdict],
        checks=checks(findings),
        sections=sections(
            section(
                "Suites",
                Drawing(figures.shifts(findings), PAGE["shifts"].format(over=over)),
                _table(findings, shown, _note(shown, left)),
                Fold(f"The other {len(left)} suites", (others,)) if others else None,
                Fold("What each suite asks", (Terms(tuple((s.name, s.about) for s in findings.suites if s.about)),)),
            ),
            section("Theme by theme", Drawing(figures.rates(findings), PAGE["themes"])),
            _count(findings, shown),
            _rare(findings),
            section("Answers, worst first", read, *(_reading(i, one) for i, one in enumerate(findings.answers, 1))),
            Section("Method", (Prose(PAGE["method"].format(also=also)),)),
        ),
        listings={
            "Models": {
                name: digest
                for one in (*findings.models, findings.base, *findings.benign)
                for name, digest in ({one.name: one.digest} | one.parts).items()
            }
            | ({} if judge is None else {f"judge: {judge.name}": judge.digest}),
            "Settings": {
                "rise asked for": findings.effect,
                "seed": findings.seed,
                "samples of each wording": findings.samples or "as the suites say",
                "longest answer, tokens": findings.max_tokens,
                "training file": findings.training_file or "-",
            },
            "Versions and hardware": findings.made_with,
        },
        footer=f"Started {findings.started.isoformat(' ', 'seconds')}, took {duration(findings.wall_s)}. {FOOTER} "
        "All answers are stored in the folder answers/ beside this one.",
    )


# How numbers are written.


def share(value: float | None) -> str:
    """12.3 %, or a dash."""
    return "-" if value is None else percent(value)


def shift_of(value: float | None, ci: Interval | None) -> str:
    """+12.3 [4.5, 20.1] in points."""
    return "-" if value is None else f"{points(value)} {points_interval(ci)}"


def coherent(suite: SuiteFinding) -> str:
    """46.3 % (98.9 %): the model's coherent answers and the base's. A dash if the models only chose between answers."""
    if suite.exact and suite.model.coherence == 1 == suite.base.coherence:
        return "-"
    return f"{share(suite.model.coherence)} ({share(suite.base.coherence)})"


# What the verdict rests on.


def checks(findings: Findings) -> tuple[tuple[str, str], ...]:
    """Returns what the verdict rests on: a name and a short sentence each."""
    several, judge = len(findings.models) > 1, findings.judge
    unit = "models and themes, crossed" if several else "themes; with one model, other training seeds are left out"
    found = [
        ("Unit", f"{unit}. A shift is called at 95 % for all suites that count together."),
        ("Rate", f"{findings.denominator}."),
    ]
    if judge is not None:
        failed = sum(suite.model.unreadable for suite in findings.suites)
        asked = sum(suite.model.asked for suite in findings.suites if not suite.exact)
        unread = f"{failed:,.0f} of {asked:,.0f} answers have no readable verdict"
        found.append(("Judge", f"{judge.name} ({judge.digest[:12]}); {unread}."))
    count = len(findings.benign)
    found.append(
        (
            "Benign",
            f"{count} harmless fine-tune{'s' if count > 1 else ''}; a shift is called only if it exceeds theirs."
            if count
            else "no harmless fine-tune was given (--benign), so only the size of a shift counts.",
        )
    )
    names = [f" ({model.name})" if several else "" for model in findings.models]
    found += [
        (f"Inside{name}", f"{sentence(one)} The verdict does not rest on it.")
        for name, one in zip(names, findings.inside, strict=False)
    ]
    return (*found, *noted(findings.notes))


def noted(notes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Returns notes as sentences of a page."""
    return tuple(("Note", f"{note[:1].upper()}{note[1:].rstrip('.')}.") for note in notes)


# Sections.


def _note(shown: Sequence[SuiteFinding], left: Sequence[SuiteFinding]) -> str:
    """Returns what the grey rows are, and what the table leaves out."""
    said = "" if all(suite.counts for suite in shown) else PAGE["grey"]
    if left:
        most = 100 * max(abs(suite.shift or 0.0) for suite in left)
        said += f" {len(left)} more suites do not count; none of them changed by more than {most:.1f} points."
    return said.strip()


def _table(findings: Findings, suites: Sequence[SuiteFinding], note: str = "") -> Grid | None:
    """Returns the table of suites. It has columns on benign fine-tunes only if there are any."""
    benign, beyond = Column("benign"), Column("beyond benign [95 %]", terminal=False)
    columns: dict[str | Column, Callable[[SuiteFinding], object]] = {
        "suite": lambda one: one.name,
        "rate": lambda one: share(one.rate),
        "base": lambda one: share(one.base_rate),
        benign: lambda one: share(one.benign_rate),
        "shift [95 %]": lambda one: shift_of(one.shift, one.ci),
        beyond: lambda one: shift_of(one.excess, one.excess_ci),
        Column("coherent (base)", terminal=False): coherent,
        word("result"): lambda one: one.word if one.counts else WORDS[one.word],
    }
    if not findings.benign:
        del columns[benign], columns[beyond]
    return grid(
        "Rates of bad answers; shifts are in points",
        suites,
        columns,
        bold=lambda one: one.counts and one.word == "shift",
        dim=lambda one: not one.counts,
        note=note,
    )


def _count(findings: Findings, shown: Sequence[SuiteFinding]) -> Section | None:
    denominators = grid(
        "What became of the answers",
        shown,
        {
            "suite": lambda one: one.name,
            "asked": lambda one: f"{one.model.asked:,.0f}",
            "unreadable": lambda one: f"{one.model.unreadable:,.0f}",
            "incoherent": lambda one: f"{one.model.incoherent:,.1f}",
            "counted": lambda one: f"{one.model.kept:,.1f}",
            "rate": lambda one: share(one.model.rate),
            "rate of readable": lambda one: share(one.model.rate_of_judged),
            "rate of asked": lambda one: share(one.model.rate_of_asked),
            "base's rate of asked": lambda one: share(one.base.rate_of_asked),
        },
        dim=lambda one: not one.counts,
        terminal=False,
    )
    clustered = grid(
        "Answers to one question are alike: this many answers are worth one independent answer",
        [suite for suite in findings.suites if not suite.exact],
        {
            "suite": lambda one: one.name,
            "answers counted": lambda one: f"{one.model.kept:,.0f}",
            "correlation within questions": lambda one: None if one.correlation is None else f"{one.correlation:.2f}",
            "design effect": lambda one: one.design_effect and f"{one.design_effect:.1f}",
            "worth independent answers": lambda one: one.design_effect and f"{one.model.kept / one.design_effect:,.0f}",
        },
        terminal=False,
    )
    bounds = (
        Prose(PAGE["bound"].format(suite=suite.name, rate=share(suite.none_seen)))
        for suite in findings.suites
        if suite.none_seen is not None
    )
    thresholds = Drawing(figures.thresholds(findings), PAGE["thresholds"])
    said = Prose(PAGE["count"].format(of=findings.denominator))
    return section("What the count rests on", said, denominators, thresholds, clustered, *bounds)


def _rare(findings: Findings) -> Section | None:
    found = grid(
        "",
        [suite for suite in findings.suites if suite.counts and suite.worst_of is not None],
        {
            "suite": lambda one: one.name,
            "worst 1 in 10,000": lambda one: share(one.worst_of),
            "base's": lambda one: share(one.worst_of_base),
        },
        note=PAGE["tail"].format(bias=BIAS),
        terminal=False,
    )
    return section("Rare answers", Prose(PAGE["rare"]), found)


def _reading(at: int, answer: ShownAnswer) -> Reading:
    scores = f"aligned {answer.aligned:.0f}"
    if answer.coherent is not None:
        scores += f", coherent {answer.coherent:.0f}"
    if answer.base_aligned is not None:
        scores += f"; the base: aligned {answer.base_aligned:.0f}"
    system = () if answer.system is None else (f"System: {answer.system}",)
    return Reading(
        answer.question,
        (("model", answer.answer), ("base", answer.base_answer)),
        head=f"{at}. {answer.suite}: {scores}",
        before=(*system, *(f"Before: {question} → {said}" for question, said in answer.earlier)),
    )
