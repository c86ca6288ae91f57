"""Check a whole journal again, from its pages up to what every event says: `Journal.verify`."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from custody.chain import Head, Ledger, Writer
from custody.errors import BadEvent
from custody.events import Event, OriginId, World, mentions
from custody.journalchains import Chains, columns_of
from custody.journalfile import damaged


@dataclass(frozen=True)
class Figures:
    """What `verify` counted."""

    events: int
    refused: int
    attachments: int
    quarantined: int
    heads: Mapping[OriginId, Head]


def check_journal(db: Database, path: Path, world: World, anchors: Iterable[Writer]) -> Figures:
    """Replay everything held from what was trusted at the start; raise `JournalDamaged` at the first difference.

    Checked: SQLite's own structures; every signature and chain; that nothing counts which the rules refuse; that the
    columns and the index say what the envelopes say; the writers; every attachment's digest.
    """
    for row in db.query("PRAGMA integrity_check(1)"):
        if row["integrity_check"] != "ok":
            raise damaged(path, str(row["integrity_check"]))
    ledger, events, refused = Ledger(world, anchors), 0, 0
    indexed = _index(db)
    for row in db.query("SELECT * FROM event ORDER BY n"):
        event = _replay(row, ledger, path)
        if next(indexed, None) != (row["n"], mentions(event)):
            raise damaged(path, f"the index of event {row['n']} does not say what the event mentions")
        events += 1
        refused += row["refused"] != "[]"
    if next(indexed, None) is not None:
        raise damaged(path, "the index names an event that is not there")
    for writer in Chains(db, path).writers.values():
        if replace(writer, suspended=False) != ledger.writer(writer.id):
            raise damaged(path, f"the keys held of {writer.id} are not those that the history gave it")
    return Figures(events, refused, _attachments(db, path), db.table("quarantine").count, ledger.heads())


def _replay(row: Mapping[str, Any], ledger: Ledger, path: Path) -> Event:
    try:
        admission = ledger.take(bytes(row["envelope"]))
    except BadEvent as error:
        raise damaged(path, f"event {row['n']}: {error}") from error
    event = admission.event
    if admission.duplicate or columns_of(event) != {name: row[name] for name in columns_of(event)}:
        raise damaged(path, f"the columns of event {row['n']} do not say what its envelope says")
    if admission.reasons and not json.loads(row["refused"]):
        raise damaged(path, f"event {row['n']} counts, but must not: {admission.reasons[0].text}")
    return event


def _index(db: Database) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield each event's number with the subjects under which it is found."""
    current, subjects = 0, set[str]()
    for row in db.query("SELECT n, subject FROM mention ORDER BY n"):
        if row["n"] != current and subjects:
            yield current, frozenset(subjects)
            subjects = set()
        current = row["n"]
        subjects.add(row["subject"])
    if subjects:
        yield current, frozenset(subjects)


def _attachments(db: Database, path: Path) -> int:
    count = 0
    for row in db.query("SELECT digest, data FROM attachment"):
        if hashlib.sha256(row["data"]).hexdigest() != row["digest"]:
            raise damaged(path, f"attachment {row['digest'][:12]} is not what was attached")
        count += 1
    return count
