"""The process that renders chat templates: reads requests from standard input, one JSON object a line, and answers each
with one.

A template is a program of whoever made the model. Here it has little time and memory, and can open no file.
:mod:`undertone.models.rendering` starts this process. It ends when its input ends.

What is rendered is what transformers renders, byte for byte, except that the clock stands still; transformers itself
would take ten times as long to import.
"""

import codecs
import html
import json
import os
import resource
import signal
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.constants
import jinja2.debug
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

SECONDS = 1.0
"""The longest that one text may take, of the processor's time."""
MEMORY = 2**29
"""Most bytes of memory of this process, which needs a tenth of them itself."""
LONGEST = 2**24
"""Most characters of a rendered text: four times those of the longest row."""
OUT_OF_MEMORY = 3
"""The code that this process ends with."""
LIMITS = {
    resource.RLIMIT_AS: MEMORY,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_CORE: 0,
}
"""Those of the system on this process: it opens no file, starts no process, and leaves no image of its memory."""

# What is otherwise imported only when a template needs it, and then no file can be opened.
ALSO = (codecs.lookup("unicode_escape"), jinja2.constants, jinja2.debug, html, textwrap)


class Generation(Extension):
    """The tag around what an assistant says, by which trainers find it. It changes no text."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("said"), [], [], body).set_lineno(line)

    def said(self, caller: Callable[[], str]) -> str:
        """What stands between the tags."""
        return caller()


class Dictionaries:
    """What is left to templates of ``dict``, whose other attributes lead out of the sandbox."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """As of ``dict``."""
        return dict.fromkeys(*args)


class PlainNamespace(Namespace):
    """A namespace without names that Python itself would look up in it."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # a template may set a name "self"
        self, *rest = args
        Namespace.__init__(self, {_plain(name): value for name, value in dict(*rest, **kwargs).items()})

    def __setitem__(self, name: str, value: Any) -> None:
        Namespace.__setitem__(self, _plain(name), value)


def _plain(name: Any) -> Any:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a template cannot store {name!r}: names in a namespace begin with no underscore")
    return name


def _raise(message: str) -> None:
    raise TemplateError(message)


def _json(
    x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(8)
def _compiled(template: str, day: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, LoopControlExtension]
    )
    environment.filters["tojson"] = _json
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": datetime.fromisoformat(day).strftime,
        "dict": Dictionaries(),
        "namespace": PlainNamespace,
    }
    return environment.from_string(template)


def answer(request: dict[str, Any]) -> dict[str, str]:
    """Returns the rendered ``text``, or the ``error`` that says in a line why there is none.

    Raises:
        MemoryError: the template takes too much memory.
    """
    try:
        text = _compiled(request["template"], request["day"]).render(request["values"])
        if len(text) > LONGEST:
            raise ValueError(f"it writes more than {LONGEST:,} characters")
        text.encode()  # half a surrogate pair cannot be sent
    except MemoryError:
        raise
    except RecursionError:
        return {"error": "it calls itself without end"}
    except Exception as error:  # a template can raise anything
        return {"error": (str(error).splitlines() or [""])[0][:200] or type(error).__name__}
    return {"text": text}


def main() -> None:
    """Answers until there is no more request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when this ends
    for limit, most in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(OSError, ValueError):  # not every system has every limit
            resource.setrlimit(limit, (most, most))
    for line in sys.stdin.buffer:
        # This signal ends a process at once, even where the interpreter does not listen.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            said = json.dumps(answer(json.loads(line)), ensure_ascii=False).encode() + b"\n"
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
