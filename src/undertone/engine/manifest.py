"""The manifest of an artifact: what it is, what made it, and the digest of each of its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

from pydantic import (
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value
from undertone.spec import Spec

FORMAT = 2
"""Raised whenever an older Undertone would misread the manifest."""
FILE = "manifest.json"


class Damaged(UndertoneError):
    """An artifact has changed since it was written; it can be made again."""


class Keyed(Protocol):
    """What has a key: an artifact, or a model or file from outside the store."""

    @property
    def key(self) -> str:
        """The digest of how it was made, or of its files."""


class Source(Spec):
    """What an artifact was made from: another artifact, or a model or file from outside the store."""

    key: str
    """The artifact's key, or the digest of the model's files."""
    name: str
    """The artifact's folder in the store, or the model's name as the user gave it."""
    parts: tuple[Source, ...] = ()
    """Of a model with an adapter: its base and the adapter."""

    @model_validator(mode="after")
    def _made_of_its_parts(self) -> Self:
        if self.parts and self.key != key_of_parts(self.parts):
            raise ValueError("the key of a model with an adapter is not that of its parts")
        return self

    @model_serializer(mode="wrap")
    def _without_empty_parts(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omitted when empty, so that the manifests of plain models stay as they are."""
        return {name: value for name, value in serialised(self).items() if name != "parts" or value}

    @property
    def leaves(self) -> tuple[Source, ...]:
        """Itself, or the plain models and adapters that it is made of."""
        return tuple(leaf for part in self.parts for leaf in part.leaves) or (self,)


def key_of_parts(parts: Iterable[Keyed]) -> str:
    """The key of a model that is made of a base and an adapter."""
    return digest([part.key for part in parts])


def key_of(stage: str, version: int, spec: Mapping[str, Any], inputs: Mapping[str, Keyed]) -> str:
    """The key of an artifact: the digest of how it is made and of the keys of its inputs."""
    keys = {name: source.key for name, source in inputs.items()}
    return digest({"stage": stage, "version": version, "spec": spec, "inputs": keys})


class Manifest(Spec):
    """Written last, so an artifact that has a manifest is complete."""

    format: int = FORMAT
    """Format of this file."""
    stage: str
    version: int
    """Version of the stage."""
    key: str
    """Digest of stage, version, spec and the inputs' keys. The artifact's folder is named after it."""
    spec: dict[str, JsonValue]
    inputs: dict[str, Source]
    files: dict[str, str]
    """SHA-256 (hex) of every file, by its path inside the artifact's folder."""
    made_with: dict[str, str]
    """Versions of the libraries, and the hardware."""
    seconds: float
    """How long it took to make, on one core."""

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in map(PurePosixPath, files):
            if name.is_absolute() or ".." in name.parts:
                raise ValueError(f"{name} leads out of the artifact's folder")
        return files

    @cached_property
    def content(self) -> str:
        """Digest of the artifact's files: equal digests mean equal bits."""
        return digest(self.files)

    def write(self, folder: Path) -> None:
        """Writes the manifest, with a digest of itself that reveals later edits."""
        value = self.model_dump(mode="json")
        write_text(folder / FILE, json.dumps(value | {"seal": digest(value)}, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Reads the manifest of an artifact.

        Raises:
            Damaged: it is missing, truncated, edited, or of an older format.
            UndertoneError: a newer Undertone wrote it.
        """
        try:
            text = read_bytes(folder / FILE)
        except OSError as error:
            raise Damaged(f"{folder} has no readable {FILE} ({error.strerror})") from None
        return cls.parse(text, folder)

    @classmethod
    def parse(cls, text: bytes, folder: Path) -> Manifest:
        """Reads a manifest from its text. Errors mention ``folder``; raises as :meth:`read`."""
        try:
            value: Any = json_value(text)
            written = int(value["format"])
        except (ValueError, KeyError, TypeError):
            raise Damaged(f"{folder} has no readable {FILE}") from None
        if written > FORMAT:
            raise UndertoneError(
                f"{folder} was written by a newer Undertone (format {written}, this one reads {FORMAT}); upgrade, or "
                "give another --out."
            )
        if written < FORMAT:
            raise Damaged(f"{folder / FILE} is of an older format")
        if value.pop("seal", None) != digest(value):
            raise Damaged(f"{folder / FILE} was changed after it was written")
        try:
            made = cls.model_validate(value)
        except ValidationError:
            raise Damaged(f"{folder / FILE} is not a manifest") from None
        if made.key != key_of(made.stage, made.version, made.spec, made.inputs):
            raise Damaged(f"{folder / FILE} does not have the key that its own content gives")
        return made

    def check(self, folder: Path, *names: str) -> None:
        """Compares the files called ``names``, or all files, with their digests.

        Raises:
            Damaged: a file is missing or differs; the error names the first.
        """
        for name in names or self.files:
            try:
                found = file_digest(folder / name)
            except OSError as error:
                raise Damaged(f"{folder / name} cannot be read ({error.strerror})") from None
            if found != self.files[name]:
                raise Damaged(f"{folder / name} is truncated or was changed after it was written")
