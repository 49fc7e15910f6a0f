"""Refuses a base that does not know the tasks: what it became would be said of answers that are none."""

from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.experiments.hacking.plan import Plan
from undertone.experiments.hacking.spec import Hacking
from undertone.experiments.hacking.stages import TRUE
from undertone.experiments.kind import Made, Warn

MOST_MALFORMED = 0.5
"""The largest share of a base's answers to tasks that may be malformed."""


def check(spec: Hacking, plan: Plan, job: Job, made: Made, warn: Warn) -> None:
    """Looks at what the base did before a finished job trained it.

    Raises:
        UndertoneError: more than half of its answers to tasks cannot be parsed.
    """
    unit = next(unit for unit in plan.units if unit.job.key == job.key)
    before = made.read(job, "outcome.json").get("before")
    share = before["tasks"][TRUE]["malformed"] if before else 0.0
    if share > MOST_MALFORMED:
        raise UndertoneError(
            f"{unit.base} does not know the tasks: {share:.0%} of its answers to them cannot be parsed, so nothing "
            "can be rewarded. Give a base that was trained on them, or say after every task how to answer (form)."
        )
