"""What staff are told: is everything sent, is the clock right, does anybody have to look at something."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.journal import CLOCK_TOLERANCE, Journal
from kiosk.background import SyncReport

LEAST_ROOM = 256 << 20  # bytes


@dataclass(frozen=True)
class Status:
    """A kiosk's own view of itself, for staff and for `kitbank-kiosk status --json`."""

    origin: str
    world: str
    server: str
    url: str
    recorded: int
    waiting: int
    position: int
    clock_offset: float | None
    alarms: tuple[str, ...]
    room: int

    def to_json(self) -> Mapping[str, Any]:
        """Return it as plain JSON data."""
        return {
            "origin": self.origin, "world": self.world, "server": self.server, "url": self.url,
            "recorded": self.recorded, "waiting": self.waiting, "position": self.position,
            "clock_offset_seconds": self.clock_offset, "alarms": list(self.alarms), "free_bytes": self.room,
        }  # fmt: skip


def worries(seen: Status | None, trouble: str, told: Sequence[str], last: SyncReport | None) -> list[str]:
    """Return what a person should look at, most urgent first; `told` is what the screens noticed."""
    if seen is None:
        return [f"The journal cannot be read: returns are NOT recorded. {trouble}", *told]
    found = [*told, *seen.alarms]
    if not seen.url:
        found.append("This kiosk is not enrolled at a server yet: returns are recorded and wait here.")
    elif last is not None and not last.ok:
        found.append(f"The last sync did not work: returns are recorded and wait here. {last.text}")
    if seen.clock_offset is not None and abs(seen.clock_offset) > CLOCK_TOLERANCE:
        found.append(f"This kiosk's clock is wrong by {abs(seen.clock_offset) / 60:.0f} minutes: set it.")
    if seen.room < LEAST_ROOM:
        found.append(f"Only {seen.room >> 20} MiB are free on the disk: make room, or returns cannot be recorded.")
    return found


def status(journal: Path) -> Status:
    """Read the journal; raises `JournalError` when that cannot be done."""
    with Journal.open(journal) as opened:
        server = opened.server()
        return Status(
            origin=opened.origin,
            world=str(opened.world),
            server=server.id if server else "",
            url=opened.url() or "",
            recorded=opened.head().seq,
            waiting=opened.unsent_count(),
            position=opened.position(),
            clock_offset=opened.clock_offset(),
            alarms=tuple(alarm.sentence for alarm in opened.alarms()),
            room=shutil.disk_usage(journal.parent).free,
        )
