"""SIMs and mobile data: stock, who got which, when the data ends, and that an adult holds it.

What this module promises:

- a SIM has a clock of its own, whatever the device does: it runs from the day it is handed out for the months it has;
- it is issued to an adult: somebody says "18 or over" at the desk, and without that it does not go out. Nothing is
  asked that proves it (no date of birth). The holder's name is sealed;
- of a SIM's number only the last digits are kept, enough to tell the cards in our drawer apart;
- from `WARN_DAYS` before the end it is on the list of what ends soon, until it is renewed or ended.

Source: National Databank (Good Things Foundation): adults of 18 or over; SIMs of six months.
"""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from custody.errors import Reason, Refused
from lending import loan_items, steps, tables
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import DataPlan, SimCard
from lending.people import Actor, need
from lending.record import storable

PURPOSE = "data plan"
WARN_DAYS = 30
MOST_MONTHS = 36
DIGITS = re.compile(r"[0-9]{4,8}")


@dataclass(frozen=True)
class Stock:
    """How many SIMs of one kind lie in the drawer, and the last digits of each."""

    network: str
    allowance: str
    months: int
    digits: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One stretch of mobile data; `left` is days from today to its last day, negative when it is over."""

    id: int
    item: int
    loan: str
    network: str
    allowance: str
    starts: date
    expires: date
    left: int

    @property
    def soon(self) -> bool:
        """Tell whether it ends within the days of warning, or has ended."""
        return self.left <= WARN_DAYS


def add_stock(
    tx: Tx, digits: Sequence[str], network: str, allowance: str, months: int, use_by: date | None, by: Actor,
    now: datetime,
) -> int:  # fmt: skip
    """Put SIMs in the drawer by their last digits; return how many. All or none. Desk or supervisor.

    Raises `Refused`: `role`, and one reason per thing that is wrong, naming the field or the SIM.
    """
    need(by, "desk", "supervisor")
    reasons = []
    if not 1 <= len(network.strip()) <= 40:
        reasons.append(Reason("form", "Enter the network, up to 40 characters", "network"))
    if not 1 <= len(allowance.strip()) <= 60:
        reasons.append(Reason("form", "Enter what it holds, for example 40 GB a month", "allowance"))
    if not 1 <= months <= MOST_MONTHS:
        reasons.append(Reason("form", f"Enter for how many months, 1 to {MOST_MONTHS}", "months"))
    if use_by is not None and use_by < now.date():
        reasons.append(Reason("form", "The day by which they must be used is in the past", "use_by"))
    if not digits:
        reasons.append(Reason("form", "Enter the last digits of at least one SIM", "digits"))
    seen: set[str] = set()
    for one in digits:
        if not DIGITS.fullmatch(one):
            reasons.append(Reason("form", f"{one[:20]!r} is not 4 to 8 digits: enter only the last ones", "digits"))
        elif one in seen or tx.s.scalar(select(SimCard.id).where(SimCard.digits == one)):
            reasons.append(Reason("form", f"{one} is there already: enter one digit more of it", "digits"))
        seen.add(one)
    if reasons:
        raise Refused(reasons)
    for one in digits:
        tx.s.add(
            SimCard(
                digits=one, network=storable(network.strip()), allowance=storable(allowance.strip()), months=months,
                state="stock", item_id=None, use_by=use_by, created_at=now,
            )
        )  # fmt: skip
    tx.s.flush()
    return len(digits)


def stock(tx: Tx, today: date) -> list[Stock]:
    """Return what lies in the drawer and may still be used, by kind."""
    kinds: dict[tuple[str, str, int], list[str]] = {}
    query = select(SimCard).where(SimCard.state == "stock").order_by(SimCard.digits)
    for card in tx.s.scalars(query):
        if card.use_by is None or card.use_by >= today:
            kinds.setdefault((card.network, card.allowance, card.months), []).append(card.digits)
    return [Stock(*kind, tuple(found)) for kind, found in sorted(kinds.items())]


def counts(tx: Tx) -> dict[str, int]:
    """Return how many SIMs are in which state."""
    rows = tx.s.execute(select(SimCard.state, func.count()).group_by(SimCard.state))
    return {row[0]: row[1] for row in rows}


def keep(tx: Tx, loan: str, digits: str, by: Actor, now: datetime) -> int:
    """Put a SIM from the drawer to a loan, packed; return the item's number. Volunteer, desk or supervisor.

    It takes the place of a SIM that was wanted, or a new one. Raises `Refused`: `role`, `unknown-loan`,
    `loan-closed`, `unknown-sim`, `sim-taken`, `sim-old`.
    """
    need(by, "volunteer", "desk", "supervisor")
    loan_items.open_loan(tx, loan)
    card = tx.s.scalar(select(SimCard).where(SimCard.digits == digits.strip()))
    if card is None:
        raise refused("unknown-sim", f"no SIM ends in {digits.strip()[:20]!r}: add it to the stock first", "digits")
    if card.state != "stock":
        raise refused("sim-taken", f"the SIM that ends in {card.digits} is not in the drawer by our record", "digits")
    if card.use_by is not None and card.use_by < now.date():
        text = f"the SIM that ends in {card.digits} had to be used by {_day(card.use_by)}; take another"
        raise refused("sim-old", text, "digits")
    row = _wanted_sim(tx, loan) or loan_items.add(tx, loan, "sim", "", now)
    row.label, row.network, row.allowance = f"SIM …{card.digits}", card.network, card.allowance
    card.state, card.item_id = "kept", row.id
    loan_items.detail(tx, row.id).prepared_at = now
    words = f"SIM …{card.digits} ({card.network}, {card.allowance}) is kept for this loan"
    steps.note(tx, loan, "item", words, by, now)
    return row.id


def hand_out(tx: Tx, loan: str, item: int, holder: str, adult: bool, by: Actor, now: datetime) -> Plan:
    """Give a SIM to an adult; its months run from today. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `loan-closed`, `no-sim`, `adult`, `holder`, `not-wanted`.
    """
    need(by, "desk", "supervisor")
    row = loan_items.own(tx, loan, item)
    loan_items.open_loan(tx, loan)
    card = tx.s.scalar(select(SimCard).where(SimCard.item_id == item))
    reasons = []
    if row.kind != "sim" or card is None:
        reasons.append(Reason("no-sim", "no SIM is put to this loan yet: type the last digits of one first", "digits"))
    if not adult:
        reasons.append(Reason("adult", "a SIM is only for an adult: somebody of 18 or over must hold it", "adult"))
    if not 1 <= len(holder.strip()) <= 80:
        reasons.append(Reason("holder", "enter the name of the adult who holds it", "holder"))
    if reasons or card is None:
        raise Refused(reasons)
    loan_items.let_out(tx, row, now)
    card.state = "out"
    plan = _plan(tx, row, card.network, card.allowance, card.months, now.date(), holder, now)
    until = _day(plan.expires)
    steps.note(tx, loan, "out", f"{row.label} went out to an adult; its data runs until {until}", by, now)
    return plan


def renew(tx: Tx, loan: str, item: int, months: int, by: Actor, now: datetime) -> Plan:
    """Give a SIM that is out more months, from the end of what it has (from today when that is over).

    Desk or supervisor. Raises `Refused`: `role`, `unknown-item`, `not-out`, `months`.
    """
    need(by, "desk", "supervisor")
    row = loan_items.own(tx, loan, item)
    old = current(tx, item, now.date())
    if row.state != "out" or old is None:
        raise refused("not-out", f"this SIM is not out on loan {loan}, so it has nothing to renew", loan)
    if not 1 <= months <= MOST_MONTHS:
        raise refused("months", f"enter for how many more months, 1 to {MOST_MONTHS}", "months")
    held = tx.s.get_one(DataPlan, old.id)
    who = tx.vault.open_(PURPOSE, str(held.id), held.sealed)["holder"] if held.sealed else ""
    plan = _plan(tx, row, old.network, old.allowance, months, max(old.expires, now.date()), who, now)
    steps.note(tx, loan, "clock", f"{row.label} was renewed until {_day(plan.expires)}", by, now)
    return plan


def end(tx: Tx, loan: str, item: int, how: str, by: Actor, now: datetime) -> None:
    """End a SIM that is out: `ended` (data used up), `returned`, `lost` or `stolen`. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-item`, `how`, `not-out`.
    """
    need(by, "desk", "supervisor")
    states = {"ended": "ended", "returned": "returned", "lost": "lost", "stolen": "lost"}
    if how not in states:
        raise refused("how", f"choose one of {', '.join(states)}", "how")
    row = loan_items.own(tx, loan, item)
    loan_items.end_item(tx, row, states[how], how, now)
    steps.note(tx, loan, "back", f"{row.label or 'The SIM'}: {how}", by, now)


def current(tx: Tx, item: int, today: date) -> Plan | None:
    """Return the plan of an item that ends last, None where it has none."""
    query = select(DataPlan, tables.LoanItem.loan).join(tables.LoanItem, tables.LoanItem.id == DataPlan.item_id)
    row = tx.s.execute(query.where(DataPlan.item_id == item).order_by(DataPlan.expires.desc()).limit(1)).first()
    return _seen(row[0], row[1], today) if row else None


def holder(tx: Tx, item: int, today: date) -> str:
    """Return the name of the adult who holds an item's plan; show it only where somebody asked and it is logged."""
    plan = current(tx, item, today)
    held = tx.s.get_one(DataPlan, plan.id) if plan else None
    return tx.vault.open_(PURPOSE, str(held.id), held.sealed)["holder"] if held is not None and held.sealed else ""


def ending(tx: Tx, today: date, days: int = WARN_DAYS) -> list[Plan]:
    """Return the plans of SIMs that are out and end within so many days, or have ended, the first to end first."""
    query = _ending(today, days).add_columns(tables.LoanItem.loan).order_by(DataPlan.expires, DataPlan.id)
    return [_seen(row, loan, today) for row, loan in tx.s.execute(query).all()]


def ending_count(tx: Tx, today: date, days: int = WARN_DAYS) -> int:
    """Return how many plans `ending` lists, without reading them."""
    return tx.s.scalar(select(func.count()).select_from(_ending(today, days).subquery())) or 0


def _ending(today: date, days: int) -> Select[DataPlan]:
    """Select the last plan of each SIM that is out, where it ends soon."""
    later = aliased(DataPlan)
    after = select(later.id).where(later.item_id == DataPlan.item_id, later.expires > DataPlan.expires)
    return (
        select(DataPlan)
        .join(tables.LoanItem, tables.LoanItem.id == DataPlan.item_id)
        .where(
            tables.LoanItem.state == "out",
            DataPlan.expires <= date.fromordinal(today.toordinal() + days),
            ~after.exists(),
        )
    )


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _plan(
    tx: Tx, row: tables.LoanItem, network: str, allowance: str, months: int, starts: date, holder: str, now: datetime
) -> Plan:
    made = DataPlan(
        item_id=row.id, network=network, allowance=allowance, months=months, starts=starts,
        expires=add_months(starts, months), sealed=None, made_at=now,
    )  # fmt: skip
    tx.s.add(made)
    tx.s.flush()
    if holder.strip():
        made.sealed = tx.vault.seal(PURPOSE, str(made.id), {"holder": storable(" ".join(holder.split()))})
    found = loan_items.detail(tx, row.id)
    found.due, found.open_ended = made.expires, False
    tx.s.flush()
    return _seen(made, row.loan, now.date())


def _seen(row: DataPlan, loan: str, today: date) -> Plan:
    left = (row.expires - today).days
    return Plan(row.id, row.item_id, loan, row.network, row.allowance, row.starts, row.expires, left)


def _wanted_sim(tx: Tx, loan: str) -> tables.LoanItem | None:
    item = tables.LoanItem
    taken = select(SimCard.item_id).where(SimCard.item_id == item.id)
    query = select(item).where(item.loan == loan, item.kind == "sim", item.state == "reserved", ~taken.exists())
    return tx.s.scalar(query.order_by(item.id).limit(1))


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
