"""Runs one stage of one side in a separate process on one core: see :func:`run`.

Imports and loading before the first timed part count as start-up. Peak memory is that of the process.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from typing import Any

from benchmarks.stopwatch import Stopwatch
from benchmarks.work import Work
from undertone.engine.devices import VISIBLE
from undertone.engine.workers import environment_at


def run(side: str, stage: str, work: Work, device: str = "") -> dict[str, Any]:
    """Runs a stage in a separate process, which sees only the accelerator ``device``, or none. Returns the costs of
    ``start-up`` and of the ``parts``, and the ``facts``.

    The peak memory of a process starts at that of its parent, so the caller must not have loaded torch.

    Raises:
        RuntimeError: the process failed; contains the end of its error output.
    """
    command = [sys.executable, "-m", "benchmarks.stage", side, stage, json.dumps(asdict(work)), str(time.time())]
    # The peer also runs in our workers' environment: one thread, and an allocator that keeps its memory.
    done = subprocess.run(command, env={**os.environ, **environment_at(device)}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{side} {stage} failed\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main(side: str, stage: str, work: str, begun: str) -> None:
    """Runs the stage and prints its costs and facts."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not be mistaken for the answer
    watch = Stopwatch(float(begun))
    if hasattr(os, "sched_setaffinity") and not os.environ[VISIBLE]:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    # As in our workers.
    torch.use_deterministic_algorithms(side != "peer", warn_only=torch.cuda.is_available())
    facts = getattr(import_module(f"benchmarks.{side}"), stage)(Work(**json.loads(work)), watch)
    answers.write(json.dumps({"start-up": watch.start_up, "parts": watch.parts, "facts": facts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
