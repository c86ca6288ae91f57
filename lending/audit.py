"""`verify`: every promise of the history checked again from the signed bytes; stops with the first broken one.

1. arrival numbers have no hole, and every row says what its envelope says (hash, place, kind, mentions);
2. every signature, chain, role and meaning, from the server's own key on; stored refusals are the right ones;
3. every chain ends where `origin` says, and no checkpoint (ours, or one that a station kept) saw more or other;
4. every exit was lawful: `why_not_lendable` as of the moment before it, and the media named are the media listed;
5. the loans office agrees with history: every open or ended item has its exit, and no exit is without an item;
6. every piece of evidence still has the digest by which it is named.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select

from custody import rules
from custody.chain import Admission, Ledger, Writer, check_checkpoint, server_writer
from custody.claims import Claim
from custody.errors import BadEvent, Reason
from custody.events import Event, KeyId, PublicKey, mentions, open_
from custody.rules import Policy
from lending import tables
from lending.db import Tx
from lending.errors import BrokenPromise
from lending.history import LONGEST_KIND, LONGEST_SUBJECT
from lending.record import Store, reasons_in, writer_in

PAGE = 2000


@dataclass(frozen=True)
class Figures:
    """What `verify` went through."""

    events: int
    refused: int
    origins: int
    exits: int
    wipes: int
    checkpoints: int
    loans: int
    attachments: int
    quarantined: int

    def to_json(self) -> dict[str, int]:
        """Return the figures as JSON data."""
        return asdict(self)


def verify(tx: Tx, witnesses: Sequence[bytes] = ()) -> Figures:
    """Check everything. `witnesses` are checkpoint envelopes that others kept.

    Raises `BrokenPromise` for the first thing that is not as promised.
    """
    walk = _Walk(tx)
    for row, named in _rows(tx):
        walk.take(row, named)
    walk.ends()
    for envelope in witnesses:
        walk.witness(envelope)
    attachments = _attachments(tx)
    return Figures(
        events=walk.count,
        refused=walk.refused,
        origins=len(walk.ledger.heads()),
        exits=len(walk.exits),
        wipes=walk.wipes,
        checkpoints=walk.checkpoints,
        loans=_loans(tx, walk),
        attachments=attachments,
        quarantined=len(tx.s.scalars(select(tables.Quarantine.digest)).all()),
    )


class _Walk:
    """The history replayed in its order of arrival."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self.ledger = Ledger(tx.world, [_anchor(tx)])
        self.exits: dict[str, Event] = {}
        self.closed: dict[str, str] = {}
        self._open: dict[tuple[str, str], str] = {}
        self._closings: dict[str, tuple[tuple[str, str], str]] = {}
        self.count = self.refused = self.wipes = self.checkpoints = 0
        self._about: dict[str, list[Event]] = defaultdict(list)

    def take(self, row: tables.EventRow, named: Collection[str]) -> None:
        self.count += 1
        where = f"event {row.n}"
        if row.n != self.count:
            raise BrokenPromise("hole", f"arrival number {self.count} is missing: an event was deleted", where)
        try:
            admission = self.ledger.take(row.envelope)
        except BadEvent as error:
            raise BrokenPromise("chain", str(error), where) from error
        self._row_is_true(row, admission, where)
        spoken_of = mentions(admission.event)
        if set(named) != spoken_of:
            raise BrokenPromise("mention", "the index of what it speaks of was changed", where)
        if admission.reasons:
            self.refused += 1
            return
        self._accepted(admission.event, spoken_of, where)

    def about(self, subjects: Collection[str]) -> Iterable[Event]:
        return (event for subject in subjects for event in self._about.get(subject, ()))

    def ends(self) -> None:
        """Compare the ends of all chains, and all writers, with what the rows of `origin` say."""
        heads, stored = self.ledger.heads(), Store(self.tx).heads()
        for origin, head in stored.items():
            if heads.get(origin, head) != head or (origin not in heads and head.seq):
                found = heads[origin].seq if origin in heads else 0
                raise BrokenPromise("end", f"{origin} had {head.seq} events, {found} are here: the end was cut off")
        for row in self.tx.s.scalars(select(tables.Origin)):
            known = self.ledger.writer(writer_in(row).id)
            if known is None or _plain(known) != _plain(writer_in(row)):
                raise BrokenPromise("writer", f"{row.id}: what is stored of this machine is not what history says")

    def witness(self, envelope: bytes) -> None:
        """Compare a checkpoint that somebody else kept with these chains."""
        try:
            event = open_(envelope, lambda keyid: _key(self.ledger, keyid), self.tx.world)
        except BadEvent as error:
            raise BrokenPromise("witness", f"a kept checkpoint cannot be read: {error}") from error
        if event.kind != "checkpoint" or event.origin != self.tx.server:
            raise BrokenPromise("witness", f"what was given as a checkpoint is a {event.kind} of {event.origin}")
        _raise_first("checkpoint", check_checkpoint(event, self.ledger), "a kept checkpoint")
        if self.ledger.hash_at(event.origin, event.seq) != event.hash:
            raise BrokenPromise("witness", f"the server signed checkpoint {event.seq}, and it is not in its history")

    def _row_is_true(self, row: tables.EventRow, admission: Admission, where: str) -> None:
        event = admission.event
        held = (row.origin, row.seq, row.hash, row.kind, row.subject)
        said = (event.origin, event.seq, event.hash, event.kind[:LONGEST_KIND], event.subject[:LONGEST_SUBJECT])
        if admission.duplicate or held != said:
            raise BrokenPromise("row", "the row does not say what its signed envelope says", where)
        if {one.code for one in reasons_in(row.refused)} != {one.code for one in admission.reasons}:
            raise BrokenPromise("refusal", "it is stored as refused and should not be, or the other way round", where)

    def _accepted(self, event: Event, spoken_of: Collection[str], where: str) -> None:
        if event.kind == "device.left":
            self._exit(event, where)
        elif event.kind == "checkpoint":
            self.checkpoints += 1
            _raise_first("checkpoint", check_checkpoint(event, self.ledger), where)
        elif event.kind == "medium.wiped":
            self.wipes += 1
        elif event.kind == "loan.closed":
            key = (str(event.body["loan"]), str(event.body["device"]))
            ended = self._open.pop(key, None)
            if ended is not None:
                self.closed[ended] = str(event.body["how"])
                self._closings[event.hash] = (key, ended)
        elif event.kind == "record.disputed" and str(event.body["event"]) in self._closings:
            key, ended = self._closings.pop(str(event.body["event"]))  # the closing was a mistake: it is out as before
            self._open[key] = ended
            del self.closed[ended]
        for subject in spoken_of:
            self._about[subject].append(event)

    def _exit(self, event: Event, where: str) -> None:
        """Ask the rules again, with what had arrived before this exit."""
        device = str(event.body["device"])
        facts = rules.gather(device, self.about)
        reasons = rules.why_not_lendable(facts, device, policy_of(event), event.at)
        _raise_first("exit", reasons, f"{where}, {device} left on {event.at:%Y-%m-%d}")
        listed = {medium.id for medium in rules.media_of(facts, device) or ()}
        if set(event.body["media"]) != listed:
            raise BrokenPromise("exit-media", f"{device} left with other media than were in it", where)
        self.exits[event.hash] = event
        self._open[str(event.body["loan"]), device] = event.hash


def policy_of(event: Event) -> Policy:
    """Return the policy an exit says it was judged by, never below the floor: a Clear of every medium."""
    said = event.body.get("policy")
    if not isinstance(said, dict):
        return Policy()
    try:
        claim = max(Claim(said["claim"]), Claim.CLEAR, key=lambda one: one.rank)
        days = said["inventory_days"]
        return Policy(
            claim=claim,
            second_check=bool(said["second_check"]),
            tests=tuple(str(name) for name in said["tests"]),
            grade=str(said["grade"]),
            inventory_days=int(days) if days is not None else None,
            acceptance=bool(said.get("acceptance", False)),
            other_station=bool(said.get("other_station", False)),
        )
    except (KeyError, TypeError, ValueError):
        return Policy()


def _rows(tx: Tx) -> Iterator[tuple[tables.EventRow, list[str]]]:
    """Return every event's row with the subjects that the index holds for it."""
    last = 0
    while True:
        query = select(tables.EventRow).where(tables.EventRow.n > last).order_by(tables.EventRow.n).limit(PAGE)
        rows = tx.s.scalars(query).all()
        if not rows:
            return
        named: dict[int, list[str]] = defaultdict(list)
        between = tables.Mention.n.between(rows[0].n, rows[-1].n)
        for n, subject in tx.s.execute(select(tables.Mention.n, tables.Mention.subject).where(between)):
            named[n].append(subject)
        for row in rows:
            yield row, named[row.n]
        last = rows[-1].n
        tx.s.expunge_all()


def _anchor(tx: Tx) -> Writer:
    row = tx.s.get(tables.Origin, tx.server)
    if row is None:
        raise BrokenPromise("anchor", f"the server's own row {tx.server} is gone")
    writer = writer_in(row)
    return server_writer(writer.id, writer.keys[0].key, writer.name)


def _loans(tx: Tx, walk: _Walk) -> int:
    """Compare every item of every loan with the exits and closings in history."""
    seen = set()
    items = tx.s.scalars(select(tables.LoanItem).where(tables.LoanItem.exit.is_not(None))).all()
    for item in items:
        where = f"loan {item.loan}, item {item.id}"
        event = walk.exits.get(str(item.exit))
        if event is None or event.body["device"] != item.device or event.body["loan"] != item.loan:
            raise BrokenPromise("loan", f"{item.device} is on loan without an exit in history that says so", where)
        said = walk.closed.get(str(item.exit))
        if (item.state == "out") != (said is None) or (said is not None and said != item.state):
            raise BrokenPromise("loan", f"{item.device} is {item.state!r} here and {said or 'out'!r} in history", where)
        seen.add(item.exit)
    for name, event in walk.exits.items():
        if event.body["why"] == "loan" and name not in seen:
            raise BrokenPromise(
                "loan", f"{event.body['device']} left on loan {event.body['loan']}, which has no such item"
            )
    return len(tx.s.scalars(select(tables.LoanRow.ref)).all())


def _attachments(tx: Tx) -> int:
    digests = tx.s.scalars(select(tables.Attachment.digest)).all()
    for digest in digests:
        data = tx.s.scalar(select(tables.Attachment.data).where(tables.Attachment.digest == digest))
        if hashlib.sha256(data or b"").hexdigest() != digest:
            raise BrokenPromise("evidence", f"the evidence {digest[:12]} is not what it was")
    return len(digests)


def _raise_first(code: str, reasons: Sequence[Reason], where: str) -> None:
    if reasons:
        raise BrokenPromise(code, "; ".join(reason.text for reason in reasons), where)


def _plain(writer: Writer) -> dict[str, object]:
    return {**writer.to_json(), "suspended": False}


def _key(ledger: Ledger, keyid: KeyId) -> PublicKey | None:
    writer = ledger.writer_of_key(keyid)
    return next((span.key for span in writer.keys if span.key.keyid == keyid), None) if writer else None
