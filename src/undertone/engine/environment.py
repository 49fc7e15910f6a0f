"""What surrounds a run: the code, versions of libraries, hardware, and how much the libraries print."""

import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ACCELERATOR = "accelerator"
LIBRARIES = ("undertone", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy", "pydantic")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries; "missing" for a library that is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


@cache
def commit() -> str | None:
    """The git commit of this package, followed by "and changes" if its files differ from it. None if the package does
    not run from a checkout: an installed copy may lie in the repository of somebody else's project, untracked."""
    package = Path(__file__).parents[1]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # as in a git hook

    def git(*words: str) -> str:
        told = subprocess.run(["git", *words], cwd=package, env=ours, capture_output=True, text=True, check=True)
        return told.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + (" and changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


@cache
def hardware() -> dict[str, str]:
    """What of the machine can change a result. Host name and number of cores are left out: they change none."""
    return {"machine": platform.machine(), "system": platform.system(), "processor": _processor()}


def made_with() -> dict[str, str]:
    """Versions and hardware of what this process makes, with the accelerator if it has used one."""
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    return versions() | hardware() | ({ACCELERATOR: torch.cuda.get_device_name()} if torch and used else {})


def _processor() -> str:
    """Name of the processor and its widest vector instructions, which decide the order in which libraries add."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(found.get("flags", found.get("Features", "")).split())
    widest = next((name for name in ("avx512f", "avx2", "sve", "asimd") if name in flags), "")
    return f"{found.get('model name', 'unknown')} {widest}".strip()


def quiet_libraries() -> None:
    """Keeps transformers from drawing progress bars and printing warnings. Imports it."""
    import transformers

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


@contextmanager
def quiet() -> Generator[None]:
    """The same inside a block, for a process that belongs to somebody else: what was set before is set again."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    with warnings.catch_warnings():
        quiet_libraries()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
