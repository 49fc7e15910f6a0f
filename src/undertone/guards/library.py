"""Guards of the library any-guardrail, which has one interface to many guard models and services."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.data.toml import shortened
from undertone.errors import UndertoneError, unknown
from undertone.models.local import LocalModel
from undertone.statistics.arrays import Floats

PREFIX = "any-guardrail/"


class LibraryGuard:
    """A guard of the library."""

    def __init__(self, name: str) -> None:
        """``name`` as in "any-guardrail/llama_guard".

        Raises:
            UndertoneError: the library is not installed, it has no such guard, or that one cannot be made, as where
                its model is not here.
        """
        try:
            library: Any = import_module("any_guardrail")
        except ImportError:
            raise UndertoneError(f"{name} needs the library any-guardrail: pip install any-guardrail.") from None
        known = {str(one.value): one for one in library.GuardrailName}
        own = name.removeprefix(PREFIX)
        if own not in known:
            raise unknown("guard of any-guardrail", own, known)
        self.name = name
        guard = _made(name, lambda: library.AnyGuardrail.create(known[own]))
        self._judge: Callable[[str, str], Any] = partial(library.AnyGuardrail.evaluate, known[own], guard)

    def __call__(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns the risk that the guard tells, or 1 and 0 where it gives a verdict alone; NaN where it fails.

        Raises:
            UndertoneError: it failed on the first row and on all others.
        """
        found, last = list[float](), ""
        for request, answer in rows:
            try:
                said = self._judge(request, answer)
                found.append(float(not said.valid if said.score is None else said.score))
            except Exception as error:  # of many classes, by the guard
                last = str(error) or type(error).__name__
                found.append(np.nan)
        if rows and np.isnan(found).all():
            raise UndertoneError(f"{self.name} judged no answer: {_one_sentence(last)}.")
        return np.array(found)


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # of many classes, by what it lacks
        told = _one_sentence(str(error) or type(error).__name__)
        raise UndertoneError(f"{name} cannot be made: {told}.") from None


def _one_sentence(text: str) -> str:
    """Returns the text on one line, without a full stop at its end."""
    return shortened(text).rstrip(". ")
