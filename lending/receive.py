"""The server as stations and kiosks see it, whichever road their bytes came by (`custody.roads.ServerSide`).

Events are taken in portions, each event within a savepoint and the caches once per portion: whatever stops a push, the
events before it are kept, and what was not kept is not acknowledged.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update

from custody.chain import Head
from custody.errors import BadEvent, SyncRefused, UnknownKey
from custody.events import Digest, EventHash, OriginId, PublicKey
from custody.roads import Ack, FeedPage, RefusedEvent
from lending import badges, caches, history, loans, origins, tables
from lending.db import Database, Tx
from lending.history import Ingested
from lending.origins import Enrolled, EnrolRequest
from lending.record import Store, writer_in

LARGEST_ATTACHMENT = 64 << 20
"""Bytes of one piece of evidence."""

MOST_IN_FEED = 1000
PORTION = 50
"""Events in one transaction: the write lock is held for a fraction of a second."""

CHECKPOINT_AGE = timedelta(days=1)


class Server:
    """What this server does for an origin. `clock` returns the present moment with its time zone."""

    def __init__(self, db: Database, clock: Callable[[], datetime]) -> None:
        """Serve this installation."""
        self.db, self.clock = db, clock

    def receive(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack:
        """Store events and say what is now held of this origin; with no envelopes only say it.

        Raises `UnknownKey` (not enrolled here), `BadSignature`, `BadEvent`, `Gap`, `Fork`, or `SyncRefused` for an
        origin that is suspended. Events before the offending one are kept.
        """
        with self.db.read() as tx:
            known = Store(tx).writer(origin) is not None
        if not known and not envelopes:
            raise UnknownKey(f"{origin} is not enrolled here; ask an administrator for a code and enrol it")
        refusals = []
        for taken in self._portions(envelopes):
            if taken.error is not None:
                raise taken.error
            if taken.outcome == "suspended":
                raise SyncRefused(
                    f"{origin} is suspended here until an administrator decides; its events wait where they are"
                )
            if taken.outcome == "refused" and taken.event is not None:
                refusals.append(RefusedEvent(taken.event.seq, taken.event.hash, taken.reasons))
        head, position = self._held(origin)
        return Ack(head.seq, head.hash, tuple(refusals), position=position)

    def take(self, envelope: bytes) -> Ingested:
        """Take one envelope in one transaction; a device received at a station closes its loan in the same one."""
        with self.db.transaction() as tx:
            return _take(tx, envelope, self.clock(), None)

    def _portions(self, envelopes: Sequence[bytes]) -> Iterator[Ingested]:
        """Take envelopes `PORTION` in a transaction; yield what became of each once it is stored."""
        for start in range(0, len(envelopes), PORTION):
            taken, error = self._portion(envelopes[start : start + PORTION])
            yield from taken
            if error is not None:
                raise error

    def _portion(self, envelopes: Sequence[bytes]) -> tuple[list[Ingested], Exception | None]:
        """Take one portion up to the first envelope that stops a push, or that we fail to take: then with the error."""
        taken: list[Ingested] = []
        touched, now = set[str](), self.clock()
        with self.db.transaction() as tx:
            for envelope in envelopes:
                try:
                    with tx.s.begin_nested():
                        mine = set[str]()
                        taken.append(_take(tx, envelope, now, mine))
                except Exception as error:  # noqa: BLE001 (raised by the caller, once what came before is committed)
                    caches.refresh(tx, touched)
                    return taken, error
                touched |= mine
                if not taken[-1].held:
                    break
            caches.refresh(tx, touched)
        return taken, None

    def enrol(self, code: str, request: EnrolRequest) -> Enrolled:
        """Enrol a machine with its one-time code. Raises `Refused`; see `origins.enrol`."""
        with self.db.transaction() as tx:
            return origins.enrol(tx, code, request, self.clock())

    def transport_key(self, origin: OriginId) -> PublicKey | None:
        """Return the key that authorises an origin's requests, None when it is unknown or revoked."""
        with self.db.read() as tx:
            row = tx.s.get(tables.Origin, origin)
            writer = writer_in(row) if row else None
            return writer.transport if writer and writer.revoked_through is None else None

    def has_attachment(self, digest: Digest) -> bool:
        """Tell whether this evidence is here."""
        with self.db.read() as tx:
            query = select(tables.Attachment.digest).where(tables.Attachment.digest == digest)
            return tx.s.scalar(query) is not None

    def put_attachment(self, digest: Digest, data: bytes, origin: OriginId | None = None) -> None:
        """Keep evidence. Raises `BadEvent` when the bytes do not have this SHA-256 or are too many."""
        if len(data) > LARGEST_ATTACHMENT:
            raise BadEvent(
                f"{len(data)} bytes are too many for one piece of evidence; {LARGEST_ATTACHMENT} is the limit"
            )
        if hashlib.sha256(data).hexdigest() != digest:
            raise BadEvent(f"the bytes sent are not those named {digest[:12]}; send them again")
        with self.db.transaction() as tx:
            if tx.s.get(tables.Attachment, digest) is None:
                row = tables.Attachment
                tx.s.execute(
                    insert(row).values(
                        digest=digest, data=data, size=len(data), sent_by=origin, received_at=self.clock()
                    )
                )

    def feed(self, after: int, limit: int = MOST_IN_FEED) -> FeedPage:
        """Return at most `limit` envelopes that arrived after this position, refused ones too: chains stay whole."""
        limit = min(max(1, limit), MOST_IN_FEED)
        row = tables.EventRow
        with self.db.read() as tx:
            query = select(row.n, row.envelope).where(row.n > after).order_by(row.n).limit(limit + 1)
            rows = tx.s.execute(query).all()
        page = rows[:limit]
        position = page[-1].n if page else after
        return FeedPage([one.envelope for one in page], position, len(rows) > limit, self.db.server)

    def checkpoint(self) -> bytes | None:
        """Return the newest signed checkpoint; one is made when there is none from today and history went on."""
        now = self.clock()
        with self.db.read() as tx:
            newest = history.newest_checkpoint(tx)
            stale = self._checkpoint_is_stale(tx, now)
        if not stale or self.db.key is None:
            return newest
        with self.db.transaction() as tx:
            return history.checkpoint(tx, now)

    def roster(self, origin: OriginId) -> bytes | None:
        """Return the newest roster for a station that counts, None for anybody else; an old one is made again first."""
        now = self.clock()
        with self.db.read() as tx:
            row = tx.s.get(tables.Origin, origin)
            if row is None or row.role != "station" or row.suspended or writer_in(row).revoked_through is not None:
                return None
            found, stale = badges.document(tx), badges.is_stale(tx, now)
        if not stale or self.db.key is None:
            return found
        with self.db.transaction() as tx:
            if badges.is_stale(tx, now):  # perhaps another station was quicker
                badges.issue(tx, now)
            return badges.document(tx)

    def _checkpoint_is_stale(self, tx: Tx, now: datetime) -> bool:
        row = tables.EventRow
        query = select(row.n, row.received_at).where(row.kind == "checkpoint", row.refused.is_(None))
        last = tx.s.execute(query.order_by(row.n.desc()).limit(1)).one_or_none()
        if last is None:
            return True
        moved = (tx.s.scalar(select(func.max(row.n))) or 0) > last.n
        return bool(moved and now - last.received_at > CHECKPOINT_AGE)

    def _held(self, origin: OriginId) -> tuple[Head, int]:
        with self.db.read() as tx:
            head = Store(tx).head(origin)
            return Head(head.seq, EventHash(head.hash)), tx.s.scalar(select(func.max(tables.EventRow.n))) or 0


def _take(tx: Tx, envelope: bytes, now: datetime, touched: set[str] | None) -> Ingested:
    """Take one envelope; a device that a station received closes its loan in the same transaction."""
    taken = history.ingest(tx, envelope, now, touched)
    if taken.outcome == "accepted" and taken.event is not None and taken.event.kind == "device.received":
        loans.settle(tx, taken.event, now)
    if taken.event is not None:
        seen = update(tables.Origin).where(tables.Origin.id == taken.event.origin)
        tx.s.execute(seen.values(last_seen=now))
    return taken
