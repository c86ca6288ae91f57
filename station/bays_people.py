"""Who may decide about a drive that is not known to be wiped: a supervisor, and never the one who wiped it.

Where this station holds a roster that it may use, the decision needs a supervisor's badge and PIN; elsewhere a
reference is believed as it is everywhere at such a station, and is compared with the wiper's.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from custody import rosters
from custody.badges import BadBadge, BadRoster, read_badge
from custody.errors import Reason
from custody.journal import Journal
from station.badges import DECIDERS, must_be, reference, same_person, sign_in
from station.bays_memory import Unsettled
from station.config import Config
from station.errors import GuardRefused, UsageError
from station.home import open_bench
from station.orders import Order

WHAT = "decide what becomes of a drive that is not known to be wiped"


def supervisor(config: Config, now: Callable[[], datetime], order: Order, entry: Unsettled) -> str:
    """Return the reference of the supervisor who decides about this drive.

    Raises UsageError when nobody is named or a badge is needed, GuardRefused when they may not, and JournalError.
    """
    with open_bench(config, now) as bench:
        if order.supervisor_badge:
            person = sign_in(
                bench.journal, order.supervisor_badge, order.supervisor_pin, bench.now(), record=bench.append
            )
            must_be(person, DECIDERS, WHAT)
            ref = person.ref
        else:
            ref = _typed(bench.journal, now(), order)
        wipers = {entry.operator, _recorded(bench.journal, entry)} - {""}
    if any(same_person(ref, wiper) for wiper in wipers):
        text = f"{ref} wiped this drive and cannot be the supervisor who decides what becomes of it; somebody else must"
        raise GuardRefused([Reason("own-supervisor", text, entry.identity.id)])
    return ref


def _typed(journal: Journal, now: datetime, order: Order) -> str:
    """Return the reference that was typed; raises UsageError when that is not enough here."""
    try:
        rosters.current(journal, now)
    except BadRoster:
        ref = reference(order.operator)
        if not ref:
            raise UsageError("say which supervisor decides: a reference, or badge and PIN") from None
        return ref
    raise UsageError(f"this station holds a roster: to {WHAT} needs a supervisor's badge and PIN, not a reference")


def _recorded(journal: Journal, entry: Unsettled) -> str:
    """Return who wiped it by the record that the entry rests on, "" when there is none."""
    rows = journal.events(about=entry.identity.id, kind="medium.wiped") if entry.event else []
    found = (row.event.body["who"].get("ref") for row in rows if row.event.hash == entry.event)
    return str(next(found, "") or "")


def operator(queued: Mapping[str, Any]) -> str:
    """Return the reference of whoever starts a wipe, as typed or as it stands on the badge; the PIN is asked later."""
    try:
        return str(queued["order"]["operator"]) or read_badge(queued["people"]["badge"]).ref
    except BadBadge:
        return ""
