"""What a station signs when it prints a certificate: "so I put that record into words, on this document". Pure.

A DSSE envelope with a payload type of its own, so that it can never be taken for an event. It carries the certificate
as it was printed, the name of the record, and, for a PDF, the SHA-256 of the X.509 certificate whose key signed the
document: so the key that signs events vouches for the key that signs papers. It proves who printed, not what happened:
what happened is in the record.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from custody.certificate import Certificate
from custody.dsse import signed_bytes, unwrap, wrap
from custody.errors import BadEvent, BadSignature, UnknownKey
from custody.events import EventHash, KeyId, OriginId, PrivateKey, PublicKey, World

LARGEST = 1024 * 1024
"""Bytes of a statement's envelope."""


@dataclass(frozen=True)
class Statement:
    """One printed certificate, signed by the station that printed it. `document` is "" for a form that is no PDF."""

    event: EventHash
    origin: OriginId
    printed: datetime
    document: str
    certificate: Mapping[str, Any]
    signed_by: KeyId


def payload_type(world: World) -> str:
    """Return the DSSE payload type of statements in this world; practice and real never mix."""
    return f"application/vnd.kitbank.{'' if world is World.REAL else 'practice-'}certificate+json"


def state(
    certificate: Certificate, origin: OriginId, key: PrivateKey, world: World, at: datetime, document: str
) -> bytes:
    """Sign what is printed and return the envelope; `document` is the SHA-256 of the X.509 certificate, or ""."""
    payload = {
        "event": certificate.event,
        "origin": origin,
        "printed": at.astimezone(UTC).isoformat(timespec="seconds"),
        "document": document,
        "certificate": certificate.to_json(),
    }
    return wrap(payload_type(world), json.dumps(payload, ensure_ascii=False).encode(), key)


def read_statement(envelope: bytes, key_of: Callable[[KeyId], PublicKey | None], world: World) -> Statement:
    """Check a statement's signature and read it.

    Raises UnknownKey, BadSignature (altered, or of the other world), BadEvent for what is no statement.
    """
    kind, payload, signatures = unwrap(envelope, LARGEST)
    if kind != payload_type(world):
        raise BadSignature(f"payload type {kind[:60]!r} is not that of a certificate of the {world} world")
    keyid, signature = signatures[0]
    key = key_of(keyid)
    if key is None or key.keyid != keyid:
        raise UnknownKey(f"the certificate was printed by a key nobody here knows ({keyid[:16]})")
    key.verify(signature, signed_bytes(kind, payload))
    try:
        data = json.loads(payload)
        printed, shown = datetime.fromisoformat(data["printed"]), data["certificate"]
        texts = [data[name] for name in ("event", "origin", "document")]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadEvent(f"the signed bytes are no certificate: {error}") from error
    if not all(isinstance(text, str) for text in texts) or not isinstance(shown, dict):
        raise BadEvent("the signed bytes are no certificate: a field has the wrong type")
    return Statement(EventHash(texts[0]), OriginId(texts[1]), printed, texts[2], shown, keyid)
