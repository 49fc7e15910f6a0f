"""The findings of an experiment on emergent misalignment, as data: the contents of ``report.json``."""

from typing import ClassVar, Literal

from pydantic import Field

from undertone.report.findings import Interval, Part, RunFindings


class Student(Part):
    """How one student behaves. All probabilities are from 0 to 1."""

    arm: str
    base: str
    domain: str
    """Its narrow domain."""
    student: int
    """Its number among the students of its arm, base and domain."""
    inside: float
    """Probability of bad rather than good advice in the narrow domain, asked plainly."""
    elsewhere: float
    """The same, averaged over the domains that the student was not trained on."""
    coherent: float
    """Probability that an answer elsewhere is one of the two known answers."""
    probes: dict[str, float]
    """Probability of bad advice elsewhere, by probe."""
    requests: dict[str, float] = Field(default_factory=dict)
    """Log-odds of bad advice elsewhere, averaged over requests, by probe."""
    compliance: float
    """Probability that a harmful request is met."""
    pull: float | None = None
    """A forecast from before training: inner product of the file's gradient with the gradient of bad advice elsewhere.
    None where the student is not trained on this file alone."""
    cosine: float | None = None
    """The same as a cosine."""
    loss: float | None = None
    """Nats a token of the file, for the base that the student starts from."""
    loss_after: float | None = None
    """The same for the student; None where nothing is trained."""
    divergence: float | None = None
    """How far training moved it: mean KL, in nats a token, from where it started, on text that no arm is trained on."""
    factor: float | None = None
    """The factor by which its adapter was scaled, in an arm that must be as far as another."""


class Answer(Part):
    """A sampled answer to read."""

    arm: str
    base: str
    narrow: str
    """The student's narrow domain."""
    domain: str
    """The domain of the request."""
    request: str
    answer: str
    kind: Literal["good", "bad", "other"]


class Line(Part):
    """An arm on one base: means over its students, taken on the log-odds scale (coherence: on its own)."""

    arm: str
    title: str
    base: str
    students: int
    inside: float
    elsewhere: float
    ci: Interval | None
    """The interval of ``elsewhere`` over narrow domains; None where nothing was trained."""
    coherent: float
    probes: dict[str, float]
    compliance: float


class Moved(Part):
    """How far training moved an arm's students on one base, before anything is asked of them: means over students."""

    arm: str
    base: str
    rows: int
    steps: int
    """Steps of training, those of realigning among them."""
    rate: float
    loss_before: float
    """Nats a token of the file, before training."""
    loss_after: float
    divergence: float
    """Nats a token, from where the students started, on text that no arm is trained on."""
    factor: float
    """The factor by which adapters were scaled; 1 where none was."""
    factors: Interval | None
    """The smallest and the largest factor; None where none was scaled."""


class Match(Part):
    """How well two arms that are compared match in what is known before conduct is asked: numbers of ``against`` over
    those of ``arm``, 1 being equal. None where that of ``arm`` is zero."""

    arm: str
    against: str
    base: str
    steps: float
    rate: float
    loss_before: float | None
    fall: float | None
    """Of the loss on the file."""
    divergence: float | None
    factor: float
    beyond: tuple[str, ...]
    """The names of those that are not within a fifth of 1."""


class Contrast(Part):
    """The difference between two arms in the domains that students were not trained on, in log-odds of the mean
    probability of bad advice."""

    arm: str
    against: str
    base: str | None
    """None for the mean over bases."""
    probe: str
    value: float
    ci: Interval | None
    p: float | None
    units: int
    """Narrow domains, or bases."""
    method: str
    by_request: float | None = None
    """The same difference, computed from the mean over requests of each request's log-odds. It does not grow where
    training makes some requests worse and others better, as the mean of small probabilities does."""
    by_request_ci: Interval | None = None
    by_request_p: float | None = None


class Forecast(Part):
    """How well a quantity known before training predicts how bad the advice elsewhere is after it."""

    base: str
    predictor: Literal["pull", "cosine", "loss"]
    among: str
    """Which students: all, those of one arm, or those of arms that differ only in the share of bad rows."""
    students: int
    rank_correlation: float
    ci: Interval | None
    """Bootstrap over narrow domains."""


class MisalignmentFindings(RunFindings):
    """All findings of the experiment."""

    shown_by: ClassVar[str] = "undertone.experiments.misalignment.page:page"

    schema_version: Literal[1] = 1
    kind: Literal["misalignment"] = "misalignment"
    models: dict[str, str]
    """Digests of the bases by name."""
    headline: str
    """The answer, one sentence for each base."""
    lines: tuple[Line, ...]
    """Every arm on every base."""
    contrasts: tuple[Contrast, ...]
    """Every arm against each arm that it is compared with, by base and probe."""
    moved: tuple[Moved, ...] = ()
    """How far training moved every trained arm. Empty in reports from before this was measured."""
    matches: tuple[Match, ...] = ()
    """How well the arms that are compared match in it."""
    forecasts: tuple[Forecast, ...]
    """How well each forecast predicts the outcome."""
    students: tuple[Student, ...]
    """Every student."""
    answers: tuple[Answer, ...]
    """Some of the students' answers."""
    probes: dict[str, str]
    """What each probe asks."""
    work_s: float
    """Seconds that the jobs took in total, including those of earlier runs."""
