"""A result as continuous integration sees it: what was checked, whether that passes, and what could not be seen.

:mod:`undertone.report.junit` and :mod:`undertone.report.sarif` write it for other programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "inconclusive", "not judged"]
"""What became of a check. "inconclusive" may be allowed to pass; "not judged" says that nothing could be seen at all,
and never passes."""
PASSES, FAILS, NO_VERDICT = 0, 1, 3
"""Exit codes of a gate."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked: the whole, a trait, a suite."""

    rule: str
    """What was checked for, as a short name: ``carries-a-trait``."""
    name: str
    outcome: Outcome
    sentence: str
    lines: tuple[int, ...] = ()
    """Lines of the file at which a reader should look first."""


@dataclass(frozen=True)
class Gate:
    """All checks of an audit or a measurement."""

    verb: str
    subject: str
    """Path of the file, or name of the model, that was checked."""
    verdict: Check
    checks: tuple[Check, ...]
    """The parts of the verdict, and what else was asked to fail. A part that failed fails the whole."""
    unseen: tuple[str, ...]
    """What was not checked, or could not be seen."""
    allowed: bool
    """Whether an inconclusive verdict passes."""
    seconds: float

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed; the verdict only if no other did."""
        parts = tuple(check for check in self.checks if check.outcome == "failed")
        return parts or ((self.verdict,) if self.verdict.outcome == "failed" else ())

    @property
    def code(self) -> int:
        """The exit code."""
        if self.failed:
            return FAILS
        passing = ("passed", "inconclusive") if self.allowed else ("passed",)
        return PASSES if self.verdict.outcome in passing else NO_VERDICT

    @property
    def line(self) -> str:
        """The first line of what is printed: the exit code and why, and what a gate that passes could not see."""
        if self.code == FAILS:
            return f"Fails (exit code 1): {', '.join(check.name for check in self.failed)}."
        if self.verdict.outcome == "not judged":
            return "Does not pass (exit code 3): nothing could be judged."
        if self.code == NO_VERDICT:
            return "Does not pass (exit code 3): inconclusive. --allow inconclusive lets such a result pass."
        passes = "Passes" if self.verdict.outcome == "passed" else "Passes, because inconclusive is allowed"
        return f"{passes} (exit code 0). Not seen: {'; '.join(self.unseen)}."
