"""The prompts of a dataset as a carrier: what a file's own population is asked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.disk import write_text
from undertone.engine.store import Folder
from undertone.models.local import Ids, LocalModel
from undertone.world import family

FILE = "prompts.json"


def keep(prompts: Sequence[dict[str, Any]], name: str) -> Folder:
    """Writes prompts (``question``, ``system`` and ``earlier`` turns) into a folder found by their digest."""
    key = digest(prompts)
    folder = family.built().parent / "prompts" / key[:20]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, json.dumps(prompts))
    return Folder(folder, key, name)


def marks(folder: Path) -> tuple[str, ...]:
    """A short digest of every question, by which a dataset with the same prompts is known."""
    return tuple(sorted({mark(p["question"]) for p in json.loads((folder / FILE).read_text(encoding="utf-8"))}))


def mark(question: str) -> str:
    """The digest of one question, eight hexadecimal digits."""
    return digest(question)[:8]


def rendered(local: LocalModel, folder: Path) -> list[tuple[str, Ids]]:
    """Questions, each with its prompt, in the dataset's order."""
    prompts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return [
        (p["question"], local.render(p["question"], p["system"], [(q, a) for q, a in p["earlier"]])) for p in prompts
    ]
