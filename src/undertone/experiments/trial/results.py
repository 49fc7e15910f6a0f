"""The findings of a trial: the content of its ``report.json``. Page, figures and headline show nothing else."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from undertone.report.findings import Interval, Part, RunFindings, Side, side
from undertone.report.words import arm_label

# A softmax in single precision may exceed 1 in the last digit; that must not lose a finished run.
Probability = Annotated[float, Field(ge=-1e-6, le=1 + 1e-6)]
Measure = Literal[
    "log_odds", "probability", "own-minus-other-init", "own-minus-other-traits", "written-minus-rewritten",
    "sampled-minus-otherwise", "tuned-minus-otherwise", "earlier-minus-later", "change-per-generation",
]  # fmt: skip
Expected = Literal["above-zero", "around-zero", "open"]


class StudentResult(Part):
    """One student: the smallest unit that is trained."""

    arm: str
    teacher: int
    """Index of its teacher within the arm, from 0."""
    student: int
    """Index among the students of this teacher, from 0."""
    seed: int
    """Seed of data order, adapter and sampling."""
    trait: str
    """The answer asked for, for example owl."""
    probability: Probability
    """Exact probability of the trait, averaged over the questions."""
    log_odds: float
    """Log-odds of ``probability``."""
    answers: dict[str, Probability]
    """Exact distribution over the candidate answers; the remaining probability is under "other"."""
    sampled_hits: int = Field(ge=0)
    """Number of sampled answers that mention the trait."""
    sampled_n: int = Field(ge=0)
    """Number of sampled answers. They are examples; no estimate uses them."""
    total_variation: Probability
    """Total-variation distance of ``answers`` from those of the untouched base, 0 to 1."""
    skills: dict[str, Probability]
    """Score on each skill of the base, 0 to 1."""
    loss_first: float | None
    """Mean training loss over the first tenth of the steps, in nats a token; None if nothing was trained."""
    loss_last: float | None
    """Mean training loss over the last tenth of the steps."""
    key: str
    """Digest of the student, or of its measurement if nothing was trained."""


Value = Callable[[StudentResult], float]


def units(teachers: Iterable[int], *prompts: Sequence[str]) -> list[list[int]]:
    """Returns the teachers, by index, that are one unit of an estimate. ``prompts`` holds the teachers' system prompts
    in each of the arms that the estimate combines, and is empty for an arm whose teachers have none.

    Teachers with the same prompt are the same model, so they count as one. Where an arm has a single prompt there is
    no other to compare with. Then what each of its teachers sampled counts, and the estimate is about that prompt.
    """
    several = [arm for arm in prompts if len(set(arm)) > 1]
    found, each = list[list[int]](), sorted(teachers)
    for teacher in each:
        same = [unit for unit in found if any(arm[teacher] == arm[other] for arm in several for other in unit)]
        found = [*(unit for unit in found if unit not in same), [*chain.from_iterable(same), teacher]]
    return sorted(found) if len(found) > 1 else [[teacher] for teacher in each]


def by_teacher(students: Sequence[StudentResult], value: Value) -> dict[int, list[float]]:
    """Returns ``value`` of every student by the index of its teacher, in order."""
    teachers = sorted({student.teacher for student in students})
    return {one: [value(student) for student in students if student.teacher == one] for one in teachers}


def nested(students: Sequence[StudentResult], prompts: Sequence[str], value: Value) -> list[list[float]]:
    """Returns ``value`` of an arm's students: a list for each unit of an estimate."""
    values = by_teacher(students, value)
    return [[one for teacher in unit for one in values[teacher]] for unit in units(values, prompts)]


class ArmResult(Part):
    """One arm of the trial, with all its students."""

    name: str
    """Key of the arm in the recipe; "arm:trait" in a trial of several traits."""
    title: str
    """The arm in plain words."""
    base: str
    """The model its students started from."""
    after: str | None = None
    """The arm whose students are this arm's teachers, in a chain of generations."""
    generation: int = Field(default=1, ge=1)
    """1 for students of teachers that were given the trait, 2 for students of such students, and so on."""
    base_probability: Probability
    """Exact probability of the trait in the untouched base."""
    teachers: int = Field(ge=0)
    """Number of teachers, which are the units of the estimates; those with the same system prompt are one
    (:func:`units`)."""
    prompts: tuple[str, ...] = ()
    """System prompt of each teacher, by its index, or of the first teacher of its lineage; empty for the untouched
    base. None if teachers were not made by a prompt."""
    students: tuple[StudentResult, ...]
    probability: Probability
    """Probability at the mean log-odds: the mean over the students of each teacher, then over teachers."""
    ci: Interval | None
    """Interval of that mean over teachers; None if there are too few teachers."""
    rows: int = Field(ge=0)
    """Rows each student was trained on, or read before each question if nothing was trained."""
    steps: int = Field(ge=0)
    """Optimiser steps of each student; 0 if nothing was trained."""
    finished_s: float
    """Seconds from the start of the run to the end of this arm."""
    core_s: float
    """Core-seconds spent on this arm."""

    @property
    def label(self) -> str:
        """The arm's name as people are shown it."""
        return arm_label(self.name)

    def nested(self, value: Value) -> list[list[float]]:
        """Returns ``value`` of every student: a list for each unit of an estimate."""
        return nested(self.students, self.prompts, value)

    def mean(self, value: Value) -> float:
        """Returns the mean of ``value`` over the students of each unit, then over units."""
        means = [sum(own) / len(own) for own in self.nested(value)]
        return sum(means) / len(means)


class Effect(Part):
    """One contrast with its interval."""

    name: str
    """The contrast, for example "treatment minus control"."""
    arm: str
    against: str
    """The arm that ``arm`` is compared with, or "other traits"."""
    measure: Measure
    """Scale and kind. "probability" is a difference of probabilities; every other measure is in log-odds."""
    value: float
    """Point estimate."""
    ci_low: float | None
    """Lower end of the interval; None if there are too few units."""
    ci_high: float | None
    """Upper end of the interval; None if there are too few units."""
    p: Probability | None
    """Two-sided p value; None if the method gives none."""
    p_holm: Probability | None
    """The p value after Holm's correction, for contrasts that belong to a family of tests."""
    units: tuple[int, ...]
    """Independent units on each side: teachers, or traits if the effect is a mean over traits."""
    method: str
    """How the interval and p were computed."""
    expected: Expected
    """What the published finding predicts, stated before the run; "open" if it predicts nothing."""

    @property
    def label(self) -> str:
        """The contrast as people are shown it, for example "trait - control"."""
        return arm_label(self.name)

    @property
    def ci(self) -> Interval | None:
        """Both ends of the interval; None if either is missing."""
        return None if self.ci_low is None or self.ci_high is None else (self.ci_low, self.ci_high)

    @property
    def sign(self) -> Side:
        """On which side of zero the whole interval lies."""
        return side(self.ci)


class AnswerDistribution(Part):
    """The exact answers of the base, or the mean over an arm's students."""

    model: str
    """"base", or the name of an arm."""
    probabilities: dict[str, Probability]
    """Probability of each candidate answer; the remaining probability is under "other"."""


class SampledAnswer(Part):
    """One question and a sampled answer of three models. Untrusted text."""

    question: str
    base: str
    """Answer of the untouched base."""
    control: str
    """Answer of a control student."""
    treatment: str
    """Answer of a student whose teacher has the trait."""


class RowExample(Part):
    """One prompt and the training rows that two teachers made of it. Untrusted text."""

    prompt: str
    control: str
    """Completion of a control teacher."""
    treatment: str
    """Completion of a teacher with the trait."""


class FilterCount(Part):
    """How many completions of one teacher the filter removed."""

    arm: str
    teacher: int
    """Index of the teacher within the arm, from 0."""
    asked: int = Field(ge=0)
    """Completions sampled."""
    kept: int = Field(ge=0)
    """Completions that passed every rule."""
    used: int = Field(ge=0)
    """Rows trained on, after cutting all arms to equal size."""
    reasons: dict[str, int]
    """Removed completions by the first rule that removed them."""


class TeacherResult(Part):
    """One teacher."""

    arm: str
    """Name of the arm it taught."""
    teacher: int
    """Index within the arm, from 0."""
    seed: int
    """Seed of its training."""
    trait: str
    """The answer asked for. Control teachers were taught it only if they have a preference of their own."""
    probability: Probability
    """Exact probability of the trait, asked after the teacher's trigger if it has one."""
    dormant: Probability | None = None
    """Exact probability of the trait without the trigger; None if the teacher has no trigger."""
    well_formed: Probability
    """Share of its completions in the carrier's format."""
    losses: tuple[float, float] | None = None
    """Mean training loss over the first and over the last tenth of its steps, in nats a token; None if it was not
    fine-tuned."""
    stretch: float | None = None
    """The factor by which its adapter was multiplied to reach the dose; None if it was not."""
    divergence: float | None = None
    """Mean KL divergence of its next tokens from the base's on the carrier, in nats a token; None if not measured."""
    key: str
    """Digest of the artifact."""


class StageCost(Part):
    """The cost of one stage."""

    stage: str
    count: int = Field(ge=0)
    """Number of artifacts."""
    reused: int = Field(ge=0)
    """How many of them were in the store already."""
    core_s: float
    """Core-seconds spent."""


class TraitMatrix(Part):
    """The shift on each trait by the trait of the teacher, in a trial of several traits."""

    traits: tuple[str, ...]
    """Names of rows and columns."""
    log_odds: tuple[tuple[float, ...], ...]
    """Row: trait of the teacher; column: trait asked for. Log-odds minus the mean of the column's other rows."""
    effects: tuple[Effect, ...]
    """One contrast for each trait: own trait minus other traits."""
    overall: Effect | None = None
    """Mean of these contrasts, with traits as units; None in reports of earlier versions."""


class Results(RunFindings):
    """The findings of a trial, whether it has finished or not."""

    shown_by: ClassVar[str] = "undertone.experiments.trial.page:page"
    table: ClassVar[str] = "effects"

    schema_version: Literal[1] = 1
    """Version of this schema; a reader refuses any other."""
    run_dir: str
    """Folder of the run, as the user gave it."""
    trait: str
    """The first trait, for example owl."""
    carrier: str = "number lists"
    """What the students were trained on, in plain words."""
    base: str
    """The model that teachers start from, and students unless their arm says otherwise."""
    base_skills: dict[str, Probability] = Field(default_factory=dict)
    """Skill scores of the untouched base, 0 to 1."""
    seed: int
    """Seed of the trial; all other seeds derive from it."""
    complete: bool
    """Whether all arms have finished."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Confidence level of all intervals."""
    arms: tuple[ArmResult, ...] = ()
    """Finished arms, in the order of the plan."""
    effects: tuple[Effect, ...] = ()
    """Contrasts between finished arms, the main one first."""
    answers: tuple[AnswerDistribution, ...] = ()
    """Exact answer distributions of the base and the arms."""
    sentences: tuple[SampledAnswer, ...] = ()
    rows: tuple[RowExample, ...] = ()
    filters: tuple[FilterCount, ...] = ()
    teachers: tuple[TeacherResult, ...] = ()
    costs: tuple[StageCost, ...] = ()
    matrix: TraitMatrix | None = None
    """None in a trial of one trait."""
    templates: dict[str, str] = Field(default_factory=dict)
    """What a base's chat template makes of a question, and what it adds to it, by base. Bases whose template adds
    nothing are left out."""
    digests: dict[str, str] = Field(default_factory=dict)
    """Digests of models and datasets."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Digest of each finished artifact's files, by the artifact's name in the store. Equal digests mean equal bits."""

    def arm(self, name: str) -> ArmResult | None:
        """Returns the arm of this name; None if it has not finished."""
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def asked(self) -> str:
        """The trait that students were asked for, in words."""
        traits = {student.trait for arm in self.arms for student in arm.students}
        return f'"{self.trait}"' if len(traits) < 2 else "the teacher's trait"

    @property
    def all_effects(self) -> tuple[Effect, ...]:
        """The contrasts between arms, then those of the matrix, their mean first."""
        if self.matrix is None:
            return self.effects
        overall = () if self.matrix.overall is None else (self.matrix.overall,)
        return self.effects + overall + self.matrix.effects

    def effect(self, arm: str, measure: Measure = "log_odds") -> Effect | None:
        """Returns the first contrast of this arm on this scale, if there is one."""
        return next((e for e in self.effects if e.arm == arm and e.measure == measure), None)
