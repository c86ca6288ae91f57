"""The nightly erasure: what has had its time goes, what counts stays as a number.

Rules:

- a household's clock starts when its loan is closed, or when its referral is declined or withdrawn; a loan that is
  out, and a referral that waits, is never touched (those that wait very long are reported);
- after the contact's time the name, number and postcode, the marks, what was written to and by the household, and the
  reason for an exception are gone; after the case's time a row of `closed_case` is written and the referral deleted.
  The loan stays, in the history of its devices, and leads to nobody;
- each table's periods are those of `lending.privacy`; nothing here has a number of days of its own;
- what goes together goes in one transaction, or not at all; at most `BATCH` households in one, so that others wait for
  seconds at most. Killed, the next run goes on; a second run the same night finds nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, Table, and_, case, delete, func, or_, select, update

from lending import access_log, schema, tables
from lending.closed_cases import keep_count
from lending.db import Database, Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.privacy_tables import RetentionRun
from lending.privacy_words import CLOCKS

BATCH = 250
"""Households that become a statistic in one transaction: about a second."""
BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything that is kept: rows without a household are not erased with one."""
LONG_WAIT = timedelta(days=365)
"""A referral that waits longer is reported: a person should decline it, and then its clock runs."""


@dataclass(frozen=True)
class Report:
    """What one night erased: rows per field (`table.column`), cases counted, and what waits for a person."""

    at: datetime
    counts: Mapping[str, int]
    cases: int
    long_waiting: int
    dry: bool

    @property
    def total(self) -> int:
        """Return how many values were erased."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Eraser:
    """One table's erasure: which rows by which clock; `empty` names the columns to empty, none: the row goes."""

    table: str
    clock: str
    over: Callable[["Ends"], ColumnElement[bool]]
    empty: Mapping[str, str | None]


@dataclass(frozen=True)
class Ends:
    """What an eraser may ask: before which moment its clock has run out, and whose households had ended by then."""

    before: datetime
    referrals: Select[str]
    loans: Select[str]


def _of_loan(table: str) -> Callable[[Ends], ColumnElement[bool]]:
    return lambda ends: _t(table).c.loan.in_(ends.loans)


def _of_referral(table: str) -> Callable[[Ends], ColumnElement[bool]]:
    return lambda ends: _t(table).c.ref.in_(ends.referrals)


def _older(table: str, column: str) -> Callable[[Ends], ColumnElement[bool]]:
    return lambda ends: _t(table).c[column] < ends.before


def _item_of_loan(ends: Ends) -> ColumnElement[bool]:
    item = _t("loan_item")
    return _t("data_plan").c.item_id.in_(select(item.c.id).where(item.c.loan.in_(ends.loans)))


def _run_ended(ends: Ends) -> ColumnElement[bool]:
    run = _t("import_run")
    return _t("import_row").c.run.in_(select(run.c.id).where(run.c.ended_at < ends.before))


def _said_done(ends: Ends) -> ColumnElement[bool]:
    said = _t("message_said").c
    return or_(said.loan.in_(ends.loans), said.done_at < ends.before)


ROW: Mapping[str, str | None] = {}
ERASERS: Sequence[Eraser] = (
    Eraser("referral", "contact", _of_referral("referral"), {"contact": None, "contact_name": "", "contact_phone": ""}),
    Eraser("referral_mark", "contact", _of_referral("referral_mark"), ROW),
    Eraser("booking", "contact", _of_loan("booking"), {"sealed": None, "why": None}),
    Eraser("data_plan", "contact", _item_of_loan, {"sealed": None}),
    Eraser("loan_exception", "contact", _of_loan("loan_exception"), ROW),
    Eraser("loan_card", "contact", _of_loan("loan_card"), ROW),
    Eraser("message", "contact", _of_loan("message"), {"sealed": None, "address": ""}),
    Eraser("message", "message", _older("message", "finished_at"), {"sealed": None, "address": ""}),
    Eraser("message_said", "message", _said_done, {"sealed": None, "address": None}),
    Eraser("loan_agreement", "case", _of_loan("loan_agreement"), ROW),
    Eraser("referral_draft", "draft", _older("referral_draft", "saved_at"), ROW),
    Eraser("intake", "intake", _older("intake", "created_at"), ROW),
    Eraser("import_row", "import", _run_ended, ROW),
    Eraser("complaint", "complaint", _older("complaint", "closed_at"), {"sealed": None}),
    Eraser("access_log", "look", _older("access_log", "at"), ROW),
    Eraser("session", "technical", _older("session", "expires_at"), ROW),
    Eraser("account_link", "technical", _older("account_link", "expires_at"), ROW),
    Eraser("sign_in_link", "technical", _older("sign_in_link", "expires_at"), ROW),
    Eraser("donor_visit", "technical", _older("donor_visit", "expires_at"), ROW),
    Eraser("sign_in_step", "technical", _older("sign_in_step", "expires_at"), ROW),
    Eraser("address_change", "technical", _older("address_change", "expires_at"), ROW),
    Eraser("sign_in_attempt", "technical", _older("sign_in_attempt", "at"), ROW),
    Eraser("audit_entry", "look", _older("audit_entry", "at"), ROW),
)
"""A part that keeps personal data adds its line. The referral itself comes last, with its statistics (`_cases`)."""


def night(db: Database, now: datetime) -> Report:
    """Erase everything that has had its time, in as many transactions as it takes, and return what that was."""
    counts: dict[str, int] = {}
    cases = 0
    while True:
        with db.transaction() as tx:
            report = run(tx, now)
        cases += report.cases
        for name, number in report.counts.items():
            counts[name] = counts.get(name, 0) + number
        if report.cases < BATCH:
            return Report(now, counts, cases, report.long_waiting, False)


def run(tx: Tx, now: datetime, *, dry: bool = False) -> Report:
    """Erase what has had its time and return what that was; `dry` only counts. At most `BATCH` households at a time.

    Raises nothing of its own: what cannot be erased is an error that undoes the whole night.
    """
    counts: dict[str, int] = {}
    for eraser in ERASERS:
        for name, number in _erase(tx, eraser, _ends(eraser.clock, now), dry=dry).items():
            counts[name] = counts.get(name, 0) + number
    cases = _cases(tx, now, dry=dry)
    waiting = tables.ReferralRow
    query = select(func.count()).where(waiting.state == "waiting", waiting.created_at < now - LONG_WAIT)
    erased = {name: number for name, number in counts.items() if number}
    report = Report(now, erased, cases, tx.s.scalar(query) or 0, dry)
    if not dry:
        tx.s.add(RetentionRun(at=now, counts={**report.counts, "closed cases": cases}))
        tx.s.flush()
    return report


def erase_now(tx: Tx, referral: str, by: Actor, now: datetime) -> Mapping[str, int]:
    """Erase a household at once because it asks (UK GDPR Article 17), and return what that was. Data-protection lead.

    Everything that the nightly run would erase in the end; the statistic and a line in the log stay. Raises
    `Refused`: `role`, `unknown-referral`, `not-ended` while a loan is open or nobody has decided.
    """
    need(by, "data-protection")
    if tx.s.get(tables.ReferralRow, referral) is None:
        raise refused("unknown-referral", f"there is no referral {referral[:20]!r}", referral)
    found = ended().subquery()
    if tx.s.scalar(select(func.count()).select_from(found).where(found.c.ref == referral)) == 0:
        raise refused(
            "not-ended",
            "their loan is open, or nobody has decided yet: take the device back, or decline, first",
            referral,
        )
    loans = select(tables.LoanRow.ref).where(tables.LoanRow.referral == referral)
    ends = Ends(BEFORE_ALL, select(tables.ReferralRow.ref).where(tables.ReferralRow.ref == referral), loans)
    counts: dict[str, int] = {}
    for eraser in ERASERS:
        for name, number in _erase(tx, eraser, ends, dry=False).items():
            if number:
                counts[name] = counts.get(name, 0) + number
    _close(tx, [referral])
    access_log.log(tx, by, f"referral:{referral}", "erased", "request", now)
    return counts


def runs(tx: Tx, most: int = 30) -> list[Report]:
    """Return what the last nights erased, newest first."""
    rows = tx.s.scalars(select(RetentionRun).order_by(RetentionRun.at.desc()).limit(most))
    found = []
    for row in rows:
        counts = dict(row.counts)
        cases = counts.pop("closed cases", 0)
        found.append(Report(row.at, counts, cases, 0, False))
    return found


def ended() -> Select[str, datetime]:
    """Return each referral whose household has ended, and when: its loan was closed, or it got none."""
    row, loan = tables.ReferralRow, tables.LoanRow
    when = case((loan.ref.is_not(None), loan.closed_at), else_=row.decided_at)
    return (
        select(row.ref, when.label("at"))
        .outerjoin(loan, loan.referral == row.ref)
        .where(or_(loan.state == "closed", and_(loan.ref.is_(None), row.state.in_(("declined", "withdrawn")))))
    )


def _ends(clock: str, now: datetime) -> Ends:
    days = CLOCKS[clock].days
    if days is None:
        raise ValueError(f"the clock {clock!r} has no days: a person decides")
    before = now - timedelta(days=days)
    found = ended().subquery()
    gone = select(found.c.ref).where(found.c.at < before)
    loan = tables.LoanRow
    # A loan whose referral went before it (or that never had one) ends by its own closing.
    loans = select(loan.ref).where(loan.state == "closed", loan.closed_at < before)
    return Ends(before, gone, loans)


def _erase(tx: Tx, eraser: Eraser, ends: Ends, *, dry: bool) -> Mapping[str, int]:
    table = _t(eraser.table)
    over = eraser.over(ends)
    if not eraser.empty:
        number = tx.s.scalar(select(func.count()).select_from(table).where(over)) or 0
        if number and not dry:
            tx.s.execute(delete(table).where(over))
        return {eraser.table: number}
    counts = {}
    for name, empty in eraser.empty.items():
        column = table.c[name]
        held: ColumnElement[bool] = column.is_not(None) if empty is None else column != empty
        number = tx.s.scalar(select(func.count()).select_from(table).where(over, held)) or 0
        counts[f"{eraser.table}.{name}"] = number
        if number and not dry:
            tx.s.execute(update(table).where(over, held).values({name: empty}))
    return counts


def _cases(tx: Tx, now: datetime, *, dry: bool) -> int:
    wanted = _ends("case", now).referrals
    refs = list(tx.s.scalars(wanted if dry else wanted.limit(BATCH)))
    if not dry:
        _close(tx, refs)
    return len(refs)


def _close(tx: Tx, refs: Sequence[str]) -> None:
    """Count these households and delete their referrals."""
    if not refs:
        return
    of_these = tables.ReferralRow.ref.in_(refs)
    keep_count(tx, {row[0]: row[1] for row in tx.s.execute(ended().where(of_these))})
    tx.s.execute(delete(tables.ReferralRow).where(of_these).execution_options(synchronize_session=False))
    tx.s.expire_all()


def _t(name: str) -> Table:
    return schema.metadata().tables[name]


def covered() -> set[str]:
    """Return every column that the nightly run erases, for the test that compares it with `lending.privacy`."""
    found = set()
    for eraser in ERASERS:
        names = eraser.empty or [column.name for column in _t(eraser.table).columns]
        found |= {f"{eraser.table}.{name}" for name in names}
    gone_with_referral = ("referral", "referral_detail", "referral_mark")
    return found | {f"{table}.{column.name}" for table in gone_with_referral for column in _t(table).columns}
