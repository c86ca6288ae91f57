"""Reading history: what chains and writers are known, and which events speak of a subject.

Every event is read from its envelope with its signature checked again, so a row that somebody changed behind the
database's back can stop a hand-over but never bring one about.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import func, select

from custody import rules
from custody.chain import START, Head, Writer
from custody.errors import Reason
from custody.events import Event, EventHash, KeyId, OriginId, PublicKey, open_
from custody.rules import Facts
from lending import tables
from lending.db import Tx

CHUNK = 400
"""Subjects per query: well under the number of variables that SQLite accepts."""


class Store:
    """What the database knows about writers and chains (`custody.chain.Known`), within one transaction.

    Keys are remembered for as long as the object lives; make a new one after an `origin.*` event.
    """

    def __init__(self, tx: Tx) -> None:
        """Read through this transaction."""
        self._tx = tx
        self._keys: dict[KeyId, Writer | None] = {}

    def writer_of_key(self, keyid: KeyId) -> Writer | None:
        """Return the writer that has, or had, this key."""
        if keyid not in self._keys:
            row = self._tx.s.get(tables.WriterKey, keyid)
            self._keys[keyid] = self.writer(OriginId(row.origin)) if row else None
        return self._keys[keyid]

    def writer(self, origin: OriginId) -> Writer | None:
        """Return the writer of this name."""
        row = self._tx.s.get(tables.Origin, origin)
        return writer_in(row) if row else None

    def head(self, origin: OriginId) -> Head:
        """Return the last event held of this origin, `START` if none."""
        row = self._tx.s.get(tables.Origin, origin)
        return Head(row.head_seq, EventHash(row.head_hash)) if row else START

    def hash_at(self, origin: OriginId, seq: int) -> EventHash | None:
        """Return the hash of the event held under this number."""
        if not 1 <= seq < 2**63:
            return None
        query = select(tables.EventRow.hash).where(tables.EventRow.origin == origin, tables.EventRow.seq == seq)
        found = self._tx.s.scalar(query)
        return EventHash(found) if found else None

    def wiper(self, wipe: str) -> object:
        """Return the `who` of the `medium.wiped` of this hash, None when it is not held."""
        row = tables.EventRow
        query = select(row.envelope).where(row.hash == wipe, row.kind == "medium.wiped")
        found = self._tx.s.scalar(query)
        return open_(found, self.key, self._tx.world).body.get("who") if found else None

    def key(self, keyid: KeyId) -> PublicKey | None:
        """Return the public key of this name."""
        writer = self.writer_of_key(keyid)
        return next((s.key for s in writer.keys if s.key.keyid == keyid), None) if writer else None

    def heads(self) -> dict[OriginId, Head]:
        """Return every chain's head."""
        rows = self._tx.s.execute(select(tables.Origin.id, tables.Origin.head_seq, tables.Origin.head_hash))
        return {OriginId(row.id): Head(row.head_seq, EventHash(row.head_hash)) for row in rows}


def writer_in(row: tables.Origin) -> Writer:
    """Read a writer from its row."""
    return Writer.from_json({**row.writer, "suspended": row.suspended})


def opened(tx: Tx, envelopes: Iterable[bytes]) -> Iterator[Event]:
    """Open stored envelopes, checking every signature. Raises `BadSignature` for an altered one."""
    store = Store(tx)
    for envelope in envelopes:
        yield open_(envelope, store.key, tx.world)


class Reader:
    """Opens events of one transaction, each once, its signature checked; keep it no longer than one piece of work."""

    def __init__(self, tx: Tx) -> None:
        """Read through this transaction."""
        self._tx, self._store = tx, Store(tx)
        self._opened: dict[int, Event] = {}

    def about(self, subjects: Collection[str]) -> list[Event]:
        """Return the accepted events that mention any of these subjects, in order of arrival."""
        found: set[int] = set()
        for part in _chunks(sorted(one for one in subjects if one == storable(one))):
            query = (
                select(tables.EventRow.n, tables.EventRow.envelope)
                .join(tables.Mention, tables.Mention.n == tables.EventRow.n)
                .where(tables.Mention.subject.in_(part), tables.EventRow.refused.is_(None))
            )
            for row in self._tx.s.execute(query):
                found.add(row.n)
                if row.n not in self._opened:
                    self._opened[row.n] = open_(row.envelope, self._store.key, self._tx.world)
        return [self._opened[n] for n in sorted(found)]

    def facts_about(self, device: str) -> Facts:
        """Fold everything that bears on one device."""
        return rules.gather(device, self.about)


def about(tx: Tx, subjects: Collection[str]) -> list[Event]:
    """Return the accepted events that mention any of these subjects, in order of arrival."""
    return Reader(tx).about(subjects)


def facts_about(tx: Tx, device: str) -> Facts:
    """Fold everything that bears on one device, afresh from its signed events."""
    return Reader(tx).facts_about(device)


def codes_near(tx: Tx, subjects: Collection[str]) -> set[str]:
    """Return every label code whose facts an event about these subjects can change.

    Three steps are enough for how far `rules.gather` looks: a code leads to its media and serials, those to the
    other codes that name them, and these to the records they were merged with.
    """
    seen = {subject for subject in subjects if links(subject)}
    newest = set(seen)
    for _ in range(3):
        found: set[str] = set()
        for part in _chunks(sorted(newest)):
            events = select(tables.Mention.n).where(tables.Mention.subject.in_(part))
            query = select(tables.Mention.subject).distinct().where(tables.Mention.n.in_(events))
            found.update(subject for subject in tx.s.scalars(query) if links(subject))
        newest = found - seen
        seen |= newest
    return {subject for subject in seen if is_code(subject)}


def links(subject: str) -> bool:
    """Tell whether a subject ties devices together: a code, a medium or a serial, not a loan or a machine."""
    return is_code(subject) or subject.startswith(("m-", "serial:"))


def is_code(subject: str) -> bool:
    """Tell whether a subject has the form of a label code (12 symbols without separator)."""
    return len(subject) == 12 and subject.isalnum() and subject.isascii() and subject.upper() == subject


def storable(text: str, longest: int = 2000) -> str:
    """Return a text that any database can hold: no NUL (PostgreSQL refuses it), no half character, not endless."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:longest]


def reasons_in(stored: list[Any] | None) -> tuple[Reason, ...]:
    """Read the reasons of a refused event from its row."""
    return tuple(Reason(one["code"], one["text"], one["subject"]) for one in stored or ())


def next_number(tx: Tx) -> int:
    """Return the next arrival number; only meaningful inside `Database.transaction()`."""
    return (tx.s.scalar(select(func.max(tables.EventRow.n))) or 0) + 1


def _chunks(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
