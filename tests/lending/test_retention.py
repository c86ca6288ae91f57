"""The nightly erasure: every field by its own clock, nothing before its time, statistics kept, loans kept without."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from custody.errors import Refused
from lending import loans, people, privacy, referrals, retention, schema, tables
from lending.closed_cases import cases
from lending.db import Database
from lending.privacy_tables import AccessLogRow, ClosedCase, ComplaintRow, RetentionRun
from lending.retention import Report
from tests.lending.house import FORM, PERSONAL, House

DAY = timedelta(days=1)
LEFT_TO_A_PERSON = {name for name, field in privacy.columns().items() if not privacy.CLOCKS[field.clock].nightly}
KEPT_WITHOUT_A_WAY_BACK = {"loan.", "loan_help.", "standard_answer."}
"""The loan stays in the history of its devices, and what was done for it; nothing leads from it to the household."""
GONE_WITH_ITS_ROW = {"session_note."}


def night(db: Database, now: datetime, *, dry: bool = False) -> Report:
    with db.transaction() as tx:
        return retention.run(tx, now, dry=dry)


def closed_loan(house: House, number: int = 1) -> str:
    """Lend a device and take it back, so that the loan closes; return its reference."""
    loan, device = house.new_loan(), house.make_ready(number)
    house.hand_over(loan, device)
    house.take_back(device)
    with house.db.read() as tx:
        row = tx.s.get(tables.LoanRow, loan)
        assert row is not None
        assert row.state == "closed"
    return loan


def count(db: Database, table: str) -> int:
    with db.read() as tx:
        return tx.s.scalar(select(func.count()).select_from(schema.metadata().tables[table])) or 0


def test_every_field_that_ends_by_itself_is_erased_by_the_nightly_run() -> None:
    promised = set(privacy.columns()) - LEFT_TO_A_PERSON
    apart = {name for name in promised if name.startswith(tuple(KEPT_WITHOUT_A_WAY_BACK | GONE_WITH_ITS_ROW))}
    whole = {"complaint.ref", "complaint.received_at", "complaint.how", "complaint.handled_by"}
    assert promised - apart - whole - retention.covered() == set()


def test_a_contact_is_erased_after_its_time_and_not_a_day_before(house: House) -> None:
    closed_loan(house)
    closed, days = house.now, privacy.CLOCKS["contact"].days or 0
    assert night(house.db, closed + (days - 1) * DAY).total == 0
    report = night(house.db, closed + (days + 1) * DAY)
    assert report.counts["referral.contact"] == 1
    with house.db.read() as tx:
        row = tx.s.scalars(select(tables.ReferralRow)).one()
        assert (row.contact, row.client_reference) == (None, FORM.client_reference)
    assert night(house.db, closed + (days + 1) * DAY).total == 0, "a second run found something"


def test_a_case_becomes_a_statistic_and_its_loan_stays_without_it(house: House) -> None:
    loan = closed_loan(house)
    closed = house.now
    with house.db.transaction() as tx:
        tx.s.execute(update(tables.ReferralRow).values(children={"0-4": 0, "5-10": 2, "11-15": 4}))
    report = night(house.db, closed + 366 * DAY)
    assert (report.cases, count(house.db, "referral")) == (1, 0)
    with house.db.read() as tx:
        row = tx.s.get(tables.LoanRow, loan)
        assert row is not None
        assert (row.referral, row.state) == (None, "closed")
        kept = tx.s.scalars(select(ClosedCase)).one()
        assert (kept.outcome, kept.devices, kept.adults, kept.children) == (
            "returned", 1, "1", {"5-10": "2", "11-15": "3+"},
        )  # fmt: skip
        assert (kept.area, kept.language, kept.need) == ("L1", "another", "laptop")
        assert kept.referred == date(house.now.year, house.now.month, 1)
        words = " ".join(str(getattr(kept, column.name)) for column in ClosedCase.__table__.columns)
    assert not any(word in words for word in (*PERSONAL, loan))
    assert loans.ITEM_STATES["returned"]


def test_a_loan_that_is_out_and_a_referral_that_waits_are_never_touched(house: House) -> None:
    out = house.new_loan()
    house.hand_over(out, house.make_ready(1))
    with house.db.transaction() as tx:
        referrals.refer(tx, house.partner, FORM, house.tick())
    report = night(house.db, house.now + 3000 * DAY)
    assert (report.cases, report.long_waiting) == (0, 1)
    with house.db.read() as tx:
        assert all(row.contact is not None for row in tx.s.scalars(select(tables.ReferralRow)))


@pytest.mark.parametrize("state", ["declined", "withdrawn"])
def test_a_referral_without_a_loan_ends_when_it_was_decided(house: House, state: str) -> None:
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, FORM, house.tick())
        tx.s.execute(update(tables.ReferralRow).values(state=state, decided_at=house.now))
    assert night(house.db, house.now + 91 * DAY).counts["referral.contact"] == 1
    assert night(house.db, house.now + 366 * DAY).cases == 1
    with house.db.read() as tx:
        assert tx.s.get(tables.ReferralRow, ref) is None
        assert tx.s.scalars(select(ClosedCase.outcome)).one() == state


def test_a_dry_run_says_the_same_and_does_nothing(house: House) -> None:
    closed_loan(house)
    later = house.now + 400 * DAY
    said = night(house.db, later, dry=True)
    assert count(house.db, "retention_run") == 0
    done = night(house.db, later)
    assert said.cases == done.cases == 1
    assert said.counts.get("referral.contact") == done.counts.get("referral.contact") == 1


def test_what_was_looked_at_complained_of_and_begun_ends_by_its_own_clock(house: House) -> None:
    now = house.now
    with house.db.transaction() as tx:
        by = house.desk.account_id
        tx.s.add(AccessLogRow(at=now, account_id=by, subject="referral:R-1", what="contact", reason="call"))
        sealed = tx.vault.seal("complaint", "C-1", {"name": "Nadia"})
        tx.s.add(ComplaintRow(
            ref="C-1", received_at=now, how="letter", state="closed", sealed=sealed, acknowledged_at=now,
            outcome="upheld", closed_at=now, handled_by=None,
        ))  # fmt: skip
        drafts = schema.metadata().tables["referral_draft"]
        row = {"id": "d1", "account_id": by, "sealed": b"\x01", "created_at": now, "saved_at": now}
        tx.s.execute(insert(drafts).values(row))
    assert night(house.db, now + 31 * DAY).counts == {"referral_draft": 1}
    report = night(house.db, now + 731 * DAY)
    assert (report.counts["access_log"], report.counts["complaint.sealed"]) == (1, 1)
    assert count(house.db, "complaint") == 1


def test_a_household_that_asks_is_erased_at_once_when_its_loan_is_over(house: House) -> None:
    with house.db.transaction() as tx:
        made = people.create_account(tx, "lead@example.org", "Lea", ["data-protection"], None, house.now)
        lead = people.actor(tx, made.id)
    assert lead is not None
    loan, other = closed_loan(house), house.new_loan()
    with house.db.transaction() as tx:
        refs = dict(tx.s.execute(select(tables.LoanRow.ref, tables.LoanRow.referral)).all())
        with pytest.raises(Refused, match="take the device back"):
            retention.erase_now(tx, str(refs[other]), lead, house.tick())
        with pytest.raises(Refused, match="data-protection"):
            retention.erase_now(tx, str(refs[loan]), house.desk, house.tick())
        assert retention.erase_now(tx, str(refs[loan]), lead, house.tick())["referral.contact"] == 1
    with house.db.read() as tx:
        assert list(tx.s.scalars(select(tables.ReferralRow.ref))) == [refs[other]]
        assert (cases(tx), tx.s.scalars(select(AccessLogRow.what)).all()) == (1, ["erased"])


def test_a_long_backlog_goes_in_batches_that_each_stand_by_themselves(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    with house.db.transaction() as tx:
        for _ in range(7):
            referrals.decline(tx, referrals.refer(tx, house.partner, FORM, house.tick()), house.desk, house.tick())
    report = retention.night(house.db, house.now + 400 * DAY)
    assert (report.cases, report.counts["referral.contact"], count(house.db, "referral")) == (7, 7, 0)
    assert count(house.db, "retention_run") == 3


def test_the_report_of_every_night_is_kept(house: House) -> None:
    closed_loan(house)
    night(house.db, house.now + 100 * DAY)
    night(house.db, house.now + 400 * DAY)
    with house.db.read() as tx:
        assert [one.cases for one in retention.runs(tx)] == [1, 0]
        assert tx.s.scalar(select(func.count()).select_from(RetentionRun)) == 2
        assert cases(tx) == 1
