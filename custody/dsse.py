"""The envelope around signed bytes: DSSE (secure-systems-lab/dsse, `protocol.md`), one or more Ed25519 signatures.

What is signed is the pre-authentication encoding of the payload and its type, with lengths counted in bytes, so that
bytes signed as one type of thing can never be passed off as another.
"""

import base64
import binascii
import json

from custody.errors import BadEvent
from custody.keys import KeyId, PrivateKey


def wrap(kind: str, payload: bytes, key: PrivateKey) -> bytes:
    """Sign these bytes as this type of thing and return the envelope."""
    signature = key.sign(signed_bytes(kind, payload))
    return json.dumps(
        {
            "payloadType": kind,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": key.public.keyid, "sig": base64.b64encode(signature).decode()}],
        },
        separators=(",", ":"),
    ).encode()


def unwrap(envelope: bytes, most: int) -> tuple[str, bytes, list[tuple[KeyId, bytes]]]:
    """Return type, payload and signatures of an envelope of at most `most` bytes. No signature is checked here.

    Raises `BadEvent` for what is no envelope.
    """
    if len(envelope) > most:
        raise BadEvent(f"an envelope of {len(envelope)} bytes is too large; {most} is the limit")
    try:
        data = json.loads(envelope)
        payload = base64.b64decode(data["payload"], validate=True)
        signatures = [
            (KeyId(str(one["keyid"])), base64.b64decode(one["sig"], validate=True)) for one in data["signatures"]
        ]
        kind = data["payloadType"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise BadEvent(f"not a DSSE envelope: {error}") from error
    if not isinstance(kind, str) or not signatures:
        raise BadEvent("not a DSSE envelope: a payload type and at least one signature are needed")
    return kind, payload, signatures


def signed_bytes(kind: str, payload: bytes) -> bytes:
    """Return the bytes that a signature covers (`protocol.md`, pre-authentication encoding)."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)
