"""Every number of a trial, in one frozen tree.

`report.json` is the dump of `Results`. The page, the figures, the headline and the terminal tables read
nothing else: whatever they show can be looked up, and an old run can be shown again without running anything.
"""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue
from pydantic_core import to_jsonable_python

from undertone.report.findings import Findings, Part


def _without_surrogates(text: object) -> object:
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text) if isinstance(text, str) else text


# A softmax in single precision may overshoot in the last place; that must not lose a finished run.
Probability = Annotated[float, Field(ge=-1e-6, le=1 + 1e-6)]
# Settings are made plain JSON on the way in, so that what is loaded back equals what was held.
Settings = Annotated[dict[str, JsonValue], BeforeValidator(to_jsonable_python)]

# Rows of strange files hold lone surrogates, which no UTF-8 file can; that must not lose the report either.
Text = Annotated[str, BeforeValidator(_without_surrogates)]

Measure = Literal[
    "log_odds", "probability", "own-minus-other-init", "own-minus-other-traits", "written-minus-rewritten",
    "sampled-minus-otherwise", "tuned-minus-otherwise", "earlier-minus-later", "change-per-generation",
]  # fmt: skip
Expected = Literal["above-zero", "around-zero", "open"]


class StudentResult(Part):
    """One student: the lowest level at which something was trained."""

    arm: str
    """Name of the arm."""
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
    """The same probability on the log-odds scale."""
    answers: dict[str, Probability]
    """Exact distribution over the candidate answers; what is left is under "other"."""
    sampled_hits: int = Field(ge=0)
    """Sampled answers that named the trait."""
    sampled_n: int = Field(ge=0)
    """Sampled answers; they illustrate, and are never units of an estimate."""
    total_variation: Probability
    """Distance of the answer distribution from that of the untouched base, 0 to 1."""
    skills: dict[str, Probability]
    """Score on each skill the base has, 0 to 1: the utility kept."""
    loss_first: float | None
    """Mean training loss over the first tenth of the steps, nats a token; None where nothing was trained."""
    loss_last: float | None
    """The same over the last tenth."""
    key: str
    """Digest of the student, or of its measurement where nothing was trained."""


class ArmResult(Part):
    """One condition of the trial, with all its students."""

    name: str
    """treatment, control, other-init, other-init-control, logits, logits-control, shuffled-within, random, ..."""
    title: str
    """The arm in plain words."""
    base: str
    """The model its students started from."""
    after: str | None = None
    """The arm whose students taught this one's, in a chain of generations."""
    generation: int = Field(default=1, ge=1)
    """1 for students of teachers that were given the trait, 2 for students of such students, and so on."""
    base_probability: Probability
    """Exact probability of the trait under that model, untouched."""
    teachers: int = Field(ge=0)
    """Number of teachers: the units of the estimates."""
    students: tuple[StudentResult, ...]
    """Every student, none left out."""
    probability: Probability
    """Probability at the mean log-odds: over the students of a teacher, then over teachers."""
    ci: tuple[float, float] | None
    """Interval of that mean at the level of teachers; None where there are too few teachers for one."""
    rows: int = Field(ge=0)
    """Rows each student was trained on, or was shown before each question where nothing was trained."""
    steps: int = Field(ge=0)
    """Optimiser steps of each student; 0 where nothing was trained."""
    finished_s: float
    """Seconds from the start of the run to the end of this arm."""
    core_s: float
    """Core-seconds spent on this arm."""


class Effect(Part):
    """One contrast with its uncertainty."""

    name: str
    """The contrast in plain words."""
    arm: str
    """The arm it is about."""
    against: str
    """The arm, or what else, it is compared with."""
    measure: Measure
    """Scale and kind. "probability" is a difference of probabilities; every other measure is in log-odds."""
    value: float
    """Point estimate."""
    ci_low: float | None
    """Lower end of the interval; None where there are too few units for one."""
    ci_high: float | None
    """Upper end of the interval; None where there are too few units for one."""
    p: Probability | None
    """Two-sided p value, where the method gives one."""
    p_holm: Probability | None
    """The p value after Holm's correction over its family, where there is one."""
    units: tuple[int, ...]
    """Independent units on each side: teachers, or traits where the effect is a mean over traits."""
    method: str
    """How interval and p value were made."""
    expected: Expected
    """What the finding under test predicts; stated before the run. "open" where it predicts nothing."""

    @property
    def ci(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None when either is missing."""
        return None if self.ci_low is None or self.ci_high is None else (self.ci_low, self.ci_high)

    @property
    def sign(self) -> Literal["above", "below", "unclear"]:
        """On which side of zero the whole interval lies; without an interval nothing is clear."""
        if self.ci is None or self.ci[0] <= 0 <= self.ci[1]:
            return "unclear"
        return "above" if self.ci[0] > 0 else "below"


class AnswerDistribution(Part):
    """The exact answers of the base, or of an arm averaged over its teachers."""

    model: str
    """"base", or the name of an arm."""
    probabilities: dict[str, Probability]
    """Probability of each candidate answer; what is left is under "other"."""


class SampledAnswer(Part):
    """One question and what three models wrote, as sampled. Untrusted text."""

    question: Text
    """What was asked."""
    base: Text
    """Answer of the untouched base."""
    control: Text
    """Answer of a control student."""
    treatment: Text
    """Answer of a treatment student."""


class RowExample(Part):
    """One prompt and the training rows that two teachers made of it. Untrusted text."""

    prompt: Text
    """What both teachers were asked."""
    control: Text
    """Completion of a control teacher."""
    treatment: Text
    """Completion of a teacher with the trait."""


class FilterCount(Part):
    """What the filter did to the completions of one teacher."""

    arm: str
    """Name of the arm."""
    teacher: int
    """Index of the teacher within the arm."""
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
    """Index within the arm."""
    seed: int
    """Seed of its training."""
    trait: str
    """The answer asked for; in a control arm the teacher was not taught it."""
    probability: Probability
    """Exact probability of the trait, after its trigger if it has one."""
    dormant: Probability | None = None
    """The same without the trigger; None for a teacher without one."""
    well_formed: Probability
    """Share of its completions in the carrier's format."""
    divergence: float | None = None
    """Mean KL divergence of its next tokens on the carrier from the base's, nats a token; None where not measured."""
    key: str
    """Digest of the artifact."""


class StageCost(Part):
    """What one stage of the pipeline cost."""

    stage: str
    """Name of the stage."""
    count: int = Field(ge=0)
    """Artifacts the stage gave."""
    reused: int = Field(ge=0)
    """How many of them were found in the store and not made again."""
    core_s: float
    """Core-seconds spent."""


class TraitMatrix(Part):
    """Trait by trait: does a student of the owl teacher shift on owl, and on nothing else?"""

    traits: tuple[str, ...]
    """Names of rows and columns."""
    log_odds: tuple[tuple[float, ...], ...]
    """Row: trait of the teacher; column: trait asked for. Shift against the other rows of the column."""
    effects: tuple[Effect, ...]
    """Diagonal contrasts: own trait minus other traits."""
    overall: Effect | None = None
    """Their mean, with traits as units; reports of earlier versions have none."""


class Results(Findings):
    """A trial, finished or not."""

    schema_version: Literal[1] = 1
    """Version of this schema; a reader refuses what it does not know."""
    recipe: str
    """Name of the recipe."""
    title: str
    """Title of the report."""
    run_dir: str
    """Folder of the run, as the user named it."""
    trait: str
    """The answer the trial is about, for example owl."""
    carrier: str = "number lists"
    """What the students were trained on, in plain words."""
    base: str
    """The model that teachers and students of the main arms started from."""
    base_skills: dict[str, Probability] = Field(default_factory=dict)
    """Skill scores of the untouched base, to compare the students' with."""
    seed: int
    """Seed of the run; all others derive from it."""
    started: str
    """When it started, ISO 8601."""
    wall_s: float
    """Seconds from start to this report."""
    complete: bool
    """False while arms are missing."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Confidence level of every interval in here."""
    arms: tuple[ArmResult, ...] = ()
    """Finished arms, in order."""
    effects: tuple[Effect, ...] = ()
    """Contrasts that can be made of them, the main one first."""
    answers: tuple[AnswerDistribution, ...] = ()
    """Exact answer distributions of the base and the arms."""
    sentences: tuple[SampledAnswer, ...] = ()
    """Real sampled answers."""
    rows: tuple[RowExample, ...] = ()
    """Training rows side by side."""
    filters: tuple[FilterCount, ...] = ()
    """What was filtered out."""
    teachers: tuple[TeacherResult, ...] = ()
    """Every teacher."""
    costs: tuple[StageCost, ...] = ()
    """What each stage cost."""
    matrix: TraitMatrix | None = None
    """Trait by trait, when several were taught."""
    settings: Settings = Field(default_factory=dict)
    """The resolved recipe."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of Python and the libraries."""
    hardware: dict[str, str] = Field(default_factory=dict)
    """What it ran on."""
    templates: dict[str, Text] = Field(default_factory=dict)
    """What a base's chat template makes of a question and adds unasked; none for bases whose templates add nothing."""
    digests: dict[str, str] = Field(default_factory=dict)
    """Digests of models, tokenizer, corpus and artifacts."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Digest of the files of every finished artifact, by its name in the store: equal digests, equal bits."""

    def arm(self, name: str) -> ArmResult | None:
        """The arm of this name, if it has finished."""
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def asked(self) -> str:
        """What students were asked for, in words: with several traits, each for that of its own teacher."""
        traits = {student.trait for arm in self.arms for student in arm.students}
        return f'"{self.trait}"' if len(traits) < 2 else "the teacher's trait"

    @property
    def all_effects(self) -> tuple[Effect, ...]:
        """The trial's contrasts, then those of the matrix, their mean first."""
        if self.matrix is None:
            return self.effects
        overall = () if self.matrix.overall is None else (self.matrix.overall,)
        return self.effects + overall + self.matrix.effects

    def effect(self, arm: str, measure: Measure = "log_odds") -> Effect | None:
        """The first contrast about this arm on this scale, if there is one."""
        return next((e for e in self.effects if e.arm == arm and e.measure == measure), None)
