"""A drive that shows less than when the bench looked at it: known as that drive, red, and never taken for a new one.

More is no harm: that is what giving hidden areas back does in the middle of a wipe, and the wipe itself looks at it.
"""

from typing import Protocol

from custody.media import MediumIdentity
from station.bays_berth import Berth
from station.bays_children import SHRUNK, Child
from station.bays_memory import Memory
from station.media import Medium
from station.sizes import same_drive

TEXT = "It showed {before:,} bytes, and shows {now:,} now: part of it may be hidden, with data in it."


class Desk(Protocol):
    """What is needed of the bench."""

    memory: Memory
    children: dict[str, Child]

    def keep(
        self, identity: MediumIdentity, bay: str, why: str, code: str, texts: tuple[str, ...], event: str = ""
    ) -> None:
        """Keep a drive as unsettled."""
        ...

    def monotonic(self) -> float:
        """Return the seconds of the monotonic clock."""
        ...


def resized(desk: Desk, berth: Berth, there: Medium, child: Child) -> None:
    """Take in that the drive a child works on shows another size under the same number."""
    berth.medium = there
    if there.size < child.identity.size and not child.shrunk:
        less(desk, berth, there)
        desk.keep(child.identity, berth.bay.name, "running", SHRUNK, (child.shrunk,))
        child.stop("the bench", desk.monotonic())


def less(desk: Desk, berth: Berth, medium: Medium) -> None:
    """See whether a drive that came shows less than when it was looked at."""
    for child in desk.children.values():
        if same_drive(child.identity, medium.identity) and medium.size < child.identity.size:
            child.shrunk = TEXT.format(before=child.identity.size, now=medium.size)
    entry = desk.memory.relative(medium.identity)
    if entry and entry.resized(medium.identity) and medium.size < entry.identity.size and entry.why != "destroy":
        words = (TEXT.format(before=entry.identity.size, now=medium.size),)
        desk.keep(entry.identity, berth.bay.name, "unknown", SHRUNK, words, event=entry.event)
