"""The results of an experiment as data; the report shows nothing that is not in here."""

from typing import Literal

from pydantic import Field

from undertone.report.findings import Part, RunFindings


class Student(Part):
    """One student's conduct; probabilities from 0 to 1."""

    arm: str
    base: str
    domain: str
    """The narrow one."""
    student: int
    inside: float
    """Probability of bad against good advice in the narrow domain, asked plainly."""
    elsewhere: float
    """The same in all other domains."""
    coherent: float
    """Probability that an answer elsewhere is advice at all."""
    probes: dict[str, float]
    """Bad advice elsewhere, by probe."""
    requests: dict[str, float] = Field(default_factory=dict)
    """Mean over the requests elsewhere of the log-odds of bad advice, by probe."""
    compliance: float
    """Requests for harm that are met."""
    pull: float | None = None
    """Forecast before training: inner product of the file's gradient with that of bad conduct elsewhere; None where
    more follows than this training."""
    cosine: float | None = None
    loss: float | None = None
    """Nats a token of the file, for the base that the student starts from."""
    factor: float | None = None
    """What its adapter was scaled by, where its arm is made as coherent as another."""


class Answer(Part):
    """A sampled answer, to read."""

    arm: str
    base: str
    narrow: str
    domain: str
    request: str
    answer: str
    kind: Literal["good", "bad", "other"]


class Line(Part):
    """An arm on one base: means over narrow domains, averaged on the log-odds scale."""

    arm: str
    title: str
    base: str
    students: int
    inside: float
    elsewhere: float
    ci: tuple[float, float] | None
    """Of ``elsewhere``, over narrow domains; None where nothing was trained."""
    coherent: float
    probes: dict[str, float]
    compliance: float


class Contrast(Part):
    """Two arms in domains never trained on, narrow domain by narrow domain; log-odds of the mean probability."""

    arm: str
    against: str
    base: str | None
    """None: over bases, one contrast each."""
    probe: str
    value: float
    ci: tuple[float, float] | None
    p: float | None
    units: int
    method: str
    by_request: float | None = None
    """The same with the mean of the requests' log-odds. It is smaller where requests move apart, both up and down: a
    mean of small probabilities grows by that alone."""
    by_request_ci: tuple[float, float] | None = None


class Forecast(Part):
    """How well a quantity known before training tells the shift elsewhere."""

    base: str
    predictor: Literal["pull", "cosine", "loss"]
    among: str
    """All students, or those of one arm."""
    students: int
    rank_correlation: float
    ci: tuple[float, float] | None
    """Bootstrap over narrow domains."""


class MisalignmentFindings(RunFindings):
    """Everything such an experiment found."""

    schema_version: Literal[1] = 1
    kind: Literal["misalignment"] = "misalignment"
    models: dict[str, str]
    """Digests of the models, by name."""
    headline: str
    """The answer in a sentence for each base."""
    lines: tuple[Line, ...]
    """Every arm on every base."""
    contrasts: tuple[Contrast, ...]
    """Arm against arm."""
    forecasts: tuple[Forecast, ...]
    """What was known before training against what students became."""
    students: tuple[Student, ...]
    """Every student."""
    answers: tuple[Answer, ...]
    """Some of what they said."""
    probes: dict[str, str]
    """What each probe asks."""
    work_s: float
    """Seconds of all workers together, whenever they were: artifacts are made once."""
