"""The samples of a log of Inspect, JSON or an archive of it that others wrote, within bounds. Inspect is not needed."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import zstandard

from undertone.data.toml import shortened
from undertone.errors import UndertoneError
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value

LARGEST = 2**28
"""The most bytes of a log, as it is and unpacked."""
MOST = 200_000
"""The most entries of a log."""
JSON = ".json"
SAMPLES = "samples/"
ZSTANDARD = 93
LOCAL = struct.Struct("<4s22xHH")
"""The head of an entry's content: a mark, and the lengths of the name and of what else comes before the content."""
ATTACHED = "attachment://"


def samples(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the name and the content of every sample, with long texts put back in their places.

    Raises:
        UndertoneError: it cannot be read, is no log, or holds more than :data:`LARGEST` bytes.
    """
    try:
        content = read_bytes(path, LARGEST)
        for name, sample in _of_json(content) if path.suffix == JSON else _of_archive(content):
            if not isinstance(sample, dict):
                raise ValueError(f"{name} is no sample")
            yield name, sample
    except OSError as error:
        raise UndertoneError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UndertoneError(f"{path} is no log of Inspect that can be read: {shortened(str(error))}.") from None


def _of_json(content: bytes) -> Iterator[tuple[str, object]]:
    found = mapping(json_value(content, finite=False)).get("samples")  # Inspect writes NaN for a score that is missing
    if not isinstance(found, list):
        raise ValueError("it has no samples")
    yield from ((f"{number}", sample) for number, sample in enumerate(found, 1))


def _of_archive(content: bytes) -> Iterator[tuple[str, object]]:
    left = LARGEST
    for entry, start in _entries(content):
        unpacked = _unpacked(content, entry, start, left)
        left -= len(unpacked)
        yield entry.filename, json_value(unpacked, finite=False)


def _entries(content: bytes) -> list[tuple[ZipInfo, int]]:
    """Returns the entries that are samples, and where the content of each starts.

    Raises:
        ValueError: it is no archive, was cut off or changed, or has too many entries or two samples of one name.
    """
    if content.count(b"PK\1\2") > MOST:  # each entry of the list of contents begins so
        raise ValueError(f"it has more than {MOST:,} entries")
    try:
        with ZipFile(BytesIO(content)) as archive:
            found = [(one, _start(content, one)) for one in archive.infolist()]
    except Exception:  # names, dates and lengths that are none raise what their parts raise
        raise ValueError("it is no archive, or was cut off or changed") from None
    kept = [(one, at) for one, at in found if one.filename.startswith(SAMPLES) and one.filename.endswith(".json")]
    name, count = max(Counter(one.filename for one, _ in kept).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise ValueError(f"{count:,} entries are called {name}")
    return kept


def _start(content: bytes, entry: ZipInfo) -> int:
    """Returns where the content of an entry starts. Its name must stand there as in the list of contents."""
    mark, length, more = LOCAL.unpack_from(content, entry.header_offset)
    start = entry.header_offset + LOCAL.size + length
    name = content[start - length : start].decode("utf-8" if entry.flag_bits & 0x800 else "cp437")
    if mark != b"PK\3\4" or name != entry.orig_filename or entry.flag_bits & 1:
        raise ValueError("damaged or encrypted")
    return int(start + more)


def _unpacked(content: bytes, entry: ZipInfo, start: int, most: int) -> bytes:
    """Returns the content of an entry that starts at ``start``, whatever size the archive says that it has.

    Raises:
        ValueError: it is damaged, packed in another way than Inspect packs, or longer than ``most`` bytes.
    """
    packed = content[start : start + entry.compress_size]
    try:
        match entry.compress_type:
            case _ if not entry.compress_size:
                found = b""
            case method if method == ZIP_STORED:
                found = packed
            case method if method == ZIP_DEFLATED:
                found = zlib.decompressobj(-15).decompress(packed, most + 1)
            case method if method == ZSTANDARD:
                with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
                    found = reader.read(most + 1)
            case _:
                raise ValueError(f"{entry.filename} is packed in a way that Inspect does not use")
    except (zlib.error, zstandard.ZstdError):
        raise ValueError(f"{entry.filename} is damaged") from None
    if len(found) > most:
        raise ValueError(f"it holds more than {LARGEST:,} bytes; give a log with fewer samples")
    if zlib.crc32(found) != entry.CRC:
        raise ValueError(f"{entry.filename} is damaged")
    return found


def asked(sample: dict[str, Any]) -> str:
    """Returns the last question of a sample; empty if there is none."""
    given = sample.get("input")
    if not isinstance(given, list):
        return _text(given, sample)
    users = [one for one in given if isinstance(one, dict) and one.get("role") == "user"]
    return _text(users[-1].get("content"), sample) if users else ""


def answered(sample: dict[str, Any]) -> tuple[str | None, str]:
    """Returns the text of a sample's answer; or None, and why it has none."""
    output = mapping(sample.get("output"))
    choices = output.get("choices")
    if sample.get("error") is not None or output.get("error") is not None:
        return None, "an error"
    if not isinstance(choices, list) or not choices:
        return None, "none is given"
    choice = mapping(choices[0])
    text = _text(mapping(choice.get("message")).get("content"), sample)
    if choice.get("stop_reason") == "content_filter" and not text.strip():
        return None, "withheld by a content filter"
    return text, ""


def scored(sample: dict[str, Any]) -> dict[str, object]:
    """Returns the scores of a sample by name. They may be separate or entries of one score."""
    found: dict[str, object] = {}
    for name, score in mapping(sample.get("scores")).items():
        value = mapping(score).get("value")
        found |= value if isinstance(value, dict) else {name: value}
    return found


def mapping(value: object) -> dict[str, Any]:
    """Returns a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _text(content: object, sample: dict[str, Any]) -> str:
    """Returns text as it is, or the parts of a list that are text, as Inspect joins them. Long texts stand elsewhere
    in the sample, under their digest."""
    if isinstance(content, list):
        return "\n".join(_text(one.get("text"), sample) for one in map(mapping, content) if one.get("type") == "text")
    if not isinstance(content, str):
        return ""
    kept = (
        mapping(sample.get("attachments")).get(content.removeprefix(ATTACHED)) if content.startswith(ATTACHED) else None
    )
    return kept if isinstance(kept, str) else content
