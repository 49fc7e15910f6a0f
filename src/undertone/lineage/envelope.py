"""Signed texts: DSSE envelopes (Dead Simple Signing Envelope 1.0, as in-toto uses it), signed with ed25519.

The payload is signed together with its type and the lengths of both, so that the bytes can be read in one way only.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from undertone.errors import UndertoneError
from undertone.lineage.keys import Trusted, identity
from undertone.reading.values import json_value

TYPE = "application/vnd.in-toto+json"
MOST = 16
"""Most signatures that are tried."""


def sealed(payload: bytes, key: Ed25519PrivateKey) -> str:
    """Returns the envelope, one line of JSON."""
    signature = key.sign(_encoded(payload))
    value = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": TYPE,
        "signatures": [{"keyid": identity(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(value) + "\n"


def opened(text: bytes, trusted: Sequence[Trusted], place: str) -> tuple[bytes, Trusted]:
    """Returns the payload of an envelope, and the trusted key that signed it. ``place`` is named in errors.

    Raises:
        UndertoneError: the text is not an envelope, no trusted key signed it, the key has expired, or the signature
            does not fit the payload.
    """
    payload, signatures = _parsed(text, place)
    message = _encoded(payload)
    fitting = [key for _, signature in signatures for key in trusted if _fits(key, signature, message)]
    for key in sorted(fitting, key=lambda key: key.expired):
        if key.expired:
            raise UndertoneError(
                f"{place} is signed with {key.path}, which expired on {key.until}: have it signed again."
            )
        return payload, key
    known = {key.id: key for key in trusted}
    for name, _ in signatures:
        if name in known:  # Only a hint: the key's name is not signed.
            raise UndertoneError(
                f"The signature in {place} was not made with {known[name].path}, or the text was changed."
            )
    names = " and ".join(name[:16] for name, _ in signatures)
    raise UndertoneError(
        f"{place} is signed with the key {names}, which is none of the {len(trusted)} keys that you trust."
    )


def _encoded(payload: bytes) -> bytes:
    """Returns the bytes that are signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)


def _fits(key: Trusted, signature: bytes, message: bytes) -> bool:
    try:
        key.key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _parsed(text: bytes, place: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        value: Any = json_value(text)
        if value["payloadType"] != TYPE:
            raise UndertoneError(f"{place} contains {str(value['payloadType'])[:60]!r}, not an in-toto statement.")
        payload = _bytes_of(value["payload"])
        signatures = [(str(one.get("keyid", "")), _bytes_of(one["sig"])) for one in value["signatures"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UndertoneError(f"{place} is not a signed statement (a DSSE envelope in one line of JSON).") from None
    if not 0 < len(signatures) <= MOST:
        raise UndertoneError(f"{place} has {len(signatures) or 'no'} signature{'s' * bool(signatures)}.")
    return payload, signatures


def _bytes_of(text: str) -> bytes:
    """Decodes base64 with either of its alphabets, as DSSE demands."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
