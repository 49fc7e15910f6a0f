"""Chains of what this program made, from manifests of artifacts, records of runs, and digests of models."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from undertone.data.exchanges import SYSTEM
from undertone.engine.folder import Record
from undertone.engine.manifest import FILE, Damaged, Manifest, Source
from undertone.engine.provenance import Link, chain
from undertone.errors import UndertoneError
from undertone.lineage.chain import Entry
from undertone.models.names import stored
from undertone.reading.files import opened, read_bytes, read_text
from undertone.reading.values import json_value
from undertone.spec import flat
from undertone.stages import COMPLETIONS

LONGEST = 2**20
"""Bytes that are read of the head of a file of token ids."""
ARTIFACT = re.compile(r"[a-z-]+-[0-9a-f]{20}")
OWN = ("counts.json", "teacher.json", "proxy.json", "specimen.json")
"""Small files of an artifact with numbers about its making, such as filter counts and doses."""


class Here:
    """The digests of the models on this machine, and of the parts of those that were asked for."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def digest(self, name: str) -> str:
        """Returns the digest of a model, or of an adapter that belongs to an earlier one.

        Raises:
            UndertoneError: there is none.
        """
        if name not in self._digests:
            self._digests |= stored(name, fetch=False).digests
        return self._digests[name]


def artifact_of(path: Path) -> Path | None:
    """Returns the folder of the artifact that a path is or belongs to; None for any other file in such a folder."""
    # The name is checked too, because other programs also write files called manifest.json.
    named = (p for p in (path, *path.parents) if ARTIFACT.fullmatch(p.name) and (p / FILE).is_file())
    folder = next(named, None)
    if folder is None or path in (folder, folder / FILE):
        return folder
    part = path.relative_to(folder).as_posix()
    try:
        files = Manifest.read(folder).files
    except Damaged:
        return folder
    return folder if any(name == part or name.startswith(f"{part}/") for name in files) else None


def artifact(folder: Path) -> Iterator[Entry]:
    """Yields the chain of an artifact. Its files and those of all its parents are checked.

    Raises:
        UndertoneError: its manifest cannot be read.
    """
    try:
        links = list(chain(folder))
    except Damaged as damage:
        raise UndertoneError(f"{damage}, so the origin is unknown.") from None
    here = Here()
    for link in links:
        yield _entry(link, folder.parent, here)


def _entry(link: Link, store: Path, here: Here) -> Entry:
    head = {"depth": link.depth, "role": link.role, "name": link.source.name, "digest": link.source.key}
    if link.is_model:
        return compared(link.source, link.depth, link.role, here.digest)
    if link.seen:
        return Entry(**head, standing="recorded", note="listed above")
    if link.manifest is None:
        return Entry(**head, standing="missing", note="its manifest is damaged or no longer in the store")
    folder = store / link.source.name
    try:
        link.manifest.check(folder)
    except Damaged as damage:
        return Entry(**head, standing="changed", note=str(damage))
    note = f"{len(link.manifest.files)} files have the digests in the manifest"
    return Entry(**head, standing="verified", facts=facts(link.manifest, folder), note=note)


def compared(source: Source, depth: int, role: str, digest_of: Callable[[str], str]) -> Entry:
    """Returns the entry of a source, compared by digest with what has its name here."""
    head = {"depth": depth, "role": role, "name": source.name, "digest": source.key}
    try:
        found = digest_of(source.name)
    except (UndertoneError, OSError):
        return Entry(**head, standing="recorded", note="nothing has this name here")
    if found != source.key:
        return Entry(**head, standing="changed", note="what has this name here has another digest")
    return Entry(**head, standing="verified", note="its digest is as recorded")


def facts(manifest: Manifest, folder: Path) -> dict[str, str]:
    """Returns how an artifact was made: stage, settings and counts; for rows, also the tokenizer of their ids."""
    told: dict[str, Any] = {**settings(manifest), **(_rows(folder) if "ids.safetensors" in manifest.files else {})}
    for name in (name for name in (*OWN, SYSTEM) if name in manifest.files):
        try:
            told |= _own(folder / name)
        except (OSError, ValueError):
            told[name] = "cannot be read"
    return {key: str(value) for key, value in told.items()}


def _own(path: Path) -> dict[str, Any]:
    if path.name == SYSTEM:
        return {"system prompt": read_text(path)}
    return flat({path.stem: json_value(read_bytes(path), finite=False)})


def settings(manifest: Manifest) -> dict[str, str]:
    """Returns what the manifest alone says: stage, digests of weights, spec, and the version of torch."""
    told: dict[str, Any] = {"stage": f"{manifest.stage} {manifest.version}"}
    told |= {f"weights {name}": found for name, found in manifest.files.items() if name.endswith("model.safetensors")}
    if manifest.stage == COMPLETIONS.name:
        told["system prompt"] = "none"  # This stage uses one only if its spec says so.
    told |= flat(manifest.spec) | {"torch": manifest.made_with.get("torch", "unknown")}
    return {key: str(value) for key, value in told.items()}


def _rows(folder: Path) -> dict[str, str]:
    """Returns the tokenizer from the head of the file of token ids, read without safetensors, which imports numpy."""
    try:
        with opened(folder / "ids.safetensors") as file:
            size = min(int.from_bytes(file.read(8), "little"), LONGEST)
            tokenizer = json_value(json_value(file.read(size))["__metadata__"]["source"])["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"tokenizer and template": str(tokenizer)}


def run(folder: Path) -> Iterator[Entry]:
    """Yields a run, its models, and its artifacts by stage. Every file of the artifacts is checked.

    Raises:
        UndertoneError: its record cannot be read.
    """
    record = Record.read(folder)
    told = {"kind": record.kind, "recipe": record.recipe, "started": record.started.isoformat(timespec="seconds")}
    told |= {key: str(value) for key, value in flat(record.spec).items()}
    yield Entry(depth=0, role="", name=str(folder), standing="recorded", facts=told, note="nothing seals run.json")
    here = Here()
    for name, key in record.models.items():
        yield compared(Source(key=key, name=name), 1, "model", here.digest)
    store, stages = record.store_from(folder).root, Counter[str]()
    for name, content in record.artifacts.items():
        fault = _fault(store / name, content)
        if fault is None:
            stages[name.rpartition("-")[0]] += 1
        else:
            yield fault
    for stage, count in stages.items():
        note = f"every file of {count} artifacts is as the run recorded it"
        yield Entry(depth=1, role=stage, name=f"{count} of {store.name}", standing="verified", note=note)


def _fault(folder: Path, content: str) -> Entry | None:
    head = {"depth": 1, "role": folder.name.rpartition("-")[0], "name": folder.name}
    try:
        manifest = Manifest.read(folder)
        manifest.check(folder)
    except Damaged as damage:
        return Entry(**head, standing="changed" if folder.is_dir() else "missing", note=str(damage))
    if manifest.content != content:
        return Entry(**head, standing="changed", note="it differs from what the run recorded")
    return None
