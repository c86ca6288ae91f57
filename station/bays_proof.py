"""Whether a green tile still holds: asked at every sweep of what is on record, never of what the bench remembers.

A tile is green because of one event. The green holds only while both say so:

- the drive's own work log: that event is how its last job ended. Whoever works on a drive writes there first, so a
  wipe that was begun since and broke off, however short it was, is seen also when nobody holds the drive any more;
- the journal: nobody has put on record since that it is not so (a second look that disagreed, a supervisor who turned
  it down, a dispute, its destruction).

Either file is read again only when it changed. What cannot be read proves nothing: then nothing is green.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from custody.errors import CustodyError
from custody.events import Event, MediumId, MediumIdentity
from custody.journal import Journal
from station.bays_berth import Berth
from station.bays_children import Child
from station.bays_memory import Memory
from station.bays_watch import holder
from station.config import Config
from station.errors import NotDone
from station.media import Medium
from station.worklog import read

SETTLES = 2.0  # seconds after which a file's time can be trusted to change with its next change
Print = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Doubt:
    """Why a green does not hold: something was begun since (moved-on), somebody says so (denied), or unreadable."""

    kind: str
    sentences: tuple[str, ...] = ()


class Proofs:
    """What the work logs and the journal say of green tiles, kept as long as the files do not change."""

    def __init__(self, config: Config) -> None:
        """Begin with nothing read."""
        self._config = config
        self._logs: dict[MediumId, tuple[Print, str]] = {}
        self._journal: tuple[Print, dict[str, tuple[str, ...]]] = ((), {})

    def doubt(self, medium: MediumId, event: str) -> Doubt | None:
        """Return why this event no longer makes this drive green, None while it does."""
        try:
            if self._last(medium) != event:
                return Doubt("moved-on")
            against = self._against(medium, event)
        except (CustodyError, NotDone, OSError, ValueError) as error:
            return Doubt("unreadable", (f"Whether it still counts cannot be read now ({error}).",))
        return Doubt("denied", against) if against else None

    def _last(self, medium: MediumId) -> str:
        """Return the event with which the last job on a drive ended DONE, "" when it did not."""
        now = _print(self._config.worklogs / f"{medium}.jsonl")
        known = self._logs.get(medium)
        if known is not None and known[0] == now:
            return known[1]
        entries = read(self._config.worklogs, medium)
        last = entries[-1] if entries else {}
        ended = last.get("kind") == "outcome" and last.get("outcome") == "DONE"
        found = str(last["event"]) if ended else ""
        if _settled(now):
            self._logs[medium] = now, found
        return found

    def _against(self, medium: MediumId, event: str) -> tuple[str, ...]:
        """Return what is on record against a wipe, as sentences."""
        file = self._config.journal
        now = _print(file, file.with_name(f"{file.name}-wal"))
        was, known = self._journal
        if was == now and event in known:
            return known[event]
        with Journal.open(file, readonly=True) as journal:
            found = against(journal, medium, event)
        if _settled(now):
            self._journal = now, {**(known if was == now else {}), event: found}
        return found


def against(journal: Journal, medium: MediumId, event: str) -> tuple[str, ...]:
    """Return, as sentences, what a journal holds against a recorded wipe of a medium. Raises JournalError."""
    rows = [*journal.events(about=medium), *journal.events(about=f"event:{event}", kind="record.disputed")]
    said = (_said(row.event, event) for row in rows if not row.refused)
    return tuple(dict.fromkeys(text for text in said if text))


def _said(event: Event, wipe: str) -> str:
    body, who = event.body, event.body.get("who")
    ref = (who.get("ref") if isinstance(who, Mapping) else None) or "Somebody"
    if event.kind == "medium.checked" and body["wipe"] == wipe and not body["agreed"]:
        return f"{ref} looked at it after its wipe and did not find it wiped (record {event.hash[:12]})."
    if event.kind == "medium.accepted" and body["wipe"] == wipe and not body["accepted"]:
        return f"{ref} turned its wipe down (record {event.hash[:12]})."
    if event.kind == "record.disputed" and body["event"] == wipe:
        return f"The record of its wipe is disputed: {body['reason']} (record {event.hash[:12]})."
    if event.kind == "medium.retired":
        return f"It is on record as {body['how']} (record {event.hash[:12]})."
    return ""


def _print(*files: Path) -> Print:
    """Return what changes when a file does; a file that is not there counts as empty."""
    found = []
    for file in files:
        try:
            status = file.stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            found.append((0, 0, 0))
    return tuple(found)


def _settled(now: Print) -> bool:
    """Tell whether these times are old enough: a file system's clock ticks coarsely, and work logs keep their size."""
    return all(abs(time.time() - changed / 1e9) > SETTLES for _, _, changed in now)


class Desk(Protocol):
    """What is needed of the bench."""

    memory: Memory
    berths: list[Berth]
    config: Config
    proofs: Proofs

    def child(self, berth: Berth) -> Child | None:
        """Return the child that works on the drive in a bay."""
        ...

    def green(self, berth: Berth) -> str:
        """Return the event that makes a bay green, "" when nothing does."""
        ...

    def look(self, berth: Berth) -> None:
        """Have the drive in a bay looked at afresh."""
        ...

    def keep(
        self, identity: MediumIdentity, bay: str, why: str, code: str, texts: tuple[str, ...], event: str = ""
    ) -> None:
        """Keep a drive as unsettled."""
        ...


def mark(desk: Desk) -> None:
    """See who else works on a drive (who holds its work log), and whether what is green holds."""
    for berth in desk.berths:
        if berth.medium is None or desk.child(berth) is not None:
            continue
        was, name = berth.busy, berth.medium.identity.id
        berth.busy = holder(desk.config.worklogs / f"{name}.jsonl") is not None
        _ask(desk, berth, berth.medium)
        if was and not berth.busy:
            desk.look(berth)


def _ask(desk: Desk, berth: Berth, medium: Medium) -> None:
    """Take the green away where it does not hold: for good, or until what says so can be read again."""
    event, berth.unproved = desk.green(berth), ()
    doubt = desk.proofs.doubt(medium.identity.id, event) if event else None
    if doubt is None:
        return
    if doubt.kind == "unreadable":
        berth.unproved = doubt.sentences
        return
    berth.result = None
    with suppress(NotDone):
        desk.memory.no_longer_green(medium.identity.id)
    if doubt.kind == "denied":
        desk.keep(medium.identity, berth.bay.name, "unknown", "E33", doubt.sentences, event=event)
    desk.look(berth)
