"""What a red or amber tile says, and the codes that are written on the note in the red box.

One visible table. `docs/station-bays.md` shows the same table, and a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RED_BOX = "Put it in the red box, write {code}."
UNPLUG = "Unplug this one."
KEEP_POWERED = "Keep powered. Do not unplug it."


@dataclass(frozen=True)
class Trouble:
    """One code: what is wrong, and the one thing to do now, in words for the volunteer."""

    code: str
    title: str
    does: str

    @property
    def sentence(self) -> str:
        """Return what to do, with the code to write where one is to be written."""
        return self.does.format(code=self.code)


def _table(*rows: tuple[str, str, str]) -> Mapping[str, Trouble]:
    return MappingProxyType({code: Trouble(code, title, does) for code, title, does in rows})


TROUBLES = _table(
    ("E01", "The bench may not touch this drive", "Take it out and show it to a supervisor."),
    ("E02", "The drive is write-protected", "Take it out, look for a small switch on it, and put it back."),
    ("E03", "Two drives give the same serial number", "Take one of the two out and wipe them one after the other."),
    ("E04", "The drive does not answer", f"{UNPLUG} Try it once more in another bay; if it happens again: {RED_BOX}"),
    ("E05", "No medium, or a size of nothing", f"{UNPLUG} {RED_BOX}"),
    ("E06", "Not worth wiping: the drive is failing", f"{UNPLUG} {RED_BOX} It will be destroyed."),
    ("E07", "Locked with a password", f"{UNPLUG} {RED_BOX} Only the donor can unlock it."),
    ("E08", "Frozen by this computer's firmware", "Take it out, wait ten seconds, and put it back in."),
    ("E09", "What is wanted cannot be reached on this drive", "Call a supervisor: less needs their reference."),
    ("E10", "Where this device was last is not known here", "Let the station sync, or scan the return slip."),
    ("E11", "The station cannot record anything", "Call a supervisor: nothing is wiped until this is put right."),
    ("E12", "The wipe was refused", "Nothing was touched. Read the reason below, or call a supervisor."),
    ("E13", "Pulled out in the middle of a wipe", "Put it back into any bay. If it is lost, call a supervisor."),
    ("E14", "Stuck: nothing has moved for too long", f"{UNPLUG} {RED_BOX}"),
    ("E15", "Stuck: the drive does not answer the computer", f"{UNPLUG} {RED_BOX} The other drives are not disturbed."),
    ("E16", "The program ended in the middle", "Type the last four again to go on."),
    ("E17", "Nobody can say that it is wiped", f"{UNPLUG} {RED_BOX}"),
    ("E18", "Wiped, but not recorded", "Leave it where it is and call a supervisor. It does not count as wiped."),
    ("E19", "Its identity or size changed in the middle", f"{UNPLUG} {RED_BOX}"),
    ("E20", "The drive reports that its own erase failed", f"{UNPLUG} {RED_BOX}"),
    ("E21", "The drive is still erasing inside", KEEP_POWERED),
    ("E22", "Too hot, and its erase cannot be paused", f"{KEEP_POWERED} Give it air."),
    ("E23", "Too hot: paused", "Give it air. It goes on by itself when it has cooled down."),
    ("E24", "Stopped by a person", "Not wiped. Type the last four to go on, or put it in the red box, write {code}."),
    ("E25", "Parts of it cannot be written or read", f"{UNPLUG} {RED_BOX} It will be destroyed."),
    ("E26", "Not started after all", "Nothing was touched: it holds what it held. Try again, or call a supervisor."),
    ("E27", "Too many wrong tries", "Look at the number on the drive itself; in a minute it can be typed again."),
    ("E28", "No longer readable after its erase", f"{UNPLUG} {RED_BOX}"),
    ("E29", "To be destroyed", f"{UNPLUG} {RED_BOX} It will be destroyed."),
    ("E30", "It shows less than it once did", f"Take it out, wait ten seconds, and put it back. Still so: {RED_BOX}"),
    ("E31", "The reader that checks it was ended", "Type the last four: it is checked again. Not wiped until then."),
    ("E32", "Neither proved nor recorded", "Leave it where it is and call a supervisor. It does not count as wiped."),
    ("E33", "Somebody did not find it wiped", f"{UNPLUG} {RED_BOX} It does not count as wiped."),
)
"""Every code. Codes are never used again for something else: they stand on paper in a box."""


def trouble(code: str) -> Trouble:
    """Return what a code means; raises KeyError for one that does not exist."""
    return TROUBLES[code]


def markdown() -> str:
    """Return the table as docs/station-bays.md shows it."""
    lines = ["| code | what is wrong | what to do |", "|---|---|---|"]
    lines += [f"| {one.code} | {one.title} | {one.sentence} |" for one in TROUBLES.values()]
    return "\n".join(lines) + "\n"


BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        "read-only": "E02",
        "empty": "E05",
        "not-there": "E05",
        "exit-unknown": "E10",
        "lower-claim": "E09",
        "not-worth-wiping": "E06",
        "another-medium": "E19",
        "size-changed": "E19",
        "changed": "E19",
        "not-accepted": "E20",
        "not-succeeded": "E20",
        "bad-ranges": "E25",
        "unreadable": "E25",
        "smoke-test": "E28",
        "shrunk": "E30",
        "reader-ended": "E31",
        "not-recorded": "E18",
        "unproved-not-recorded": "E32",
    }
)
"""Code of a reason (of the guard or of `judge`) -> code on the tile, where it has one of its own."""


def code_for(reasons: tuple[str, ...], otherwise: str) -> str:
    """Return the code of the first reason that has one of its own, else `otherwise`."""
    return next((BY_REASON[one] for one in reasons if one in BY_REASON), otherwise)
