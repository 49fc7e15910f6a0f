"""Verifies offline that a signed statement is about the given bytes, and that the chain in it is complete.

The key of an artifact is the digest of its stage, version, spec and the keys of its inputs. The statement contains all
of these, so every key is computed again, from the subject back to the files of the base models.
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.manifest import FILE, Damaged, Manifest
from undertone.errors import UndertoneError
from undertone.lineage.envelope import opened
from undertone.lineage.keys import Trusted
from undertone.lineage.statement import FOREIGN, PREDICATE, STAGE, STATEMENT, Json, is_model, stray, subjects
from undertone.spec import Spec

LONGEST = 2**26
"""Bytes of a statement that are read."""


class Verified(Spec):
    """The content of a statement that passed all checks."""

    path: str
    files: dict[str, str]
    """SHA-256 of every subject, by name."""
    key: str
    """Identity of the key that signed it: SHA-256 of the public key in DER."""
    key_file: str
    made_by: str
    """The build type that it states."""
    parents: int
    """Number of artifacts in the chain; the manifests of all are in the statement and have the right keys."""
    models: tuple[str, ...]
    """Models at the end of the chain."""
    claims: int
    """Number of claims of others, which the signer passes on without vouching for them."""


def verify(path: Path, signed: Path, trusted: Sequence[Trusted], store: Path | None = None) -> Verified:
    """Checks ``path`` against the envelope in ``signed``, and if ``store`` is given, every file of every parent in it.

    Raises:
        UndertoneError: a check fails; the text says which.
    """
    payload, key = opened(_read(signed), trusted, str(signed))
    value = _statement(payload, signed)
    files = {one["name"]: one["digest"]["sha256"] for one in value["subject"]}
    _refuse_others(path, files, signed)
    making = value["predicate"]["buildDefinition"]
    try:
        manifests, models = _chain(making, signed)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UndertoneError(f"{signed} contains a chain that cannot be read ({error!r:.80}).") from None
    if making["buildType"] == STAGE:
        _refuse_unmade(making["externalParameters"]["artifact"], manifests, files, signed)
    if store is not None:
        _refuse_changed(manifests, store)
    return Verified(
        path=str(path),
        files=files,
        key=key.id,
        key_file=str(key.path),
        made_by=making["buildType"],
        parents=len(manifests),
        models=tuple(sorted(models)),
        claims=len(making["externalParameters"].get("claims", [])),
    )


def _read(signed: Path) -> bytes:
    try:
        with signed.open("rb") as file:
            return file.read(LONGEST)
    except OSError as error:
        raise UndertoneError(
            f"The statement {signed} cannot be read ({error.strerror}): undertone lineage sign makes one."
        ) from None


def _statement(payload: bytes, signed: Path) -> Json:
    """Returns the payload. Raises UndertoneError if it is not SLSA provenance of subjects with a SHA-256."""
    try:
        value: Any = json.loads(payload)
        if (value["_type"], value["predicateType"]) != (STATEMENT, PREDICATE):
            raise UndertoneError(
                f"{signed} is a statement of another type than SLSA provenance v1: {value['predicateType']}."
            )
        for one in value["subject"]:
            bytes.fromhex(one["digest"]["sha256"])
        making = value["predicate"]["buildDefinition"]
        _ = making["buildType"], making["externalParameters"].get("claims", [])[:0], making["resolvedDependencies"][:0]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UndertoneError(f"{signed} contains no readable statement of provenance ({error!r:.80}).") from None
    if not value["subject"]:
        raise UndertoneError(f"{signed} names no subject, so it is about nothing.")
    return dict(value)


def _refuse_others(path: Path, files: Mapping[str, str], signed: Path) -> None:
    """Raises UndertoneError unless the statement is about ``path``, all of it and nothing else."""
    if not path.exists():
        raise UndertoneError(f"There is no {path} to verify.")
    here = subjects(path)
    if path.is_file() and here[path.name] in files.values():
        return  # The name may differ, since only bytes are signed.
    about = ", ".join(list(files)[:3])
    if not here.keys() & files.keys():
        raise UndertoneError(f"{signed} is about {about}, not about {path}: neither its name nor its bytes are signed.")
    for name, found in here.items():
        place = path if path.is_file() else path / name
        if name not in files:
            raise UndertoneError(f"{place} is not in the statement: it was added after {path} was signed.")
        if files[name] != found:
            raise UndertoneError(f"{place} was changed after it was signed: its SHA-256 {found[:16]} is not as stated.")
    missing = next((name for name in files if name not in here), None)
    if missing is not None and not path.is_file():
        raise UndertoneError(f"{path / missing} is missing: the statement is about it too.")


def _chain(making: Json, signed: Path) -> tuple[dict[str, Manifest], set[str]]:
    """Returns the manifests by artifact, and the names of the models. Every key is computed again."""
    manifests, files = {}, defaultdict[str, dict[str, str]](dict)
    for one in making["resolvedDependencies"]:
        model = one.get("annotations", {}).get("model")
        if model is not None:
            files[model][one["name"].removeprefix(f"{model}/")] = one["digest"]["sha256"]
        elif one["name"].endswith(f"/{FILE}"):
            manifests[one["name"].removesuffix(f"/{FILE}")] = _manifest(one, signed)
    keys = {name: manifest.key for name, manifest in manifests.items()}
    models = {name: digest(found) for name, found in files.items()}
    for name, manifest in manifests.items():
        for role, source in manifest.inputs.items():
            known = models if is_model(source) else keys
            if known.get(source.name) != source.key:
                what = "is another than the one that was used" if source.name in known else "is not in the statement"
                raise UndertoneError(f"{signed}: a parent is missing: the {role} of {name}, {source.name}, {what}.")
    if not manifests and making["buildType"] != FOREIGN:
        raise UndertoneError(f"{signed}: a parent is missing: it has no record of how its subject was made.")
    return manifests, set(models)


def _manifest(described: Json, signed: Path) -> Manifest:
    text = base64.b64decode(described["content"])
    try:
        made = Manifest.parse(text, Path(described["name"]).parent)
    except Damaged as damage:
        raise UndertoneError(f"{signed}: {damage}.") from None
    inputs = {name: source.key for name, source in made.inputs.items()}
    key = digest({"stage": made.stage, "version": made.version, "spec": made.spec, "inputs": inputs})
    if key != made.key or hashlib.sha256(text).hexdigest() != described["digest"]["sha256"]:
        raise UndertoneError(f"{signed}: {described['name']} does not have the key that its own content gives.")
    return made


def _refuse_unmade(artifact: str, manifests: Mapping[str, Manifest], files: Mapping[str, str], signed: Path) -> None:
    """Raises UndertoneError unless every subject is a file of the artifact that the statement names."""
    made = manifests.get(artifact)
    if made is None:
        raise UndertoneError(f"{signed}: a parent is missing: the record of {artifact} itself.")
    alien = stray(files, made)
    if alien is not None:
        raise UndertoneError(f"{signed}: {alien} is not a file of {artifact}: the statement is for another file.")


def _refuse_changed(manifests: Mapping[str, Manifest], store: Path) -> None:
    for name, manifest in manifests.items():
        if not (store / name).is_dir():
            raise UndertoneError(f"A parent is missing: {name} is not in {store}.")
        try:
            manifest.check(store / name)
        except Damaged as damage:
            raise UndertoneError(f"A parent differs from what was signed: {damage}.") from None
