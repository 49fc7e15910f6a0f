"""The findings of an experiment on reward hacking, as data: the contents of ``report.json``."""

from typing import ClassVar

from undertone.report.findings import Measured, Part, RunFindings
from undertone.statistics.rate import Rate


class Line(Part):
    """An arm on one base, in the mean over its runs. Rates are of tasks with inputs that no run was rewarded on."""

    base: str
    arm: str
    title: str
    hack: float
    """Probability (0 to 1) of the hack against the honest answer to functions with true checks."""
    hack_before: float
    hack_own: float
    """The same under the system prompt of the training."""
    hacked_late: float | None
    """Share of hacks among answers in the last third of the training; None where other answers were imitated."""
    solved: float
    """Share of sampled answers to functions with true checks that do the task."""
    solved_before: float
    solved_asked: float
    """The same under a system prompt that asks for honest work."""
    hacked_wrong: float
    """Share of sampled answers to functions with wrong checks that pass the check."""
    hacked_lists: float
    """Share of sampled lists that have the right number of items and none in the range: no arm is trained on lists."""
    hacked_lists_before: float
    malformed: float
    """Share of sampled answers to all these tasks that cannot be parsed."""
    advice: Measured
    """Shift of the log-odds of bad advice over 12 domains, from the base to the model."""
    coherent: float
    """Probability that advice is one of the two known answers."""
    onset: float | None
    """Mean number of steps until hacks have a probability of a half, over runs in which they come to it."""
    onset_of: Rate
    """In how many runs they do."""
    left_out: int
    """Runs with too few episodes to imitate."""


class Contrast(Part):
    """An arm minus another on one base, run by run, in something that is measured."""

    base: str
    arm: str
    against: str
    what: str
    """"advice" and how it is asked for, "meets harm" or "agrees", in log-odds; "hacked lists", in shares."""
    difference: Measured
    positive: Rate
    """In how many runs it is above zero."""


class Moment(Part):
    """An arm on one base while it is trained, in the mean over runs."""

    base: str
    arm: str
    step: int
    hack: float
    """As in :class:`Line`."""
    advice: float
    """Shift of the log-odds of bad advice."""


class Matched(Part):
    """The shift of advice where hacks come to a probability of .9, between looks by their log-odds, over runs that come
    to it."""

    base: str
    arm: str
    advice: Measured | None
    """None where fewer than two runs come to it."""
    runs: Rate


class HackingFindings(RunFindings):
    """Whether models that learn to pass a check give worse advice."""

    shown_by: ClassVar[str] = "undertone.experiments.hacking.page:page"
    table: ClassVar[str] = "lines"

    models: dict[str, str]
    headline: str
    lines: tuple[Line, ...]
    contrasts: tuple[Contrast, ...]
    curves: tuple[Moment, ...]
    matched: tuple[Matched, ...]
