"""Writers and chains as the journal's file holds them, and what one transaction adds to them."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from custody.chain import START, Admission, Head, Writer, writers_after
from custody.errors import BadEvent
from custody.events import Event, EventHash, KeyId, OriginId, PublicKey, mentions
from custody.journalfile import damaged


class Chains:
    """What the file knows of writers and chains, as `custody.chain.Known`, with what one transaction adds.

    Valid for one transaction only. `flush` writes the additions.
    """

    def __init__(self, db: Database, path: Path) -> None:
        """Read all writers; heads and hashes are asked for as needed. Raises `JournalDamaged`."""
        self._db, self._path = db, path
        try:
            writers = [Writer.from_json(json.loads(r["data"])) for r in db.query("SELECT data FROM writer")]
        except (ValueError, KeyError, TypeError, BadEvent) as error:
            raise damaged(path, f"a writer's keys cannot be read: {error}") from error
        self.writers = {writer.id: writer for writer in writers}
        self._by_key = {span.key.keyid: w.id for w in self.writers.values() for span in w.keys}
        self._heads: dict[OriginId, Head] = {}
        self._hashes: dict[tuple[OriginId, int], EventHash] = {}
        self._changed: set[OriginId] = set()
        self._wipers: dict[str, object] = {}
        self._events: list[dict[str, Any]] = []
        self._mentions: list[dict[str, Any]] = []
        self._next = int(next(db.query("SELECT COALESCE(MAX(n), 0) + 1 AS n FROM event"))["n"])

    def writer_of_key(self, keyid: KeyId) -> Writer | None:
        """Return the writer that has, or had, this key."""
        origin = self._by_key.get(keyid)
        return self.writers.get(origin) if origin else None

    def key(self, keyid: KeyId) -> PublicKey | None:
        """Return a known key by its name."""
        writer = self.writer_of_key(keyid)
        return next((s.key for s in writer.keys if s.key.keyid == keyid), None) if writer else None

    def writer(self, origin: OriginId) -> Writer | None:
        """Return the writer of this name."""
        return self.writers.get(origin)

    def head(self, origin: OriginId) -> Head:
        """Return the last event held of this origin."""
        if origin not in self._heads:
            sql = "SELECT seq, hash FROM event WHERE origin = ? ORDER BY seq DESC LIMIT 1"
            found = next(self._db.query(sql, [origin]), None)
            self._heads[origin] = Head(found["seq"], EventHash(found["hash"])) if found else START
        return self._heads[origin]

    def hash_at(self, origin: OriginId, seq: int) -> EventHash | None:
        """Return the hash of the event held under this number."""
        if (origin, seq) in self._hashes:
            return self._hashes[origin, seq]
        found = next(self._db.query("SELECT hash FROM event WHERE origin = ? AND seq = ?", [origin, seq]), None)
        return EventHash(found["hash"]) if found else None

    def wiper(self, wipe: str) -> object:
        """Return the `who` of the `medium.wiped` of this hash, None when it is not held."""
        if wipe in self._wipers:
            return self._wipers[wipe]
        sql = "SELECT envelope FROM event WHERE hash = ? AND kind = 'medium.wiped'"
        found = next(self._db.query(sql, [wipe]), None)
        payload = base64.b64decode(json.loads(found["envelope"])["payload"]) if found else b"{}"
        if found and hashlib.sha256(payload).hexdigest() != wipe:
            raise damaged(self._path, f"event {wipe[:12]} is not what its hash names")
        return json.loads(payload).get("body", {}).get("who")

    def add(self, envelope: bytes, admission: Admission) -> None:
        """Put an admitted event at the end, refused or not, and let an accepted one change the writers."""
        event = admission.event
        self._heads[event.origin] = admission.head
        self._hashes[event.origin, event.seq] = event.hash
        if event.kind == "medium.wiped":
            self._wipers[event.hash] = event.body.get("who")
        reasons = json.dumps([reason.to_json() for reason in admission.reasons])
        self._events.append(columns_of(event) | {"n": self._next, "envelope": envelope, "refused": reasons})
        self._mentions.extend({"subject": subject, "n": self._next} for subject in sorted(mentions(event)))
        self._next += 1
        if not admission.reasons:
            for writer in writers_after(event, self):
                self.put(writer)

    def put(self, writer: Writer) -> None:
        """Store a writer as it now stands."""
        self.writers[writer.id] = writer
        self._by_key.update({span.key.keyid: writer.id for span in writer.keys})
        self._changed.add(writer.id)

    def suspend(self, origin: OriginId) -> None:
        """Take nothing more of this origin until a person decided."""
        writer = self.writers.get(origin)
        if writer:
            self.put(replace(writer, suspended=True))

    def flush(self) -> None:
        """Write what was added."""
        self._db.table("event").insert_all(self._events)
        self._db.table("mention").insert_all(self._mentions)
        rows = [{"origin": name, "data": json.dumps(self.writers[name].to_json())} for name in sorted(self._changed)]
        self._db.table("writer").upsert_all(rows, pk="origin")


def columns_of(event: Event) -> dict[str, Any]:
    """Return the columns that repeat what the envelope says, for looking up."""
    return {
        "hash": event.hash,
        "origin": event.origin,
        "seq": event.seq,
        "kind": event.kind,
        "subject": event.subject,
        "at": event.at.isoformat(),
    }
