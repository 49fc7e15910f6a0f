"""The accelerators of this machine, and which jobs are for them. Nothing here imports torch, which takes seconds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

from undertone.engine.store import Folder, Job

VISIBLE = "CUDA_VISIBLE_DEVICES"
LARGE = 200_000_000
"""Bytes of weights. From this size on a model goes to an accelerator if there is one, and a base is kept in memory for
its students; a smaller model trains faster on one core."""
LISTED = re.compile(r"^\s*(GPU|MIG) .*\(UUID: ([\w/-]+)\)\s*$", re.MULTILINE)
"""A line of ``nvidia-smi -L``. The parts of an accelerator that is divided (MIG) stand below it."""


def devices() -> tuple[str, ...]:
    """The accelerators that this process may use, each as ``CUDA_VISIBLE_DEVICES`` names it: none with a build of torch
    for the processor alone, without a working driver, or where that variable is empty.

    An accelerator that is divided counts as its parts, because a process can only use one of them.
    """
    wanted = os.environ.get(VISIBLE)
    if wanted == "" or not _built_for_accelerators():
        return ()
    listed = _listed()
    if wanted is None:
        parts = dict[str, list[str]]()
        for kind, name in listed:
            if kind == "GPU":
                parts[name] = []
            else:
                parts[next(reversed(parts))].append(name)
        return tuple(part for whole, its in parts.items() for part in its or [whole])
    names = list(_known(wanted.split(","), listed))
    return tuple(names) if len(set(names)) == len(names) else ()  # CUDA shows none if one is named twice


def _known(wanted: Iterable[str], listed: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The names up to the first that means nothing, after which CUDA reads no further."""
    count = sum(kind == "GPU" for kind, _ in listed)
    for name in map(str.strip, wanted):
        numbered = name.isdecimal() and int(name) < count
        if not (numbered or (name and sum(one.startswith(name) for _, one in listed) == 1)):
            return
        yield name


@cache
def _built_for_accelerators() -> bool:
    found = find_spec("torch")
    return bool(found and found.origin and run_path(str(Path(found.origin).with_name("version.py"))).get("cuda"))


@cache
def _listed() -> list[tuple[str, str]]:
    """Kind and name of everything that the driver lists."""
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return LISTED.findall(told)


def on_device(job: Job) -> bool:
    """Whether a job calls a model that goes to an accelerator if there is one."""
    own = {name: source.path for name, source in job.inputs.items() if isinstance(source, Folder) and name != "base"}
    if job.base and not job.stage.processor:
        own["base"] = job.base.path
    return any(map(large, own.values()))


@cache
def large(path: Path) -> bool:
    """Whether a folder holds the weights of a large model."""
    return weights(path) >= LARGE


@cache
def weights(path: Path) -> int:
    """The bytes of the weights in a folder."""
    return sum(file.stat().st_size for file in path.glob("*.safetensors"))
