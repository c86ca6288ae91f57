"""The things of a loan, each with its own clock and state: device, charger, case, SIM, router.

What this module promises:

- a thing that is wanted stands in the loan from the start, so that nothing is forgotten on the table; a device that
  is wanted has no label yet, and takes one when it is scanned;
- an item without a day of its own follows the loan's day; one may have its own day, or none at all;
- a loan that was out is closed when nothing of it is out or wanted any more, and not before;
- chargers and the like never touch history: only `loans.hand_over` lets a device out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from lending import steps, tables
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import ItemDetail, SimCard
from lending.people import Actor, need
from lending.record import storable

KINDS: Mapping[str, str] = {
    "device": "Device",
    "charger": "Charger",
    "case": "Case",
    "bag": "Bag",
    "mouse": "Mouse",
    "keyboard": "Keyboard",
    "headset": "Headset",
    "sim": "SIM",
    "router": "Router",
    "dongle": "Internet dongle",
}
STATES: Mapping[str, str] = {
    "reserved": "Wanted",
    "out": "Out",
    "returned": "Back",
    "lost": "Lost",
    "given": "Given",
    "written-off": "Let go",
    "ended": "Ended",
    "cancelled": "Not taken",
}
OPEN = ("reserved", "out")
SOON_DAYS = 14
"""How many days before its day an item's clock turns yellow."""


@dataclass(frozen=True)
class Thing:
    """One item as the desk sees it. `due` is its own day or the loan's; None: for as long as it is needed."""

    id: int
    kind: str
    device: str | None
    label: str
    state: str
    due: date | None
    own_clock: bool
    prepared: bool
    reserved_at: datetime | None
    out_at: datetime | None
    closed_at: datetime | None
    how: str
    replaces: int | None
    sim: str
    network: str
    allowance: str

    @property
    def name(self) -> str:
        """Return what it is, in words."""
        return self.label or KINDS.get(self.kind, self.kind)

    def late(self, today: date) -> bool:
        """Tell whether it is out past its day."""
        return self.state == "out" and self.due is not None and self.due < today


def things(tx: Tx, loan: str) -> list[Thing]:
    """Return every item of a loan with its clock, in the order in which they were wanted."""
    query = (
        select(tables.LoanItem, ItemDetail, SimCard.digits, tables.LoanRow.due)
        .join(tables.LoanRow, tables.LoanRow.ref == tables.LoanItem.loan)
        .outerjoin(ItemDetail, ItemDetail.item_id == tables.LoanItem.id)
        .outerjoin(SimCard, SimCard.item_id == tables.LoanItem.id)
        .where(tables.LoanItem.loan == loan)
        .order_by(tables.LoanItem.id)
    )
    return [_thing(*row) for row in tx.s.execute(query).all()]


def due_of(tx: Tx, item: int) -> date | None:
    """Return the day on which one item is due, None for as long as needed.

    Raises `Refused` `unknown-item`.
    """
    row = tx.s.get(tables.LoanItem, item)
    if row is None:
        raise refused("unknown-item", f"there is no item {item}", str(item))
    found = tx.s.get(ItemDetail, item)
    return _due(found, tx.s.get_one(tables.LoanRow, row.loan).due)


def want(tx: Tx, loan: str, kind: str, by: Actor, now: datetime, label: str = "") -> int:
    """Add something to a loan that is to go out with it; return the item's number. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `kind`.
    """
    need(by, "desk", "supervisor")
    open_loan(tx, loan)
    if kind not in KINDS:
        raise refused("kind", f"{kind[:20]!r} is nothing we lend; choose one of {', '.join(KINDS.values())}", "kind")
    row = add(tx, loan, kind, storable(" ".join(label.split()), 80), now)
    steps.note(tx, loan, "item", f"{label.strip() or KINDS[kind]} is wanted", by, now)
    return row.id


def add(tx: Tx, loan: str, kind: str, label: str, now: datetime, replaces: int | None = None) -> tables.LoanItem:
    """Add a wanted item without asking anything; for other use cases."""
    row = tables.LoanItem(
        loan=loan, kind=kind, device=None, label=label, network=None, allowance=None, state="reserved",
        reserved_at=now, out_at=None, exit=None, closed_at=None, closed_how=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    if replaces is not None:
        detail(tx, row.id).replaces = replaces
    return row


def wanted_device(tx: Tx, loan: str) -> tables.LoanItem | None:
    """Return the oldest device that is wanted here and has no label yet."""
    item = tables.LoanItem
    query = select(item).where(
        item.loan == loan, item.kind == "device", item.device.is_(None), item.state == "reserved"
    )
    return tx.s.scalar(query.order_by(item.id).limit(1))


def prepare(tx: Tx, loan: str, item: int, ready: bool, by: Actor, now: datetime) -> None:
    """Say that a thing lies packed for its household, or no longer does. Volunteer, desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `not-wanted`, `no-device` (scan it), `no-sim` (scan it).
    """
    need(by, "volunteer", "desk", "supervisor")
    row = own(tx, loan, item)
    if row.state != "reserved":
        raise refused("not-wanted", f"{_name(row)} of loan {loan} is not waiting to be packed", loan)
    if ready and row.kind == "device" and row.device is None:
        raise refused("no-device", "scan the device's label: then it is packed for this loan", loan)
    if ready and row.kind == "sim" and _sim(tx, row.id) is None:
        raise refused("no-sim", "scan or type the last digits of the SIM: then it is packed for this loan", loan)
    detail(tx, row.id).prepared_at = now if ready else None
    tx.s.flush()


def hand_out(tx: Tx, loan: str, item: int, by: Actor, now: datetime) -> None:
    """Let a charger, case or router go out. Devices go by `loans.hand_over`, SIMs by `sims.hand_out`.

    Desk or supervisor. Raises `Refused`: `role`, `unknown-item`, `loan-closed`, `not-wanted`, `wrong-way`.
    """
    need(by, "desk", "supervisor")
    row = own(tx, loan, item)
    open_loan(tx, loan)
    if row.kind in ("device", "sim"):
        raise refused("wrong-way", f"a {KINDS[row.kind].lower()} has rules of its own: hand it over by its code", loan)
    let_out(tx, row, now)
    steps.note(tx, loan, "out", f"{_name(row)} went out", by, now)


def let_out(tx: Tx, row: tables.LoanItem, now: datetime) -> None:
    """Mark an item that is no device as out. Raises `Refused` `not-wanted`."""
    if row.state != "reserved" or row.kind == "device":
        raise refused("not-wanted", f"{_name(row)} of loan {row.loan} is not waiting to go out", row.loan)
    row.state, row.out_at = "out", now
    tx.s.get_one(tables.LoanRow, row.loan).state = "out"
    tx.s.flush()


def take_in(tx: Tx, loan: str, item: int, by: Actor, now: datetime) -> None:
    """Say that a charger, case, router or SIM is back. Volunteer, desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `not-out`, `wrong-way` for a device (receive it by its label).
    """
    need(by, "volunteer", "desk", "supervisor")
    row = own(tx, loan, item)
    if row.kind == "device":
        raise refused("wrong-way", "a device is received by scanning its label: that is what closes its loan", loan)
    end_item(tx, row, "returned", "returned", now)
    steps.note(tx, loan, "back", f"{_name(row)} is back", by, now)


def not_taken(tx: Tx, loan: str, item: int, by: Actor, now: datetime) -> None:
    """Take something off the list before it went out. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `not-wanted`.
    """
    need(by, "desk", "supervisor")
    row = own(tx, loan, item)
    if row.state != "reserved":
        raise refused("not-wanted", f"{_name(row)} of loan {loan} is {STATES[row.state].lower()} already", loan)
    _free_sim(tx, row.id)
    row.state, row.closed_at, row.closed_how = "cancelled", now, "cancelled"
    tx.s.flush()
    close_if_done(tx, loan, now)
    steps.note(tx, loan, "item", f"{_name(row)} is not wanted after all", by, now)


def set_clock(tx: Tx, loan: str, item: int, until: date | None, by: Actor, now: datetime, *, open_ended: bool) -> None:
    """Give an item a day of its own, no day at all (`open_ended`), or the loan's day again. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `ended`, `date` (in the past).
    """
    need(by, "desk", "supervisor")
    row = own(tx, loan, item)
    if row.state not in OPEN:
        was = STATES[row.state].lower()
        raise refused("ended", f"{_name(row)} of loan {loan} is {was}: its clock has stopped", loan)
    if until is not None and until < now.date():
        raise refused("date", f"{until:%d %B %Y} is in the past; choose a day from today on", "due")
    found = detail(tx, row.id)
    found.due, found.open_ended = (None if open_ended else until), open_ended
    words = "for as long as it is needed" if open_ended else f"until {until.day} {until:%B %Y}" if until else ""
    steps.note(tx, loan, "clock", f"{_name(row)} {words or 'follows the day of the whole loan'}", by, now)


def came_back(tx: Tx, loan: str, counts: Mapping[str, int], now: datetime) -> None:
    """Mark as many chargers, bags and so on as were counted with a returned device as back, oldest first."""
    for kind, number in counts.items():
        if kind in KINDS and kind not in ("device", "sim") and number > 0:
            item = tables.LoanItem
            query = select(item).where(item.loan == loan, item.kind == kind, item.state == "out").order_by(item.id)
            for row in tx.s.scalars(query.limit(number)).all():
                end_item(tx, row, "returned", "returned", now)


def end_item(tx: Tx, row: tables.LoanItem, state: str, how: str, now: datetime) -> None:
    """End an item that is no device and is out; close the loan if it was the last. Raises `Refused` `not-out`."""
    if row.state != "out" or row.kind == "device":
        raise refused("not-out", f"{_name(row)} of loan {row.loan} is not out", row.loan)
    row.state, row.closed_at, row.closed_how = state, now, how
    card = _sim(tx, row.id)
    if card is not None:
        card.state = "stock" if how == "unused" else how if how in ("lost", "stolen") else "ended"
    tx.s.flush()
    close_if_done(tx, row.loan, now)


def close_if_done(tx: Tx, loan: str, now: datetime) -> None:
    """Close a loan that was out and of which nothing is out or wanted any more."""
    item = tables.LoanItem
    still = select(item.id).where(item.loan == loan, item.state.in_(OPEN)).limit(1)
    row = tx.s.get_one(tables.LoanRow, loan)
    if row.state == "out" and tx.s.scalar(still) is None:
        row.state, row.closed_at = "closed", now
        tx.s.flush()


def own(tx: Tx, loan: str, item: int) -> tables.LoanItem:
    """Return an item of this very loan. Raises `Refused` `unknown-item`."""
    row = tx.s.get(tables.LoanItem, item)
    if row is None or row.loan != loan:
        raise refused("unknown-item", f"loan {loan[:20]} has no such item", loan)
    return row


def open_loan(tx: Tx, loan: str) -> tables.LoanRow:
    """Return a loan that is not closed. Raises `Refused`: `unknown-loan`, `loan-closed`."""
    row = tx.s.get(tables.LoanRow, loan)
    if row is None:
        raise refused("unknown-loan", f"there is no loan {loan[:20]!r}", loan)
    if row.state == "closed":
        raise refused("loan-closed", f"loan {loan} is closed; approve a new referral for a new loan", loan)
    return row


def detail(tx: Tx, item: int) -> ItemDetail:
    """Return the clock of an item, making it at first use."""
    found = tx.s.get(ItemDetail, item)
    if found is None:
        found = ItemDetail(item_id=item, due=None, open_ended=False, prepared_at=None, replaces=None, how=None)
        tx.s.add(found)
        tx.s.flush()
    return found


def _thing(row: tables.LoanItem, found: ItemDetail | None, digits: str | None, loan_due: date | None) -> Thing:
    return Thing(
        id=row.id, kind=row.kind, device=row.device, label=row.label, state=row.state, due=_due(found, loan_due),
        own_clock=found is not None and (found.due is not None or found.open_ended),
        prepared=found is not None and found.prepared_at is not None, reserved_at=row.reserved_at, out_at=row.out_at,
        closed_at=row.closed_at, how=(found.how if found else None) or row.closed_how or "",
        replaces=found.replaces if found else None, sim=digits or "", network=row.network or "",
        allowance=row.allowance or "",
    )  # fmt: skip


def _due(found: ItemDetail | None, loan_due: date | None) -> date | None:
    if found is not None and (found.open_ended or found.due is not None):
        return found.due
    return loan_due


def _name(row: tables.LoanItem) -> str:
    return row.label or KINDS.get(row.kind, row.kind)


def _sim(tx: Tx, item: int) -> SimCard | None:
    return tx.s.scalar(select(SimCard).where(SimCard.item_id == item))


def _free_sim(tx: Tx, item: int) -> None:
    card = _sim(tx, item)
    if card is not None:
        card.state, card.item_id = "stock", None
