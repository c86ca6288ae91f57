"""An origin's own history and its copy of everybody else's, in one SQLite file. Nothing in it is ever changed.

Promises:

- an event is on the disk (file and folder fsynced) before `append` returns; if it raises, nothing was recorded;
- events, attachments and what was quarantined cannot be changed or removed: the database refuses;
- several processes may read and append at once; one writes, the others wait;
- what comes from the server is admitted by the same rules the server uses (`custody.chain.admit`). Refused events
  are kept with their reasons and never folded. What breaks a chain goes to quarantine with a sentence, a fork
  suspends its origin until a person decides, and the rest gets through;
- every event read is verified again, so a damaged file is noticed and never believed.

A `Journal` belongs to one thread. The write lock is held only inside `append`, `attach`, `take` and their kin.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from custody.chain import Head, Writer, admit
from custody.disk import fsync_folder, give_name
from custody.errors import BadEvent, JournalError, Reason, Refused
from custody.events import (
    Digest,
    Event,
    EventHash,
    OriginId,
    PrivateKey,
    PublicKey,
    Role,
    World,
    open_,
    origin_id,
    seal,
)
from custody.facts import Facts, gather
from custody.intake import Aside, Intake, Taken, witness
from custody.journalchains import Chains
from custody.journalcheck import Figures, check_journal
from custody.journalfile import damaged, lay_out, told
from custody.journalrows import OpenJournal, Row, as_created
from custody.roads import RefusedEvent
from custody.salvage import salvage

__all__ = ["Alarm", "Figures", "Journal", "Row", "Taken", "salvage"]

MISUSE = frozenset({"role", "meaning", "self-check"})
"""Reasons for which `append` records nothing: the program is wrong, not the world."""

CLOCK_TOLERANCE = 300.0
"""Seconds between the server's clock and ours within which records may call ours trusted."""


@dataclass(frozen=True)
class Alarm:
    """Something that a person must look at: what was quarantined and why."""

    n: int
    origin: str
    sentence: str


class Journal(OpenJournal):
    """See the module. Use `Journal.create` once and `Journal.open` ever after, both as context managers."""

    @classmethod
    def create(cls, path: Path, *, role: Role, world: World, key: PrivateKey | PublicKey) -> Self:
        """Make a new journal for the origin that this key names; complete when this returns, or not there.

        Raises `JournalError` when the file exists or cannot be made. The private key is not kept.
        """
        if path.exists():
            raise JournalError(f"{path} exists already; a journal is never overwritten")
        if not path.parent.is_dir():
            raise JournalError(f"no journal can be made at {path}: its folder does not exist")
        public = key.public if isinstance(key, PrivateKey) else key
        origin = origin_id(role, public)
        new = path.with_name(f".{path.name}.new")
        try:
            new.unlink(missing_ok=True)
            lay_out(
                new,
                {"origin": origin, "role": str(role), "world": str(world), "key": public.hex},
                as_created(origin, role, public),
            )
            give_name(new, path, replace=False)
            fsync_folder(path.parent)
        except OSError as error:
            raise JournalError(f"no journal can be made at {path}: {error.strerror}") from error
        return cls(path)

    # --- our own history ---

    def append(self, kind: str, subject: str, body: Mapping[str, Any], *, key: PrivateKey, at: datetime) -> Event:
        """Sign and record one event of our own; it is on the disk when this returns.

        `at` has a time zone. Raises `BadEvent` for a body that does not fit, `UnknownKey` or `BadSignature` for
        a key that is not ours, `Refused` for what our role may not say, `JournalFull`, `JournalDamaged`; then
        nothing was recorded. An origin that was revoked still records: its events are kept as refused.
        """
        with self._writing() as chains:
            self._check_head(chains)
            head = chains.head(self.origin)
            envelope, event = seal(
                origin=self.origin,
                seq=head.seq + 1,
                prev=head.hash,
                kind=kind,
                subject=subject,
                at=at,
                body=body,
                key=key,
                world=self.world,
            )
            admission = admit(envelope, chains, self.world)
            misuse = [reason for reason in admission.reasons if reason.code in MISUSE]
            if misuse:
                raise Refused(misuse)
            chains.add(envelope, admission)
        return event

    def attach(self, data: bytes, media_type: str) -> Digest:
        """Keep evidence under its SHA-256; it is on the disk when this returns. Twice is once."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        with self._writing():
            if not self._found("SELECT 1 FROM attachment WHERE digest = ?", digest):
                row = {"digest": digest, "media_type": media_type, "data": data}
                self._db.table("attachment").insert(row)
        return digest

    def attachment(self, digest: Digest) -> bytes | None:
        """Return evidence, None when it is not here; raises `JournalDamaged` when it is not what it was."""
        with told(self.path):
            found = self._found("SELECT data FROM attachment WHERE digest = ?", digest)
        if found and hashlib.sha256(found[0]["data"]).hexdigest() != digest:
            raise damaged(self.path, f"attachment {digest[:12]} is not what was attached")
        return bytes(found[0]["data"]) if found else None

    def head(self, origin: OriginId | None = None) -> Head:
        """Return the last event held of an origin, our own by default."""
        with told(self.path):
            return Chains(self._db, self.path).head(origin or self.origin)

    def hash_at(self, origin: OriginId, seq: int) -> EventHash | None:
        """Return the hash of the event held under this number."""
        with told(self.path):
            return Chains(self._db, self.path).hash_at(origin, seq)

    # --- reading ---

    def events(
        self, about: str | None = None, kind: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[Row]:
        """Return events in the order in which they came here, refused ones too; `after` is a `Row.n`."""
        return self._rows(
            "e.n > ? AND (? IS NULL OR e.kind = ?)"
            " AND (? IS NULL OR e.n IN (SELECT n FROM mention WHERE subject = ?)) ORDER BY e.n LIMIT ?",
            after, kind, kind, about, about, -1 if limit is None else limit,
        )  # fmt: skip

    def about(self, subjects: Collection[str]) -> list[Event]:
        """Return the accepted events that mention any of these subjects."""
        writer = self.writers()[self.origin]
        rows = self._rows(
            "e.n IN (SELECT n FROM mention WHERE subject IN (SELECT value FROM json_each(?))) ORDER BY e.n",
            json.dumps(sorted(subjects)),
        )
        through = writer.revoked_through
        return [
            row.event
            for row in rows
            if not row.refused and (through is None or row.event.origin != self.origin or row.event.seq <= through)
        ]

    def facts_about(self, device: str) -> Facts:
        """Fold everything held that has a say about one device."""
        return gather(device, self.about)

    def writers(self) -> Mapping[OriginId, Writer]:
        """Return everybody who writes, as known here."""
        with told(self.path):
            return Chains(self._db, self.path).writers

    def alarms(self) -> list[Alarm]:
        """Return what is in quarantine, oldest first: a person must look at it."""
        with told(self.path):
            rows = list(self._db.query("SELECT n, origin, sentence FROM quarantine ORDER BY n"))
        return [Alarm(row["n"], row["origin"], row["sentence"]) for row in rows]

    # --- the server ---

    def enrol(self, server: Writer, url: str) -> None:
        """Trust this server from now on; raises `Refused` when the journal already belongs to another one."""
        known = self.server()
        if known and known.id != server.id:
            text = f"this journal belongs to the server {known.id} and cannot go over to {server.id}; make a new one"
            raise Refused([Reason("other-server", text, server.id)])
        with self._writing() as chains:
            if known is None:
                chains.put(server)
                self._set("server", server.to_json())
            self._set("url", url)

    def server(self) -> Writer | None:
        """Return the server as it was trusted at enrolment."""
        data = self._get("server")
        return Writer.from_json(data) if data else None

    def url(self) -> str | None:
        """Return the server's address."""
        return self._get("url")  # type: ignore[no-any-return]

    def unsent(self, after: int | None = None, limit: int | None = None) -> list[bytes]:
        """Return our own events after this number (default: the last acknowledged), in chain order."""
        start = self.acknowledged() if after is None else after
        sql = "e.origin = ? AND e.seq > ? ORDER BY e.seq LIMIT ?"
        return [row.envelope for row in self._rows(sql, self.origin, start, -1 if limit is None else limit)]

    def unsent_count(self) -> int:
        """Return how many of our own events the server has not acknowledged."""
        return max(0, self.head().seq - self.acknowledged())

    def acknowledged(self) -> int:
        """Return the number of our last event that the server said it has."""
        return int(self._get("acknowledged", 0))

    def acknowledge(self, through: int, refused: Iterable[RefusedEvent] = ()) -> None:
        """Note what the server has of us, also when that became less, and which events it refused and why."""
        with self._writing() as chains:
            self._set("acknowledged", max(0, min(through, chains.head(self.origin).seq)))
            for one in refused:
                if chains.hash_at(self.origin, one.seq) == one.hash:
                    reasons = json.dumps([reason.to_json() for reason in one.reasons])
                    self._db.table("refusal").upsert({"hash": one.hash, "reasons": reasons}, pk="hash")

    def unsent_attachments(self) -> list[Digest]:
        """Return the names of evidence that the server has not confirmed."""
        sql = (
            "SELECT digest FROM attachment WHERE 'attachment ' || digest NOT IN (SELECT name FROM progress)"
            " ORDER BY rowid"
        )
        with told(self.path):
            return [Digest(row["digest"]) for row in self._db.query(sql)]

    def attachment_sent(self, digest: Digest) -> None:
        """Note that the server has this evidence."""
        with self._writing():
            self._set(f"attachment {digest}", True)

    def send_attachments_again(self) -> None:
        """Note that the server may have lost evidence; it says quickly what it still has."""
        with self._writing():
            self._db.table("progress").delete_where("name LIKE 'attachment %'")

    def take(self, envelopes: Iterable[bytes], position: int | None) -> Taken:
        """Take a stretch of the server's history, all or nothing, and remember how far it went.

        Without a position the envelopes are not the server's feed (a salvaged journal): only chains grow.
        """
        with self._writing() as chains:
            before, furthest = int(self._get("position", 0)), int(self._get("furthest", 0))
            fresh = position is not None and before >= furthest
            intake = Intake(chains, self.world, self.origin, echoed=int(self._get("echoed", 0)), compare=fresh)
            for envelope in envelopes:
                intake.take(envelope)
            for aside in intake.aside:
                self._quarantine(aside)
            if position is not None:
                self._set("position", max(position, before))
                self._set("furthest", max(position, furthest))
                self._set("echoed", intake.echoed)
                self._set("acknowledged", max(int(self._get("acknowledged", 0)), intake.seen))
        told_of = tuple(aside.sentence for aside in intake.aside)
        return Taken(intake.new, intake.refused, len(intake.aside), self.position(), told_of)

    def position(self) -> int:
        """Return how far the server's history has been fetched."""
        return int(self._get("position", 0))

    def witness(self, checkpoint: bytes) -> list[Reason]:
        """Compare the server's newest checkpoint with what a complete fetch gave; contradictions are quarantined."""
        with self._writing() as chains:
            try:
                event = open_(checkpoint, chains.key, self.world)
                reasons = witness(event, chains)
            except BadEvent as error:
                reasons = [Reason("no-checkpoint", f"the server's checkpoint was not taken: {error}")]
            for reason in reasons:
                self._quarantine(Aside(checkpoint, reason.subject, reason.text))
        return reasons

    def trust_again(self, origin: OriginId) -> None:
        """Carry out a person's decision: the origin's events are taken again, and everything is fetched anew."""
        with self._writing() as chains:
            writer = chains.writer(origin)
            if writer is None:
                raise Refused([Reason("origin-unknown", f"{origin} is not known here", origin)])
            chains.put(replace(writer, suspended=False))
            self._set("position", 0)

    # --- the clock ---

    def note_clock(self, offset: float) -> None:
        """Remember by how many seconds the server's clock is ahead of ours."""
        with self._writing():
            self._set("clock_offset", offset)

    def clock_offset(self) -> float | None:
        """Return by how many seconds the server's clock was ahead of ours when last heard, None if never."""
        value = self._get("clock_offset")
        return None if value is None else float(value)

    def clock_trusted(self) -> bool:
        """Tell whether the server has confirmed this machine's clock."""
        offset = self.clock_offset()
        return offset is not None and abs(offset) <= CLOCK_TOLERANCE

    # --- keeping the promise ---

    def verify(self) -> Figures:
        """Check everything again from the first event; raises `JournalDamaged` at the first broken promise."""
        with told(self.path):
            server = self.server()
            anchors = [as_created(self.origin, self.role, self._key), *([server] if server else [])]
            return check_journal(self._db, self.path, self.world, anchors)
