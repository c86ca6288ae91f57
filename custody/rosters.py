"""The roster that a station holds: taken over any road, believed only as the server's own history names it.

Rules:

- a document is kept only if an accepted `roster.issued` held here names its SHA-256, and only if its number is
  higher than the kept one's: a roster never goes backwards;
- a document is used only while it is the newest that the history held here knows of. A station that has heard of
  a newer one, but does not hold it, uses none: somebody may have been taken off it;
- every use checks digest and event again; the journal checks the event's signature whenever it is read. Events of
  another world or another server have no place in that history, and so neither have their rosters.

The document is a note and no attachment: it is replaced, and what it held of people is then gone from here.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from custody.badges import BadRoster, Roster
from custody.events import Event
from custody.journal import Journal

NOTE = "roster"
CLOCK_SLACK = timedelta(minutes=5)


def keep(journal: Journal, document: bytes | None) -> str:
    """Keep a document that came from the server, if it is the newest; return what a person should read, or "".

    Raises `JournalError` when the journal fails.
    """
    newest = newest_issued(journal)
    if newest is None or document is None:
        return ""
    digest = hashlib.sha256(document).hexdigest()
    held = journal.note(NOTE)
    if isinstance(held, Mapping) and held.get("digest") == newest.body["digest"]:
        return ""
    if digest != newest.body["digest"]:
        return "the roster that came is not the newest that the server's history names; sync again for the newest"
    try:
        roster = Roster.from_bytes(document)
    except BadRoster as error:
        return f"{error}; nobody can sign in with a badge here until the server issues another"
    if roster.number != newest.body["number"] or roster.roles != newest.body["roles"]:
        return "the roster that came does not say what the server's history says of it; it is not used"
    journal.change_note(NOTE, lambda old: _newer(old, roster.number, digest, document))
    return ""


def _newer(old: Any, number: int, digest: str, document: bytes) -> Any:
    if isinstance(old, Mapping) and int(old.get("number", 0)) >= number:
        return old
    return {"number": number, "digest": digest, "document": base64.b64encode(document).decode()}


def newest_issued(journal: Journal) -> Event | None:
    """Return the accepted `roster.issued` of the highest number that is held here, None when there is none."""
    rows = journal.events(kind="roster.issued")
    found = [row.event for row in rows if not row.refused]
    return max(found, key=lambda event: (int(event.body["number"]), event.seq), default=None)


def current(journal: Journal, now: datetime) -> Roster:
    """Return the roster by which people sign in now. Raises `BadRoster` with what to do when there is none.

    `now` is this machine's clock. A clock that was set back gains nothing: no earlier moment is believed than the
    one at which the server signed the newest roster.
    """
    newest = newest_issued(journal)
    if newest is None:
        raise BadRoster("no roster has come to this station yet, so no badge can be checked: sync first")
    held = journal.note(NOTE)
    try:
        document = base64.b64decode(held["document"], validate=True) if isinstance(held, Mapping) else b""
    except (KeyError, TypeError, ValueError, binascii.Error):
        document = b""
    if hashlib.sha256(document).hexdigest() != newest.body["digest"]:
        raise BadRoster(
            f"roster {newest.body['number']} is the newest, and it is not here, so no badge can be checked: sync again"
        )
    roster = Roster.from_bytes(document)
    if roster.number != newest.body["number"] or roster.roles != newest.body["roles"]:
        raise BadRoster("the roster here does not say what the server's history says of it; tell an administrator")
    if now < newest.at - CLOCK_SLACK:
        raise BadRoster(
            f"this station's clock says {now:%Y-%m-%d %H:%M}, which is before roster {roster.number} was made "
            f"({newest.at:%Y-%m-%d %H:%M}); set the clock, then sign in"
        )
    if now > roster.not_after:
        raise BadRoster(
            f"roster {roster.number} ended on {roster.not_after:%Y-%m-%d %H:%M}, so no badge can be checked: sync first"
        )
    return roster
