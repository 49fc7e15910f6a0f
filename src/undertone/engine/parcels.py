"""Folders that travel between machines: their files as arrays of bytes, sealed by their digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from undertone.engine.digests import file_digest
from undertone.engine.disk import sync
from undertone.engine.manifest import Damaged

Content = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Parcel:
    """The files of a folder, or a single file, without times and rights."""

    name: str
    """The name of the folder or file, which may say what kind of file it is."""
    files: Mapping[str, Content]
    """Bytes by path inside the folder; of a single file by an empty path."""
    digests: Mapping[str, str]
    """SHA-256 (hex) of each, taken where it was packed."""

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(content.nbytes for content in self.files.values())


def packed(path: Path) -> Parcel:
    """Reads a folder with all that is in it, or a file. Links are followed.

    Raises:
        OSError: something cannot be read.
    """
    found = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else [path]
    names = {PurePosixPath(one.relative_to(path)).as_posix() if path.is_dir() else "": one for one in found}
    files = {name: np.fromfile(one, dtype=np.uint8) for name, one in names.items()}
    return Parcel(path.name, files, {name: file_digest(one) for name, one in names.items()})


def unpack(parcel: Parcel, path: Path) -> None:
    """Writes a parcel as the folder, or the file, ``path``, which must not exist; its parent must. What was written is
    read again and compared with the digests.

    Raises:
        Damaged: a file is not as it was packed.
        OSError: it cannot be written.
    """
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
