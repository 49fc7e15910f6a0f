"""What a run was made with: versions of the libraries that decide its bits, and the hardware."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    "undertone",
    "torch",
    "transformers",
    "peft",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "pydantic",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries, "missing" for one that is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def hardware() -> dict[str, str]:
    """The machine as far as it can change a result or its cost; no host name."""
    return {"machine": platform.machine(), "system": platform.system(), "cores": str(os.cpu_count() or 1)}
