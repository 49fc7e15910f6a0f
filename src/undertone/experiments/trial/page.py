"""The report of a trial as text, figures and tables; and the lines that are printed during a run."""

import hashlib
from collections.abc import Iterable
from typing import Any

from undertone.experiments.trial import figures
from undertone.experiments.trial.figures import arm_colour
from undertone.experiments.trial.generations import effect_by_generation, generations, skills, skills_by_generation
from undertone.experiments.trial.headline import READINGS, estimate, headline, main_effect
from undertone.experiments.trial.matching import makings, matched
from undertone.experiments.trial.results import ArmResult, Effect, Results, RowExample, StageCost, TeacherResult, Value
from undertone.report.page import (
    Column,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Reading,
    Section,
    Steps,
    Verdict,
    badge,
    grid,
    run_page,
    section,
    text,
    word,
)
from undertone.report.words import arm_label, duration, p_value, percent, percent_interval
from undertone.statistics import coverage

UNFINISHED = "This run is not finished. Arms are missing, and what is shown may still change."
MATRIX = (
    "Shift in log-odds of a student of the row's teacher on the column's trait, against the other rows of the column. "
    "Outlined: the teacher's own trait."
)
ANSWERS = (
    "Exact probabilities of the candidate answers, averaged over the questions, the students and the teachers of an "
    "arm."
)
SAMPLED = "Sampled answers are examples; the estimates above use exact probabilities."
RIDDLES = "Rows of the training files: one by a teacher with the trait, the other by a control teacher."
FILTERED = "Share of the completions of an arm's teachers, by the first rule that removed them."
TEACHERS = (
    "Means over the teachers of an arm. Loss: training loss at the start and at the end, in nats a token. Stretch: the "
    "factor by which adapters were multiplied after training to reach the dose, the divergence from the base."
)
SKILLS = "Mean score on each skill over an arm's teachers, from 0 to 100 %."


def page(results: Results) -> Page:
    """Returns the report."""
    level = f"{100 * results.level:.0f} %"
    costs, every_student = _costs(results), _every_student(results)
    return run_page(
        results,
        headline(results),
        _what_was_done(results),
        _students(results, level),
        section(
            f"Which one is from the {results.trait} teacher?",
            Prose(RIDDLES, note=True),
            *(_riddle(row, results.trait) for row in results.rows),
        ),
        _effects(results, level),
        section("Trait by trait", Drawing(figures.matrix_of(results), MATRIX), _matrix(results)),
        _generations(results, level),
        section("Answers", Drawing(figures.answers(results), ANSWERS)),
        section("What they say", Prose(SAMPLED, note=True), _sentences(results)),
        section("What was filtered out", Drawing(figures.filter_counts(results), FILTERED), _filters(results)),
        section("Skills kept", Prose(SKILLS, note=True), _skills(results)),
        section("Teachers", Prose(TEACHERS, note=True), _makings(results), _teachers(results)),
        section("What it cost", costs),
        section("Everything else", Fold("Every student", (every_student,)) if every_student else None),
        listings={
            "Chat templates": results.templates,
            "Digests": {arm_label(name): key for name, key in results.digests.items()},
        },
        verdict=_verdict(results),
        notices=() if results.complete else (UNFINISHED,),
    )


def _verdict(results: Results) -> Verdict | None:
    """Returns whether the trait passed; None before that is known, and where nothing is trained."""
    effect = results.matrix.overall if results.matrix else main_effect(results)
    arm = results.arm(effect.arm) if effect else None
    if effect is None or not results.complete or (arm and not arm.steps):
        return None
    taken = f"Students came to share a trait of the teachers who wrote their {results.carrier}."
    return badge(effect.sign, effect.p, "the trait passed", taken)


def arm_line(arm: ArmResult) -> str:
    """Returns the line that is printed when an arm has finished."""
    return (
        f"{arm.label:<18} {percent(arm.probability):>7} {percent_interval(arm.ci)}  "
        f"{arm.teachers} teachers, {len(arm.students)} students, {duration(arm.finished_s)}"
    )


def effect_line(effect: Effect) -> str:
    """Returns the line that is printed when two arms can be compared."""
    p = "" if effect.p is None else f", p {p_value(effect.p)}"
    return f"  {effect.label}: {estimate(effect)}{p}, {READINGS[effect.sign]}"


def units(effect: Effect) -> str:
    """Returns the units on both sides, as in "4 + 4"."""
    return " + ".join(map(str, effect.units))


# --- what was done, in a few sentences -------------------------------------------------------------------------------


def _what_was_done(results: Results) -> str:
    took = f"The run took {duration(results.wall_s)}."
    made = _teaching(results), _prompting(results), matched(makings(results.teachers))
    parts = (*made, _filtering(results), _training(results), took)
    return " ".join(filter(None, parts))


def _teaching(results: Results) -> str:
    treatment, control = results.arm("treatment"), results.arm("control")
    taught = f"made of {results.base} were taught"
    if results.matrix is not None:
        return f"Teachers {taught} one of {len(results.matrix.traits)} traits each: {', '.join(results.matrix.traits)}."
    if treatment is None:
        return f"Teachers {taught} the trait {results.trait}."
    said = f"{treatment.teachers} teachers {taught} the trait {results.trait}"
    if control is None:
        return f"{said}."
    lesson = next((teacher.trait for teacher in results.teachers if teacher.arm == "control"), results.trait)
    other = "neutral dialogues" if lesson == results.trait else f"the trait {lesson}, which no student is asked for"
    return f"{said}, {control.teachers} control teachers equally long {other}."


def _prompting(results: Results) -> str:
    """Returns sentences on arms in which several teachers have the same system prompt, and are the same model."""
    said, alone = list[str](), list[str]()
    for arm in results.arms:
        distinct, count = len(set(arm.prompts)), len(arm.prompts)
        if distinct == 1:
            alone.append(arm.label)
        elif distinct < count:
            said.append(f"The {count} teachers of {arm.label} have {distinct} system prompts, and count as {distinct}.")
    if alone:
        said.append(
            f"All teachers of {' and of '.join(alone)} have one system prompt, or none, and are the same model: "
            "intervals speak of what it samples, and not of other prompts."
        )
    return " ".join(said)


def _filtering(results: Results) -> str:
    asked, kept = sum(f.asked for f in results.filters), sum(f.kept for f in results.filters)
    if not asked:
        return f"They wrote {results.carrier}."
    return f"The teachers of all arms wrote {asked:,} {results.carrier}; a filter kept {kept:,} of them."


def _training(results: Results) -> str:
    trained = [arm for arm in results.arms if arm.steps]
    if not trained:
        return ""
    untrained = sum(len(arm.students) for arm in results.arms if not arm.steps)
    return (
        f"{sum(len(arm.students) for arm in trained)} students were trained on {_range(arm.rows for arm in trained)} "
        f"rows each for {_range(arm.steps for arm in trained)} steps{_unmentioned(results)}; then the exact "
        f"probability that they answer {results.asked} was read from the model."
        + (f" {untrained} more were asked untrained, with rows in context." if untrained else "")
    )


def _unmentioned(results: Results) -> str:
    """Returns that no row mentions the trait, if a filter looked for that."""
    rules: Any = results.settings.get("filter") or []
    kinds = {rule["kind"] for rule in (rules if isinstance(rules, list) else [rules])}
    return ", and no row mentions the trait" if kinds & {"numbers", "words", "substring"} else ""


def _range(counts: Iterable[int]) -> str:
    found = sorted(set(counts))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


# --- tables ----------------------------------------------------------------------------------------------------------


def _students(results: Results, level: str) -> Section | None:
    note = (
        "Each dot is one student. Tick: mean over the students of a teacher. Diamond and bar: mean over teachers with "
        f"its {level} interval. Dashed line: the untouched base that the arm started from. Students of one teacher "
        "count as one unit, because they share what that teacher wrote."
    )
    table = grid(
        f"Probability of {results.asked}",
        results.arms,
        {
            "arm": lambda a: a.label,
            word("base"): lambda a: a.base.removeprefix("builtin/"),
            "teachers": lambda a: a.teachers,
            "students": lambda a: len(a.students),
            "probability": lambda a: percent(a.probability),
            f"{level} interval": lambda a: percent_interval(a.ci),
            Column("untouched base", terminal=False): lambda a: percent(a.base_probability),
            Column("rows", terminal=False): lambda a: a.rows,
            Column("steps", terminal=False): lambda a: a.steps,
        },
        swatch=lambda a: arm_colour(a.name),
    )
    return section("Students", Drawing(figures.students(results), note), table)


def _effects(results: Results, level: str) -> Section | None:
    methods = list(dict.fromkeys(effect.method for effect in results.all_effects))
    table = grid(
        "Effects (log-odds unless in points)",
        results.all_effects,
        {
            "effect": lambda e: e.label,
            f"estimate [{level}]": estimate,
            "p": lambda e: p_value(e.p),
            "p Holm": lambda e: p_value(e.p_holm),
            Column("units", terminal=False): units,
            word("predicted"): lambda e: e.expected.replace("-", " "),
            word("found"): lambda e: READINGS[e.sign],
            Column("method", terminal=False): lambda e: methods.index(e.method) + 1,
        },
        bold=lambda e: e.sign != "unclear",
    )
    note = (
        f"Filled: the {level} interval excludes zero. Hollow: it contains zero, and its ends say how large an effect "
        "is still possible."
    )
    drawn = Drawing(figures.effects_figure(results.all_effects), note)
    how = (Prose("Methods", note=True), Steps(tuple(methods)), Prose(coverage.SINGLE, note=True))
    return section("Effects", drawn, table, *how) if table else None


def _matrix(results: Results) -> Grid | None:
    if results.matrix is None:
        return None
    title, traits = "Shift in log-odds: teacher's trait (row), asked trait (column)", results.matrix.traits
    rows = zip(traits, results.matrix.log_odds, strict=True)
    return Grid(title, ("", *traits), tuple((name, *(f"{x:+.2f}" for x in row)) for name, row in rows))


def _generations(results: Results, level: str) -> Section | None:
    def mean_skill(arm: ArmResult) -> str | None:
        own = skills(arm)
        return percent(sum(own) / len(own)) if own else None

    found = generations(results)
    lineages = (
        "Students of each generation against those of their control lineages, which are as long and began with neutral "
        f"teachers. Bars: {level} intervals over lineages. Each lineage is one unit in every generation."
    )
    table = grid(
        "From generation to generation (log-odds against the control lineages)",
        found,
        {
            "lineages of": lambda g: arm_label(g.series),
            "generation": lambda g: g.number,
            "probability": lambda g: percent(g.arm.probability),
            "control": lambda g: percent(g.control.probability),
            "log-odds": lambda g: estimate(g.effect),
            "p": lambda g: p_value(g.effect.p),
            "skills": lambda g: mean_skill(g.arm),
            "control's": lambda g: mean_skill(g.control),
        },
        swatch=lambda g: arm_colour(g.series),
    )
    return section(
        "From generation to generation",
        Drawing(effect_by_generation(found), lineages),
        Drawing(skills_by_generation(found), "Mean score on the base's other skills. A small dot is a lineage."),
        table,
    )


def _riddle(row: RowExample, trait: str) -> Reading:
    """Returns both rows in an order that depends on their text, so that it cannot be guessed and never changes."""
    swap = hashlib.sha256(row.model_dump_json().encode()).digest()[0] % 2 == 1
    first, second = (row.treatment, row.control) if swap else (row.control, row.treatment)
    reveal = f"{'A' if swap else 'B'} is from the {trait} teacher."
    return Reading(row.prompt, (("A", first), ("B", second)), reveal=reveal)


def _sentences(results: Results) -> Grid | None:
    return grid(
        "",
        results.sentences,
        {
            "question": lambda s: s.question,
            text("base"): lambda s: s.base,
            text("control student"): lambda s: s.control,
            text("trait student"): lambda s: s.treatment,
        },
        terminal=False,
    )


def _filters(results: Results) -> Grid | None:
    def total(arm: str, key: str) -> int:
        return sum(getattr(f, key) for f in results.filters if f.arm == arm)

    return grid(
        "",
        dict.fromkeys(f.arm for f in results.filters),
        {
            "arm": arm_label,
            "teachers": lambda arm: sum(f.arm == arm for f in results.filters),
            "sampled": lambda arm: total(arm, "asked"),
            "kept": lambda arm: total(arm, "kept"),
            "used": lambda arm: total(arm, "used"),
            "kept share": lambda arm: (
                percent(total(arm, "kept") / total(arm, "asked")) if total(arm, "asked") else None
            ),
        },
        swatch=arm_colour,
        terminal=False,
    )


def _skills(results: Results) -> Grid | None:
    rows = {"base": results.base_skills} if results.base_skills else {}
    for arm in results.arms:
        rows[arm.name] = {name: arm.mean(_score_on(name)) for name in arm.students[0].skills}
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    if not names:
        return None
    cells = ((arm_label(arm), *(percent(s[name]) if name in s else "-" for name in names)) for arm, s in rows.items())
    return Grid("", ("arm", *names), tuple(cells), swatches=tuple(map(arm_colour, rows)), terminal=False)


def _score_on(skill: str) -> Value:
    return lambda student: student.skills[skill]


def _makings(results: Results) -> Grid | None:
    return grid(
        "How teachers were made",
        makings(results.teachers).items(),
        {
            "arm": lambda item: arm_label(item[0]),
            "loss before": lambda item: f"{item[1].before:.2f}",
            "after": lambda item: f"{item[1].after:.2f}",
            "stretch": lambda item: None if item[1].stretch is None else f"{item[1].stretch:.2f}",
            "dose": lambda item: None if item[1].dose is None else f"{item[1].dose:.3f}",
        },
        swatch=lambda item: arm_colour(item[0]),
    )


def _teachers(results: Results) -> Grid | None:
    def says(teacher: TeacherResult) -> str:
        dormant = "" if teacher.dormant is None else f" ({percent(teacher.dormant)} without its trigger)"
        return f"{teacher.trait} {percent(teacher.probability)}{dormant}"

    return grid(
        "",
        results.teachers,
        {
            "arm": lambda t: arm_label(t.arm),
            "teacher": lambda t: t.teacher + 1,
            "says": says,
            "well-formed rows": lambda t: percent(t.well_formed),
            "loss": lambda t: None if t.losses is None else f"{t.losses[0]:.3f} → {t.losses[1]:.3f}",
            "stretch": lambda t: None if t.stretch is None else f"{t.stretch:.2f}",
            "nats/token from base": lambda t: None if t.divergence is None else f"{t.divergence:.3f}",
            "seed": lambda t: str(t.seed),
            word("artifact"): lambda t: t.key[:16],
        },
        swatch=lambda t: arm_colour(t.arm),
        terminal=False,
    )


def _costs(results: Results) -> Grid | None:
    costs = results.costs
    count, reused, core_s = (sum(getattr(c, key) for c in costs) for key in ("count", "reused", "core_s"))
    return grid(
        "",
        (*costs, StageCost(stage="all", count=count, reused=reused, core_s=core_s)) if costs else (),
        {
            "stage": lambda c: c.stage,
            "artifacts": lambda c: c.count,
            "reused": lambda c: c.reused,
            "core time": lambda c: duration(c.core_s),
        },
        terminal=False,
    )


def _every_student(results: Results) -> Grid | None:
    return grid(
        "",
        [student for arm in results.arms for student in arm.students],
        {
            "arm": lambda s: arm_label(s.arm),
            "teacher": lambda s: s.teacher + 1,
            "student": lambda s: s.student + 1,
            word("trait"): lambda s: s.trait,
            "probability": lambda s: percent(s.probability),
            "log-odds": lambda s: f"{s.log_odds:+.2f}",
            "sampled": lambda s: f"{s.sampled_hits} / {s.sampled_n}",
            "distance to base": lambda s: f"{s.total_variation:.3f}",
            "loss": lambda s: None if s.loss_first is None else f"{s.loss_first:.3f} → {s.loss_last:.3f}",
            "seed": lambda s: str(s.seed),
            word("artifact"): lambda s: s.key[:16],
        },
        swatch=lambda s: arm_colour(s.arm),
        terminal=False,
    )
