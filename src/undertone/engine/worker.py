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

from undertone.engine.environment import quiet_libraries
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.reading.hostile import plain_output


def main() -> None:
    """Answers every job with ``{"seconds": s}`` or ``{"error": ..., "kind": ...}``."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to stderr and cannot be taken for an answer
    Thread(target=_end_with, args=[int(sys.argv[1])], daemon=True).start()
    import torch  # only now: it takes seconds, and may print

    torch.set_num_threads(1)
    # On a GPU some operations have no deterministic form, such as sums along a row; torch then only warns.
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    quiet_libraries()
    with plain_output():
        for line in sys.stdin:
            answers.write(json.dumps(_answer(json.loads(line))) + "\n")
            answers.flush()


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, even while a stage runs and nobody reads the input."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _answer(message: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"seconds": Store(Path(message["store"])).make(Job.from_json(message["job"]))}
    except (UndertoneError, FloatingPointError, OSError) as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:
        kind = "MemoryError" if "can't allocate memory" in str(error) else type(error).__name__
        return {"error": str(error), "kind": kind, "trace": traceback.format_exc()}


if __name__ == "__main__":
    main()
