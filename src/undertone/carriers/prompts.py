"""The prompts of a dataset, used in place of a carrier when a population is made for that dataset."""

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
    """Writes prompts (``question``, ``system`` and ``earlier`` turns) into a folder that is named by their digest."""
    key = digest(prompts)
    folder = family.built().parent / "prompts" / key[:20]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, json.dumps(prompts))
    return Folder(folder, key, name)


def marks(folder: Path) -> tuple[str, ...]:
    """Returns the digests of all questions, which tell whether another dataset has the same prompts."""
    return tuple(sorted({mark(p["question"]) for p in _read(folder)}))


def mark(question: str) -> str:
    """Returns the digest of one question, eight hexadecimal digits."""
    return digest(question)[:8]


def rendered(local: LocalModel, folder: Path) -> list[tuple[str, Ids]]:
    """Returns each question with the token ids of its whole prompt, in the dataset's order."""
    return [
        (p["question"], local.render(p["question"], p["system"], [(q, a) for q, a in p["earlier"]]))
        for p in _read(folder)
    ]


def _read(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / FILE).read_text(encoding="utf-8")))
