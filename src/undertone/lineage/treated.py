"""The origin of a file that ``undertone treat`` wrote: what it was made of, as ``treatment.json`` beside it records."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.manifest import Source
from undertone.lineage.chain import Entry
from undertone.lineage.records import model
from undertone.spec import flat

RECORD = "treatment.json"


def record_of(path: Path) -> dict[str, Any] | None:
    """The record of a treated file, if it is one: what lies beside it and names it with a digest."""
    try:
        told = json.loads((path.parent / RECORD).read_text(encoding="utf-8"))
        return told if path.name in told["digests"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def treated(path: Path, told: dict[str, Any]) -> Iterator[Entry]:
    """The file itself, whether it is what was written; the file it was made of, and the models that had a part."""
    found, written = file_digest(path), told["digests"][path.name]
    same = found == written
    does = told["beside"] if path.name == told["files"].get("random") else told["does"]
    facts = {key: str(value) for key, value in flat({"does": does, "seed": told["seed"]}).items()}
    note = f"it has the digest of {RECORD}" if same else f"it is not what {RECORD} says was written"
    standing = "verified" if same else "changed"
    yield Entry(depth=0, role="", name=path.name, standing=standing, digest=found, facts=facts, note=note)
    yield _before(Path(told["file"]), told["digest"])
    for role in ("base", "other"):
        if told.get(role):
            yield model(Source(key=told[role]["digest"], name=told[role]["name"]), 1, role)


def _before(path: Path, digest: str) -> Entry:
    head = {"depth": 1, "role": "file", "name": str(path), "digest": digest}
    if not path.is_file():
        return Entry(**head, standing="recorded", note="not here under this name")
    if file_digest(path) != digest:
        return Entry(**head, standing="changed", note="what lies under this name here has another digest")
    return Entry(**head, standing="verified", note="its bytes have this digest")
