"""Verifies offline that a signed statement is about the given bytes, and that the chain in it is complete.

The key of an artifact is the digest of its stage, version, spec and the keys of its inputs. The statement contains all
of these, so every key is computed again, from the subject back to the files of the base models.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from undertone.engine.digests import digest
from undertone.engine.manifest import FILE, Damaged, Manifest
from undertone.errors import UndertoneError
from undertone.lineage.envelope import opened
from undertone.lineage.keys import Trusted
from undertone.lineage.statement import FOREIGN, PREDICATE, STAGE, STATEMENT, is_model, stray, subjects
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value
from undertone.spec import Spec

LONGEST = 2**26
"""Most bytes of a statement."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    """A part of a statement. Statements of other programs may hold more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Digest(_Part):
    sha256: Sha256


class _Resource(_Part):
    """A file that something was made of."""

    name: str
    digest: _Digest
    content: str | None = None
    """Its bytes in base64, if it is a manifest."""
    annotations: dict[str, JsonValue] = Field(default_factory=dict)


class _Subject(_Part):
    name: str
    digest: _Digest


class _Making(_Part):
    build: str = Field(alias="buildType")
    parameters: dict[str, JsonValue] = Field(alias="externalParameters")
    resolved: list[Any] = Field(alias="resolvedDependencies", default_factory=list)


class _Predicate(_Part):
    making: _Making = Field(alias="buildDefinition")


class _Statement(_Part):
    kind: str = Field(alias="_type")
    predicate_kind: str = Field(alias="predicateType")
    subject: list[_Subject]
    predicate: _Predicate


class Verified(Spec):
    """The content of a statement that passed all checks."""

    path: str
    files: dict[str, str]
    """SHA-256 of every file that was checked, by name: all files below a folder."""
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
    stated = _statement(payload, signed)
    files = {one.name: one.digest.sha256 for one in stated.subject}
    checked = _checked(path, files, signed)
    making = stated.predicate.making
    manifests, models = _chain(making, signed)
    if making.build == STAGE:
        _refuse_unmade(str(making.parameters.get("artifact")), manifests, files, signed)
    if store is not None:
        _refuse_changed(manifests, store)
    claims = making.parameters.get("claims")
    return Verified(
        path=str(path),
        files=checked,
        key=key.id,
        key_file=str(key.path),
        made_by=making.build,
        parents=len(manifests),
        models=tuple(sorted(models)),
        claims=len(claims) if isinstance(claims, list) else 0,
    )


def _read(signed: Path) -> bytes:
    try:
        return read_bytes(signed, LONGEST)
    except OSError as error:
        raise UndertoneError(
            f"The statement {signed} cannot be read ({error.strerror}): undertone lineage sign makes one."
        ) from None


def _statement(payload: bytes, signed: Path) -> _Statement:
    """Returns the payload. Raises UndertoneError if it is not SLSA provenance of subjects with a SHA-256."""
    try:
        value: Any = json_value(payload)
        if isinstance(value, dict) and (value.get("_type"), value.get("predicateType")) != (STATEMENT, PREDICATE):
            raise UndertoneError(
                f"{signed} is a statement of another type than SLSA provenance v1: {value.get('predicateType')!s:.80}."
            )
        stated = _Statement.model_validate(value)
    except ValueError as error:
        raise UndertoneError(f"{signed} contains no readable statement of provenance ({_fault(error)}).") from None
    if not stated.subject:
        raise UndertoneError(f"{signed} names no subject, so it is about nothing.")
    if len({one.name for one in stated.subject}) < len(stated.subject):
        raise UndertoneError(f"{signed} names a subject twice, so it is about nothing certain.")
    return stated


def _fault(error: ValueError) -> str:
    """Returns what is wrong, and where."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))[:80] or 'the whole'}: {first['msg']}"


def _checked(path: Path, files: Mapping[str, str], signed: Path) -> dict[str, str]:
    """Returns the SHA-256 of the files of ``path``. Raises UndertoneError unless the statement is about all of them and
    nothing else. A single file may also be one of those that a statement is about."""
    if not path.exists():
        raise UndertoneError(f"There is no {path} to verify.")
    here = subjects(path)
    if path.is_file() and path.name not in files and here[path.name] in files.values():
        return here  # The name may differ, since only bytes are signed.
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
    return here


def _chain(making: _Making, signed: Path) -> tuple[dict[str, Manifest], set[str]]:
    """Returns the manifests by artifact, and the names of the models. Every key is computed again."""
    manifests, files = {}, defaultdict[str, dict[str, str]](dict)
    for value in making.resolved:
        try:
            one = _Resource.model_validate(value)
            model = one.annotations.get("model")
            if model is not None:
                files[str(model)][one.name.removeprefix(f"{model}/")] = one.digest.sha256
            elif one.content is not None and one.name.endswith(f"/{FILE}"):
                manifests[one.name.removesuffix(f"/{FILE}")] = _manifest(one.content, one, signed)
        except ValueError as error:
            raise UndertoneError(f"{signed} contains a chain that cannot be read ({_fault(error)}).") from None
    keys = {name: manifest.key for name, manifest in manifests.items()}
    models = {name: digest(found) for name, found in files.items()}
    for name, manifest in manifests.items():
        for role, source in ((role, leaf) for role, whole in manifest.inputs.items() for leaf in whole.leaves):
            known = models if is_model(source) else keys
            if known.get(source.name) != source.key:
                what = "is another than the one that was used" if source.name in known else "is not in the statement"
                raise UndertoneError(f"{signed}: a parent is missing: the {role} of {name}, {source.name}, {what}.")
    if not manifests and making.build != FOREIGN:
        raise UndertoneError(f"{signed}: a parent is missing: it has no record of how its subject was made.")
    return manifests, set(models)


def _manifest(content: str, described: _Resource, signed: Path) -> Manifest:
    text = base64.b64decode(content, validate=True)
    try:
        made = Manifest.parse(text, Path(described.name).parent)
    except Damaged as damage:
        raise UndertoneError(f"{signed}: {damage}.") from None
    if hashlib.sha256(text).hexdigest() != described.digest.sha256:
        raise UndertoneError(f"{signed}: {described.name} does not have the digest that is stated.")
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
