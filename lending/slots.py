"""When and where households collect, or are delivered to: slots with so many places, and who has one.

What this module promises:

- a slot never holds more households than it has places: it is counted under the one lock, in the same transaction;
- a loan has at most one booking that stands; booking again moves it, and the old place is free at once;
- a delivery that failed says why, in one of a few words and without blame, and is offered another slot;
- the address of a delivery is sealed, is asked for only where something is delivered, and is erased when the
  booking ends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from custody.errors import Reason, Refused
from lending import loan_items, steps
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import Booking, Slot
from lending.people import Actor, need
from lending.record import storable

PURPOSE = "booking"
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
MOST_PLACES, MOST_WEEKS = 200, 26
KINDS: Mapping[str, str] = {"collection": "Collection", "delivery": "Delivery"}
STATES: Mapping[str, str] = {
    "booked": "Booked",
    "done": "Done",
    "failed": "Did not happen",
    "moved": "Moved",
    "cancelled": "Cancelled",
}
WHY_FAILED: Mapping[str, str] = {
    "nobody-there": "Nobody was there",
    "not-found": "The address was not found",
    "no-access": "The building could not be entered",
    "not-safe": "It did not seem safe to hand over",
    "asked": "The household asked for another day",
    "device": "Something was wrong with the device",
    "driver": "We could not come",
}
"""Without blame: none of them says whose fault it was."""


@dataclass(frozen=True)
class Place:
    """One slot and how many of its places are left."""

    id: int
    kind: str
    where: str
    day: date
    starts: str
    ends: str
    places: int
    left: int
    closed: bool


@dataclass(frozen=True)
class Booked:
    """One loan's place in a slot. `why` says why it did not happen."""

    id: int
    loan: str
    state: str
    why: str
    slot: Place
    has_address: bool


def open_slots(
    tx: Tx, kind: str, where: str, day: date | None, starts: str, ends: str, places: int, weeks: int, by: Actor,
    now: datetime,
) -> int:  # fmt: skip
    """Open a slot, and the same one in each of the next `weeks` - 1 weeks; return how many were new.

    Desk or supervisor. Raises `Refused`: `role`, and one reason per field that is wrong.
    """
    need(by, "desk", "supervisor")
    reasons = _wrong(kind, where, day, starts, ends, places, weeks, now)
    if reasons or day is None:
        raise Refused(reasons)
    made = 0
    where = storable(" ".join(where.split()))
    for week in range(weeks):
        when = day + timedelta(weeks=week)
        same = select(Slot.id).where(Slot.kind == kind, Slot.place == where, Slot.day == when, Slot.starts == starts)
        if tx.s.scalar(same) is None:
            tx.s.add(
                Slot(
                    kind=kind, place=where, day=when, starts=starts, ends=ends, places=places, closed=False,
                    created_at=now,
                )
            )  # fmt: skip
            made += 1
    tx.s.flush()
    return made


def slots(tx: Tx, first: date, last: date | None = None, kind: str = "") -> list[Place]:
    """Return the slots from one day on (to another), each with its places left, by day and time."""
    query = select(Slot).where(Slot.day >= first)
    if last is not None:
        query = query.where(Slot.day <= last)
    if kind:
        query = query.where(Slot.kind == kind)
    rows = tx.s.scalars(query.order_by(Slot.day, Slot.starts, Slot.place)).all()
    taken = _taken(tx, [row.id for row in rows])
    return [_place(row, taken.get(row.id, 0)) for row in rows]


def close_slot(tx: Tx, slot: int, closed: bool, by: Actor) -> None:
    """Take no more bookings in a slot, or take them again. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-slot`.
    """
    need(by, "desk", "supervisor")
    _slot(tx, slot).closed = closed
    tx.s.flush()


def book(tx: Tx, loan: str, slot: int, by: Actor, now: datetime, address: str = "") -> int:
    """Give a loan a place in a slot, moving it from the one it had; return the booking's number. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `unknown-slot`, `slot-closed`, `slot-past`,
    `slot-full`, `address` (a delivery needs one).
    """
    need(by, "desk", "supervisor")
    loan_items.open_loan(tx, loan)
    row = _slot(tx, slot)
    old = _standing(tx, loan)
    if reasons := _against(tx, row, old, address, now):
        raise Refused(reasons)
    if old is not None:
        _end(old, "moved", now)
        tx.s.flush()
    made = Booking(slot_id=row.id, loan=loan, state="booked", why=None, sealed=None, made_at=now, ended_at=None)
    tx.s.add(made)
    try:
        tx.s.flush()
    except IntegrityError as error:
        raise refused("booked", f"loan {loan} has a place already; look at it again", loan) from error
    if row.kind == "delivery":
        made.sealed = tx.vault.seal(PURPOSE, str(made.id), {"address": storable(address.strip(), 400)})
    words = f"{KINDS[row.kind]} booked: {row.place}, {row.day.day} {row.day:%B}, {row.starts} to {row.ends}"
    steps.note(tx, loan, "booking", words, by, now)
    return made.id


def cancel(tx: Tx, loan: str, by: Actor, now: datetime) -> None:
    """Give a loan's place up. Desk or supervisor. Raises `Refused`: `role`, `not-booked`."""
    need(by, "desk", "supervisor")
    _end(_must_stand(tx, loan), "cancelled", now)
    steps.note(tx, loan, "booking", "The booking was cancelled", by, now)


def done(tx: Tx, loan: str, by: Actor, now: datetime) -> None:
    """Say that the household came, or was delivered to. Desk, supervisor or volunteer. Raises `Refused`."""
    need(by, "desk", "supervisor", "volunteer")
    row = _must_stand(tx, loan)
    _end(row, "done", now)
    steps.note(tx, loan, "booking", f"{KINDS[_slot(tx, row.slot_id).kind]} done", by, now)


def failed(tx: Tx, loan: str, why: str, by: Actor, now: datetime) -> None:
    """Say that a collection or delivery did not happen, and why. The loan stays; book another slot.

    Desk, supervisor or volunteer. Raises `Refused`: `role`, `not-booked`, `why`.
    """
    need(by, "desk", "supervisor", "volunteer")
    if why not in WHY_FAILED:
        raise refused("why", "choose what happened", "why")
    row = _must_stand(tx, loan)
    row.why = why
    _end(row, "failed", now)
    kind = KINDS[_slot(tx, row.slot_id).kind].lower()
    steps.note(tx, loan, "booking", f"The {kind} did not happen: {WHY_FAILED[why].lower()}", by, now)


def booking(tx: Tx, loan: str) -> Booked | None:
    """Return the newest booking of a loan, None where it has none."""
    row = tx.s.scalar(select(Booking).where(Booking.loan == loan).order_by(Booking.id.desc()).limit(1))
    return _booked(tx, row) if row is not None else None


def on_day(tx: Tx, day: date) -> list[Booked]:
    """Return the bookings that stand for a day, by time."""
    query = (
        select(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Slot.day == day, Booking.state == "booked")
        .order_by(Slot.starts, Slot.place, Booking.id)
    )
    return [_booked(tx, row) for row in tx.s.scalars(query).all()]


def count_on_day(tx: Tx, day: date) -> int:
    """Return how many households are booked for a day."""
    query = select(func.count()).select_from(Booking).join(Slot, Slot.id == Booking.slot_id)
    return tx.s.scalar(query.where(Slot.day == day, Booking.state == "booked")) or 0


def address(tx: Tx, loan: str) -> str:
    """Return where a standing delivery goes; show it only where somebody asked and it is logged."""
    row = _must_stand(tx, loan)
    return tx.vault.open_(PURPOSE, str(row.id), row.sealed)["address"] if row.sealed else ""


def _wrong(
    kind: str, where: str, day: date | None, starts: str, ends: str, places: int, weeks: int, now: datetime
) -> list[Reason]:
    found = {
        "kind": "" if kind in KINDS else "Choose collection or delivery",
        "place": "" if 1 <= len(where.strip()) <= 80 else "Enter the place, or the round, up to 80 characters",
    }
    reasons = [Reason("form", text, field) for field, text in found.items() if text]
    return [*reasons, *wrong_times(day, starts, ends, places, weeks, now, who="households", most=MOST_PLACES)]


def wrong_times(
    day: date | None, starts: str, ends: str, places: int, weeks: int, now: datetime, *, who: str, most: int
) -> list[Reason]:
    """Return a reason for each wrong answer about when slots are and how many fit (`most`); `who` comes, plural."""
    found = {
        "day": "" if day is not None and day >= now.date() else "Enter a day from today on",
        "starts": "" if TIME.fullmatch(starts) else "Enter from when, as 09:30",
        "ends": "" if TIME.fullmatch(ends) and ends > starts else "Enter until when, as 12:00, later than the start",
        "places": "" if 1 <= places <= most else f"Enter how many {who}, 1 to {most}",
        "weeks": "" if 1 <= weeks <= MOST_WEEKS else f"Enter for how many weeks, 1 to {MOST_WEEKS}",
    }
    return [Reason("form", text, field) for field, text in found.items() if text]


def _against(tx: Tx, row: Slot, old: Booking | None, address: str, now: datetime) -> list[Reason]:
    reasons = []
    if row.closed:
        reasons.append(Reason("slot-closed", "this slot takes no more bookings; choose another", "slot"))
    if row.day < now.date():
        reasons.append(Reason("slot-past", f"{row.day:%d %B %Y} is over; choose a later slot", "slot"))
    mine = 1 if old is not None and old.slot_id == row.id else 0
    if _taken(tx, [row.id]).get(row.id, 0) - mine >= row.places:
        reasons.append(Reason("slot-full", f"all {row.places} places of this slot are taken; choose another", "slot"))
    if row.kind == "delivery" and len(address.strip()) < 5:
        reasons.append(Reason("address", "a delivery needs the address to go to; it is kept sealed", "address"))
    return reasons


def _taken(tx: Tx, ids: list[int]) -> dict[int, int]:
    query = (
        select(Booking.slot_id, func.count())
        .where(Booking.slot_id.in_(ids), Booking.state.in_(("booked", "done")))
        .group_by(Booking.slot_id)
    )
    return {row[0]: row[1] for row in tx.s.execute(query)}


def _slot(tx: Tx, slot: int) -> Slot:
    row = tx.s.get(Slot, slot)
    if row is None:
        raise refused("unknown-slot", f"there is no slot {slot}", "slot")
    return row


def _standing(tx: Tx, loan: str) -> Booking | None:
    return tx.s.scalar(select(Booking).where(Booking.loan == loan, Booking.state == "booked"))


def _must_stand(tx: Tx, loan: str) -> Booking:
    row = _standing(tx, loan)
    if row is None:
        raise refused("not-booked", f"loan {loan[:20]} has no place in any slot; book one first", loan)
    return row


def _end(row: Booking, state: str, now: datetime) -> None:
    row.state, row.ended_at, row.sealed = state, now, None


def _booked(tx: Tx, row: Booking) -> Booked:
    slot = _slot(tx, row.slot_id)
    place = _place(slot, _taken(tx, [slot.id]).get(slot.id, 0))
    return Booked(row.id, row.loan, row.state, row.why or "", place, row.sealed is not None)


def _place(row: Slot, taken: int) -> Place:
    left = max(0, row.places - taken)
    return Place(row.id, row.kind, row.place, row.day, row.starts, row.ends, row.places, left, row.closed)
