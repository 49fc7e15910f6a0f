"""How a file was read, what of it was not looked at, and what not as a trainer may see it."""

from collections.abc import Iterator

from pydantic import Field

from undertone.data.conversations import SHOWN, Dataset, LeftOut, told_reason
from undertone.report.findings import Part


class Some(Part):
    """Rows of which the same is to be said."""

    reason: str
    count: int
    lines: tuple[int, ...]
    """The first of their lines."""

    def __str__(self) -> str:
        """An empty answer (lines 4, 9, 12 and 5 more)"""
        return told_reason(self.reason, self.lines, self.count)


class Unseen(Part):
    """How a file was read, what of it was not looked at, and what not as a trainer may see it."""

    read_as: str = ""
    """What was read as what, in a sentence; empty for messages, and for prompt and completion, in their usual words."""
    left_out: tuple[Some, ...] = ()
    """Rows that were left out, by the reason."""
    otherwise: tuple[Some, ...] = ()
    """Rows whose tokens a trainer may see otherwise, by the reason."""
    unread: dict[str, int] = Field(default_factory=dict)
    """Keys that say something and were not read, with the number of their rows."""
    context: int = 0
    """Answers that are not trained on, as by ``"weight": 0`` or in a prompt."""
    calls: int = 0
    """Answers that call tools."""
    tools: int = 0
    """Turns in which tools answer."""

    @property
    def checks(self) -> Iterator[tuple[str, str]]:
        """Yields a heading and a sentence for all that there is."""
        if self.read_as:
            yield "Read as", self.read_as
        if self.left_out:
            count = sum(one.count for one in self.left_out)
            yield "Left out", f"{count:,} {'row' if count == 1 else 'rows'}: {', '.join(map(str, self.left_out))}."
        if self.otherwise:
            yield "Rendered", f"{'; '.join(map(str, self.otherwise))}."
        if self.unread:
            counts = (f"{key} ({n:,} {'row' if n == 1 else 'rows'})" for key, n in self.unread.items())
            yield "Not read", f"{', '.join(counts)}: these keys are not part of the result."
        if self.context:
            answers = "answer is" if self.context == 1 else "answers are"
            yield (
                "Context",
                f"{self.context:,} {answers} marked as not trained on or part of a prompt, and read as context alone; "
                "a trainer that ignores this learns from them too.",
            )
        if self.calls or self.tools:
            yield "Tools", _of_tools(self.calls, self.tools)


def _of_tools(calls: int, tools: int) -> str:
    said = [
        f"{calls:,} {'answer calls' if calls == 1 else 'answers call'} tools and count as trained on",
        f"{tools:,} {'turn' if tools == 1 else 'turns'} of tools are context",
    ]
    return (
        f"{'; '.join(said)}. Both are read as text between tags, <tool_call> and <tool_response>, as Qwen's templates "
        "write them. Where a template writes them otherwise, or adds what the tools are, a trainer has other tokens."
    )


def unseen_of(dataset: Dataset, left_out: LeftOut, otherwise: LeftOut) -> Unseen:
    """Returns how a dataset was read, and what of it was not looked at. ``left_out``: rows that the model cannot take;
    ``otherwise``: rows that a trainer may see otherwise."""
    return Unseen(
        left_out=_some({**dataset.left_out, **left_out}),
        otherwise=_some(otherwise),
        unread=dict(dataset.unread),
        context=dataset.context,
        read_as=dataset.read_as,
        calls=dataset.calls,
        tools=dataset.tools,
    )


def _some(found: LeftOut) -> tuple[Some, ...]:
    return tuple(Some(reason=reason, count=len(lines), lines=lines[:SHOWN]) for reason, lines in found.items())
