"""Keys for which anybody can sign are refused. The points are computed here by the curve's own arithmetic."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from undertone.errors import UndertoneError
from undertone.lineage import keys

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
IDENTITY = (0, 1)
Point = tuple[int, int]


def _add(a: Point, b: Point) -> Point:
    """Addition on -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032, section 5.1.4, in affine coordinates)."""
    twist = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + twist, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - twist, -1, P)
    return x % P, y % P


def _times(n: int, point: Point) -> Point:
    total = IDENTITY
    for bit in bin(n)[2:]:
        total = _add(total, total)
        total = _add(total, point) if bit == "1" else total
    return total


def _x(y: int) -> int | None:
    """A root of the curve's equation for x; None if there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    root = root if root * root % P == square else root * pow(2, (P - 1) // 4, P) % P
    return root if root * root % P == square else None


def _torsion() -> set[Point]:
    """All eight points of small order: some point times the order of the base point, and its multiples."""
    for y in range(2, 1000):
        x = _x(y)
        point = _times(ORDER, (x, y)) if x is not None else IDENTITY
        if _times(4, point) != IDENTITY:
            return {_times(n, point) for n in range(8)}
    raise AssertionError("no point of order 8")


TORSION = sorted(_torsion())
ENCODINGS = sorted(
    {
        (y + high + (sign << 255)).to_bytes(32, "little")
        for _, y in TORSION
        for high in (0, P)  # a second encoding of small y, which is not canonical
        for sign in (0, 1)
        if y + high < 2**255
    }
)


def _public(path: Path, raw: bytes) -> Path:
    key = Ed25519PublicKey.from_public_bytes(raw)
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def test_there_are_eight_points_and_fourteen_encodings() -> None:
    assert len(TORSION) == 8 and all(_times(8, point) == IDENTITY for point in TORSION)
    assert {y for _, y in TORSION} == keys.SMALL
    assert len(ENCODINGS) == 14, "five y of either sign, and two of them again, not canonical"


@pytest.mark.parametrize("raw", ENCODINGS, ids=bytes.hex)
def test_a_key_of_small_order_is_refused(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match="is weak: anybody can sign for it"):
        keys.public(_public(tmp_path / "key.pub", raw))


def test_the_library_lets_the_identity_verify_anything() -> None:
    """The reason for all of this: one signature, made without a secret, fits every text."""
    identity = Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    signature = (1).to_bytes(32, "little") + bytes(32)
    for text in (b"", b"one", b"another"):
        identity.verify(signature, text)
    with pytest.raises(InvalidSignature):
        Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().verify(signature, b"one")


@pytest.mark.parametrize("y", range(P, 2**255))
def test_an_encoding_above_the_prime_is_refused(y: int, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match="is weak"):
        keys.public(_public(tmp_path / "key.pub", y.to_bytes(32, "little")))


def test_a_secret_of_zeros_is_refused_on_both_sides_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for seed, weak in ((bytes(32), True), (bytes(31) + b"\1", False), (bytes(range(32)), False)):
        secret = Ed25519PrivateKey.from_private_bytes(seed)
        path.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        public = _public(tmp_path / "key.pub", secret.public_key().public_bytes_raw())
        if weak:
            for read in (lambda: keys.private(path), lambda public=public: keys.public(public)):
                with pytest.raises(UndertoneError, match="is weak"):
                    read()
        else:
            assert keys.identity(keys.private(path).public_key()) == keys.public(public).id
