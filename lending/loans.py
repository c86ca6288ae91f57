"""Loans: approve, reserve, hand over, extend, take back. The hand-over is the only exit from our custody.

`hand_over` is the only writer of `device.left`. Inside the one locked transaction it folds the device's history
afresh, refuses with *all* the reasons, and names the media of the current inventory in the exit it signs; the
database refuses a second open item for a device on its own account. To a household with a child nothing goes whose
content filter nobody has checked (`lending.child_safety`). What goes along with devices: `lending.loan_items`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError

from custody import rules
from custody.errors import Reason, Refused
from custody.events import Event
from labels.codes import pretty
from lending import child_safety, history, holds, loan_items, referrals, steps, tables
from lending.caches import report_of
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.record import facts_about, storable
from lending.returns import ReportedReturn, awaiting_receipt, dismiss

__all__ = [
    "Item", "Loan", "ReportedReturn", "approve", "awaiting_receipt", "close", "dismiss", "extend", "get", "hand_over",
    "loans", "release", "reserve", "settle", "take_back",
]  # fmt: skip

STAFF = ("volunteer", "desk", "supervisor", "administrator", "auditor", "data-protection")

LOAN_STATES: Mapping[str, str] = {"approved": "Approved, nothing handed over yet", "out": "Out", "closed": "Closed"}
ITEM_STATES: Mapping[str, str] = {
    "reserved": "Reserved",
    "out": "Out",
    "returned": "Returned",
    "lost": "Lost",
    "given": "Given",
    "written-off": "Written off",
    "ended": "Ended",
    "cancelled": "Not taken",
}


@dataclass(frozen=True)
class Item:
    """One thing of a loan. `reported_at` is when a kiosk said it came back (not the same as received)."""

    id: int
    kind: str
    device: str | None
    label: str
    state: str
    out_at: datetime | None
    exit: str | None
    reported_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True)
class Loan:
    """One loan. `due` is None for as long as needed. `client_reference` and `partner` come from the referral."""

    ref: str
    state: str
    referral: str | None
    client_reference: str
    partner: str
    need: str
    due: date | None
    created_at: datetime
    items: tuple[Item, ...]


def approve(tx: Tx, referral: str, by: Actor, now: datetime) -> str:
    """Grant a referral and return the new loan's reference (`L-XXXXXX`). Desk or supervisor.

    Raises `Refused`: `role`, `unknown-referral`, `decided`.
    """
    need(by, "desk", "supervisor")
    referrals.decide(tx, referral, "approved", by, now)
    ref = random_ref("L")
    tx.s.add(tables.LoanRow(ref=ref, referral=referral, state="approved", due=None, created_at=now, closed_at=None))
    tx.s.flush()
    return ref


def reserve(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> None:
    """Keep a device for a loan; it must be lendable now. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `reserved` or `out` (also for this loan), and
    everything that `custody.rules.why_not_lendable` says.
    """
    need(by, "desk", "supervisor")
    reasons = _against_loan(tx, loan)
    held = _open_item(tx, device)
    if held is not None:
        reasons.append(Reason(held.state, f"{pretty(device)} is {held.state} for loan {held.loan}", device))
    facts = facts_about(tx, device)
    reasons.extend(rules.why_not_lendable(facts, device, tx.policy, now))
    reasons.extend(holds.against(tx, device, facts, now))
    if reasons:
        raise Refused(reasons)
    _fill(tx, loan, device, _named(facts, device), now)
    _flush(tx, device)
    steps.note(tx, loan, "item", f"{pretty(device)} is kept for this loan", by, now)


def release(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> None:
    """Give up a reservation. Desk or supervisor. Raises `Refused`: `role`, `not-reserved`."""
    need(by, "desk", "supervisor")
    item = _open_item(tx, device)
    if item is None or item.loan != loan or item.state != "reserved":
        raise refused("not-reserved", f"{pretty(device)} is not reserved for loan {loan}", device)
    item.state, item.closed_at, item.closed_how = "cancelled", now, "cancelled"
    tx.s.flush()
    loan_items.close_if_done(tx, loan, now)
    steps.note(tx, loan, "item", f"{pretty(device)} is no longer kept for this loan", by, now)


def hand_over(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> Event:
    """Let a device leave on a loan and return the signed `device.left`. Desk or supervisor.

    The device is reserved for this loan or for none. The exit names the media that the current inventory lists, and
    the policy it was judged by. Raises `Refused` with every reason that stands against it; then nothing has changed.
    """
    need(by, "desk", "supervisor")
    reasons = _against_loan(tx, loan)
    item = _open_item(tx, device)
    if item is not None and (item.loan != loan or item.state != "reserved"):
        reasons.append(Reason(item.state, f"{pretty(device)} is {item.state} for loan {item.loan}", device))
    facts = facts_about(tx, device)  # afresh, from signed events, under the lock: never from a cache
    reasons.extend(rules.why_not_lendable(facts, device, tx.policy, now))
    reasons.extend(holds.against(tx, device, facts, now))
    reasons.extend(child_safety.against(tx, loan, facts, device))
    media = rules.media_of(facts, device)
    if reasons or media is None:
        raise Refused(reasons or [Reason("no-inventory", f"nobody looked inside {device}", device)])
    body = {
        "device": device, "why": "loan", "loan": loan, "media": [medium.id for medium in media], "who": by.who(),
        "policy": asdict(tx.policy),
    }  # fmt: skip
    event = history.append(tx, "device.left", device, body, now)
    if item is None:
        item = _fill(tx, loan, device, _named(facts, device), now)
    item.state, item.out_at, item.exit = "out", now, event.hash
    tx.s.get_one(tables.LoanRow, loan).state = "out"
    _flush(tx, device)
    steps.note(tx, loan, "out", f"{pretty(device)} was handed over", by, now)
    return event


def extend(tx: Tx, loan: str, until: date | None, by: Actor, now: datetime) -> None:
    """Set or remove (None: as long as needed) the day a loan is due. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `date` (in the past).
    """
    need(by, "desk", "supervisor")
    reasons = _against_loan(tx, loan)
    if until is not None and until < now.date():
        reasons.append(Reason("date", f"{until:%d %B %Y} is in the past; choose a day from today on", loan))
    if reasons:
        raise Refused(reasons)
    tx.s.get_one(tables.LoanRow, loan).due = until
    words = f"until {until.day} {until:%B %Y}" if until else "for as long as it is needed"
    steps.note(tx, loan, "clock", f"The whole loan runs {words}", by, now)


def take_back(
    tx: Tx, device: str, by: Actor, now: datetime, condition: str = "", items: Mapping[str, int] | None = None
) -> Event:
    """Say that staff have a device in hand: sign `device.received`, and `loan.closed` if it was on loan.

    Desk, supervisor or volunteer. Raises `Refused`: `role`, `unknown-device`, `in-hand` (never left, or received).
    """
    need(by, "desk", "supervisor", "volunteer")
    facts = facts_about(tx, device)
    state = rules.state_of(facts, device)
    if not state.registered:
        raise refused("unknown-device", f"{pretty(device)} is not registered; a station must scan it first", device)
    if state.in_hand:
        raise refused("in-hand", f"{pretty(device)} is in our hands already: it has not left since", device)
    body = {
        "device": device, "after": state.exit, "loan": state.loan or None, "condition": condition.strip(),
        "items": dict(items or {}), "who": by.who(),
    }  # fmt: skip
    event = history.append(tx, "device.received", device, body, now)
    settle(tx, event, now)
    return event


def settle(tx: Tx, received: Event, now: datetime) -> None:
    """Close the open item whose exit a `device.received` of the same device answers: by staff here or by a station.

    Called under the same lock and in the same transaction that stored the event. One that answers an older exit
    (a station that had not heard of the last one), or another device's, closes nothing.
    """
    after = received.body["after"]
    query = select(tables.LoanItem).where(tables.LoanItem.exit == after, tables.LoanItem.state == "out")
    item = tx.s.scalar(query) if after is not None else None
    if item is not None and _same_device(tx, item.device, received.body["device"]):
        loan_items.came_back(tx, item.loan, received.body["items"], now)
        _close_item(tx, item, "returned", received.body["who"], now)
        steps.note(tx, item.loan, "back", f"{pretty(str(item.device))} is back in our hands", None, now)


def close(tx: Tx, loan: str, device: str, how: str, by: Actor, now: datetime, *, gifts: bool = False) -> Event:
    """Close a device's item as `lost`, `written-off` or, where the programme gives (`gifts`), `given`. Supervisor.

    Raises `Refused`: `role`, `not-out`, `how`, `gifts-off`.
    """
    need(by, "supervisor")
    if how not in ("lost", "given", "written-off"):
        raise refused("how", f"{how!r} is no way to close a loan; choose lost, given or written-off")
    if how == "given" and not gifts:
        raise refused("gifts-off", "this programme lends and does not give; the device comes back", device)
    item = _open_item(tx, device)
    if item is None or item.loan != loan or item.state != "out":
        raise refused("not-out", f"{pretty(device)} is not out on loan {loan}", device)
    steps.note(tx, loan, "back", f"{pretty(device)} will not come back: {ITEM_STATES[how].lower()}", by, now)
    return _close_item(tx, item, how, by.who(), now)


def get(tx: Tx, by: Actor, loan: str) -> Loan:
    """Return one loan. Raises `Refused` `role`, or `unknown-loan`, also for another partner's."""
    found = tx.s.execute(_visible(by).where(tables.LoanRow.ref == loan)).all()
    if not found:
        raise refused("unknown-loan", f"there is no loan {loan[:20]!r} that you may see", loan)
    row, referral, partner = found[0]
    return _loan(tx, row, referral, partner)


def loans(tx: Tx, by: Actor, state: str = "") -> list[Loan]:
    """Return the loans that `by` may see, newest first: a partner those of its referrals, staff all.

    Raises `Refused` `role`.
    """
    query = _visible(by).order_by(tables.LoanRow.created_at.desc(), tables.LoanRow.ref)
    if state:
        query = query.where(tables.LoanRow.state == state)
    return [_loan(tx, row, referral, partner) for row, referral, partner in tx.s.execute(query).all()]


def _same_device(tx: Tx, one: str | None, other: str) -> bool:
    """Tell whether two labels stand for one device: the same, or merged."""
    if one is None or one == other:
        return one == other
    facts = facts_about(tx, other)
    return facts.canonical(one) == facts.canonical(other)


def _against_loan(tx: Tx, loan: str) -> list[Reason]:
    row = tx.s.get(tables.LoanRow, loan)
    if row is None:
        return [Reason("unknown-loan", f"there is no loan {loan[:20]!r}", loan)]
    if row.state == "closed":
        return [Reason("loan-closed", f"loan {loan} is closed", loan)]
    return []


def _open_item(tx: Tx, device: str) -> tables.LoanItem | None:
    query = select(tables.LoanItem).where(
        tables.LoanItem.device == device, tables.LoanItem.state.in_(("reserved", "out"))
    )
    return tx.s.scalar(query)


def _fill(tx: Tx, loan: str, device: str, label: str, now: datetime) -> tables.LoanItem:
    """Put a device in the place that waits for one in this loan, or in a new place."""
    item = loan_items.wanted_device(tx, loan) or loan_items.add(tx, loan, "device", "", now)
    item.device, item.label, item.reserved_at = device, label, now
    return item


def _flush(tx: Tx, device: str) -> None:
    """Write, and turn the database's own refusal of a second open item into ours."""
    try:
        tx.s.flush()
    except IntegrityError as error:
        raise refused("out", f"{pretty(device)} is on another loan already", device) from error


def _close_item(tx: Tx, item: tables.LoanItem, how: str, who: object, now: datetime) -> Event:
    item.state, item.closed_at, item.closed_how = how, now, how
    tx.s.flush()
    body = {"loan": item.loan, "device": item.device, "how": how, "who": who}
    event = history.append(tx, "loan.closed", f"loan:{item.loan}", body, now)
    loan_items.close_if_done(tx, item.loan, now)
    return event


def _named(facts: rules.Facts, device: str) -> str:
    body = next((one.body for one in facts.about_device("device.registered", device)), {})
    return storable(" ".join(str(body.get(part) or "") for part in ("make", "model")).strip())


def _visible(by: Actor) -> Select[tables.LoanRow, tables.ReferralRow, str]:
    need(by, *STAFF, "partner")
    query = (
        select(tables.LoanRow, tables.ReferralRow, tables.Partner.name)
        .outerjoin(tables.ReferralRow, tables.ReferralRow.ref == tables.LoanRow.referral)
        .outerjoin(tables.Partner, tables.Partner.id == tables.ReferralRow.partner_id)
    )
    if by.roles & set(STAFF):
        return query
    return query.where(tables.ReferralRow.partner_id == by.partner_id)


def _loan(tx: Tx, row: tables.LoanRow, referral: tables.ReferralRow | None, partner: str | None) -> Loan:
    query = select(tables.LoanItem).where(tables.LoanItem.loan == row.ref).order_by(tables.LoanItem.id)
    return Loan(
        ref=row.ref,
        state=row.state,
        referral=row.referral,
        client_reference=referral.client_reference if referral else "",
        partner=partner or "",
        need=referral.need if referral else "",
        due=row.due,
        created_at=row.created_at,
        items=tuple(_item(tx, one) for one in tx.s.scalars(query)),
    )


def _item(tx: Tx, row: tables.LoanItem) -> Item:
    reported = report_of(tx, row.device) if row.state == "out" and row.device else None
    return Item(row.id, row.kind, row.device, row.label, row.state, row.out_at, row.exit, reported, row.closed_at)
