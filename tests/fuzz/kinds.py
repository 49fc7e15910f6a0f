"""The kinds of mutated inputs: from a folder that the kind may fill, each makes its case."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import answers, datasets, records, replies, suites
from tests.fuzz.harness import Case

KINDS: dict[str, Callable[[Path], Case]] = {
    "answers": answers.prepare,
    "datasets": datasets.prepare,
    "records": records.prepare,
    "replies": replies.prepare,
    "suites": suites.prepare,
}
