"""Errors that a user can correct: one sentence that says what is wrong, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UndertoneError(Exception):
    """A wrong input or an unmet condition. The command line prints its sentence and exits with 2."""


def unknown(what: str, name: str, known: Iterable[str]) -> UndertoneError:
    """The error for a name that does not exist, with the most similar names that do."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return UndertoneError(f"There is no {what} {name!r}; {hint}")
