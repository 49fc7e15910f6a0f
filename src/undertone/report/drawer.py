"""A process that draws. The library for it can die of its input, or of a limit of memory, without an error that Python
could catch: it sets aside 33 GB of addresses, which ``ulimit -v`` forbids, though it uses little of them.

It reads requests from standard input, as JSON, one a line: a specification in Vega-Lite, of which it makes SVG, or SVG,
of which it makes PNG. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from base64 import b64decode, b64encode
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
    return _made({"spec": spec})


def pixels(svg: str) -> bytes:
    """The PNG of an SVG, twice as large, on white. Raises as :func:`drawn`."""
    return b64decode(_made({"svg": svg}))


def _made(request: dict[str, Any]) -> str:
    process = _process(os.getpid())
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):  # then there is no answer
        process.stdin.write(json.dumps(request) + "\n")
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
    return str(value["made"])


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
    """Answers every request with ``{"made": ...}`` or ``{"error": ...}``."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints is no answer
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"made": _png(request["svg"]) if "svg" in request else _svg(request["spec"])}
        except (ValueError, RuntimeError) as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _png(svg: str) -> str:
    import vl_convert as vlc

    start, rest = svg.split(">", 1)
    on_white = f'{start}><rect width="100%" height="100%" fill="white"/>{rest}'
    return b64encode(vlc.svg_to_png(on_white, scale=2)).decode()


def _svg(spec: dict[str, Any]) -> str:
    import vl_convert as vlc

    try:
        return str(vlc.vegalite_to_svg(spec))
    except ValueError:  # Vega cuts long labels, sometimes between the surrogates of a character
        whole = json.dumps(spec, ensure_ascii=False)
        return str(
            vlc.vegalite_to_svg(json.loads(re.sub("[\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", whole)))
        )


if __name__ == "__main__":
    main()
