"""Signing keys: ed25519 in PEM files, which other tools read too, with a line before the key that says when it expires.

Readers of PEM skip text before a key (RFC 7468, section 2). People who trust a public key keep a copy of its file, so
each of them decides how long to trust it.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from undertone.engine.disk import refusal
from undertone.errors import UndertoneError
from undertone.reading.files import read_bytes

UNTIL = re.compile(r"^[ \t]*valid until[ \t]*:(.*)$", re.MULTILINE | re.IGNORECASE)
LONGEST = 2**16
"""Most bytes of a key's file."""
PRIME = 2**255 - 19
EIGHTH = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL = frozenset({0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH})
"""The y of the eight points of small order on edwards25519, whose x is determined up to its sign: y is 1 at order 1, -1
at order 2, 0 at order 4, and a root of d y^4 + 2 y^2 = 1 at order 8."""


@dataclass(frozen=True)
class Trusted:
    """A public key that is trusted until the end of a day (UTC), or for ever."""

    key: Ed25519PublicKey
    path: Path
    until: date | None

    @property
    def id(self) -> str:
        """The identity of the pair of keys."""
        return identity(self.key)

    @property
    def expired(self) -> bool:
        """Whether the last day is over."""
        return self.until is not None and self.until < today()


def identity(key: Ed25519PublicKey) -> str:
    """Returns the SHA-256 (hex) of a public key in DER (SubjectPublicKeyInfo)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def today() -> date:
    """Returns the day in UTC."""
    return datetime.now(UTC).date()


def make(path: Path, days: int) -> Trusted:
    """Writes a private key to ``path``, readable by its owner only, and the public key to ``path`` plus ``.pub``.

    Raises:
        UndertoneError: one of the files exists already or cannot be written.
    """
    if days < 1:
        raise UndertoneError(f"A key cannot be valid for {days} days: give --days 1 or more.")
    until = today() + timedelta(days=min(days, 36_500))
    head = f"Valid until: {until.isoformat()}\n".encode()
    key, public = Ed25519PrivateKey.generate(), path.with_name(f"{path.name}.pub")
    _create(public, 0o644, head + key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    try:
        _create(path, 0o600, head + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except UndertoneError:
        public.unlink()
        raise
    return Trusted(key.public_key(), public, until)


def _create(path: Path, mode: int, content: bytes) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise UndertoneError(f"{path} exists already, and a key is never overwritten: give another name.") from None
    except OSError as error:
        raise refusal(error, path) from None


def private(path: Path) -> Ed25519PrivateKey:
    """Reads a private key.

    Raises:
        UndertoneError: the file cannot be read, others can read it, it is not an ed25519 key in PEM, or it has expired.
    """
    content = _read(path)
    if path.stat().st_mode & 0o077:
        raise UndertoneError(f"The key {path} can be read by others: make another, or at least run chmod 600 {path}.")
    key: Ed25519PrivateKey = _loaded(
        path, content, lambda pem: load_pem_private_key(pem, None), Ed25519PrivateKey, "private"
    )
    _refuse_weak(key.public_key(), path)
    until = _until(path, content)
    if until is not None and until < today():
        raise UndertoneError(f"The key {path} expired on {until}: sign with another.")
    return key


def public(path: Path) -> Trusted:
    """Reads a public key.

    Raises:
        UndertoneError: the file cannot be read or is not an ed25519 public key in PEM, or anybody can sign for the key.
    """
    content = _read(path)
    key: Ed25519PublicKey = _loaded(path, content, load_pem_public_key, Ed25519PublicKey, "public")
    _refuse_weak(key, path)
    return Trusted(key, path, _until(path, content))


def _refuse_weak(key: Ed25519PublicKey, path: Path) -> None:
    """Raises UndertoneError if anybody can sign for a key: if its point is of small order, so that a signature without
    a secret fits many texts or all, or if its secret is all zeros. An encoding that no program writes is refused too.
    """
    y = int.from_bytes(key.public_bytes_raw(), "little") & (2**255 - 1)  # without the sign of x
    if y >= PRIME or y in SMALL or key == Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key():
        raise UndertoneError(f"The key {path} is weak: anybody can sign for it; undertone lineage key makes a pair.")


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, LONGEST)
    except OSError as error:
        raise UndertoneError(f"The key {path} cannot be read: {error.strerror}.") from None


def _loaded(path: Path, content: bytes, load: Callable[[bytes], Any], kind: type, which: str) -> Any:
    start = content.find(b"-----BEGIN")
    try:
        key = load(content[max(start, 0) :])
    except (ValueError, TypeError) as error:  # TypeError means that it is encrypted.
        why = "encrypted" if isinstance(error, TypeError) else "in another format"
        raise UndertoneError(
            f"{path} is not an ed25519 {which} key in plain PEM (it is {why}); undertone lineage key makes a pair."
        ) from None
    if not isinstance(key, kind):
        raise UndertoneError(f"{path} is a key of another kind: an ed25519 {which} key is needed.")
    return key


def _until(path: Path, content: bytes) -> date | None:
    """The last day of a key; of several, the first."""
    told = content.decode("utf-8-sig", "replace")
    days = UNTIL.findall(told)
    if len(days) < len(re.findall(r"\buntil\b", told, re.IGNORECASE)):
        raise UndertoneError(f'{path} says "until" in another form than "Valid until: 2027-01-31"; correct the line.')
    try:
        return min((date.fromisoformat(day.strip()) for day in days), default=None)
    except ValueError:
        raise UndertoneError(f'{path}: "Valid until:{days[0][:40]}" is not a day such as 2027-01-31.') from None
