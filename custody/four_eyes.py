"""Two people, and each who they say: what a sign-in on an event is worth. Pure; no clock is asked.

A station says of somebody `{"ref", "authenticated": true, "roster": number}`. That counts here only if

- the server issued the roster of this number, and it gives this reference one of the roles that are needed
  (rosters are issued in the server's own chain, so nobody can say afterwards that somebody was on one);
- the badge was not ended with the words that what was signed in with it is not to be trusted.

What the server itself says of somebody counts as it stands: its own screens know roles and sign-ins. Whoever is
not signed in at all is nobody, and nobody is never a second person.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from custody.events import Event

WIPERS = ("volunteer", "supervisor")
CHECKERS = ("verifier", "supervisor")
DECIDERS = ("supervisor",)


class Says(Protocol):
    """Folded events: `custody.facts.Facts`."""

    def of(self, kind: str) -> list[Event]:
        """Return the undisputed events of a kind."""


def signed_in(facts: Says, event: Event, roles: Sequence[str]) -> str:
    """Return the reference of whoever said this, "" unless they were signed in, in one of these roles."""
    return "" if doubt(facts, event, roles) else str(event.body["who"]["ref"])


def second_person(facts: Says, wipe: Event, event: Event, roles: Sequence[str]) -> bool:
    """Tell whether an event about a wipe is by somebody else than the wiper, both signed in, in roles that may."""
    wiper, other = signed_in(facts, wipe, WIPERS), signed_in(facts, event, roles)
    return bool(wiper and other) and wiper != other


def doubt(facts: Says, event: Event, roles: Sequence[str]) -> str:
    """Return why the person on this event counts as nobody for these roles, as a sentence part; "" when they count."""
    who = event.body.get("who")
    if not (isinstance(who, Mapping) and who.get("authenticated") is True and isinstance(who.get("ref"), str)):
        return "operator not authenticated"
    if event.origin.startswith("server-"):
        return ""
    ref, number = str(who["ref"]), int(who["roster"]) if _is_number(who.get("roster")) else 0
    issued = [e for e in facts.of("roster.issued") if number and e.body["number"] == number]
    if not issued:
        return f"{ref} is said to be signed in by a roster that was never issued"
    held = set.intersection(*(set(e.body["roles"].get(ref, ())) for e in issued))
    if not held:
        return f"{ref} is said to be signed in, but was not on roster {number}"
    if not held & set(roles):
        return f"{ref} was no {' or '.join(roles)} on roster {number}"
    if any(_distrusts(e, ref, number) for e in facts.of("badge.revoked")):
        return f"the badge of {ref} was ended as not to be trusted"
    return ""


def said_by(facts: Says, event: Event, roles: Sequence[str]) -> str:
    """Return who said this, for people: the reference, and in brackets why it counts as nobody; "" without one."""
    who = event.body.get("who")
    ref = who.get("ref") if isinstance(who, Mapping) else None
    why = doubt(facts, event, roles)
    return f"{ref} ({why})" if ref and why else str(ref or "")


def sign_ins(events: Iterable[Event]) -> set[str]:
    """Return the subjects under which a store finds what decides about the sign-ins on these events."""
    whos = [event.body.get("who") for event in events]
    return {
        subject
        for who in whos
        if isinstance(who, Mapping) and _is_number(who.get("roster"))
        for subject in (f"roster:{who['roster']}", f"badge:{who.get('ref')}")
    }


def _distrusts(revoked: Event, ref: str, number: int) -> bool:
    body = revoked.body
    return body["ref"] == ref and body["distrust"] is True and number <= int(body["through"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
