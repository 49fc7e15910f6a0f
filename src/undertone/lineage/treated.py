"""The origin of a file that ``undertone treat`` wrote, from ``treatment.json`` beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.manifest import Source
from undertone.lineage.chain import Entry
from undertone.lineage.records import compared, model
from undertone.spec import flat

RECORD = "treatment.json"


def record_of(path: Path) -> dict[str, Any] | None:
    """Returns the record beside a treated file; None if none names it with a digest."""
    try:
        told = json.loads((path.parent / RECORD).read_text(encoding="utf-8"))
        return told if path.name in told["digests"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def treated(path: Path, told: dict[str, Any]) -> Iterator[Entry]:
    """Yields the file, the original file, and the models that were used."""
    found, written = file_digest(path), told["digests"][path.name]
    same = found == written
    does = told["beside"] if path.name == told["files"].get("random") else told["does"]
    facts = {key: str(value) for key, value in flat({"does": does, "seed": told["seed"]}).items()}
    note = f"it has the digest in {RECORD}" if same else f"it does not have the digest in {RECORD}"
    standing = "verified" if same else "changed"
    yield Entry(depth=0, role="", name=path.name, standing=standing, digest=found, facts=facts, note=note)
    yield compared(Source(key=told["digest"], name=told["file"]), 1, "file", lambda name: file_digest(Path(name)))
    for role in ("base", "other"):
        if told.get(role):
            yield model(Source(key=told[role]["digest"], name=told[role]["name"]), 1, role)
