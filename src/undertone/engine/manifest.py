"""The manifest of an artifact: what it is, what made it, and the digest of each of its files."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError

FORMAT = 2
"""Rises when a manifest would be read wrongly by an older Undertone."""
FILE = "manifest.json"


class Damaged(UndertoneError):
    """An artifact is not what was written; it can be made anew."""


class Source(BaseModel):
    """What an artifact was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str
    """Digest of an artifact's making, or of a model's files."""
    name: str
    """The artifact's folder in the store, or the model's name as the user gave it."""


class Manifest(BaseModel):
    """Written last: an artifact with a manifest is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    format: int = FORMAT
    """Format of this file."""
    stage: str
    version: int
    """Of the stage."""
    key: str
    """Digest of stage, version, spec and the inputs' keys: the artifact's name."""
    spec: dict[str, JsonValue]
    inputs: dict[str, Source]
    files: dict[str, str]
    """SHA-256 (hex) of every file, by its path below the artifact's folder."""
    made_with: dict[str, str]
    """Versions of the libraries, and the hardware."""
    seconds: float
    """What it took, on one core."""

    @cached_property
    def content(self) -> str:
        """Digest of what was made: equal for equal bits, whoever made them and when."""
        return digest(self.files)

    def write(self, folder: Path) -> None:
        """Writes the manifest with a seal, by which an edit shows."""
        value = self.model_dump(mode="json")
        write_text(folder / FILE, json.dumps(value | {"seal": digest(value)}, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of an artifact.

        Raises:
            Damaged: it is missing, truncated, edited, or of an older format.
            UndertoneError: a newer Undertone wrote it.
        """
        try:
            text = (folder / FILE).read_bytes()
        except OSError:
            raise Damaged(f"{folder} has no readable {FILE}") from None
        return cls.parse(text, folder)

    @classmethod
    def parse(cls, text: bytes, folder: Path) -> Manifest:
        """A manifest's text, read; ``folder`` is where an error says that it is from. Raises as :meth:`read`."""
        try:
            value: Any = json.loads(text)
            written = int(value["format"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise Damaged(f"{folder} has no readable {FILE}") from None
        if written > FORMAT:
            raise UndertoneError(
                f"{folder} was written by a newer Undertone (format {written}, this one reads {FORMAT}); upgrade, or "
                "give another --out."
            )
        if written < FORMAT:
            raise Damaged(f"{folder / FILE} is of an older format")
        seal = value.pop("seal", None)
        if seal != digest(value):
            raise Damaged(f"{folder / FILE} was changed after it was written")
        try:
            return cls.model_validate(value)
        except ValidationError:
            raise Damaged(f"{folder / FILE} is no manifest") from None

    def check(self, folder: Path) -> None:
        """Compares every file with its digest.

        Raises:
            Damaged: names the first file that is missing or differs.
        """
        for name in self.files:
            self.check_file(folder, name)

    def check_file(self, folder: Path, name: str) -> None:
        """Compares one file with its digest."""
        try:
            found = file_digest(folder / name)
        except OSError as error:
            raise Damaged(f"{folder / name} cannot be read ({error.strerror})") from None
        if found != self.files[name]:
            raise Damaged(f"{folder / name} is truncated or was changed after it was written")
