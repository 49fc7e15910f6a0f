"""The kinds of mutated inputs: from a folder that the kind may fill, each makes its case."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import adapters, answers, datasets, folders, records, replies, suites, templates
from tests.fuzz.harness import Case

KINDS: dict[str, Callable[[Path], Case]] = {
    "adapters": adapters.prepare,
    "answers": answers.prepare,
    "datasets": datasets.prepare,
    "folders": folders.prepare,
    "records": records.prepare,
    "replies": replies.prepare,
    "suites": suites.prepare,
    "templates": templates.prepare,
}
