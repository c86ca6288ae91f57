"""What the bench does with an order: every one ends in a sentence, and none in an exception.

Arming is where the wrong drive is kept from being wiped: somebody types the last four of the serial, read off the drive
itself; that arms that very medium (identity and disk sequence number) for a minute, and `start` counts for it only.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import wipe_profiles
from custody.errors import CustodyError
from labels import codes
from station.bays_berth import ARMED_FOR, MOST_WRONG, WAIT_AFTER_WRONG, Armed, Berth, cancel_words, type_what
from station.bays_children import Child
from station.bays_codes import trouble
from station.bays_memory import Memory, Unsettled
from station.bays_state import Tile
from station.errors import StationError
from station.media import Medium
from station.orders import Answer, Order

HEX = frozenset("0123456789abcdef")


class Desk(Protocol):
    """What orders need of the bench. Times in seconds of the monotonic clock."""

    memory: Memory
    berths: list[Berth]

    def berth(self, name: str) -> Berth | None:
        """Return a bay by its name."""
        ...

    def there(self, berth: Berth) -> Medium | None:
        """Return the drive that is in the bay at this moment, read afresh."""
        ...

    def child(self, berth: Berth) -> Child | None:
        """Return the child that works on the drive in a bay."""
        ...

    def tile(self, berth: Berth) -> Tile:
        """Return the bay's tile."""
        ...

    def queue(self, berth: Berth, order: Mapping[str, Any]) -> None:
        """Have an armed drive wiped as soon as its turn comes."""
        ...

    def look(self, berth: Berth) -> None:
        """Have the drive in a bay looked at afresh."""
        ...

    def supervisor(self, order: Order, entry: Unsettled) -> str:
        """Return the reference of the supervisor who orders; raises GuardRefused or UsageError when it is none."""
        ...

    def monotonic(self) -> float:
        """Return the time."""
        ...


def obey(desk: Desk, order: Order) -> Answer:
    """Do what an order says, or say why not."""
    try:
        if order.kind == "resolve":
            return _resolve(desk, order)
        berth = desk.berth(order.bay)
        if berth is None:
            return Answer(False, f"There is no bay called {order.bay!r} here. Nothing was done.")
        return _KINDS[order.kind](desk, berth, order)
    except (StationError, CustodyError) as error:
        return Answer(False, f"{error}. Nothing was done.")


def _arm(desk: Desk, berth: Berth, order: Order) -> Answer:
    now, seen = desk.monotonic(), desk.tile(berth)
    name = berth.bay.name
    if berth.medium is None:
        return Answer(False, f"{name} is empty. Nothing was done.")
    if now < berth.wait_until:
        return Answer(False, f"{trouble('E27').title}. {trouble('E27').sentence}")
    if "arm" not in seen.can and seen.state != "armed":
        return Answer(False, f"{name} cannot be armed now: {seen.word}. {seen.instruction}")
    there = desk.there(berth)
    if there is None or not _same(there, berth.medium):
        return Answer(False, f"Another drive is in {name} than a moment ago. Nothing was done; look at it again.")
    if not there.confirmed_by(order.typed):
        berth.wrong, berth.armed = berth.wrong + 1, None
        if berth.wrong % MOST_WRONG == 0:
            berth.wait_until = now + WAIT_AFTER_WRONG
        what = type_what(there)
        return Answer(False, f"That is not the drive in {name} ({berth.wrong} wrong so far). Type: {what}")
    berth.armed = Armed(there, order.typed, now + ARMED_FOR)
    return Answer(True, f"{name} is armed for {ARMED_FOR:.0f} seconds: press start.")


def _same(one: Medium, other: Medium) -> bool:
    return (one.identity, one.sequence, one.path) == (other.identity, other.sequence, other.path)


def _start(desk: Desk, berth: Berth, order: Order) -> Answer:
    now, name, armed = desk.monotonic(), berth.bay.name, berth.armed
    if armed is None or now >= armed.until:
        berth.armed = None
        return Answer(False, f"{name} is not armed: type the last four first. Nothing was done.")
    if desk.child(berth) is not None or berth.queued is not None:
        return Answer(False, f"{name} is at work already. Nothing was done.")
    there = desk.there(berth)
    if there is None or not _same(there, armed.medium):
        berth.armed = None
        return Answer(False, f"The drive in {name} is not the one that was armed. Nothing was done; arm it again.")
    plan = (berth.look or {}).get("plan") or {}
    order_ = _task_order(order, armed, plan)
    missing = _missing(order, plan)
    if missing:
        return Answer(False, missing)
    berth.armed, berth.result = None, None
    desk.queue(berth, {"order": order_, "people": _people(order)})
    return Answer(True, f"{name} starts.")


def _missing(order: Order, plan: Mapping[str, Any]) -> str:
    """Return the sentence about what a person has not said yet, or "". The child asks all of it again."""
    same = not order.profile or order.profile == plan.get("profile")
    signs = bool(order.supervisor_badge.strip())
    if same and plan.get("needs_supervisor") and not order.accept_lower.strip() and not signs:
        wants, reaches = str(plan["wants"]).upper(), plan["reaches"]
        return (
            f"{wants} UNAVAILABLE: {plan['method']} reaches {reaches} only. A supervisor must accept that with "
            "their reference. Nothing was touched."
        )
    if same and plan.get("not_worth_it") and not order.despite_health.strip() and not signs:
        return f"{trouble('E06').title}. {trouble('E06').sentence} Or a supervisor says why it is wiped all the same."
    if order.profile and order.profile not in wipe_profiles.names():
        return f"There is no profile {order.profile!r}; there are: {', '.join(wipe_profiles.names())}."
    if order.exit and (len(order.exit) != 64 or set(order.exit) - HEX):
        return "An exit is the 64 hexadecimal digits from a return slip. Nothing was touched."
    try:
        if order.device:
            codes.parse_slip(order.device)
    except codes.BadCode as error:
        return f"{error}. Nothing was touched."
    return ""


def _task_order(order: Order, armed: Armed, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order as `station.bench.Order` has it; what is not given is as the plan that was shown says."""
    code, answers = None, order.exit or None
    if order.device:
        try:
            code, slip = codes.parse_slip(order.device)
            answers = answers or slip
        except codes.BadCode:
            code = order.device
    return {
        "profile": order.profile or plan.get("profile", ""),
        "operator": order.operator.strip(),
        "confirm": armed.typed,
        "accept_lower": order.accept_lower.strip(),
        "despite_health": order.despite_health.strip(),
        "device": code,
        "answers": answers,
    }


def _people(order: Order) -> dict[str, str]:
    """Return the badges and PINs with which the child signs people in; they go nowhere else."""
    return {
        "badge": order.badge,
        "pin": order.pin,
        "supervisor_badge": order.supervisor_badge,
        "supervisor_pin": order.supervisor_pin,
    }


def _cancel(desk: Desk, berth: Berth, order: Order) -> Answer:
    """Cancel; the answer is what really happens now."""
    name, child = berth.bay.name, desk.child(berth)
    if child is None:
        was = berth.queued is not None or berth.armed is not None
        berth.queued, berth.armed = None, None
        return Answer(was, f"Nothing was touched in {name}." if was else f"There is nothing to cancel in {name}.")
    told = child.told
    if told.by_firmware and not told.stoppable:
        return Answer(False, cancel_words(told))
    child.stop(order.operator, desk.monotonic())
    return Answer(True, cancel_words(told))


def _acknowledge(desk: Desk, berth: Berth, order: Order) -> Answer:
    name, medium = berth.bay.name, berth.medium
    if medium is None or desk.child(berth) is not None:
        return Answer(False, f"There is nothing to put away in {name}.")
    entry = desk.memory.relative(medium.identity)
    if entry is not None and entry.why in ("unknown", "destroy"):
        return Answer(False, f"{name} stays red until a supervisor resolves it. Nothing was done.")
    berth.result = None
    if medium.identity.id in desk.memory.settled:
        desk.memory.forget(medium.identity.id)
    desk.look(berth)
    return Answer(True, f"{name} is put away.")


def _resolve(desk: Desk, order: Order) -> Answer:
    """Let a supervisor say what becomes of a drive that is not known to be wiped; nothing ever makes it wiped."""
    berth = next((one for one in _berths(desk, order.medium)), None)
    entry = desk.memory.unsettled.get(order.medium)
    if entry is None and berth is not None and berth.medium is not None:  # known under another name, or another size
        entry = desk.memory.relative(berth.medium.identity)
    if entry is None or entry.why == "running":
        return Answer(False, "No such drive is waiting for a supervisor. Nothing was done.")
    by, name = desk.supervisor(order, entry), entry.identity.id
    if order.how == "again" and entry.code == "E19" and not _whole(desk, entry):
        size = entry.identity.size
        return Answer(
            False,
            f"Not as long as it does not show all of its {size:,} bytes in a bay: part of it may be hidden. Switch it "
            "off and on, or have it destroyed. Nothing was done.",
        )
    if entry.event:
        desk.memory.resolve(name, entry.event)
    if order.how == "destroy":
        words = (*entry.sentences, f"To be destroyed, says supervisor {by}.")
        desk.memory.change(name, why="destroy", code="E29", by=by, sentences=words)
        return Answer(True, f"{trouble('E29').title}. {trouble('E29').sentence}")
    desk.memory.change(name, why="again", by=by)
    if berth is not None:
        berth.result = None
        desk.look(berth)
    return Answer(True, "It may be wiped again: type its last four. Until then it counts as full of somebody's data.")


def _whole(desk: Desk, entry: Unsettled) -> bool:
    """Tell whether a drive that showed less is in a bay and shows everything again."""
    here = (one.medium.identity for one in desk.berths if one.medium is not None)
    return any(entry.same_drive(one) or (entry.resized(one) and one.size > entry.identity.size) for one in here)


def _berths(desk: Desk, medium: str) -> list[Berth]:
    return [one for one in desk.berths if one.medium is not None and one.medium.identity.id == medium]


_KINDS: Mapping[str, Callable[[Desk, Berth, Order], Answer]] = MappingProxyType(
    {"arm": _arm, "start": _start, "cancel": _cancel, "acknowledge": _acknowledge}
)
