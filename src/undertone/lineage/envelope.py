"""A signed text: a DSSE envelope, signed with ed25519 (Dead Simple Signing Envelope 1.0, as in-toto uses it).

What is signed is the payload with its type and their lengths, so that no other reading of the same bytes is signed too.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature

from undertone.errors import UndertoneError
from undertone.lineage.keys import Signer, Trusted

TYPE = "application/vnd.in-toto+json"


def sealed(payload: bytes, signer: Signer) -> str:
    """The envelope, one line of JSON."""
    signature = signer.key.sign(_encoded(payload))
    value = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": TYPE,
        "signatures": [{"keyid": signer.id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(value) + "\n"


def opened(text: bytes, trusted: Sequence[Trusted], place: str) -> tuple[bytes, Trusted]:
    """The payload of an envelope, and the trusted key that signed it.

    Raises:
        UndertoneError: it is no such envelope, no trusted key signed it, the key has expired, or the signature is of
            something else.
    """
    payload, signatures = _parsed(text, place)
    message = _encoded(payload)
    for _, signature in signatures:
        for key in trusted:
            if _fits(key, signature, message):
                if key.expired:
                    raise UndertoneError(
                        f"{place} is signed with {key.path}, which has expired on {key.until}: have it signed anew."
                    )
                return payload, key
    known = {key.id: key for key in trusted}
    for name, _ in signatures:
        if name in known:  # a hint only: it is no part of what is signed
            raise UndertoneError(f"The signature in {place} is not that of {known[name].path}: the text was changed.")
    names = " and ".join(name[:16] for name, _ in signatures)
    raise UndertoneError(f"{place} is signed with the key {names}, which is none of the {len(trusted)} that you trust.")


def _encoded(payload: bytes) -> bytes:
    """Pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)


def _fits(key: Trusted, signature: bytes, message: bytes) -> bool:
    try:
        key.key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _parsed(text: bytes, place: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        value: Any = json.loads(text)
        if value["payloadType"] != TYPE:
            raise UndertoneError(f"{place} holds {str(value['payloadType'])[:60]!r}, which is no in-toto statement.")
        payload = base64.b64decode(value["payload"], validate=True)
        signatures = [
            (str(one.get("keyid", "")), base64.b64decode(one["sig"], validate=True)) for one in value["signatures"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise UndertoneError(f"{place} is no signed statement (a DSSE envelope in one line of JSON).") from None
    if not signatures:
        raise UndertoneError(f"{place} bears no signature.")
    return payload, signatures
