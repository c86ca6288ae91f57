"""How a device's loan goes on or ends other than by coming back whole: swap, repair, lost, stolen, let go, gift.

What this module promises:

- the loan is the household's, not the device's: a swap or a repair keeps it, and wants another device at once;
- nobody is blamed: lost, stolen and let go are words for our shelf, none for a person;
- what comes in for a swap or a repair is received like any other device, and wiped before it goes anywhere;
- a device is given only where the programme gives, while it is out with the household, and for good.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from labels.codes import pretty
from lending import loan_items, loans, steps, tables
from lending.caches import report_of
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import ItemDetail
from lending.people import Actor, need

SWAP_DAYS = 14
HOWS: Mapping[str, str] = {
    "lost": "Lost",
    "stolen": "Stolen",
    "written-off": "Let go: we do not ask for it back",
}
_RECORDED = {"lost": "lost", "stolen": "lost", "written-off": "written-off"}
"""How the signed history calls each: it has no word for a theft, and need not."""


@dataclass(frozen=True)
class Gift:
    """A device that was given for good, for its certificate. No person is named in it."""

    loan: str
    device: str
    label: str
    given_at: datetime


def swap(
    tx: Tx, loan: str, device: str, in_hand: bool, why: str, by: Actor, now: datetime, condition: str = "",
    items: Mapping[str, int] | None = None, back_by: date | None = None,
) -> int:  # fmt: skip
    """Exchange a device within its loan: another is wanted at once; return the wanted item's number.

    `in_hand`: the old one is here, and is received. Otherwise it stays out until `back_by` (two weeks, if not said),
    so that nobody is without one. `why` is "swap" or "repair". Desk or supervisor.
    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `not-out`, `date`, `why`.
    """
    need(by, "desk", "supervisor")
    loan_items.open_loan(tx, loan)
    if why not in ("swap", "repair"):
        raise refused("why", "choose an exchange or a repair", "why")
    old = _out(tx, loan, device)
    wanted = loan_items.add(tx, loan, "device", "", now, replaces=old.id)
    loan_items.detail(tx, old.id).how = why
    name = pretty(device)
    if in_hand:
        steps.note(tx, loan, "item", f"{name} came in for {'a repair' if why == 'repair' else 'an exchange'}", by, now)
        loans.take_back(tx, device, by, now, condition, items)
    else:
        until = back_by or now.date() + timedelta(days=SWAP_DAYS)
        loan_items.set_clock(tx, loan, old.id, until, by, now, open_ended=False)
        steps.note(tx, loan, "item", f"{name} is to be exchanged; it comes back after the new one went out", by, now)
    return wanted.id


def end(tx: Tx, loan: str, item: int, how: str, by: Actor, now: datetime) -> None:
    """End an item that does not come back: `lost`, `stolen` or `written-off`. A device: supervisor; else the desk.

    Raises `Refused`: `role`, `unknown-item`, `how`, `not-out`.
    """
    row = loan_items.own(tx, loan, item)
    if how not in HOWS:
        raise refused("how", f"choose one of {', '.join(HOWS.values())}", "how")
    if row.kind == "device":
        need(by, "supervisor")
        loan_items.detail(tx, row.id).how = how
        loans.close(tx, loan, row.device or "", _RECORDED[how], by, now)
        return
    need(by, "desk", "supervisor")
    loan_items.end_item(tx, row, _RECORDED[how], how, now)
    steps.note(tx, loan, "back", f"{row.label or loan_items.KINDS[row.kind]}: {HOWS[how].lower()}", by, now)


def give(tx: Tx, loan: str, device: str, by: Actor, now: datetime, *, gifts: bool) -> Gift:
    """Let a device that is out stay with the household for good, with what went along with it. Supervisor.

    `gifts` is the programme's setting. Raises `Refused`: `role`, `gifts-off`, `not-out`, `reported` (on its way back).
    """
    need(by, "supervisor")
    row = _out(tx, loan, device)
    if report_of(tx, device) is not None:
        raise refused("reported", f"{pretty(device)} was reported returned; receive it or set the report aside", device)
    loans.close(tx, loan, device, "given", by, now, gifts=gifts)
    for other in _alongside(tx, loan):
        loan_items.end_item(tx, other, "given", "given", now)
    return Gift(loan, device, row.label, now)


def gift(tx: Tx, loan: str, device: str, by: Actor) -> Gift:
    """Return a gift for its certificate. Raises `Refused`: `role`, `unknown-loan`, `unknown-gift`."""
    found = loans.get(tx, by, loan)
    row = next((one for one in found.items if one.device == device and one.state == "given"), None)
    if row is None or row.closed_at is None:
        raise refused("unknown-gift", f"{device[:20]} was not given on loan {loan}", device)
    return Gift(found.ref, device, row.label, row.closed_at)


def _out(tx: Tx, loan: str, device: str) -> tables.LoanItem:
    item = tables.LoanItem
    row = tx.s.scalar(select(item).where(item.loan == loan, item.device == device, item.state == "out"))
    if row is None:
        raise refused("not-out", f"{pretty(device)} is not out on loan {loan}", device)
    return row


def _alongside(tx: Tx, loan: str) -> list[tables.LoanItem]:
    """Return the chargers and bags that stay with the last device of a loan; none while another device is out."""
    item = tables.LoanItem
    rows = tx.s.scalars(select(item).where(item.loan == loan, item.state.in_(loan_items.OPEN))).all()
    if any(row.kind == "device" for row in rows):
        return []
    own = set(tx.s.scalars(select(ItemDetail.item_id).where(ItemDetail.due.is_not(None))))
    return [row for row in rows if row.state == "out" and row.kind != "sim" and row.id not in own]
