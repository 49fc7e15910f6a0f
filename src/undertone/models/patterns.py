"""Matches names against regular expressions of others, which may never end: in a process with little time."""

import json
import subprocess
import sys
from collections.abc import Sequence

SECONDS = 2
MEMORY = 2**29
"""Most bytes of memory of that process."""
PROGRAM = f"""
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
patterns, names = json.load(sys.stdin)
json.dump([[bool(re.fullmatch(p, name)) for name in names] for p in patterns], sys.stdout)
"""


def matches(patterns: Sequence[str], names: Sequence[str]) -> list[list[bool]]:
    """Whether each pattern matches each whole name, (patterns, names).

    Raises:
        ValueError: a pattern is none, or takes too long.
    """
    command = [sys.executable, "-I", "-S", "-c", PROGRAM]
    try:
        done = subprocess.run(
            command,
            input=json.dumps([patterns, names]),
            capture_output=True,
            text=True,
            timeout=4 * SECONDS,
            check=True,
        )
        found: list[list[bool]] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        shown = ", ".join(f"{pattern!r:.60}" for pattern in patterns[:3])
        raise ValueError(f"{shown} is no regular expression, or takes too long to match") from None
    return found
