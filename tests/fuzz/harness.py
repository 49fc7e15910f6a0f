"""Tries mutated inputs, each in a forked process with limits of time and memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NoReturn

from undertone.errors import UndertoneError

Case = Callable[[Random, Path], str]
"""Mutates an input by what ``Random`` draws, in an empty folder of its own, tries it, and says in a word or two how it
ended. It raises AssertionError for a result that must not be, such as a false "clean"; UndertoneError counts as
"refused"; any other exception is a traceback."""

SECONDS = 10.0
"""The longest that an input may take."""
MEMORY = 2**30
"""The most bytes that it may take above what the process had."""


@dataclass(frozen=True)
class Tried:
    """How one input ended."""

    number: int
    outcome: str
    """The case's own word, or "refused"."""
    fault: str
    """What is wrong; empty if nothing is."""
    seconds: float
    memory: int
    """Bytes above what the process had."""


def tried(case: Case, count: int, seed: int, folder: Path) -> Iterator[Tried]:
    """Tries ``count`` inputs. Input ``number`` of a seed is always the same."""
    for number in range(count):
        yield one(case, number, seed, folder)


def one(case: Case, number: int, seed: int, folder: Path) -> Tried:
    """Tries one input in a process of its own."""
    place = folder / str(number)
    place.mkdir(parents=True)
    hear, tell = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(case, Random(f"{seed} {number}"), place, tell)
    os.close(tell)
    ended = _waited(child, started + SECONDS)
    with os.fdopen(hear, "rb") as pipe:
        said = pipe.read()
    shutil.rmtree(place, ignore_errors=True)
    seconds = time.monotonic() - started
    if not ended:
        return Tried(number, "", f"took over {SECONDS:.0f} s", seconds, 0)
    if not said:
        return Tried(number, "", "the process died", seconds, 0)
    outcome, fault, memory = json.loads(said)
    if not fault and memory > MEMORY:
        fault = f"took {memory / 2**20:.0f} MB"
    return Tried(number, outcome, fault, seconds, memory)


def _waited(child: int, until: float) -> bool:
    """Whether the child ended by itself; if not, it and its own children are killed."""
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.002)
    return True


def _child(case: Case, rng: Random, place: Path, tell: int) -> NoReturn:
    os.setpgid(0, 0)
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    before = _peak()
    limit = _virtual() + 4 * MEMORY  # so that the machine lives on; what was really used is compared afterwards
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcome, fault = "", ""
    try:
        outcome = case(rng, place)
    except UndertoneError as error:
        outcome = "refused"
        fault = "" if "\n" not in str(error).strip() else f"a refusal of several lines: {error}"
    except BaseException:  # whatever it is, it is a finding
        fault = traceback.format_exc()
    os.write(tell, json.dumps([outcome, fault[-3000:], _peak() - before]).encode())
    os._exit(0)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def summary(every: list[Tried]) -> dict[str, object]:
    """Counts of outcomes, and the slowest and largest."""
    return {
        "inputs": len(every),
        "outcomes": dict(Counter(one.outcome or "fault" for one in every).most_common()),
        "faults": [f"{one.number}: {one.fault}" for one in every if one.fault],
        "slowest (s)": round(max(one.seconds for one in every), 2),
        "most memory (MB)": round(max(one.memory for one in every) / 2**20),
    }
