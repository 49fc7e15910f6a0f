"""Load on an endpoint that fails: ``python -m benchmarks.load`` takes minutes.

A service in a separate process (``tests/helpers/service.py``) fails in eight ways, each for 5 % of requests. A client
asks it thousands of questions and is killed at ten random moments; an eleventh client goes on to the end. The benchmark
then checks that every answer is stored once and correct, that no stored answer was asked for again, and that memory did
not grow.
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.service import words
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.patience import Patience

REQUESTS, KILLS, SHARE, SECONDS, AT_ONCE = 4000, 10, 0.05, 0.005, 16


def client(answers: Path) -> None:
    """Asks every question, and prints a line with its resident memory (bytes) for every answer."""
    chats = [[{"role": "user", "content": f"Question {i}?"}] for i in range(REQUESTS)]
    patience = Patience(tries=20, pause=0.01, deadline=10.0)

    def progress(_: int) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        print(pages * os.sysconf("SC_PAGE_SIZE"), flush=True)

    with Endpoint("openai-api/load/model", answers, patience=patience, at_once=AT_ONCE) as model:
        model.sample(chats, temperature=1.0, max_tokens=16, seed=0, progress=progress)


@contextmanager
def served(seed: int, counted: dict[str, Any]) -> Iterator[str]:
    """Yields the address of the service. Once it has ended, ``counted`` has its counts of requests."""
    command = [sys.executable, "-m", "tests.helpers.service", str(seed), str(SHARE), str(SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdin is not None and service.stdout is not None
        yield f"http://127.0.0.1:{int(service.stdout.readline())}/v1"
        service.stdin.close()
        counted |= json.loads(service.stdout.readline())


def run_client(answers: Path, url: str, kill_after: int | None, pause: float) -> list[int]:
    """Returns the memory of one client after each of its answers. The client is killed ``pause`` seconds after its
    ``kill_after``-th answer."""
    command = [sys.executable, "-m", "benchmarks.load", str(answers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LOAD_BASE_URL": url}
    ) as asking:
        assert asking.stdout is not None
        memory = []
        for line in asking.stdout:
            memory.append(int(line))
            if len(memory) == kill_after:
                time.sleep(pause)
                asking.kill()
                return memory
        if asking.wait():
            raise RuntimeError("the client failed")
    return memory


def kept(answers: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """Returns the stored requests, each with the text of its answer, by digest."""
    rows = sqlite3.connect(answers).execute("SELECT request, asked, answer FROM answers")
    return {request: (json.loads(asked), json.loads(answer)["text"]) for request, asked, answer in rows}


def main() -> None:
    """Prints the figures as JSON."""
    rng, counted = random.Random(0), dict[str, Any]()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, served(0, counted) as url:
        answers = Path(folder) / "answers.sqlite"
        before: dict[str, Any] = {}
        changed, counts = 0, list[int]()
        for _ in range(KILLS):
            # Stored answers are reported first; each client then adds a random number of new ones.
            fresh = rng.randint(1, 2 * REQUESTS // (KILLS + 2))
            run_client(answers, url, len(before) + fresh, rng.random() * 0.02)
            now = kept(answers)
            changed += sum(now.get(request) != value for request, value in before.items())
            before, counts = now, [*counts, len(now)]
        memory = run_client(answers, url, None, 0.0)
        final = kept(answers)
        right = sum(
            text == words({key: value for key, value in asked.items() if key != "url"})
            for asked, text in final.values()
        )
        changed += sum(final.get(request) != value for request, value in before.items())
    figures = {
        "questions": REQUESTS,
        "answers kept": len(final),
        "right": right,
        "kept answers lost or changed by a kill": changed,
        "kept at each kill": counts,
        "service": counted,
        "delivered beyond one each, at most kills x at once": counted["delivered twice"],
        "allowed": KILLS * AT_ONCE,
        "answers of the last client": len(memory),
        "resident MiB after its first tenth": round(memory[len(memory) // 10] / 2**20, 1),
        "resident MiB at its end": round(memory[-1] / 2**20, 1),
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    client(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
