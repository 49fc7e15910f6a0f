"""A worker process: reads jobs from standard input, one JSON object a line, makes their artifacts, and answers each
with one JSON object a line.

It ends when its input or its parent process ends. :mod:`undertone.engine.workers` starts it as
``python -m undertone.engine.worker``, so that the script of whoever uses the library is not imported a second time.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from threading import Thread
from typing import Any

from undertone.engine.devices import VISIBLE
from undertone.engine.environment import quiet_libraries
from undertone.engine.memory import full, is_full
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.reading.hostile import plain_output

KINDS = {"can't allocate memory": "MemoryError", "CUDA error": "AcceleratorError"}
"""What libraries say in an error of a general kind, and of which kind it is."""


def main() -> None:
    """Answers every job with ``{"seconds": s}`` or ``{"error": ..., "kind": ...}``."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr and cannot be taken for an answer
    Thread(target=_end_with, args=[int(sys.argv[1])], daemon=True).start()
    prepare()
    with plain_output():
        for line in sys.stdin:
            answers.write(json.dumps(answer(json.loads(line))) + "\n")
            answers.flush()


def prepare() -> None:
    """Sets up this process so that what it makes has the same bits as elsewhere."""
    import torch  # only now: it takes seconds, and may print

    torch.set_num_threads(1)
    # On a GPU some operations have no deterministic form, such as sums along a row; torch then only warns.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    quiet_libraries()


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, even while a stage runs and nobody reads the input."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """Makes the artifact of ``job`` in ``store``. Returns its seconds, or an error with its kind."""
    try:
        _refuse_unusable()
        return {"seconds": Store(Path(message["store"])).make(Job.from_json(message["job"]))}
    except (UndertoneError, FloatingPointError, OSError) as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:
        if is_full(error):
            return {"error": str(full("this work", "take a smaller model or shorter rows")), "kind": "UndertoneError"}
        kind = next((kind for said, kind in KINDS.items() if said in str(error)), type(error).__name__)
        return {"error": str(error), "kind": kind, "trace": traceback.format_exc()}


def _refuse_unusable() -> None:
    """A worker that was given an accelerator would else do the work of all cores on one of them."""
    import torch

    if (device := os.environ.get(VISIBLE)) and not torch.cuda.is_available():
        raise UndertoneError(
            f"torch cannot use the accelerator {device}, perhaps because of its driver; correct that, or set {VISIBLE} "
            "to nothing to work on the processor."
        )


if __name__ == "__main__":
    main()
