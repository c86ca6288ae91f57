"""Chains: one per origin, each event naming the one before. Who may write, with which key, and how far it counts.

The rules, in the order in which `admit` applies them:

1. the signature is right and made by the key that was the named origin's at that number (else `BadSignature`,
   `UnknownKey`): whoever stole a key that was replaced since can not take the chain with it;
2. the event continues that origin's chain (else `Gap`; another event under a number we hold is a `Fork`);
   from here on the chain advances and the event is stored, whatever is found below;
3. the origin is not revoked before that number, its role may sign that kind, the body fits its kind, and nobody who
   signed in agrees with their own wipe; whatever fails is a reason to store the event as *refused* and never to
   fold it.

So a refused event never jams the chain behind it. Nothing here reads or writes; a store hands in what it knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from custody.errors import BadSignature, Fork, Gap, Reason, UnknownKey
from custody.events import (
    NOTHING,
    Event,
    EventHash,
    KeyId,
    OriginId,
    PublicKey,
    Role,
    World,
    may_sign,
    meaning,
    open_signed,
)
from custody.kinds import agrees_with_oneself


@dataclass(frozen=True)
class Head:
    """The last event of a chain: its number and its hash."""

    seq: int
    hash: EventHash


START = Head(0, NOTHING)
"""The head of a chain that has no event yet."""


@dataclass(frozen=True)
class KeySpan:
    """A key and the numbers for which it signs: from `since` through `through` (None: still in use)."""

    key: PublicKey
    since: int
    through: int | None

    def covers(self, seq: int) -> bool:
        """Tell whether the key was the valid one at this number."""
        return self.since <= seq and (self.through is None or seq <= self.through)


@dataclass(frozen=True)
class Writer:
    """An origin as the server's chain describes it."""

    id: OriginId
    role: Role
    name: str
    keys: tuple[KeySpan, ...]
    transport: PublicKey | None = None
    revoked_through: int | None = None
    suspended: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the writer as JSON data, for a store."""
        return {
            "id": self.id,
            "role": str(self.role),
            "name": self.name,
            "keys": [{"key": s.key.hex, "since": s.since, "through": s.through} for s in self.keys],
            "transport": self.transport.hex if self.transport else None,
            "revoked_through": self.revoked_through,
            "suspended": self.suspended,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            id=OriginId(data["id"]),
            role=Role(data["role"]),
            name=data["name"],
            keys=tuple(KeySpan(PublicKey.from_hex(s["key"]), s["since"], s["through"]) for s in data["keys"]),
            transport=PublicKey.from_hex(data["transport"]) if data["transport"] else None,
            revoked_through=data["revoked_through"],
            suspended=data["suspended"],
        )


class Known(Protocol):
    """What a store must be able to tell about writers and chains."""

    def writer_of_key(self, keyid: KeyId) -> Writer | None:
        """Return the writer that has, or had, this key."""

    def writer(self, origin: OriginId) -> Writer | None:
        """Return the writer of this name."""

    def head(self, origin: OriginId) -> Head:
        """Return the last event held of this origin, `START` if none."""

    def hash_at(self, origin: OriginId, seq: int) -> EventHash | None:
        """Return the hash of the event held under this number."""

    def wiper(self, wipe: str) -> object:
        """Return the `who` of the `medium.wiped` of this hash, None when it is not held."""


@dataclass(frozen=True)
class Admission:
    """An event that has its place in a chain. With `reasons` it is stored as refused; a duplicate is not stored."""

    event: Event
    head: Head
    reasons: tuple[Reason, ...]
    duplicate: bool


def admit(envelope: bytes, known: Known, world: World) -> Admission:
    """Check one envelope against what is known; see the rules at the head of this module.

    Raises `UnknownKey`, `BadSignature`, `BadEvent` (not an event at all), `Gap` or `Fork`: all of these leave the
    chain where it was.
    """
    event, keyid = open_signed(envelope, lambda wanted: _key(known.writer_of_key(wanted), wanted), world)
    writer = known.writer_of_key(keyid)
    if writer is None:
        raise UnknownKey(f"key {keyid[:12]} belongs to no origin enrolled here")
    if writer.id != event.origin:
        raise BadSignature(f"{writer.id} signed an event that says it is by {event.origin[:60]}")
    if not any(span.key.keyid == keyid and span.covers(event.seq) for span in writer.keys):
        raise BadSignature(f"{writer.name}: event {event.seq} was signed with a key that was not valid at that number")
    head = known.head(event.origin)
    if event.seq <= head.seq:
        held = known.hash_at(event.origin, event.seq)
        if held == event.hash:
            return Admission(event, head, (), duplicate=True)
        raise Fork(event.origin, event.seq, held or "", event.hash)
    return Admission(event, extend(head, event), tuple(_refusals(event, writer, known)), duplicate=False)


def extend(head: Head, event: Event) -> Head:
    """Return the head after this event; raise `Gap` when one is missing, `Fork` when it follows another event."""
    if event.seq != head.seq + 1:
        raise Gap(event.origin, head.seq + 1, event.seq)
    if event.prev != head.hash:
        raise Fork(event.origin, head.seq, head.hash, event.prev)
    return Head(event.seq, event.hash)


def writers_after(event: Event, known: Known) -> list[Writer]:
    """Return the writers as they stand after an accepted `origin.*` event of the server; [] for other events."""
    body = event.body
    if event.kind == "origin.enrolled":
        if known.writer(OriginId(body["origin"])) is not None:
            return []
        return [_enrolled(body)]
    writer = known.writer(OriginId(str(body.get("origin"))))
    if writer is None:
        return []
    if event.kind == "origin.rekeyed":
        return [_rekeyed(writer, body)]
    if event.kind == "origin.revoked":
        earlier = writer.revoked_through
        through = int(body["through"])
        return [replace(writer, revoked_through=through if earlier is None else min(earlier, through))]
    return []


def server_writer(origin: OriginId, key: PublicKey, name: str, transport: PublicKey | None = None) -> Writer:
    """Return the server as a writer: the anchor of trust, compared by people at enrolment."""
    return Writer(origin, Role.SERVER, name, (KeySpan(key, 1, None),), transport)


def root_statement(world: World, server_key: PublicKey) -> bytes:
    """Return what an organisation's offline root key signs to vouch for a server's key."""
    return f"kitbank {world} server key {server_key.hex}".encode()


def check_root(world: World, server_key: PublicKey, given: Mapping[str, Any]) -> PublicKey:
    """Return the root key that vouches for a server's key (`given` has `key` and `signature`, in hexadecimal).

    Raises `BadSignature` or `BadEvent` when it does not vouch for exactly this key in this world.
    """
    root = PublicKey.from_hex(str(given.get("key")))
    try:
        signature = bytes.fromhex(str(given.get("signature")))
    except ValueError as error:
        raise BadSignature("the root key's signature is not hexadecimal") from error
    root.verify(signature, root_statement(world, server_key))
    return root


def checkpoint_body(heads: Mapping[OriginId, Head]) -> dict[str, Any]:
    """Return the body of a `checkpoint` over these heads."""
    return {"heads": {origin: {"seq": h.seq, "hash": h.hash} for origin, h in sorted(heads.items()) if h.seq}}


def check_checkpoint(event: Event, known: Known) -> list[Reason]:
    """Compare a checkpoint with the chains held; return every contradiction.

    A head beyond what we hold is a chain that was cut (or not yet fetched: ask after a full fetch); another
    hash under the same number is a rewritten chain.
    """
    wrong = []
    for name, head in event.body["heads"].items():
        origin, seq = OriginId(name), int(head["seq"])
        held = known.hash_at(origin, seq)
        if held is None:
            text = (
                f"{name}: the checkpoint saw {seq} events, only {known.head(origin).seq} are here; the rest was cut off"
            )
            wrong.append(Reason("history-cut", text, name))
        elif held != head["hash"]:
            text = f"{name}: event {seq} is not the one the checkpoint saw; the chain was rewritten"
            wrong.append(Reason("history-rewritten", text, name))
    return wrong


class Ledger:
    """All chains in memory: the store behind `kitbank-lending verify` and the tests. Starts from a server's key."""

    def __init__(self, world: World, anchors: Iterable[Writer]) -> None:
        """Begin with the writers trusted from outside: the server."""
        self.world = world
        self._writers = {writer.id: writer for writer in anchors}
        self._by_key = {span.key.keyid: w.id for w in self._writers.values() for span in w.keys}
        self._heads: dict[OriginId, Head] = {}
        self._hashes: dict[OriginId, list[EventHash]] = {}
        self._wipers: dict[str, object] = {}

    def take(self, envelope: bytes) -> Admission:
        """Admit one envelope and remember it; raises as `admit` does."""
        admission = admit(envelope, self, self.world)
        if admission.duplicate:
            return admission
        event = admission.event
        self._heads[event.origin] = admission.head
        self._hashes.setdefault(event.origin, []).append(event.hash)
        if event.kind == "medium.wiped":
            self._wipers[event.hash] = event.body.get("who")
        if not admission.reasons and event.kind.startswith("origin."):
            for writer in writers_after(event, self):
                self._writers[writer.id] = writer
                self._by_key.update({span.key.keyid: writer.id for span in writer.keys})
        return admission

    def writer_of_key(self, keyid: KeyId) -> Writer | None:
        """Return the writer that has, or had, this key."""
        origin = self._by_key.get(keyid)
        return self._writers.get(origin) if origin else None

    def writer(self, origin: OriginId) -> Writer | None:
        """Return the writer of this name."""
        return self._writers.get(origin)

    def head(self, origin: OriginId) -> Head:
        """Return the last event of this origin, `START` if none."""
        return self._heads.get(origin, START)

    def heads(self) -> dict[OriginId, Head]:
        """Return every chain's head."""
        return dict(self._heads)

    def hash_at(self, origin: OriginId, seq: int) -> EventHash | None:
        """Return the hash of the event under this number."""
        chain = self._hashes.get(origin, [])
        return chain[seq - 1] if 1 <= seq <= len(chain) else None

    def wiper(self, wipe: str) -> object:
        """Return the `who` of the `medium.wiped` of this hash, None when it is not held."""
        return self._wipers.get(wipe)


def _key(writer: Writer | None, keyid: KeyId) -> PublicKey | None:
    return next((s.key for s in writer.keys if s.key.keyid == keyid), None) if writer else None


def _refusals(event: Event, writer: Writer, known: Known) -> list[Reason]:
    reasons = []
    if writer.revoked_through is not None and event.seq > writer.revoked_through:
        text = f"{writer.name} was revoked after its event {writer.revoked_through}; event {event.seq} does not count"
        reasons.append(Reason("revoked", text, writer.id))
    if not may_sign(writer.role, event.kind):
        reasons.append(Reason("role", f"a {writer.role} may not sign {event.kind}", writer.id))
    wrong = meaning(event)
    reasons.extend(wrong)
    check = not wrong and event.kind == "medium.checked"
    if check and agrees_with_oneself(event.body, known.wiper(event.body["wipe"])):
        text = f"{event.body['who']['ref']} wiped it: another person must check it"
        reasons.append(Reason("self-check", text, event.subject))
    if not wrong and writer.role is Role.SERVER:
        reasons.extend(_about_origins(event, known))
    return reasons


def _about_origins(event: Event, known: Known) -> list[Reason]:
    """Find what a well-formed `origin.*` event of the server says that cannot be."""
    if not event.kind.startswith("origin."):
        return []
    origin = OriginId(str(event.body.get("origin")))
    writer = known.writer(origin)
    if event.kind == "origin.enrolled":
        if event.body["role"] == Role.SERVER and origin != event.origin:
            return [Reason("second-server", f"{origin} cannot be a second server: one history has one", origin)]
        key = PublicKey.from_hex(str(event.body["key"]))
        owner = known.writer_of_key(key.keyid)
        same = writer is not None and owner is not None and owner.id == origin
        if (writer is not None or owner is not None) and not same:
            return [Reason("origin-taken", f"{origin} or its key is enrolled already", origin)]
        return []
    if writer is None and event.kind in ("origin.rekeyed", "origin.revoked"):
        return [Reason("origin-unknown", f"{origin} was never enrolled", origin)]
    if event.kind == "origin.rekeyed":
        owner = known.writer_of_key(PublicKey.from_hex(str(event.body["key"])).keyid)
        if owner is not None:
            return [Reason("key-taken", f"that key is already {owner.name}'s; a new key must be new", origin)]
        if int(event.body["since"]) <= known.head(origin).seq:
            text = f"a new key cannot sign from {event.body['since']} on: {origin} already wrote that number"
            return [Reason("key-backdated", text, origin)]
    return []


def _enrolled(body: Mapping[str, Any]) -> Writer:
    transport = PublicKey.from_hex(body["transport_key"]) if body["transport_key"] else None
    key = PublicKey.from_hex(body["key"])
    return Writer(OriginId(body["origin"]), Role(body["role"]), body["name"], (KeySpan(key, 1, None),), transport)


def _rekeyed(writer: Writer, body: Mapping[str, Any]) -> Writer:
    since = int(body["since"])
    ended = tuple(
        replace(span, through=since - 1) if span.through is None or span.through >= since else span
        for span in writer.keys
    )
    transport = PublicKey.from_hex(body["transport_key"]) if body["transport_key"] else writer.transport
    return replace(writer, keys=(*ended, KeySpan(PublicKey.from_hex(body["key"]), since, None)), transport=transport)
