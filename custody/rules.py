"""The rules of lending, pure. `why_not_lendable` is the gate: the only way past it is an empty list.

A device may be lent only if, since it last left our custody, it has a verified wipe for every storage medium:

- it is registered, is not another record's duplicate, and is in hand: received since its last exit;
- no owner's lock stands; it passed its tests since its last exit, to the grade that policy asks;
- someone looked inside since its last exit, and every medium found is identified, not retired and in no other
  device's current inventory; a medium that should be there and is not is wiped, or two people answer for it;
- for every medium *m* there is a `medium.wiped` DONE whose claim is what policy and donor ask and whose `after`
  is the last exit of *m*; not disputed, not contradicted, not turned down, and checked by a second person and
  accepted by a supervisor who did not wipe it where policy says so (`custody.four_eyes`: who counts as somebody);
- a medium that did not leave with this device but came back in it must have been wiped certainly after that exit.

`after` cannot be guessed before the exit happened, so a certificate that names it was made later, whatever any
clock says. There is no override: the remedy for a certificate that does not count is another wipe.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from custody.claims import Claim
from custody.errors import Reason
from custody.events import Event, EventHash, MediumIdentity
from custody.facts import Facts, fold, gather, latest_per_origin, same_serial, why_not_disputable
from custody.four_eyes import CHECKERS, DECIDERS, second_person

__all__ = [
    "DeviceState",
    "Facts",
    "Policy",
    "exit_of",
    "fold",
    "gather",
    "last_exit",
    "media_of",
    "state_of",
    "why_not_disputable",
    "why_not_lendable",
    "wipe_that_counts",
]


@dataclass(frozen=True)
class Policy:
    """What this charity asks before lending. `grade`: the worst accepted, A to D. `inventory_days`: None = no limit.

    `check_share`: per cent of each day's wipes that another person should look at (`custody.checks`); a request to
    people, and no part of the gate. `other_station`: the second check must come from another station than the wipe.
    """

    claim: Claim = Claim.CLEAR
    second_check: bool = False
    tests: tuple[str, ...] = ("electrical",)
    grade: str = "C"
    inventory_days: int | None = None
    acceptance: bool = False
    check_share: int = 20
    other_station: bool = False


@dataclass(frozen=True)
class DeviceState:
    """One device at a glance, for screens and caches; never asked before lending."""

    code: str
    canonical: str
    registered: bool
    in_hand: bool
    exit: EventHash | None
    left_for: str
    loan: str
    media: tuple[MediumIdentity, ...] | None
    locks: tuple[str, ...]


def last_exit(facts: Facts, device: str) -> EventHash | None:
    """Return the hash of the device's last exit, None if it was never out."""
    found = facts.last_exit(device)
    return found.hash if found else None


def exit_of(facts: Facts, medium: str) -> EventHash | None:
    """Return the hash of the last exit whose media list holds this medium, None if it was never out."""
    found = facts.exit_of(medium)
    return found.hash if found else None


def media_of(facts: Facts, device: str) -> list[MediumIdentity] | None:
    """Return the media in the device by its current inventories, None when nobody looked since its last exit."""
    return facts.media_of(device)


def state_of(facts: Facts, device: str) -> DeviceState:
    """Return the device at a glance."""
    left = facts.last_exit(device)
    media = facts.media_of(device)
    return DeviceState(
        code=device,
        canonical=facts.canonical(device),
        registered=bool(facts.about_device("device.registered", device)),
        in_hand=facts.in_hand(device),
        exit=left.hash if left else None,
        left_for=str(left.body["why"]) if left else "",
        loan=str(left.body["loan"] or "") if left else "",
        media=tuple(media) if media is not None else None,
        locks=tuple(str(lock.body["lock"]) for lock in _standing_locks(facts, device)),
    )


def why_not_lendable(facts: Facts, device: str, policy: Policy, now: datetime | None = None) -> list[Reason]:
    """Return every reason why this device may not go out now; only an empty list lets it go.

    `now` (aware) is needed only where policy limits the age of the inventory.
    """
    reasons = [
        *_record(facts, device),
        *_hand(facts, device),
        *_locks(facts, device),
        *_tests(facts, device, policy),
        *_inventory(facts, device, policy, now),
    ]
    wanted = _wanted(facts, device, policy)
    reasons.extend(_missing(facts, device, wanted))
    for medium in facts.media_of(device) or ():
        reasons.extend(_medium(facts, device, medium, wanted, policy))
    return list(dict.fromkeys(reasons))


def wipe_that_counts(facts: Facts, device: str, medium: MediumIdentity, wanted: Claim) -> Event | None:
    """Return a wipe of this medium that satisfies every rule but the second check, or None."""
    return next(iter(_counting(facts, device, medium, wanted)), None)


def _record(facts: Facts, device: str) -> list[Reason]:
    if not facts.about_device("device.registered", device):
        return [Reason("not-registered", f"{device} is not registered; scan it at a station first", device)]
    into = facts.canonical(device)
    if into != device:
        return [Reason("merged", f"{device} was merged into {into}; lend that record", device)]
    twins = sorted(_twins(facts, device))
    return [
        Reason(
            "duplicate-record",
            f"{device} and {twin} have the same serial; an office must merge them first",
            device,
        )
        for twin in twins
    ]


def _twins(facts: Facts, device: str) -> Iterable[str]:
    mine = facts.about_device("device.registered", device)
    for other in facts.of("device.registered"):
        name = facts.canonical(other.subject)
        if name != facts.canonical(device) and any(same_serial(one, other) for one in mine):
            yield name


def _hand(facts: Facts, device: str) -> list[Reason]:
    if facts.in_hand(device) or not facts.about_device("device.registered", device):
        return []
    left = facts.last_exit(device)
    why = left.body["why"] if left else "loan"
    return [Reason("not-in-hand", f"{device} left for {why} and was not received since; receive it first", device)]


def _standing_locks(facts: Facts, device: str) -> list[Event]:
    opened = {str(e.body["lock"]) for e in facts.about_device("device.unlocked", device)}
    return [e for e in facts.about_device("device.locked", device) if e.hash not in opened]


def _locks(facts: Facts, device: str) -> list[Reason]:
    return [
        Reason(
            "locked",
            f"{device} has an owner's lock ({lock.body['lock']}); only its owner can take it off",
            device,
        )
        for lock in _standing_locks(facts, device)
    ]


def _tests(facts: Facts, device: str, policy: Policy) -> list[Reason]:
    after = last_exit(facts, device)
    tested = latest_per_origin(e for e in facts.about_device("device.tested", device) if e.body["after"] == after)
    if not tested:
        return [Reason("not-tested", f"{device} was not tested since it last came back", device)]
    reasons = []
    for event in tested:
        results = event.body["results"]
        for name in sorted(set(policy.tests) | {n for n, r in results.items() if r == "fail"}):
            result = results.get(name, "not-tested")
            if result != "pass":
                reasons.append(Reason("test-not-passed", f"test {name!r}: {result}", device))
        if event.body["grade"] > policy.grade:
            text = f"graded {event.body['grade']}; {policy.grade} or better is lent"
            reasons.append(Reason("grade-too-low", text, device))
    return reasons


def _inventory(facts: Facts, device: str, policy: Policy, now: datetime | None) -> list[Reason]:
    current = facts.inventories(device)
    if not current:
        text = f"nobody looked inside {device} since it last left; inventory it at a station that knows of its return"
        return [Reason("no-inventory", text, device)]
    if policy.inventory_days is None:
        return []
    if now is None or all(now - e.at > timedelta(days=policy.inventory_days) for e in current):
        text = f"the inventory of {device} is older than {policy.inventory_days} days; make a new one"
        return [Reason("inventory-old", text, device)]
    return []


def _wanted(facts: Facts, device: str, policy: Policy) -> Claim:
    asked = [Claim(e.body["donor_wants"] or "none") for e in facts.about_device("device.registered", device)]
    return max([policy.claim, *asked], key=lambda claim: claim.rank)


def _missing(facts: Facts, device: str, wanted: Claim) -> list[Reason]:
    """Find drives that were in the device and are not now: unless wiped since, two people must answer for them."""
    reasons = []
    for name in facts.missing(device) if facts.inventories(device) else ():
        medium = facts.described(name)
        if medium is not None and _counting(facts, device, medium, wanted):
            continue
        call = _call(medium) if medium else "a medium"
        text = f"{call} should be in {device} and was not found; look again, or two people must say that it is gone"
        reasons.append(Reason("medium-missing", text, name))
    return reasons


def _medium(facts: Facts, device: str, medium: MediumIdentity, wanted: Claim, policy: Policy) -> list[Reason]:
    name = medium.id
    if not medium.trusted:
        text = f"{_call(medium)} in {device} cannot be named for certain: connect it directly, or replace or destroy it"
        return [Reason("medium-unidentified", text, name)]
    reasons = []
    if any(e.body["medium"] in facts.same_drive(name) for e in facts.of("medium.retired")):
        reasons.append(Reason("medium-retired", f"{_call(medium)} was retired, yet it is listed in {device}", name))
    reasons.extend(
        Reason("medium-elsewhere", f"{_call(medium)} is also listed in {other}; look again", name)
        for other in sorted(facts.devices_holding(name) - {facts.canonical(device)})
    )
    counting = _counting(facts, device, medium, wanted)
    seen = [wipe for wipe in counting if not policy.second_check or _checked(facts, wipe, policy)]
    if not counting:
        reasons.append(_why_no_wipe_counts(facts, device, medium, wanted))
    elif not seen:
        text = f"{_call(medium)}: no second person has checked the wipe (both signed in with their badges)"
        reasons.append(Reason("not-checked", text, name))
    elif policy.acceptance and not any(_accepted(facts, wipe) for wipe in seen):  # of one wipe, not of two
        text = f"{_call(medium)}: no supervisor other than who wiped it has accepted the wipe"
        reasons.append(Reason("not-accepted", text, name))
    return reasons


def _counting(facts: Facts, device: str, medium: MediumIdentity, wanted: Claim) -> list[Event]:
    """Return the wipes that count: right exit, DONE, high enough, uncontradicted, not before a swap."""
    after = exit_of(facts, medium.id)
    answers = [e for e in facts.wipes(medium.id) if e.body["after"] == after and e.body["outcome"] != "NOT_RUN"]
    return [
        wipe
        for wipe in latest_per_origin(answers)
        if wipe.body["outcome"] == "DONE"
        and Claim(wipe.body["claim"]).rank >= max(wanted.rank, Claim.CLEAR.rank)
        and not _contradicted(facts, wipe)
        and not _turned_down(facts, wipe)
        and _after_it_came_back(facts, device, medium, wipe)
    ]


def _after_it_came_back(facts: Facts, device: str, medium: MediumIdentity, wipe: Event) -> bool:
    """Refuse a wipe that may be older than the exit of the device in which a stranger's medium came back."""
    left = facts.last_exit(device)
    if left is None or facts.same_drive(medium.id).intersection(left.body["media"]):
        return True
    return facts.follows(wipe, left)


def _contradicted(facts: Facts, wipe: Event) -> bool:
    return any(e.body["wipe"] == wipe.hash and not e.body["agreed"] for e in facts.of("medium.checked"))


def _turned_down(facts: Facts, wipe: Event) -> bool:
    """Tell whether anybody decided that the medium is not to be used again: then it is wiped anew or goes that way."""
    return any(
        e.body["wipe"] == wipe.hash and not (e.body["accepted"] and e.body["destination"] == "reuse")
        for e in facts.of("medium.accepted")
    )


def _checked(facts: Facts, wipe: Event, policy: Policy) -> bool:
    """Tell whether a second person agreed: both signed in, both in a role that may, and not the same.

    Where policy says so they did it at two stations: root on one can write two people's names.
    """
    return any(
        e.body["wipe"] == wipe.hash and e.body["agreed"] and second_person(facts, wipe, e, CHECKERS)
        for e in facts.of("medium.checked")
        if e.origin != wipe.origin or not policy.other_station
    )


def _accepted(facts: Facts, wipe: Event) -> bool:
    """Tell whether a supervisor who is not the wiper accepted the wipe."""
    return any(
        e.body["wipe"] == wipe.hash and e.body["accepted"] and second_person(facts, wipe, e, DECIDERS)
        for e in facts.of("medium.accepted")
    )


def _why_no_wipe_counts(facts: Facts, device: str, medium: MediumIdentity, wanted: Claim) -> Reason:
    """Return the most telling reason, for people: they wipe again in every case."""
    name, call = medium.id, _call(medium)
    wipes = facts.wipes(name)
    after = exit_of(facts, name)
    current = latest_per_origin(e for e in wipes if e.body["after"] == after and e.body["outcome"] != "NOT_RUN")
    if not current and any(e.body["outcome"] == "DONE" for e in wipes):
        text = f"{call} was wiped, but not since it last left our custody; wipe it again"
        return Reason("wipe-before-exit", text, name)
    if not current:
        return Reason("not-wiped", f"{call} has no wipe that succeeded; wipe it", name)
    if any(_contradicted(facts, e) for e in current):
        return Reason("check-disagreed", f"{call}: somebody who checked the wipe did not agree; wipe it again", name)
    if any(_turned_down(facts, e) for e in current):
        text = f"{call}: somebody decided that it is not to be used again; wipe it again, or let it go that way"
        return Reason("turned-down", text, name)
    done = [e for e in current if e.body["outcome"] == "DONE"]
    if not done:
        text = f"{call}: the last wipe was not shown to succeed (UNKNOWN); keep it apart and wipe it again"
        return Reason("wipe-unknown", text, name)
    if not any(_after_it_came_back(facts, device, medium, e) for e in done):
        text = f"{call} did not leave with {device} but is in it now; its wipe may be older: wipe it again here"
        return Reason("medium-stranger", text, name)
    best = max((Claim(e.body["claim"]) for e in done), key=lambda claim: claim.rank)
    return Reason("claim-too-low", f"{call} is wiped to {best}; {wanted} is asked", name)


def _call(medium: MediumIdentity) -> str:
    number = medium.serial or medium.wwn
    return f"{medium.model or medium.transport or 'medium'} …{number[-4:]}" if number else "a medium"
