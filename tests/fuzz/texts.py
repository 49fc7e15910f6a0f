"""Small mutations of text files, of which each changes one place."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

PIECES = (
    "\n", "\r", "\t", " ", ",", ";", ":", '"', "'", '""', "\\", "{", "}", "[", "]", "&a ", "*a ", "<<: *a\n", "#", "? ",
    "!!bool x", "!!int ''", "!!timestamp x", "!!binary x", "!!set {a}", "- ", "|-\n", "---\n", "\0", "\x1b[2J",
    "\u202e",
    "\ufeff", "\ud7ff", "NaN", "nan", "-", "1e999", "9" * 30, "0.5", "true", "null", "~", "[[a]]\n", "a.b = 1\n",
    "x" * 5000, "[" * 3000, "{a: " * 3000, "- " * 3000, "\\ud800", "\\u0000", "{question}", "{name}",
    "{answer.__class__}",
)  # fmt: skip
RAW = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00\x00", b"\xff\xfe")


def mutated(rng: Random, path: Path) -> None:
    """Changes one place of a file, cuts it off, or puts something else in its place."""
    content = path.read_bytes()
    at, to = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    lines = content.splitlines(keepends=True)
    line, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(10):
        case 0:
            content = content[:at] + rng.randbytes(rng.randint(0, 3)) + content[at + rng.randint(0, 3) :]
        case 1 | 2 | 3:
            content = content[:at] + rng.choice(PIECES).encode() + content[at + rng.randint(0, 1) * rng.randint(0, 3) :]
        case 4:
            content = content[:at] + rng.choice(RAW) + content[at:]
        case 5:
            content = content[:at]
        case 6:
            content = content[:at] + content[min(to, at + 200) :]
        case 7:
            lines[line], lines[other] = lines[other], lines[line]
            content = b"".join(lines)
        case 8:
            content = b"".join([*lines[:line], *lines[line : line + 1] * rng.choice((0, 2, 2)), *lines[line + 1 :]])
        case _:
            return _replaced(rng, path)
    path.write_bytes(content)


def _replaced(rng: Random, path: Path) -> None:
    path.unlink()
    match rng.randrange(5):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to("/dev/zero")
        case 2:
            path.mkdir()
        case 3:
            path.write_bytes(b"")
        case _:
            with path.open("wb") as file:
                file.truncate(2**40)
