"""No device goes to a household with a child unless somebody has seen that its content filter works. Not optional.

What this module promises:

- a household counts as one with children unless its referral says that nobody under 18 lives there: where the
  referral is gone, or says nothing, the filter is asked for;
- a `device.filtered` counts only if it says "verified" and was certainly written after the device's last exit, and
  after everything that takes a filter away: a wipe of a medium that is in it, a new image. Clocks are not asked;
- what the same writer says later stands: "no filter found" after "verified" closes the gate again;
- of two writers neither is taken to be later: one that found no filter is enough to refuse.

The rule is asked by `loans.hand_over` inside its transaction, besides `custody.rules.why_not_lendable`.
Source: Department for Education, guidance on lending devices: the filter must be in place before a child has it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from custody import rules
from custody.errors import Reason
from custody.events import Event
from custody.facts import latest_per_origin
from labels.codes import pretty
from lending import history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.record import facts_about, is_code, storable

WAYS: Mapping[str, str] = {
    "family-dns": "Family filter in its network settings (DNS)",
    "browser": "Filter in the browser, set by policy",
    "os": "Family safety of the operating system",
    "mdm": "Managed by the school or council, with its filter",
    "sim": "The network's own filter on the SIM, and no other network set up",
}
"""What can filter; the words for the desk."""

LONGEST_HOW = 100


def has_children(tx: Tx, loan: str) -> bool:
    """Tell whether anybody under 18 is in the loan's household, or whether nobody knows."""
    row = tx.s.get(tables.LoanRow, loan)
    referral = tx.s.get(tables.ReferralRow, row.referral) if row is not None and row.referral else None
    return referral is None or children_in(referral.children) != 0


def children_in(bands: Mapping[str, Any] | None) -> int | None:
    """Return how many children a referral counts, None where it does not say."""
    if bands is None or not all(isinstance(count, int) for count in bands.values()):
        return None
    return sum(bands.values()) if bands else None


def against(tx: Tx, loan: str, facts: rules.Facts, device: str) -> list[Reason]:
    """Return why this device must not go to this loan's household as far as children are concerned."""
    if tx.s.get(tables.LoanRow, loan) is None or not has_children(tx, loan):
        return []
    return why_not_safe(facts, device)


def why_not_safe(facts: rules.Facts, device: str) -> list[Reason]:
    """Return why a device may not go to a household with a child; [] when its filter was verified. Pure."""
    if not facts.about_device("device.registered", device):
        return []  # the other rules say so already
    said = [one for one in facts.about_device("device.filtered", device) if _since(facts, one, device)]
    newest = latest_per_origin(said)
    if any(not one.body["verified"] for one in newest):
        text = f"a check of {device} found no working content filter; put one on, check it and record it"
        return [Reason("filter-failed", text, device)]
    if any(_still_there(facts, one, device) for one in newest):
        return []
    if newest:
        text = f"{device} was wiped or installed anew after its content filter was checked; check the filter again"
        return [Reason("filter-gone", text, device)]
    text = f"a child lives in this household and nobody has checked the content filter of {device}; check and record it"
    return [Reason("filter-not-verified", text, device)]


def verify_filter(tx: Tx, device: str, way: str, how: str, verified: bool, by: Actor, now: datetime) -> Event:
    """Record who looked at a device's content filter, what filters, and how it was tried: `device.filtered`.

    `how` is what was tried, for example "three test pages, all blocked"; no names of people. Desk, supervisor or
    volunteer. Raises `Refused`: `role`, `unknown-device`, `not-in-hand`, `way`, `how`.
    """
    need(by, "desk", "supervisor", "volunteer")
    facts = facts_about(tx, device) if is_code(device) else None
    if facts is None or not facts.about_device("device.registered", device):
        raise refused("unknown-device", f"{device[:20]} is not registered; a station must scan it first", device)
    if not facts.in_hand(device):
        raise refused("not-in-hand", f"{pretty(device)} is not here: check a filter on the device itself", device)
    if way not in WAYS:
        raise refused("way", f"choose what filters: {', '.join(WAYS.values())}", "way")
    if not 3 <= len(how.strip()) <= LONGEST_HOW:
        raise refused("how", f"say how it was tried, in 3 to {LONGEST_HOW} characters (no names of people)", "how")
    last = facts.last_exit(device)
    body = {
        "device": device, "filter": way, "verified": verified, "who": by.who(), "how": storable(how.strip()),
        "after": last.hash if last else None, "seen": sorted(one.hash for one in _takes_away(facts, device)),
    }  # fmt: skip
    return history.append(tx, "device.filtered", device, body, now)


def _since(facts: rules.Facts, event: Event, device: str) -> bool:
    """Tell whether an event was certainly written after the device's last exit."""
    last = facts.last_exit(device)
    if last is None:
        return True
    return facts.follows(event, last) or (event.origin == last.origin and event.seq > last.seq)


def _takes_away(facts: rules.Facts, device: str) -> list[Event]:
    """Return everything that may have taken a filter off this device: wipes that were begun, and new images."""
    wipes = [one for medium in facts.media_of(device) or () for one in facts.wipes(medium.id)]
    found = [one for one in wipes if one.body["outcome"] != "NOT_RUN"]
    return [*found, *facts.about_device("device.imaged", device)]


def _still_there(facts: rules.Facts, verified: Event, device: str) -> bool:
    """Tell whether nothing that takes a filter away may have happened after it was verified.

    Something came before for certain when the same writer wrote it earlier, or when the check names it (`seen`).
    """
    seen = verified.body.get("seen")
    known = set(seen) if isinstance(seen, list) else set()
    return all(
        one.hash in known or (one.origin == verified.origin and one.seq < verified.seq)
        for one in _takes_away(facts, device)
    )
