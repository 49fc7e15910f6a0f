"""Keeps the report of a run, without what it says of the machine."""

import json
import platform
import re
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError

ABSOLUTE = re.compile(r"(?<![\w.:>)-])(?<!:/)/(?:[\w.+-]+/)+[\w.+-]*|\b[A-Z]:\\\\")
"""A path from the root of a file system, in JSON."""


def keep(run: Path, kept: Path) -> None:
    """Writes the ``report.json`` of a run to ``kept`` as it is, but for ``run_dir``, the folder that the user gave,
    which is blanked.

    Raises:
        UndertoneError: there is no report, the run is not finished, or the report names another place on this machine.
    """
    try:
        text = (run / "report.json").read_text(encoding="utf-8")
    except OSError as error:
        raise UndertoneError(f"{run} has no report.json that can be read: {error.strerror}.") from None
    text = re.sub(r'(?m)^( "run_dir": ).*(,)$', r'\1""\2', text, count=1)
    report = json.loads(text)
    if not report.get("complete", True):
        raise UndertoneError(f"{run} is not finished: undertone run {run} goes on with it.")
    refuse_places(report)
    kept.write_text(text, encoding="utf-8")


def refuse_places(report: Any) -> None:
    """Raises UndertoneError if a report names a folder of a machine, or this machine."""
    if report.get("run_dir"):
        raise UndertoneError("run_dir is not blank: keep the report with python -m results keep RUN NAME.")
    text = json.dumps(report, ensure_ascii=False).replace("\\n", " ")
    found = ABSOLUTE.search(text) or re.search(rf"\b{re.escape(platform.node() or '/')}\b", text)
    if found:
        raise UndertoneError(f"It names {found[0]}, a place on a machine: run it again without absolute paths.")
