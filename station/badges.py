"""Signing in at a station with badge and PIN, with no network: who somebody is here, and in which roles.

Rules:

- badge *and* PIN are checked against the roster (`custody.rosters`); a station that holds none it may use signs
  nobody in, and everything goes on as without badges: "operator not authenticated";
- a try is counted on the disk before the PIN is looked at. After `TRIES` wrong PINs in a row the badge is refused
  at this station for `LOCKED_FOR`, also after a restart, and that is recorded as `badge.refused`;
- a card whose secret is not the roster's (replaced, of another server, guessed) is turned away uncounted, so that
  nobody can shut out a colleague without that colleague's card;
- neither badge nor PIN is ever kept, logged or repeated in a message.

Nothing here touches a drive. The caller passes on the `Person`; a session is the caller's to end.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from custody import rosters
from custody.badges import BadBadge, BadRoster, Entry, Roster, fits, looks_like_a_badge, read_badge
from custody.errors import Reason
from custody.four_eyes import CHECKERS, DECIDERS, WIPERS
from custody.journal import Journal
from station.errors import GuardRefused, UsageError

__all__ = [
    "CHECKERS", "DECIDERS", "WIPERS", "Operator", "Person", "must_be", "reference", "same_person", "sign_in",
    "who",
]  # fmt: skip

TRIES = 5
LOCKED_FOR = timedelta(minutes=15)

Record = Callable[[str, str, dict[str, Any]], object]
"""Records one event (kind, subject, body): `Bench.append`."""


@dataclass(frozen=True)
class Person:
    """Somebody who signed in here: a random reference, what they may do, and the roster that says so."""

    ref: str
    roles: frozenset[str]
    roster: int

    def who(self) -> dict[str, Any]:
        """Return who did it, as an event says it."""
        return {"ref": self.ref, "authenticated": True, "roster": self.roster}

    def to_json(self) -> dict[str, Any]:
        """Return the person as JSON data, for a child process of the bench that signed them in; no secret is in it."""
        return {"ref": self.ref, "roles": sorted(self.roles), "roster": self.roster}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; only for what our own processes hand on."""
        return cls(str(data["ref"]), frozenset(str(role) for role in data["roles"]), int(data["roster"]))


Operator = str | Person
"""Who does something: a person who signed in, or a reference that somebody typed."""


_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def sign_in(journal: Journal, badge_text: str, pin: str, now: datetime, *, record: Record | None = None) -> Person:
    """Return who this is, by badge and PIN. The journal must be open for writing; `now` has a time zone.

    Raises GuardRefused with one code: `badge-unreadable`, `no-roster`, `badge-unknown`, `badge-locked` or
    `pin-wrong`. With `record` a badge that was shut out is recorded as an event at once, otherwise by the next
    sign-in that has it. Raises JournalError when the tries cannot be counted: then nobody signs in.
    """
    try:
        badge = read_badge(badge_text)
    except BadBadge as error:
        raise _no("badge-unreadable", str(error)) from error
    try:
        roster = rosters.current(journal, now)
    except BadRoster as error:
        raise _no("no-roster", str(error)) from error
    entry = roster.entry(badge.ref)
    if entry is None or entry.mark != badge.mark:
        text = f"this card is not on roster {roster.number}: it was replaced or ended, or is of another Kitbank"
        raise _no("badge-unknown", text, badge.ref)
    tries = journal.change_note(_note(badge.ref), lambda held: _counted(held, now))
    _tell(journal, badge.ref, record)
    if tries["locked"]:
        raise _no("badge-locked", f"this badge is refused here until {_until(tries):%H:%M}", badge.ref)
    if fits(entry, badge, pin, roster.cost):
        journal.change_note(_note(badge.ref), _cleared)
        return _person(entry, roster)
    left = TRIES - int(tries["wrong"])
    if left > 0:
        raise _no("pin-wrong", f"the PIN is wrong; {left} more {'try' if left == 1 else 'tries'}", badge.ref)
    journal.change_note(_note(badge.ref), lambda held: {**_read(held), "unsaid": True})
    _tell(journal, badge.ref, record)
    minutes = int(LOCKED_FOR.total_seconds() // 60)
    text = f"the PIN was wrong {TRIES} times; this badge is refused here for {minutes} minutes"
    raise _no("pin-wrong", text, badge.ref)


def must_be(person: Operator, roles: tuple[str, ...], what: str) -> None:
    """Raise GuardRefused with code `role` when somebody who signed in may not do this. What is typed has no role."""
    if isinstance(person, Person) and not person.roles & set(roles):
        text = f"{person.ref} may not {what} by the roster; that needs a badge for {' or '.join(roles)}"
        raise _no("role", text, person.ref)


def reference(person: Operator) -> str:
    """Return the reference of whoever it is, without blanks around it; "" where nothing was typed.

    Raises UsageError for a badge that was typed where a reference belongs, and for what can only be a name or looks
    like another reference (letters of other alphabets, invisible ones): neither must be recorded.
    """
    if isinstance(person, Person):
        return person.ref
    if looks_like_a_badge(person):
        raise UsageError("that is a badge and no reference; use --badge, which asks for it without showing it")
    typed = person.strip()
    if typed and not _REFERENCE.fullmatch(typed):
        raise UsageError(
            f"{typed[:40]!r} is no reference: use up to 40 letters A to Z, digits, dots and hyphens, such as v-12; a "
            "name would stay in the history for ever"
        )
    return typed


def same_person(one: str, other: str) -> bool:
    """Tell whether two references are the same but for case, dots, hyphens and underscores, as people mistype them."""
    return _bare(one) == _bare(other) != ""


def _bare(ref: str) -> str:
    return re.sub(r"[._-]", "", ref).casefold()


def who(person: Operator | None) -> dict[str, Any]:
    """Return who did it, as an event says it: somebody signed in, or a name that nobody has checked."""
    if isinstance(person, Person):
        return person.who()
    return {"ref": reference(person or "") or None, "authenticated": False}


def _person(entry: Entry, roster: Roster) -> Person:
    return Person(entry.ref, frozenset(entry.roles), roster.number)


def _no(code: str, text: str, subject: str = "") -> GuardRefused:
    return GuardRefused([Reason(code, text, subject)])


def _note(ref: str) -> str:
    return f"badge {ref}"


def _read(held: Any) -> dict[str, Any]:
    return dict(held) if isinstance(held, Mapping) else {"wrong": 0, "until": None, "locked": False, "unsaid": False}


def _until(tries: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(tries["until"])


def _counted(held: Any, now: datetime) -> dict[str, Any]:
    """Count one try before anything is looked at; the last one that is allowed shuts the badge out in advance.

    A clock that is set back frees no badge, and one that was wrong and is put right shuts none out for years: the wait
    is never more than `LOCKED_FOR` from now. Who may set the clock forward is root here, and needs no badge.
    """
    tries = _read(held)
    if tries["until"] is not None:
        until = min(_until(tries), now + LOCKED_FOR)
        if now < until:
            return {**tries, "locked": True, "until": until.isoformat()}
        tries = _read(None) | {"unsaid": tries["unsaid"]}
    wrong = int(tries["wrong"]) + 1
    until_text = (now + LOCKED_FOR).isoformat() if wrong >= TRIES else None
    return {**tries, "wrong": wrong, "locked": False, "until": until_text}


def _cleared(held: Any) -> dict[str, Any]:
    return _read(None) | {"unsaid": _read(held)["unsaid"]}


def _tell(journal: Journal, ref: str, record: Record | None) -> None:
    """Record that a badge was shut out, once, as soon as somebody calls who can record."""
    if record is None or not _read(journal.note(_note(ref)))["unsaid"]:
        return
    record("badge.refused", f"badge:{ref}", {"ref": ref, "tries": TRIES})
    journal.change_note(_note(ref), lambda held: {**_read(held), "unsaid": False})
