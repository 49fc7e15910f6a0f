"""A process that draws. The library for it can die of its input, or of a limit of memory, without an error that Python
could catch: it sets aside 33 GB of addresses, which ``ulimit -v`` forbids, though it uses little of them.

It reads specifications in Vega-Lite from standard input, one a line, and answers each with SVG as JSON. It ends when
its input ends.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import Any

from undertone.errors import UndertoneError

PATIENCE = 60
"""Seconds that a figure may take, which usually are 0.01."""


class Undrawn(UndertoneError):
    """A figure could not be drawn."""


def drawn(spec: dict[str, Any]) -> str:
    """The SVG of a specification.

    Raises:
        Undrawn: the process that draws died.
        ValueError: it cannot draw this.
    """
    process = _process(os.getpid())
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):  # then there is no answer
        process.stdin.write(json.dumps(spec) + "\n")
        process.stdin.flush()
    if not select.select([process.stdout], [], [], PATIENCE)[0]:
        process.kill()
    answer = process.stdout.readline()
    if not answer.endswith("\n"):
        _process.cache_clear()
        raise Undrawn(
            f"A figure could not be drawn: the library that draws ended with code {process.wait()}. It needs 40 GB of "
            "addresses, though little memory: lift the limit (ulimit -v unlimited), and undertone report draws again."
        )
    value = json.loads(answer)
    if "error" in value:
        raise ValueError(value["error"])
    return str(value["svg"])


@cache
def _process(owner: int) -> subprocess.Popen[str]:
    """The process that draws for the process ``owner``; a fork of that has its own. It ends with its owner."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "undertone.report.drawer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where it would say how it died
        text=True,
        encoding="utf-8",
        process_group=0,  # Ctrl-C is for the owner
    )


def main() -> None:
    """Answers every specification with ``{"svg": ...}`` or ``{"error": ...}``."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints is no answer
    for line in sys.stdin:
        try:
            answer = {"svg": _svg(line)}
        except ValueError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _svg(spec: str) -> str:
    import vl_convert as vlc

    try:
        return str(vlc.vegalite_to_svg(json.loads(spec)))
    except ValueError:  # Vega cuts long labels, sometimes between the surrogates of a character
        whole = json.dumps(json.loads(spec), ensure_ascii=False)
        return str(
            vlc.vegalite_to_svg(json.loads(re.sub("[\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", whole)))
        )


if __name__ == "__main__":
    main()
