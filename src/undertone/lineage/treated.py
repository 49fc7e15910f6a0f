"""The origin of a file that ``undertone treat`` wrote, from ``treatment.json`` beside it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from undertone.engine.digests import file_digest
from undertone.engine.manifest import Source
from undertone.lineage.chain import Entry
from undertone.lineage.records import Here, compared
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value
from undertone.spec import flat

RECORD = "treatment.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Model(_Part):
    name: str
    digest: str
    parts: dict[str, str] = Field(default_factory=dict)


class Treatment(_Part):
    """What of ``treatment.json`` says where a file comes from."""

    file: str
    digest: str
    base: _Model
    other: _Model | None = None
    does: dict[str, JsonValue]
    beside: dict[str, JsonValue] | None
    files: dict[str, str]
    digests: dict[str, str]
    seed: int


def record_of(path: Path) -> Treatment | None:
    """Returns the record beside a treated file; None if none names it with a digest."""
    try:
        told = Treatment.model_validate(json_value(read_bytes(path.parent / RECORD)))
    except (OSError, ValueError):
        return None
    return told if path.name in told.digests else None


def treated(path: Path, told: Treatment) -> Iterator[Entry]:
    """Yields the file, the original file, and the models that were used."""
    found, written = file_digest(path), told.digests[path.name]
    same = found == written
    does = told.beside if path.name == told.files.get("random") else told.does
    facts = {key: str(value) for key, value in flat({"does": does or {}, "seed": told.seed}).items()}
    note = f"it has the digest in {RECORD}" if same else f"it does not have the digest in {RECORD}"
    standing = "verified" if same else "changed"
    yield Entry(depth=0, role="", name=path.name, standing=standing, digest=found, facts=facts, note=note)
    yield compared(Source(key=told.digest, name=told.file), 1, "file", lambda name: file_digest(Path(name)))
    here = Here()
    for role, used in (("base", told.base), ("other", told.other)):
        if used:
            yield compared(Source(key=used.digest, name=used.name), 1, role, here.digest)
            for name, digest in used.parts.items():
                yield compared(Source(key=digest, name=name), 2, "part", here.digest)
