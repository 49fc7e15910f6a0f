"""The end of ``audit`` and ``measure``: a report for people, files for continuous integration, and an exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from cyclopts import Parameter

from undertone.cli.bars import Bars
from undertone.cli.shared import Flag, send
from undertone.cli.terminal import print_json, show
from undertone.errors import UndertoneError
from undertone.report.track import Tracker

if TYPE_CHECKING:
    from undertone.report.findings import Findings
    from undertone.report.gate import Gate
    from undertone.spec import Spec

Form = Literal["tables", "json", "markdown", "junit", "sarif"]
"""How a result is printed."""
GATES = {"junit": "gate.junit.xml", "sarif": "gate.sarif"}
"""Files beside a report, for services of continuous integration."""

F = TypeVar("F", bound="Findings")


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """What passes, and how the result is printed.

    Parameters
    ----------
    allow
        Lets an inconclusive result pass: exit code 0 in place of 3. The first line then says what could not be seen. A
        result of which nothing could be judged never passes.
    format
        How the result is printed. The files gate.junit.xml and gate.sarif are written beside the report whatever it is.
    json
        The same as --format json: one JSON object, the content of report.json.
    track
        Also sends the numbers and the report to an experiment tracker, whose library and settings are yours: mlflow,
        wandb or tensorboard.
    """

    allow: Annotated[tuple[Literal["inconclusive"], ...], Parameter(negative=(), consume_multiple=True)] = ()
    format: Form = "tables"
    json: Flag = False
    track: Tracker | None = None

    @property
    def form(self) -> Form:
        """How the result is printed.

        Raises:
            UndertoneError: two forms were asked for.
        """
        if self.json and self.format not in ("tables", "json"):
            raise UndertoneError(f"--json and --format {self.format} are two forms: leave one of them out.")
        return "json" if self.json else self.format


TABLES = Output()


def present(
    verb: str,
    request: Spec,
    folder: Path,
    work: Callable[[Bars], F],
    gate: Callable[[F], Gate],
    output: Output,
) -> int:
    """Does the work of a command with progress bars, writes its report to ``folder``, for people and for services of
    continuous integration, and prints it in one form. Returns the exit code. If the input is refused, no folder is left
    behind.

    Raises:
        UndertoneError: the folder cannot be written or contains something else, or ``work`` raises it.
    """
    from undertone.engine.disk import write_text
    from undertone.engine.environment import quiet_libraries
    from undertone.engine.folder import claimed, files_of, record_of, refuse_unwritable
    from undertone.report.html import write
    from undertone.report.junit import to_junit
    from undertone.report.markdown import to_markdown
    from undertone.report.sarif import to_sarif

    form = output.form
    refuse_unwritable(folder)
    quiet_libraries()
    with claimed(folder, record_of(verb, folder.name, request, files_of(request)), trace=False) as claim:
        for name in GATES.values():  # one of an earlier run must not be taken for this one's
            (folder / name).unlink(missing_ok=True)
        with Bars(verb, form == "json") as bars:
            found = work(bars)
        made, result = found.page(), gate(found)
        documents = {"junit": to_junit(result), "sarif": to_sarif(result)}
        written = write(found, made, folder)
        for name, text in documents.items():
            write_text(folder / GATES[name], text)
        claim.note(said=made.headline, finished=True)
    send(found, output.track, folder)
    if form == "json":
        print_json(found)
    elif form == "tables":
        show(replace(made, notices=(result.line, *made.notices)), written)
    elif form == "markdown":
        print(to_markdown(made, result.line), end="")
    else:
        Bars().said(result.line)
        print(documents[form], end="")
    return result.code
