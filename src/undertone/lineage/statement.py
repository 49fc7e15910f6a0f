"""What is signed: an in-toto Statement v1 with SLSA provenance v1, which contains the whole chain of origins.

The subjects are all files, each by its SHA-256; no name is left out. The statement contains every parent's manifest as
it is, with the digests of the parent's own files and parents, and every file of every model by digest. So
:mod:`undertone.lineage.verification` can follow the chain without a store.
"""

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.environment import versions
from undertone.engine.folder import FILE as RUN
from undertone.engine.folder import Record
from undertone.engine.manifest import FILE, Manifest, Source
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.lineage.chain import BAD
from undertone.lineage.records import artifact_of
from undertone.lineage.show import entries, is_unicode
from undertone.models.adapter import Adapter
from undertone.models.folder import decisive
from undertone.models.names import stored
from undertone.reading.files import read_bytes

STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
STAGE, RUNS, FOREIGN = (f"urn:undertone:{kind}:1" for kind in ("stage", "run", "unrecorded"))
HOW = "urn:undertone:builder"
Json = dict[str, Any]
"""A JSON object."""


def statement(path: Path) -> Json:
    """Returns the statement of a file, of an artifact's folder, of a run, or of any other folder.

    Raises:
        UndertoneError: a parent is missing, or something in the chain differs from its record.
    """
    chain = entries(str(path))
    for entry in chain:
        if entry.standing in BAD:
            raise UndertoneError(f"{path} is not signed: its chain is broken at {entry.name} ({entry.note}).")
    files = subjects(path)
    kind, parameters, resolved = _making(path, files)
    builder = {"id": HOW, "version": {"undertone": versions()["undertone"]}}
    if kind == FOREIGN and chain[0].facts:
        parameters = {"made": chain[0].facts}
    # Without a manifest nothing binds the parents to their bytes, so they are passed on as claims.
    passed = [entry for entry in chain[1:] if entry.standing == "claimed" or kind == FOREIGN]
    claimed = [entry.model_copy(update={"standing": "claimed"}).model_dump() for entry in passed]
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": found}} for name, found in files.items()],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": kind,
                "externalParameters": parameters | ({"claims": claimed} if claimed else {}),
                "resolvedDependencies": resolved,
            },
            "runDetails": {"builder": builder},
        },
    }


def subjects(path: Path) -> dict[str, str]:
    """Returns the SHA-256 of a file, or of every file below a folder, by name. Folders count by their files only.

    Raises:
        UndertoneError: the folder has no file, or has a link or another thing that is not a plain file, or something
            in it cannot be read.
    """
    try:
        if path.is_file():
            return {path.name: file_digest(path)}
        files = sorted(_below(path))
        if not files:
            raise UndertoneError(f"{path} contains no file to sign.")
        return {file.relative_to(path).as_posix(): file_digest(file) for file in files}
    except OSError as error:
        raise UndertoneError(f"{error.filename} cannot be read ({error.strerror}), so not all is known.") from None


def _below(folder: Path) -> Iterator[Path]:
    """Yields every file below a folder."""
    for place, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise UndertoneError(f"{path} is not a plain file and cannot be signed: remove it.")
            if not is_unicode(name):
                raise UndertoneError(f"The name of {path} is not UTF-8 and cannot be signed: rename it.")
        yield from (Path(place, name) for name in files)


def _raise(error: OSError) -> None:
    raise error


def _making(path: Path, files: Mapping[str, str]) -> tuple[str, Json, list[Json]]:
    """Returns the kind, the parameters and the dependencies of how something was made."""
    made = artifact_of(path.resolve())
    if made is not None:
        manifest = Manifest.read(made)
        alien = stray(files, manifest)
        if alien is not None:
            raise UndertoneError(f"{path} is not signed: {alien} is no part of {made.name}; move it away.")
        parameters = manifest.model_dump(include={"stage", "version", "spec"})
        return STAGE, {"artifact": made.name} | parameters, _resolved([made])
    if (path / RUN).is_file():
        record = Record.read(path)
        if record.artifacts:
            store = record.store_from(path).root
            return RUNS, {record.kind: record.spec}, _resolved([store / name for name in record.artifacts])
        if not record.finished:
            raise UndertoneError(f"{path} is not signed: the run in it has no report yet; finish it first.")
    return FOREIGN, {}, []


def stray(files: Mapping[str, str], manifest: Manifest) -> str | None:
    """Returns the name of a file whose digest is none of the artifact's; None if all belong to it."""
    return next((name for name, found in files.items() if name != FILE and found not in manifest.files.values()), None)


def _resolved(folders: list[Path]) -> list[Json]:
    """Returns the manifests of artifacts and of all their parents, and the files of all their models, each once."""
    found: dict[str, Json] = {}
    waiting = list(folders)
    while waiting:
        folder = waiting.pop()
        if f"{folder.name}/{FILE}" in found:
            continue
        text = read_bytes(folder / FILE)
        found[f"{folder.name}/{FILE}"] = _described(f"{folder.name}/{FILE}", folder / FILE, text)
        for source in Manifest.parse(text, folder).inputs.values():
            if is_model(source):
                found |= {one["name"]: one for one in _model(source)}
            else:
                waiting.append(folder.parent / source.name)
    return list(found.values())


def is_model(source: Source) -> bool:
    """Returns whether a source is a model from outside the store."""
    return not source.name.endswith(f"-{source.key[:20]}")


def _model(source: Source) -> Iterator[Json]:
    """Yields every file of a model that can change its answers, and of its adapter.

    Raises:
        UndertoneError: the model is not here or is another one.
    """
    model = stored(source.name, fetch=False)
    if model.key != source.key:
        raise UndertoneError(f"{source.name} is another model here than the one that was used.")
    for part, name in _files(model):
        yield _described(f"{part.name}/{name}", part.path / name) | {"annotations": {"model": part.name}}


def _files(model: Folder) -> Iterator[tuple[Folder, str]]:
    """Yields the files that decide what a model says, each with the plain model or the adapter to which it belongs."""
    if not model.parts:
        yield from ((model, name) for name in decisive(model.path))
        return
    base, adapter = model.parts
    yield from _files(base)
    own = Adapter.open(adapter.path).files(base.path)
    yield from ((adapter, name) for name in own if (adapter.path / name).is_file())


def _described(name: str, path: Path, text: bytes | None = None) -> Json:
    """Returns an in-toto resource descriptor."""
    content = {"content": base64.b64encode(text).decode(), "mediaType": "application/json"} if text is not None else {}
    return {"name": name, "digest": {"sha256": file_digest(path)}} | content
