"""The rounds of the van: slots of time in which donors are visited, and how many places are left in each."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from custody.errors import Reason, Refused
from lending.db import Tx
from lending.donor_tables import DonorCollection, DonorSlot
from lending.errors import refused
from lending.people import Actor, need
from lending.record import storable
from lending.slots import wrong_times

MOST_PLACES = 20
LARGEST = 2**31
"""Numbers of rows are below it; PostgreSQL refuses larger ones."""


@dataclass(frozen=True)
class Place:
    """One slot of a round, and how many of its places are left."""

    id: int
    round: str
    day: date
    starts: str
    ends: str
    places: int
    left: int
    closed: bool


def open_slots(
    tx: Tx, round_: str, day: date | None, starts: str, ends: str, places: int, weeks: int, by: Actor, now: datetime
) -> int:
    """Open a slot of a round, and the same in each of the next `weeks` - 1 weeks; return how many were new.

    Desk or supervisor. Raises `Refused`: `role`, and one reason per field that is wrong.
    """
    need(by, "desk", "supervisor")
    reasons = _wrong(round_, day, starts, ends, places, weeks, now)
    if reasons or day is None:
        raise Refused(reasons)
    made, round_ = 0, storable(" ".join(round_.split()))
    for when in (day + timedelta(weeks=week) for week in range(weeks)):
        row = DonorSlot
        if tx.s.scalar(select(row.id).where(row.round == round_, row.day == when, row.starts == starts)) is None:
            tx.s.add(
                row(
                    round=round_, day=when, starts=starts, ends=ends, places=places, closed=False, created_at=now
                )
            )  # fmt: skip
            made += 1
    tx.s.flush()
    return made


def slots(tx: Tx, first: date, last: date) -> list[Place]:
    """Return the slots of these days, each with its places left."""
    query = select(DonorSlot).where(DonorSlot.day >= first, DonorSlot.day <= last)
    rows = tx.s.scalars(query.order_by(DonorSlot.day, DonorSlot.starts, DonorSlot.round)).all()
    return [place(tx, row) for row in rows]


def close_slot(tx: Tx, number: int, closed: bool, by: Actor) -> None:
    """Take no more visits in a slot, or take them again. Desk or supervisor. Raises `Refused`."""
    need(by, "desk", "supervisor")
    slot(tx, number).closed = closed
    tx.s.flush()


def taken(tx: Tx, number: int) -> int:
    """Return how many visits have a place in a slot."""
    query = select(func.count()).select_from(DonorCollection)
    row = DonorCollection
    return tx.s.scalar(query.where(row.slot_id == number, row.state.in_(("booked", "done")))) or 0


def slot(tx: Tx, number: int) -> DonorSlot:
    """Return a slot's row. Raises `Refused` `unknown-slot`."""
    row = tx.s.get(DonorSlot, number) if number < LARGEST else None
    if row is None:
        raise refused("unknown-slot", f"there is no slot {number}", "slot")
    return row


def place(tx: Tx, row: DonorSlot) -> Place:
    """Return a slot as it is shown."""
    left = max(0, row.places - taken(tx, row.id))
    return Place(row.id, row.round, row.day, row.starts, row.ends, row.places, left, row.closed)


def _wrong(
    round_: str, day: date | None, starts: str, ends: str, places: int, weeks: int, now: datetime
) -> list[Reason]:
    text = "Enter the name of the round, up to 80 characters"
    name = [] if 1 <= len(round_.strip()) <= 80 else [Reason("form", text, "round")]
    return [*name, *wrong_times(day, starts, ends, places, weeks, now, who="visits", most=MOST_PLACES)]
