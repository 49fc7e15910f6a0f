"""SHA-256 digests of values, of files and of the files in a folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

from undertone.reading.files import opened


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value that JSON can hold; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seed_of(*purpose: Any) -> int:
    """A seed below 2^31 that follows from a purpose, such as ``(seed of the run, "teacher", 3)``."""
    return int(digest(list(purpose))[:8], 16) >> 1


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a regular file's bytes.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(path: Path, names: tuple[str, ...]) -> str:
    """Digest of the files called ``names`` in a folder; missing files are left out."""
    return digest({name: file_digest(path / name) for name in names if (path / name).is_file()})
