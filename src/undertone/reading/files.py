"""Opens regular files only: a pipe would block, a device might never end."""

import errno
import os
import re
import stat
from glob import glob, has_magic
from io import BufferedReader
from pathlib import Path

LARGEST = 2**24
"""Most bytes of a small file: of settings, a record, a card."""
POINTER = b"version https://git-lfs"
"""What a file begins with that Git left in place of a large one."""


def matched(path: Path) -> list[Path]:
    """Returns the files that a pattern such as ``shards/*.jsonl`` matches, by name; of any other path, and of one that
    exists or matches nothing, itself."""
    if not has_magic(str(path)) or os.path.lexists(path):
        return [path]
    try:
        found = sorted(Path(name) for name in glob(str(path), recursive=True))
    except ValueError:  # a zero byte
        return [path]
    return [one for one in found if not one.is_dir()] or [path]


def stem_of(path: Path) -> str:
    """Returns a name for what is made of a file: its own without its endings, and without the marks of a pattern."""
    return re.sub(r"[*?\[\]]", "", path.name).lstrip(".-").split(".")[0] or "data"


def opened(path: Path) -> BufferedReader:
    """Opens a regular file for reading.

    Raises:
        OSError: it cannot be opened or is no regular file.
    """
    try:
        # O_NONBLOCK, because opening a pipe waits for its other end.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a zero byte, or half a surrogate pair
        raise OSError(errno.EINVAL, "No file can have this name", str(path)) from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "It is not a regular file", str(path))
    return os.fdopen(number, "rb")


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """Reads a regular file of at most ``largest`` bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    with opened(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"It is larger than {largest:,} bytes", str(path))
    return content


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Reads UTF-8 text without a byte order mark.

    Raises:
        OSError: as :func:`read_bytes`.
        ValueError: it is not UTF-8.
    """
    return text_of(read_bytes(path, largest))


def text_of(content: bytes) -> str:
    """Returns UTF-8 text without a byte order mark.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start + 1}") from None
