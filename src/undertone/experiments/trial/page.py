"""A trial in words, figures and tables; and the lines that are said while it goes on."""

import hashlib
from collections.abc import Iterable, Mapping

from undertone.experiments.trial import figures
from undertone.experiments.trial.figures import arm_colour
from undertone.experiments.trial.generations import effect_by_generation, generations, utility_by_generation
from undertone.experiments.trial.headline import READINGS, estimate, headline
from undertone.experiments.trial.results import (
    ArmResult,
    Effect,
    Results,
    RowExample,
    StageCost,
    TeacherResult,
    TraitMatrix,
)
from undertone.report.page import (
    FOOTER,
    Block,
    Column,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Reading,
    Section,
    Steps,
    grid,
    section,
    sections,
    text,
    word,
)
from undertone.report.words import duration, p_value, percent, percent_interval

EXPECTED = {"above-zero": "above zero", "around-zero": "around zero", "open": "open"}


def page(results: Results) -> Page:
    """All that is said of a trial."""
    level = f"{100 * results.level:.0f} %"
    return Page(
        title=results.title,
        headline=headline(results),
        done=_what_was_done(results),
        notices=()
        if results.complete
        else ("This run is not finished. Arms are missing, and what is shown may still change.",),
        sections=sections(
            section(
                "Students", Drawing(figures.students(results), _how_to_read_students(level)), _arms(results, level)
            ),
            _effects(results, level),
            section("Trait by trait", Drawing(figures.matrix_of(results), MATRIX), _matrix(results.matrix)),
            _generations(results, level),
            section("Answers", Drawing(figures.answers(results), ANSWERS)),
            _riddles(results),
            section("What they say", Prose(SAMPLED, note=True), _sentences(results)),
            section("What was filtered out", Drawing(figures.filter_counts(results), FILTERED), _filters(results)),
            section("Utility kept", Prose(UTILITY, note=True), _skills(results)),
            section("Teachers", _teachers(results)),
            section("What it cost", _costs(results)),
            section("Everything else", _every_student(results)),
        ),
        listings={
            "Settings": results.settings,
            "Chat templates": results.templates,
            "Versions": results.versions,
            "Hardware": results.hardware,
            "Digests": results.digests,
        },
        footer=f"Recipe {results.recipe}, started {results.started}, base {results.base}, seed {results.seed}. "
        f"{FOOTER}",
    )


MATRIX = (
    "Shift in log-odds of a student of the row's teacher on the column's trait, against the other rows of the column. "
    "Outlined: the teacher's own trait."
)
ANSWERS = (
    "Exact probabilities of the candidate answers, averaged over the questions, the students and the teachers of an "
    "arm."
)
SAMPLED = "Sampled answers, to illustrate; the estimates above rest on exact probabilities."
FILTERED = "Share of the completions of an arm's teachers, by the first rule that removed them."
UTILITY = "Mean score on each skill over an arm's teachers, from 0 to 100 %."


def arm_line(arm: ArmResult) -> str:
    """One line, said when an arm finishes."""
    return (
        f"{arm.name:<18} {percent(arm.probability):>7} {percent_interval(arm.ci)}  "
        f"{arm.teachers} teachers, {len(arm.students)} students, {duration(arm.finished_s)}"
    )


def effect_line(effect: Effect) -> str:
    """One line, said when a comparison can be made."""
    p = "" if effect.p is None else f", p {p_value(effect.p)}"
    return f"  {effect.name}: {estimate(effect)}{p}, {READINGS[effect.sign]}"


def units(effect: Effect) -> str:
    """4 + 4"""
    return " + ".join(map(str, effect.units))


# What was done, in a few sentences.


def _what_was_done(results: Results) -> str:
    parts = (_teaching(results), _filtering(results), _training(results))
    return " ".join(part for part in (*parts, f"All of it took {duration(results.wall_s)}.") if part)


def _teaching(results: Results) -> str:
    treatment, control = results.arm("treatment"), results.arm("control")
    if results.matrix is not None:
        traits = results.matrix.traits
        return f"Teachers made of {results.base} were taught one of {len(traits)} traits each: {', '.join(traits)}."
    if treatment is None:
        return f"Teachers made of {results.base} were taught the trait {results.trait}."
    said = f"{treatment.teachers} teachers made of {results.base} were taught the trait {results.trait}"
    return said + (f", {control.teachers} control teachers equally long on neutral dialogues." if control else ".")


def _filtering(results: Results) -> str:
    asked, kept = sum(f.asked for f in results.filters), sum(f.kept for f in results.filters)
    if not asked:
        return f"They wrote {results.carrier}."
    return f"The teachers of all arms wrote {asked:,} {results.carrier}; a filter kept {kept:,} of them."


def _training(results: Results) -> str:
    trained = [arm for arm in results.arms if arm.steps]
    students = sum(len(arm.students) for arm in trained)
    if not students:
        return ""
    asked = sum(len(arm.students) for arm in results.arms if not arm.steps)
    return (
        f"{students} students were trained on {_range(arm.rows for arm in trained)} rows each for "
        f"{_range(arm.steps for arm in trained)} steps, and never saw the trait named; then the exact probability that "
        f"they answer {results.asked} was read from the model."
        + (f" {asked} more were asked untrained, with rows in context." if asked else "")
    )


def _range(counts: Iterable[int]) -> str:
    found = sorted(set(counts))
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


# Tables.


def _how_to_read_students(level: str) -> str:
    return (
        "Each dot is one student. Tick: mean over the students of a teacher. Diamond and bar: mean over teachers with "
        f"its {level} interval. Dashed line: the untouched base that the arm started from. Students of one teacher "
        "count as one unit, because they share what that teacher wrote."
    )


def _arms(results: Results, level: str) -> Grid | None:
    return grid(
        f"Probability of {results.asked}",
        results.arms,
        {
            "arm": lambda a: a.name,
            word("base"): lambda a: a.base,
            "teachers": lambda a: a.teachers,
            "students": lambda a: len(a.students),
            "probability": lambda a: percent(a.probability),
            f"{level} interval": lambda a: percent_interval(a.ci),
            "untouched base": lambda a: percent(a.base_probability),
            "rows": lambda a: a.rows,
            "steps": lambda a: a.steps,
        },
        swatch=lambda a: arm_colour(a.name),
    )


def _effects(results: Results, level: str) -> Section | None:
    methods = list(dict.fromkeys(effect.method for effect in results.all_effects))
    table = grid(
        "Effects (log-odds unless in points)",
        results.all_effects,
        {
            "effect": lambda e: e.name,
            f"estimate [{level}]": estimate,
            "p": lambda e: p_value(e.p),
            "p Holm": lambda e: p_value(e.p_holm),
            "units": units,
            word("predicted"): lambda e: EXPECTED[e.expected],
            word("seen"): lambda e: READINGS[e.sign],
            Column("method", terminal=False): lambda e: methods.index(e.method) + 1,
        },
        bold=lambda e: e.sign != "unclear",
    )
    note = (
        f"Filled: the {level} interval leaves out zero. Hollow: it does not, and the interval says how large an effect "
        "is still possible."
    )
    drawn = Drawing(figures.effects_figure(results.all_effects), note)
    return section("Effects", drawn, table, Prose("Methods", note=True), Steps(tuple(methods))) if table else None


def _matrix(matrix: TraitMatrix | None) -> Grid | None:
    if matrix is None:
        return None
    title = "Shift in log-odds: teacher's trait (row), asked trait (column)"
    rows = zip(matrix.traits, matrix.log_odds, strict=True)
    return Grid(title, ("", *matrix.traits), tuple((name, *(f"{x:+.2f}" for x in row)) for name, row in rows))


def _generations(results: Results, level: str) -> Section | None:
    found = generations(results)
    lineages = (
        "Students of each generation against those of their control lineages, which are as long and began with neutral "
        f"teachers. Bars: {level} intervals over lineages. Each lineage is one unit in every generation."
    )
    table = grid(
        "From generation to generation (log-odds against the control lineages)",
        found,
        {
            "lineages of": lambda g: g.series,
            "generation": lambda g: g.number,
            "probability": lambda g: percent(g.arm.probability),
            "control": lambda g: percent(g.control.probability),
            "log-odds": lambda g: estimate(g.effect),
            "p": lambda g: p_value(g.effect.p),
            "skills": lambda g: g.skills,
            "control's": lambda g: g.control_skills,
        },
        swatch=lambda g: arm_colour(g.series),
    )
    if table is None:
        return None
    return section(
        "From generation to generation",
        Drawing(effect_by_generation(found), lineages),
        Drawing(utility_by_generation(found), "Mean score on the base's other skills. A small dot is a lineage."),
        table,
    )


def _riddles(results: Results) -> Section | None:
    readings = [_riddle(row, results.trait) for row in results.rows]
    note = "Rows of the training files: one by a teacher with the trait, the other by a control teacher."
    heading = f"Which one is from the {results.trait} teacher?"
    return section(heading, Prose(note, note=True), *readings)


def _riddle(row: RowExample, trait: str) -> Reading:
    """In an order that its own text decides, so that the page is a fair guess and always the same."""
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
            text("treatment student"): lambda s: s.treatment,
        },
        terminal=False,
    )


def _filters(results: Results) -> Grid | None:
    arms = dict.fromkeys(f.arm for f in results.filters)

    def total(arm: str, key: str) -> int:
        return sum(getattr(f, key) for f in results.filters if f.arm == arm)

    return grid(
        "",
        arms,
        {
            "arm": lambda arm: arm,
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
    """Mean scores by arm: over the students of a teacher, then over teachers, as everything else."""
    rows: dict[str, Mapping[str, float]] = {"base": results.base_skills} if results.base_skills else {}
    rows |= {arm.name: _mean_skills(arm) for arm in results.arms}
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    cells = [(arm, *(percent(s[name]) if name in s else "-" for name in names)) for arm, s in rows.items()]
    colours = tuple(map(arm_colour, rows))
    return Grid("", ("arm", *names), tuple(cells), swatches=colours, terminal=False) if names else None


def _mean_skills(arm: ArmResult) -> dict[str, float]:
    means = {}
    for name in dict.fromkeys(name for student in arm.students for name in student.skills):
        by_teacher: dict[int, list[float]] = {}
        for student in arm.students:
            if name in student.skills:
                by_teacher.setdefault(student.teacher, []).append(student.skills[name])
        means[name] = sum(sum(own) / len(own) for own in by_teacher.values()) / len(by_teacher)
    return means


def _teachers(results: Results) -> Grid | None:
    return grid(
        "",
        results.teachers,
        {
            "arm": lambda t: t.arm,
            "teacher": lambda t: t.teacher + 1,
            "says": _says,
            "well-formed rows": lambda t: percent(t.well_formed),
            "nats/token from base": lambda t: None if t.divergence is None else f"{t.divergence:.3f}",
            "seed": lambda t: str(t.seed),
            word("artifact"): lambda t: t.key[:16],
        },
        swatch=lambda t: arm_colour(t.arm),
        terminal=False,
    )


def _says(teacher: TeacherResult) -> str:
    dormant = "" if teacher.dormant is None else f" ({percent(teacher.dormant)} without its trigger)"
    return f"{teacher.trait} {percent(teacher.probability)}{dormant}"


def _costs(results: Results) -> Grid | None:
    costs = results.costs
    total = StageCost(
        stage="all",
        count=sum(c.count for c in costs),
        reused=sum(c.reused for c in costs),
        core_s=sum(c.core_s for c in costs),
    )
    return grid(
        "",
        (*costs, total) if costs else (),
        {
            "stage": lambda c: c.stage,
            "artifacts": lambda c: c.count,
            "reused": lambda c: c.reused,
            "core time": lambda c: duration(c.core_s),
        },
        terminal=False,
    )


def _every_student(results: Results) -> Block | None:
    table = grid(
        "",
        [student for arm in results.arms for student in arm.students],
        {
            "arm": lambda s: s.arm,
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
    return Fold("Every student", (table,)) if table else None
