"""Undertone measures, detects and stops traits that pass between language models unseen.

From Python, in four lines::

    from pathlib import Path
    import undertone

    results = undertone.run(undertone.read("owls"), Path("runs/mine"))
    print(results.effect("treatment"))

These functions are imported when they are first used, so that ``import undertone`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertone.audit.audit import audit as audit_file
    from undertone.audit.request import Request as AuditRequest
    from undertone.experiments.recipes import read
    from undertone.experiments.replay import replay
    from undertone.experiments.run import run
    from undertone.measure.measure import measure as measure_model
    from undertone.measure.request import Request as MeasureRequest
    from undertone.treat.treat import Request as TreatRequest
    from undertone.treat.treat import run as treat_file

__version__ = "0.1.0"

_PLACES = {
    "read": "undertone.experiments.recipes:read",
    "run": "undertone.experiments.run:run",
    "replay": "undertone.experiments.replay:replay",
    "audit_file": "undertone.audit.audit:audit",
    "AuditRequest": "undertone.audit.request:Request",
    "measure_model": "undertone.measure.measure:measure",
    "MeasureRequest": "undertone.measure.request:Request",
    "treat_file": "undertone.treat.treat:run",
    "TreatRequest": "undertone.treat.treat:Request",
}

__all__ = [
    "AuditRequest",
    "MeasureRequest",
    "TreatRequest",
    "__version__",
    "audit_file",
    "measure_model",
    "read",
    "replay",
    "run",
    "treat_file",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'undertone' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
