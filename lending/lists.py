"""Lists of devices, loans and referrals, page by page, for as many as there are; and who had a device before.

- a page is found by its key along an index, so the last page costs what the first does;
- figures beside a list come from counters that the database keeps (`device_count`, `office_count`), or, for one
  partner, from its own rows;
- a partner's list has its own rows only; nothing here opens contact data or folds history: a list decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, func, select, tuple_

from labels import codes
from lending import loans, paging, referrals, tables
from lending.db import Tx
from lending.devices import STATES, DeviceLine, reservations
from lending.office_tables import DeviceCount, OfficeCount
from lending.paging import SIZE, Page
from lending.people import Actor, need
from lending.record import facts_about
from lending.search import by_prefix

SEES_ALL = frozenset({"desk", "supervisor", "data-protection"})
LOAN_READERS = (*loans.STAFF, "partner")
MOST_BY_PREFIX = 200


@dataclass(frozen=True)
class Devices:
    """One page of devices, and the number of devices in each state among all that were asked for."""

    page: Page[DeviceLine]
    counts: Mapping[str, int]
    total: int


@dataclass(frozen=True)
class ItemLine:
    """One thing of a loan in a list. `reported`: a kiosk says it came back (from the cache; the loan's page folds)."""

    kind: str
    device: str | None
    label: str
    state: str
    reported: bool


@dataclass(frozen=True)
class LoanLine:
    """One loan in a list."""

    ref: str
    state: str
    client_reference: str
    partner: str
    due: date | None
    created_at: datetime
    items: tuple[ItemLine, ...]


@dataclass(frozen=True)
class ReferralLine:
    """One referral in a list: no contact, no postcode."""

    ref: str
    client_reference: str
    partner: str
    need: str
    adults: int
    children: Mapping[str, int]
    state: str
    created_at: datetime
    loan: str | None


@dataclass(frozen=True)
class Held:
    """One time that a device was on a loan, by reference: who that was stands in the loan, for those who may see it."""

    loan: str
    label: str
    state: str
    out_at: datetime | None
    closed_at: datetime | None


# -- devices ---------------------------------------------------------------------------------------------------


def devices(tx: Tx, q: str = "", state: str = "", after: str = "", size: int = SIZE) -> Devices:
    """Return devices by make, model and label: all, or those that `q` finds.

    `q` is words of make and model; if no model has them, the beginning of a serial or a label code.
    Raises `Refused` `cursor`.
    """
    counts = model_counts(tx, q)
    if q.strip() and not counts and not after:
        return _by_label(tx, by_prefix(tx, "device", q, MOST_BY_PREFIX), state)
    total = counts.get(state, 0) if state else sum(counts.values())
    rows = _along(tx, q, state, after, size + 1)
    kept, more = paging.cut(rows, size)
    on = paging.encode(kept[-1].make, kept[-1].model, kept[-1].code) if more else ""
    return Devices(Page(device_lines(tx, kept), on), counts, total)


def model_counts(tx: Tx, q: str = "") -> dict[str, int]:
    """Return how many devices are in each state, of all models or of those that have every word of `q`."""
    count = DeviceCount
    query = select(count.state, func.sum(count.n)).where(*_words(q), count.n > 0).group_by(count.state)
    return {state: int(n) for state, n in tx.s.execute(query)}


def device_lines(tx: Tx, rows: Sequence[tables.DeviceRow]) -> tuple[DeviceLine, ...]:
    """Return rows of the cache as lines of a list."""
    kept = reservations(tx, [one.code for one in rows])
    return tuple(
        DeviceLine(
            one.code, codes.pretty(one.code), one.make, one.model, one.serial, one.state,
            STATES.get(one.state, one.state), kept.get(one.code),
        )
        for one in rows
    )  # fmt: skip


def _by_label(tx: Tx, found: Sequence[str], state: str) -> Devices:
    row = tables.DeviceRow
    rows = tx.s.scalars(select(row).where(row.code.in_(found)).order_by(row.make, row.model, row.code)).all()
    counts: dict[str, int] = {}
    for one in rows:
        counts[one.state] = counts.get(one.state, 0) + 1
    kept = [one for one in rows if not state or one.state == state]
    return Devices(Page(device_lines(tx, kept)), counts, len(kept))


def _along(tx: Tx, q: str, state: str, after: str, most: int) -> list[tables.DeviceRow]:
    """Walk along the index; with words, from one matching model to the next, so that nothing is read in vain."""
    row = tables.DeviceRow
    make, model, code = paging.decode(after, 3) if after else ("", "", "")
    query = select(row).order_by(row.make, row.model, row.code)
    if state:
        query = query.where(row.state == state)
    if not q.split():
        if after:
            query = query.where(tuple_(row.make, row.model, row.code) > tuple_(make, model, code))
        return list(tx.s.scalars(query.limit(most)))
    rows: list[tables.DeviceRow] = []
    for one in _models(tx, q, state, (make, model) if after else None):
        here = query.where(row.make == one[0], row.model == one[1])
        if one == (make, model) and after:
            here = here.where(row.code > code)
        rows.extend(tx.s.scalars(here.limit(most - len(rows))))
        if len(rows) >= most:
            break
    return rows


def _models(tx: Tx, q: str, state: str, since: tuple[str, str] | None) -> list[tuple[str, str]]:
    count = DeviceCount
    query = select(count.make, count.model).distinct().where(*_words(q), count.n > 0)
    if state:
        query = query.where(count.state == state)
    if since is not None:
        query = query.where(tuple_(count.make, count.model) >= tuple_(*since))
    return [(make, model) for make, model in tx.s.execute(query.order_by(count.make, count.model))]


def _words(q: str) -> list[ColumnElement[bool]]:
    whole = DeviceCount.make + " " + DeviceCount.model
    return [whole.icontains(word, autoescape=True) for word in q.split()]  # a few thousand models, not devices


# -- loans -----------------------------------------------------------------------------------------------------


def loan_page(tx: Tx, by: Actor, state: str = "", after: str = "", size: int = SIZE) -> Page[LoanLine]:
    """Return loans, newest first: a partner those of its referrals. Raises `Refused`: `role`, `cursor`."""
    need(by, *LOAN_READERS)
    loan, referral = tables.LoanRow, tables.ReferralRow
    query = (
        select(loan, referral.client_reference, tables.Partner.name)
        .outerjoin(referral, referral.ref == loan.referral)
        .outerjoin(tables.Partner, tables.Partner.id == referral.partner_id)
    )
    if not by.roles & set(loans.STAFF):
        query = query.where(referral.partner_id == by.partner_id)
    if state:
        query = query.where(loan.state == state)
    if after:
        at, ref = paging.decode(after, 2)
        query = query.where(tuple_(loan.created_at, loan.ref) < tuple_(paging.moment(at), ref))
    rows = tx.s.execute(query.order_by(loan.created_at.desc(), loan.ref.desc()).limit(size + 1)).all()
    kept, more = paging.cut(rows, size)
    items = _items(tx, [row[0].ref for row in kept])
    lines = tuple(
        LoanLine(row.ref, row.state, reference or "", partner or "", row.due, row.created_at, items.get(row.ref, ()))
        for row, reference, partner in kept
    )
    return Page(lines, paging.encode(lines[-1].created_at.isoformat(), lines[-1].ref) if more else "")


def loan_counts(tx: Tx, by: Actor) -> dict[str, int]:
    """Return how many loans that `by` may see are in each state. Raises `Refused` `role`."""
    need(by, *LOAN_READERS)
    if by.roles & set(loans.STAFF):
        return _counted(tx, "loan")
    loan, referral = tables.LoanRow, tables.ReferralRow
    joined = select(loan.state, func.count()).join(referral, referral.ref == loan.referral)
    return _grouped(tx, joined.where(referral.partner_id == by.partner_id).group_by(loan.state))


def late_count(tx: Tx, by: Actor, today: date) -> int:
    """Return how many loans that `by` may see are out past the day agreed. Raises `Refused` `role`."""
    need(by, *LOAN_READERS)
    loan, referral = tables.LoanRow, tables.ReferralRow
    query = select(func.count()).select_from(loan).where(loan.state == "out", loan.due < today)
    if not by.roles & set(loans.STAFF):
        query = query.join(referral, referral.ref == loan.referral).where(referral.partner_id == by.partner_id)
    return tx.s.scalar(query) or 0


def _items(tx: Tx, refs: Sequence[str]) -> dict[str, tuple[ItemLine, ...]]:
    item, device = tables.LoanItem, tables.DeviceRow
    query = (
        select(item.loan, item.kind, item.device, item.label, item.state, device.state)
        .outerjoin(device, device.code == item.device)
        .where(item.loan.in_(refs))
        .order_by(item.loan, item.id)
    )
    found: dict[str, list[ItemLine]] = {}
    for ref, kind, code, label, state, where in tx.s.execute(query):
        line = ItemLine(kind, code, label, state, state == "out" and where == "reported")
        found.setdefault(ref, []).append(line)
    return {ref: tuple(lines) for ref, lines in found.items()}


# -- referrals -------------------------------------------------------------------------------------------------


def referral_page(tx: Tx, by: Actor, state: str = "", after: str = "", size: int = SIZE) -> Page[ReferralLine]:
    """Return referrals, newest first: a partner its own. Raises `Refused`: `role`, `cursor`."""
    need(by, *referrals.READERS)
    row = tables.ReferralRow
    query = (
        select(row, tables.Partner.name, tables.LoanRow.ref)
        .outerjoin(tables.Partner, tables.Partner.id == row.partner_id)
        .outerjoin(tables.LoanRow, tables.LoanRow.referral == row.ref)
    )
    if not by.roles & SEES_ALL:
        query = query.where(row.partner_id == by.partner_id)
    if state:
        query = query.where(row.state == state)
    if after:
        at, ref = paging.decode(after, 2)
        query = query.where(tuple_(row.created_at, row.ref) < tuple_(paging.moment(at), ref))
    rows = tx.s.execute(query.order_by(row.created_at.desc(), row.ref.desc()).limit(size + 1)).all()
    kept, more = paging.cut(rows, size)
    lines = tuple(
        ReferralLine(
            one.ref, one.client_reference, partner or "", one.need, one.adults, one.children, one.state,
            one.created_at, loan,
        )
        for one, partner, loan in kept
    )  # fmt: skip
    return Page(lines, paging.encode(lines[-1].created_at.isoformat(), lines[-1].ref) if more else "")


def referral_counts(tx: Tx, by: Actor) -> dict[str, int]:
    """Return how many referrals that `by` may see are in each state. Raises `Refused` `role`."""
    need(by, *referrals.READERS)
    if by.roles & SEES_ALL:
        return _counted(tx, "referral")
    row = tables.ReferralRow
    query = select(row.state, func.count()).where(row.partner_id == by.partner_id).group_by(row.state)
    return _grouped(tx, query)


def _counted(tx: Tx, what: str) -> dict[str, int]:
    return _grouped(tx, select(OfficeCount.state, OfficeCount.n).where(OfficeCount.what == what, OfficeCount.n > 0))


def _grouped(tx: Tx, query: Select[str, int]) -> dict[str, int]:
    return {state: int(n) for state, n in tx.s.execute(query)}


# -- who had it before -----------------------------------------------------------------------------------------


def held_by(tx: Tx, code: str) -> tuple[Held, ...]:
    """Return every loan that a device was on under any of its labels, newest first."""
    facts = facts_about(tx, code)
    labels = {str(event.body["device"]) for event in facts.about_device("device.left", code)} | {code}
    item = tables.LoanItem
    query = select(item).where(item.device.in_(labels), item.out_at.is_not(None)).order_by(item.out_at.desc(), item.id)
    return tuple(
        Held(one.loan, one.label, one.state, one.out_at, one.closed_at) for one in tx.s.scalars(query)
    )
