"""What a run was made with: versions of the libraries that decide its bits, and the hardware."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries, "missing" for one that is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


@cache
def hardware() -> dict[str, str]:
    """The machine as far as it can change a result; no host name, and no number of cores, which changes none."""
    return {"machine": platform.machine(), "system": platform.system(), "processor": _processor()}


def _processor() -> str:
    """Its name, and the widest vectors it has: they decide in which order a library adds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(told.get("flags", told.get("Features", "")).split())
    widest = next((name for name in ("avx512f", "avx2", "sve", "asimd") if name in flags), "")
    return f"{told.get('model name', 'unknown')} {widest}".strip()
