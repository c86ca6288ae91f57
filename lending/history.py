"""Writing history: `append` for what this server says, `ingest` for what others said. Nothing else writes events.

Both run inside `Database.transaction()`, whose one lock gives out arrival numbers in the order of commits.
An event with a right signature and place in its chain is always stored and advances the chain; when its role, key
or meaning is refused it is stored with the reasons and never folded. What has no such place goes to quarantine.
A fork suspends its origin until an administrator decides.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from custody.chain import Admission, Writer, admit, checkpoint_body, writers_after
from custody.errors import BadEvent, Fork, Gap, Reason, Refused, UnknownKey
from custody.events import Event, mentions, seal
from lending import caches, tables
from lending.db import Tx
from lending.errors import NotReady
from lending.record import Store, next_number, storable

LONGEST_KIND = 100
LONGEST_SUBJECT = 400
MOST_FROM_STRANGERS = 1000
"""Envelopes without a signature we know that are kept for an administrator to look at."""

_UNAUTHENTICATED = ("unknown-origin", "bad-event")


@dataclass(frozen=True)
class Ingested:
    """What became of one envelope: `accepted`, `refused` (with reasons), `duplicate`, `suspended` or `quarantined`."""

    outcome: str
    event: Event | None = None
    reasons: tuple[Reason, ...] = ()
    error: BadEvent | None = None

    @property
    def held(self) -> bool:
        """Tell whether the event now stands in its chain here."""
        return self.outcome in ("accepted", "refused", "duplicate")


def append(tx: Tx, kind: str, subject: str, body: Mapping[str, Any], now: datetime) -> Event:
    """Sign a statement of this server and store it.

    Raises `BadEvent` for a body that does not fit its kind, `Refused` when the chain rules would refuse it,
    `NotReady` where the server's key is not at hand.
    """
    if tx.key is None:
        raise NotReady("the server's key is needed to write history, and this program was started without it")
    store = Store(tx)
    head = store.head(tx.server)
    envelope, _ = seal(
        origin=tx.server, seq=head.seq + 1, prev=head.hash, kind=kind, subject=subject, at=now, body=body,
        key=tx.key, world=tx.world,
    )  # fmt: skip
    admission = admit(envelope, store, tx.world)
    if admission.reasons:
        raise Refused(admission.reasons)
    _store(tx, envelope, admission, now)
    return admission.event


def ingest(tx: Tx, envelope: bytes, now: datetime, touched: set[str] | None = None) -> Ingested:
    """Take one envelope from another origin. Never raises for what is wrong with it: see `Ingested`.

    With `touched` the caches are not made anew here: what the event speaks of is added to it, and the caller calls
    `caches.refresh` once for all of it before the transaction ends.
    """
    store = Store(tx)
    try:
        admission = admit(envelope, store, tx.world)
    except BadEvent as error:
        quarantine(tx, envelope, error, now)
        return Ingested("quarantined", error=error)
    event = admission.event
    if admission.duplicate:
        return Ingested("duplicate", event)
    writer = store.writer(event.origin)
    if writer is not None and writer.suspended:
        return Ingested("suspended", event)
    _store(tx, envelope, admission, now, touched)
    return Ingested("refused" if admission.reasons else "accepted", event, admission.reasons)


def quarantine(tx: Tx, envelope: bytes, error: BadEvent, now: datetime) -> None:
    """Keep what has no place in history, once; a fork suspends the origin whose key signed it."""
    why = _why(error)
    digest = hashlib.sha256(envelope).hexdigest()
    if tx.s.get(tables.Quarantine, (digest, why)) is None and not _strangers_full(tx, why):
        origin, seq = _place(error)
        tx.s.execute(
            insert(tables.Quarantine).values(
                digest=digest, why=why, origin=origin, seq=seq, text=storable(str(error)), envelope=envelope,
                received_at=now,
            )
        )  # fmt: skip
    if isinstance(error, Fork):
        change = update(tables.Origin).where(tables.Origin.id == error.origin, tables.Origin.id != tx.server)
        tx.s.execute(change.values(suspended=True, suspended_why=storable(str(error))))


def checkpoint(tx: Tx, now: datetime) -> bytes:
    """Sign the heads of all chains as they are now and return the envelope, for others to keep."""
    event = append(tx, "checkpoint", tx.server, checkpoint_body(Store(tx).heads()), now)
    return envelope_of(tx, event.hash)


def newest_checkpoint(tx: Tx) -> bytes | None:
    """Return the newest signed checkpoint, if there is one."""
    query = select(tables.EventRow.envelope).where(
        tables.EventRow.kind == "checkpoint", tables.EventRow.origin == tx.server, tables.EventRow.refused.is_(None)
    )
    return tx.s.scalar(query.order_by(tables.EventRow.n.desc()).limit(1))


def envelope_of(tx: Tx, event_hash: str) -> bytes:
    """Return an event's envelope. Raises `KeyError` when there is no such event."""
    found = tx.s.scalar(select(tables.EventRow.envelope).where(tables.EventRow.hash == event_hash))
    if found is None:
        raise KeyError(event_hash)
    return found


def put_writer(tx: Tx, writer: Writer, now: datetime) -> None:
    """Store a writer as it now stands, with every key it has or had."""
    row = tx.s.get(tables.Origin, writer.id)
    transport = writer.transport.keyid if writer.transport else None
    if row is None:
        tx.s.add(
            tables.Origin(
                id=writer.id, role=str(writer.role), name=writer.name, writer=writer.to_json(),
                transport_keyid=transport, head_seq=0, head_hash="0" * 64, suspended=False, suspended_why="",
                enrolled_at=now, last_seen=None,
            )
        )  # fmt: skip
    else:
        row.name, row.writer, row.transport_keyid = writer.name, writer.to_json(), transport
    tx.s.flush()
    for span in writer.keys:
        if tx.s.get(tables.WriterKey, span.key.keyid) is None:
            tx.s.add(tables.WriterKey(keyid=span.key.keyid, origin=writer.id))
    tx.s.flush()


def _store(
    tx: Tx, envelope: bytes, admission: Admission, now: datetime, touched: set[str] | None = None
) -> None:
    event, n = admission.event, next_number(tx)
    tx.s.execute(insert(tables.EventRow).values(row_of(n, envelope, event, admission.reasons, now)))
    subjects = sorted(mentions(event))
    if subjects:
        tx.s.execute(insert(tables.Mention), [{"subject": one, "n": n} for one in subjects])
    head = admission.head
    origin = tx.s.get_one(tables.Origin, event.origin)
    origin.head_seq, origin.head_hash = head.seq, head.hash
    tx.s.flush()
    if admission.reasons:
        return
    for writer in writers_after(event, Store(tx)):
        put_writer(tx, writer, now)
    if event.kind == "loan.closed" and event.body["how"] == "returned":
        return  # no column of the caches says so: a device that is back is told by its `device.received`
    if touched is None:
        caches.refresh(tx, mentions(event))
    else:
        touched |= mentions(event)


def row_of(n: int, envelope: bytes, event: Event, reasons: tuple[Reason, ...], now: datetime) -> dict[str, Any]:
    """Return the columns of an event's row. Long texts are cut: only the envelope is the event."""
    return {
        "n": n, "origin": event.origin, "seq": event.seq, "hash": event.hash, "kind": event.kind[:LONGEST_KIND],
        "subject": event.subject[:LONGEST_SUBJECT], "at": _utc(event.at, now), "envelope": envelope,
        "refused": [one.to_json() for one in reasons] or None, "received_at": now,
    }  # fmt: skip


def _utc(at: datetime, now: datetime) -> datetime:
    """Return the writer's clock in UTC; a time that no calendar holds must not jam a chain."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return now


def _strangers_full(tx: Tx, why: str) -> bool:
    """Tell whether unauthenticated senders have filled their share, so that they cannot fill the disk."""
    if why not in _UNAUTHENTICATED:
        return False
    count = select(func.count()).select_from(tables.Quarantine)
    return (tx.s.scalar(count.where(tables.Quarantine.why.in_(_UNAUTHENTICATED))) or 0) >= MOST_FROM_STRANGERS


def _why(error: BadEvent) -> str:
    if isinstance(error, Fork):
        return "fork"
    if isinstance(error, Gap):
        return "gap"
    if isinstance(error, UnknownKey):
        return "unknown-origin"
    return "bad-event"


def _place(error: BadEvent) -> tuple[str | None, int | None]:
    if isinstance(error, Fork):
        return error.origin, error.seq
    if isinstance(error, Gap):
        return error.origin, error.got if error.got < 2**63 else None
    return None, None
