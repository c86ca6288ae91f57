"""What staff are told: is everything sent, is the clock right, does anybody have to look at something."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.journal import Journal


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


def status(journal: Path, room: int) -> Status:
    """Read the journal; raises `JournalError` when that cannot be done. `room` is the disk's free space in bytes."""
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
            room=room,
        )
