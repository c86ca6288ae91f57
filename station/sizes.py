"""A drive that shows less than it once did: part of it may be hidden, with data in it. Such a drive is not wiped.

A drive that shrinks gets another id, because the size is part of it (`custody.media`), and would then be a new drive of
which nobody knows anything. So it is known here by its names: what the journal and the work logs of this station say
of any drive with the same serial number, WWN or EUI-64. Growth is no harm: that is what giving hidden areas back does,
and where a drive says itself that it hides something, `station.preparing` gives that back before anybody asks here.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from custody.errors import BadEvent, Reason
from custody.events import MediumIdentity, identities
from custody.journal import Journal
from station.media import Medium

HEAD = 16 * 1024  # bytes of a work log; which drive it is of stands in one of the first lines
SHRUNK = (
    "{name} at {path} shows {now:,} bytes, and showed {before:,} before: part of it may be hidden, with data in it. "
    "Switch it off and on (or pull it and put it back). If it still shows less, have its hidden areas looked for, or "
    "destroy it. It is not wiped"
)
ADAPTER = "; if the adapter gives every drive this one serial number, connect the drive without it"


def same_drive(one: MediumIdentity, other: MediumIdentity) -> bool:
    """Tell whether two identities are of one drive, whatever size either shows.

    Two namespaces of one NVMe drive share its serial only. Of two that were both reached through a USB adapter the
    serial may be the adapter's own, so the model must be the same as well.
    """
    if one == other:
        return True
    common = one.names & other.names
    if any(name.startswith("wwn:") for name in common):
        return True
    if not common or one.namespace != other.namespace:
        return False
    return one.transport != "usb" or other.transport != "usb" or one.model == other.model


def largest(journal: Journal, worklogs: Path, identity: MediumIdentity) -> int:
    """Return the most bytes that this drive ever showed, by what is on record here; its own size when not known.

    Raises JournalError when the journal cannot be read.
    """
    known = [identity, *_logged(worklogs)]
    for event in journal.about(identity.names):
        body = event.body
        listed = body.get("media")
        known += identities(
            [body.get("medium"), body.get("identity"), *(listed if isinstance(listed, list) else [])]
        )
    return max(one.size for one in known if one is identity or same_drive(one, identity))


def shrunk(journal: Journal, worklogs: Path, medium: Medium) -> list[Reason]:
    """Return why a drive must not be wiped as it is, [] when it shows all that it ever showed. Raises JournalError."""
    before = largest(journal, worklogs, medium.identity)
    if before <= medium.size:
        return []
    text = SHRUNK.format(name=medium.name, path=medium.path, now=medium.size, before=before)
    return [Reason("shrunk", text + (ADAPTER if medium.transport == "usb" else ""), medium.identity.id)]


def _logged(worklogs: Path) -> Iterator[MediumIdentity]:
    """Yield which drives were worked on here; what cannot be read names none: the drive's own log is read elsewhere."""
    for file in worklogs.glob("*.jsonl"):
        with suppress(OSError):
            with file.open("rb") as log:
                lines = log.read(HEAD).split(b"\n")
            for line in lines:
                if line.startswith(b'{"kind":"intent"'):
                    with suppress(ValueError, KeyError, BadEvent):
                        yield MediumIdentity.from_json(json.loads(line)["medium"])
                    break
