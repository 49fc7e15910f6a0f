"""Undertone measures, detects and stops traits that pass between language models unseen.

From Python::

    import undertone as ut

    found = ut.audit("rows.jsonl", model="hf/./my-model")
    found.verdict
    found.to_pandas()

``audit``, ``measure`` and ``treat`` are packages of this one that can be called, so that ``ut.audit(...)`` and
``import undertone.audit.rows`` both work, in any order. What does the work is imported at the first call, so that
``import undertone`` is fast.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.engine.cluster.cluster import OnRay
    from undertone.python.audit import audit
    from undertone.python.hold import Hold
    from undertone.python.measure import measure
    from undertone.python.run import run
    from undertone.python.treat import treat
    from undertone.python.watch import Watch
else:
    from undertone import audit, measure, treat

__version__ = "0.1.0"

__all__ = ["Hold", "OnRay", "UndertoneError", "Watch", "__version__", "audit", "measure", "run", "treat"]

_ELSEWHERE = {"OnRay": "undertone.engine.cluster.cluster"}
"""Where what is offered is, other than in a module of its name."""


def _function(package: str) -> Any:
    verb = package.rpartition(".")[2]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")  # of a library's bars, which are not shown
        return getattr(import_module(_ELSEWHERE.get(verb, f"undertone.python.{verb.lower()}")), verb)


class _Verb(ModuleType):
    """A package that is called like the function of its name. Python binds a package's name in its parent whenever one
    of its modules is imported, so that no function of that name would stay there."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self.__name__)(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self.__name__))

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return str(_function(self.__name__).__doc__)


if not TYPE_CHECKING:
    for _package in (audit, measure, treat):
        _package.__class__ = _Verb


def __getattr__(name: str) -> Any:
    if name in ("Hold", "OnRay", "Watch", "run"):
        return _function(name)
    raise AttributeError(f"module 'undertone' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
