"""Events: signed statements about devices, one JSON payload each, in a DSSE envelope signed with Ed25519.

Promises:

- the bytes that were signed are the bytes that are hashed, stored and sent; nothing is ever serialised again;
- a signature is checked before a single byte of the payload is believed;
- practice and real events carry different payload types, so neither can be passed off as the other;
- no kind of event has a place for a person's name: staff and loans appear as random references.

The envelope follows the DSSE protocol (secure-systems-lab/dsse, `protocol.md`): the signature covers the
pre-authentication encoding, whose lengths are counted in bytes.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NewType

from custody.dsse import signed_bytes, unwrap, wrap
from custody.errors import BadEvent, BadSignature, Reason, UnknownKey
from custody.keys import KeyId, PrivateKey, PublicKey
from custody.kinds import KINDS, what_is_wrong
from custody.media import MediumId, MediumIdentity, is_storable

__all__ = [
    "KINDS",
    "NOTHING",
    "Digest",
    "Event",
    "EventHash",
    "KeyId",
    "MediumId",
    "MediumIdentity",
    "OriginId",
    "PrivateKey",
    "PublicKey",
    "Role",
    "World",
    "identities",
    "may_sign",
    "meaning",
    "media_ids",
    "mentions",
    "open_",
    "open_signed",
    "origin_id",
    "seal",
    "serial_subject",
]

OriginId = NewType("OriginId", str)
EventHash = NewType("EventHash", str)
Digest = NewType("Digest", str)

NOTHING = EventHash("0" * 64)
"""What the first event of a chain names as the one before it."""

LARGEST_EVENT = 256 * 1024
"""Bytes. An envelope beyond this is refused unread: evidence belongs in attachments."""

UNREADABLE = "unreadable"
"""The one field of the body that stands for a body which no store or screen could hold; it says why."""

DEEPEST = 24
"""Levels of brackets in an event."""

LONGEST_MENTION = 400
"""Characters. What is longer is no identifier of ours and is not indexed."""


class World(StrEnum):
    """Practice is another world: its own keys, journals and payload type; the two never meet."""

    REAL = "real"
    PRACTICE = "practice"

    @property
    def payload_type(self) -> str:
        """Return the DSSE payload type, which the signature covers."""
        return f"application/vnd.kitbank.{'event' if self is World.REAL else 'practice-event'}+json"


class Role(StrEnum):
    """What an origin is, and so what it may say."""

    SERVER = "server"
    STATION = "station"
    KIOSK = "kiosk"


def origin_id(role: Role, key: PublicKey) -> OriginId:
    """Return an origin's name, made from its first key, so that it exists before anyone enrols it."""
    return OriginId(f"{role}-{key.keyid[:16]}")


@dataclass(frozen=True)
class Event:
    """One signed statement by one writer. `at` is the writer's clock: information, never an argument."""

    origin: OriginId
    seq: int
    prev: EventHash
    kind: str
    subject: str
    at: datetime
    body: Mapping[str, Any]
    hash: EventHash

    def to_json(self) -> dict[str, Any]:
        """Return the event for people and programs to read; this form is never signed or hashed."""
        return {
            "origin": self.origin,
            "seq": self.seq,
            "prev": self.prev,
            "kind": self.kind,
            "subject": self.subject,
            "at": self.at.isoformat(),
            "body": dict(self.body),
            "hash": self.hash,
        }


def seal(
    *,
    origin: OriginId,
    seq: int,
    prev: EventHash,
    kind: str,
    subject: str,
    at: datetime,
    body: Mapping[str, Any],
    key: PrivateKey,
    world: World,
) -> tuple[bytes, Event]:
    """Sign one statement and return its envelope with the event in it.

    Raises `BadEvent` for an unknown kind, a body that does not fit its kind, a number below 1 or a naive time:
    what we write ourselves must be right, though what others write is kept even when it is wrong.
    """
    if at.tzinfo is None:
        raise BadEvent(f"the time {at} has no time zone; use UTC")
    if kind not in KINDS:
        raise BadEvent(f"unknown kind {kind!r}; known are {', '.join(sorted(KINDS))}")
    if seq < 1:
        raise BadEvent(f"events are counted from 1, not {seq}")
    wrong = what_is_wrong(kind, subject, body)
    if wrong:
        raise BadEvent(f"{kind}: " + "; ".join(wrong))
    statement = {
        "origin": origin,
        "seq": seq,
        "prev": prev,
        "kind": kind,
        "subject": subject,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "body": body,
    }
    try:
        payload = json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError) as error:
        raise BadEvent(f"{kind}: the body cannot be written as JSON: {error}") from error
    envelope = wrap(world.payload_type, payload, key)
    if len(envelope) > LARGEST_EVENT:
        raise BadEvent(f"{kind}: {len(envelope)} bytes are too many for an event; attach large evidence instead")
    event = _parse(payload)
    if set(event.body) == {UNREADABLE}:
        raise BadEvent(f"{kind}: {event.body[UNREADABLE]}")
    return envelope, event


def open_(envelope: bytes, key_of: Callable[[KeyId], PublicKey | None], world: World) -> Event:
    """Check an envelope's signature, then read the event from the very bytes that were signed.

    Raises `UnknownKey` when nobody knows the key, `BadSignature` when it does not fit or the event belongs to
    the other world, `BadEvent` when the signed bytes are not an event.
    """
    return open_signed(envelope, key_of, world)[0]


def open_signed(envelope: bytes, key_of: Callable[[KeyId], PublicKey | None], world: World) -> tuple[Event, KeyId]:
    """Do as `open_` and tell the key as well, for whoever must know if that key was still valid."""
    kind, payload, signatures = unwrap(envelope, LARGEST_EVENT)
    if kind != world.payload_type:
        raise BadSignature(
            f"payload type {kind[:60]!r} does not belong to this {world} world; practice and real never mix"
        )
    for keyid, signature in signatures:
        key = key_of(keyid)
        if key is not None and key.keyid == keyid:
            key.verify(signature, signed_bytes(kind, payload))
            return _parse(payload), keyid
    names = ", ".join(keyid[:12] for keyid, _ in signatures)
    raise UnknownKey(f"signed by a key nobody here knows ({names}): that origin is not enrolled here")


def meaning(event: Event) -> list[Reason]:
    """Return what is wrong with an event's body; an unknown kind is never wrong (kept, shown, ignored)."""
    if set(event.body) == {UNREADABLE}:
        return [Reason("meaning", str(event.body[UNREADABLE]), event.subject)]
    if event.kind not in KINDS:
        return []
    return [Reason("meaning", text, event.subject) for text in what_is_wrong(event.kind, event.subject, event.body)]


def may_sign(role: Role, kind: str) -> bool:
    """Tell whether an origin in this role may make this kind of statement (unknown kinds: anyone)."""
    return kind not in KINDS or role in KINDS[kind].signers


def mentions(event: Event) -> frozenset[str]:
    """Return every subject an event speaks of, for the index through which one device's events are found.

    Label codes and medium identifiers stand as they are; `loan:REF`, `event:HASH`, `serial:MAKE|MODEL|SERIAL`,
    `disk:SERIAL`, `wwn:WWN` and `by:REF` (who signed in with a badge) have a prefix. What cannot be read is left out:
    a refused event is still indexed.
    """
    body = event.body
    found = {event.subject}
    for name in ("code", "device", "from", "into"):
        found.add(_text(body.get(name)))
    loan = _text(body.get("loan"))
    if loan:
        found.add(loan if loan.startswith("loan:") else f"loan:{loan}")
    for name in ("event", "wipe"):
        found.add(f"event:{_text(body.get(name))}" if _text(body.get(name)) else "")
    for item in _media(body):
        found.add(item)
    who = body.get("who")
    if isinstance(who, Mapping) and who.get("roster") is not None:
        found.add(f"by:{_text(who.get('ref'))}")
    if event.kind == "device.registered":
        found.add(serial_subject(body.get("make"), body.get("model"), body.get("serial")))
    return frozenset(one for one in found if one and len(one) <= LONGEST_MENTION and is_storable(one))


def serial_subject(make: object, model: object, serial: object) -> str:
    """Return the index entry under which two records of one machine meet, or "" where no serial is known."""
    if not _text(serial).strip():
        return ""
    return "serial:" + "|".join(" ".join(_text(part).casefold().split()) for part in (make, model, serial))


def media_ids(items: Iterable[object]) -> list[MediumId]:
    """Return the identifiers of identities in a body's `media` list, leaving out what is no identity."""
    return [identity.id for identity in identities(items)]


def identities(items: Iterable[object]) -> list[MediumIdentity]:
    """Return the identities in a body's `media` list, leaving out what is none."""
    found = []
    for item in items:
        if isinstance(item, Mapping):
            try:
                found.append(MediumIdentity.from_json(item))
            except BadEvent:
                continue
    return found


def _media(body: Mapping[str, Any]) -> Collection[str]:
    """Return every medium a body names, by identifier and by what else it is known by."""
    listed = body.get("media")
    items = [body.get("medium"), *(listed if isinstance(listed, list) else [])]
    found = {item for item in items if isinstance(item, str)}
    for identity in identities(items):
        found |= {identity.id, *identity.names}
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _why_not_plain(value: object, depth: int = DEEPEST) -> str:
    """Return why some store or screen could not hold this: texts that are none, towers of brackets; "" if all can."""
    if depth == 0:
        return f"it is nested deeper than {DEEPEST} levels"
    if isinstance(value, str) and not is_storable(value):
        return "it holds characters that are no text"
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((why for one in inner if (why := _why_not_plain(one, depth - 1))), "")


def _parse(payload: bytes) -> Event:
    """Read signed bytes. What is signed but cannot be held anywhere is kept as an event whose body says so.

    So it takes its place in its chain, is refused for its meaning, and stops nothing behind it.
    """
    try:
        data = json.loads(payload)
        at = datetime.fromisoformat(data["at"])
        origin, seq, prev, body = data["origin"], data["seq"], data["prev"], data["body"]
        kind, subject = data["kind"], data["subject"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadEvent(f"the signed bytes are not an event: {error}") from error
    if not all(isinstance(text, str) for text in (origin, prev, kind, subject)) or not isinstance(body, dict):
        raise BadEvent("the signed bytes are not an event: a field has the wrong type")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1 or at.tzinfo is None:
        raise BadEvent("the signed bytes are not an event: bad number or a time without zone")
    why = _why_not_plain({"kind": kind, "subject": subject, "body": body})
    if not 1970 <= at.year <= 9998:
        at, why = datetime.fromtimestamp(0, UTC), f"no clock shows the year {at.year}"
    if why:
        kind, subject = (text if is_storable(text) else UNREADABLE for text in (kind, subject))
        body = {UNREADABLE: f"this statement cannot be held: {why}"}
    name = EventHash(hashlib.sha256(payload).hexdigest())
    return Event(OriginId(origin), seq, EventHash(prev), kind, subject, at, body, name)
