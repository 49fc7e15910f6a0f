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
        self.said = ""
        """What went wrong last."""
        self._judge: Callable[[str, str], Any] = _made(
            name, lambda: partial(library.AnyGuardrail.evaluate, known[own], library.AnyGuardrail.create(known[own]))
        )

    def __call__(self, rows: Sequence[Exchange], answering: LocalModel) -> Floats:
        """Returns the risk that the guard tells, or 1 and 0 where it gives a verdict alone; NaN where it fails."""
        return np.array([self._score(*row) for row in rows])

    def _score(self, request: str, answer: str) -> float:
        try:
            said = self._judge(request, answer)
            return float(not said.valid if said.score is None else said.score)
        except Exception as error:  # of many classes, by the guard
            self.said = _one_sentence(str(error) or type(error).__name__)
            return float("nan")

    @property
    def fault(self) -> str:
        """Why it gave no score."""
        return self.said


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # of many classes, by what it lacks
        told = _one_sentence(str(error) or type(error).__name__)
        raise UndertoneError(f"{name} cannot be made: {told}.") from None


def _one_sentence(text: str) -> str:
    """Returns the text on one line, without a full stop at its end."""
    return shortened(text).rstrip(". ")
