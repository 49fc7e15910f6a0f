"""Folders that travel between machines: their files as arrays of bytes, sealed by their digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from undertone.engine.digests import file_digest
from undertone.engine.disk import sync
from undertone.engine.manifest import Damaged

if TYPE_CHECKING:
    from undertone.statistics.arrays import Bytes


@dataclass(frozen=True)
class Parcel:
    """The files of a folder, or a single file, without times and rights."""

    name: str
    """The name of the folder or file, which may say what kind of file it is."""
    files: Mapping[str, Bytes]
    """Bytes by path inside the folder; of a single file by an empty path."""
    digests: Mapping[str, str]
    """SHA-256 (hex) of each, taken where it was packed."""


def packed(path: Path) -> Parcel:
    """Reads a folder with all that is in it but hidden files, or a file. Links to files are followed.

    Raises:
        OSError: something cannot be read.
    """
    import numpy as np  # only here: every command imports the store

    if path.is_dir():
        names = {one.relative_to(path).as_posix(): one for one in sorted(path.rglob("*")) if one.is_file()}
        names = {name: one for name, one in names.items() if not _is_hidden(name)}
    else:
        names = {"": path}
    files = {name: np.fromfile(one, dtype=np.uint8) for name, one in names.items()}
    return Parcel(path.name, files, {name: sha256(content.data).hexdigest() for name, content in files.items()})


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def unpack(parcel: Parcel, path: Path) -> None:
    """Writes a parcel as the folder, or the file, ``path``, which must not exist; its parent must. What was written is
    read again and compared with the digests.

    Raises:
        Damaged: a file is not as it was packed, or its name leads out of the folder.
        OSError: it cannot be written.
    """
    if any(PurePosixPath(name).is_absolute() or _is_hidden(name) for name in parcel.files):
        raise Damaged(f"{parcel.name} holds a name that leads elsewhere")
    whole = "" not in parcel.files
    if whole:
        path.mkdir()
    for name, content in parcel.files.items():
        place = path / name if whole else path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.write(content.data)
        sync(place)
        if file_digest(place) != parcel.digests[name]:
            raise Damaged(f"{place} is not as it was sent")
