"""The audit of access: written with what it speaks of, read by few, changed by nobody."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from custody.errors import Refused
from lending import audit_log, people
from lending.access_tables import AuditEntry
from lending.audit_log import Filter
from lending.people import Actor
from tests.lending.house import House


def auditor(house: House) -> Actor:
    with house.db.transaction() as tx:
        made = people.create_account(tx, "aud@example.org", "Aud", ["auditor"], None, house.now)
        found = people.actor(tx, made.id)
    assert found is not None
    return found


def fill(house: House) -> None:
    with house.db.transaction() as tx:
        audit_log.note(tx, house.desk, "contact-shown", "referral:R-AB12", "call before delivery", now=house.now)
        audit_log.note(tx, house.administrator, "roles-changed", "account:S-1", "=1+1", now=house.now)
        audit_log.note(tx, None, "account-made", "account:S-2", now=house.now + timedelta(days=1))


def test_a_line_is_undone_with_what_it_speaks_of(house: House) -> None:
    def half() -> None:
        with house.db.transaction() as tx:
            audit_log.note(tx, house.desk, "contact-shown", "referral:R-1", "", now=house.now)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        half()
    with house.db.read() as tx:
        assert tx.s.scalars(select(AuditEntry)).all() == []


def test_the_audit_is_found_by_person_action_subject_and_day(house: House) -> None:
    aud = auditor(house)
    fill(house)
    with house.db.read() as tx:
        every = audit_log.page(tx, aud, Filter())
        assert [(one.by, one.name) for one in every.lines] == [
            ("server", ""), (house.administrator.ref, "Ada"), (house.desk.ref, "Dee"),
        ]  # fmt: skip
        assert every.total == 3
        for wanted in (
            Filter(by="dee"), Filter(by=house.desk.ref.lower()), Filter(action="contact-shown"), Filter(subject="r-ab"),
        ):  # fmt: skip
            assert [one.subject for one in audit_log.page(tx, aud, wanted).lines] == ["referral:R-AB12"]
        late = audit_log.page(tx, aud, Filter(after=house.now + timedelta(hours=1)))
        assert [one.action for one in late.lines] == ["account-made"]
        early = audit_log.page(tx, aud, Filter(before=house.now + timedelta(hours=1)))
        assert early.total == 2
        assert audit_log.page(tx, aud, Filter(subject="100%")).total == 0
        assert audit_log.known_actions(tx) == ["account-made", "contact-shown", "roles-changed"]


def test_the_export_holds_every_line_and_no_formula(house: House) -> None:
    aud = auditor(house)
    fill(house)
    with house.db.read() as tx:
        lines = audit_log.export(tx, aud, Filter()).splitlines()
    assert lines[0] == "at,by,name,action,subject,reason"
    assert len(lines) == 4
    assert lines[2].endswith(",'=1+1")
    assert "T12:00:00+00:00" in lines[2]


def test_only_auditors_and_the_data_protection_lead_read_it(house: House) -> None:
    with house.db.read() as tx:
        for by in (house.administrator, house.supervisor, house.desk, house.volunteer, house.partner):
            with pytest.raises(Refused, match="auditor or data-protection"):
                audit_log.page(tx, by, Filter())
            with pytest.raises(Refused, match="auditor or data-protection"):
                audit_log.export(tx, by, Filter())


def test_nobody_changes_a_line_and_it_can_only_be_let_go(house: House) -> None:
    fill(house)
    with pytest.raises(DBAPIError, match="append-only"), house.db.transaction() as tx:
        tx.s.execute(update(AuditEntry).values(reason="nothing to see"))
    with house.db.transaction() as tx:
        assert len(tx.s.scalars(select(AuditEntry)).all()) == 3
        tx.s.execute(delete(AuditEntry))
