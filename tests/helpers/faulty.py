"""Stages that fail as machines do; workers import them by name."""

import errno
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def killed_once(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Is killed as for want of memory, but not when it is tried again."""
    (out / "text").write_text("done")
    marker = Path(spec["marker"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def starved_once(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Wants more memory than there is, but not when it is tried again."""
    import torch

    marker = Path(spec["marker"])
    if not marker.exists():
        marker.touch()
        torch.empty(2**60, dtype=torch.uint8)


def killed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Is killed every time."""
    os.kill(os.getpid(), signal.SIGKILL)


def gone(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Ends its process without a word."""
    os._exit(3)


def written(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Three files, one in a folder."""
    (out / "inner").mkdir()
    for name in ("a", "b", "inner/c"):
        (out / name).write_text(spec["text"] * 1000)


def placed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes which accelerators it sees, which process it is, and when it began and ended."""
    begun = time.monotonic()
    time.sleep(spec.get("seconds", 0.05))
    found = [os.environ["CUDA_VISIBLE_DEVICES"], os.getpid(), begun, time.monotonic()]
    (out / "placed.json").write_text(json.dumps(found))


def lost(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Loses its accelerator as often as there are marks to make."""
    free = [mark for mark in map(Path, spec["markers"]) if not mark.exists()]
    if free:
        free[0].write_text(os.environ["CUDA_VISIBLE_DEVICES"])
        raise RuntimeError("CUDA error: unspecified launch failure")
    placed(spec, inputs, out)


def overfull(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Wants more memory than an accelerator has."""
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def joined(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes what its inputs hold, and notes in the file ``noted`` that it was made, and by which process."""
    time.sleep(spec.get("seconds", 0.0))
    texts = [path.read_text() for folder in inputs.values() for path in sorted(folder.rglob("text"))]
    (out / "text").write_text(spec["text"] + "".join(texts))
    with Path(spec["noted"]).open("a") as file:
        file.write(f"{spec['text']} {os.getpid()}\n")


def unwritable(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Finds the disk full."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
