"""Which wipes another person must look at, with another tool: a share that nobody can choose. Pure.

The share comes from the policy, the seed from the server's roster. Of each day's finished wipes those are taken whose
HMAC under the seed is smallest, as many as the share asks, rounded up: one of one, one of five, two of six. An event's
hash is made of the evidence, so whoever wipes cannot know it beforehand, and afterwards it is too late to wipe better.
While a day goes on a later wipe may take an earlier one's place.

A wipe is off the list when somebody disagreed (then it is wiped again), or when a second person (`custody.four_eyes`)
agreed who did not use Kitbank itself. A day is the writer's; a clock that was set back puts no wipe before the ones
that the same station recorded earlier. NIST SP 800-88 Rev. 1, section 4.7, asked for a fifth of the media; Rev. 2
leaves it to the organisation (both as retold by secondary sources: the texts were not read).
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from custody.events import Event, OriginId
from custody.four_eyes import CHECKERS, Says, second_person

KINDS = ("medium.wiped", "medium.checked", "roster.issued", "badge.revoked", "record.disputed")
"""What must be folded for these questions."""

OWN_TOOL = "kitbank"


@dataclass(frozen=True)
class Due:
    """One wipe that must be looked at. `so_far` says what was done, as a sentence part, or "" for nothing."""

    wipe: Event
    day: date
    so_far: str


def due(facts: Says, seed: str, share: int, since: date) -> list[Due]:
    """Return what is to be looked at since a day, oldest first. `share` is in per cent, `seed` hexadecimal."""
    days: dict[date, list[Event]] = defaultdict(list)
    for event, day in _days(facts.of("medium.wiped")):
        if event.body["outcome"] == "DONE" and day >= since:
            days[day].append(event)
    return [
        Due(wipe, day, looked)
        for day in sorted(days)
        for wipe in chosen(days[day], seed, share)
        if (looked := _so_far(facts, wipe)) is not None
    ]


def chosen(wipes: Iterable[Event], seed: str, share: int) -> list[Event]:
    """Return the part of one day's wipes that the seed takes: at least `share` per cent."""
    key = bytes.fromhex(seed)
    ordered = sorted(wipes, key=lambda wipe: hmac.new(key, wipe.hash.encode(), hashlib.sha256).digest())
    return ordered[: -(-len(ordered) * share // 100)]


def _days(wipes: Iterable[Event]) -> Iterable[tuple[Event, date]]:
    """Yield each wipe with its day, never before the day of what the same origin wiped earlier."""
    latest: dict[OriginId, datetime] = {}
    for event in sorted(wipes, key=lambda e: (e.origin, e.seq)):
        latest[event.origin] = max(latest.get(event.origin, event.at), event.at)
        yield event, latest[event.origin].astimezone(UTC).date()


def _so_far(facts: Says, wipe: Event) -> str | None:
    """Return what has been done about a wipe, None when nothing more is needed."""
    told = ""
    for check in facts.of("medium.checked"):
        if check.body["wipe"] != wipe.hash:
            continue
        if not check.body["agreed"]:
            return None
        who = check.body["who"]["ref"] or "somebody"
        if not second_person(facts, wipe, check, CHECKERS):
            told = told or f"{who} agreed, but is not known to be another person: both sign in with their badges"
        elif not str(check.body.get("tool") or OWN_TOOL).casefold().startswith(OWN_TOOL):
            return None
        else:
            told = f"{who} agreed after reading with Kitbank itself; another tool is still needed"
    return told
