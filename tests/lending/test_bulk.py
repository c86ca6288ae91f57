"""Changing many at once: nothing that was not seen, all or nothing, one line in the audit, and a way back."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import bulk, loans, referrals
from lending.access_tables import AuditEntry
from tests.lending.house import House
from tests.lending.screens import Town


def due(house: House, ref: str) -> object:
    with house.db.read() as tx:
        return loans.get(tx, house.desk, ref).due


def change(house: House, kind: str, value: str, text: str) -> int:
    by = house.supervisor
    with house.db.transaction() as tx:
        seen = bulk.preview(tx, by, kind, value, text, house.now)
        return bulk.make(tx, by, kind, value, text, seen.seal, house.tick())


def test_the_day_of_many_loans_is_seen_changed_noted_once_and_taken_back(house: House) -> None:
    refs = [house.new_loan() for _ in range(3)]
    day = (house.now + timedelta(days=60)).date()
    text = f"ref\n{refs[0].lower()}; {refs[1]}\t{refs[2]}\n{refs[0]} L-000000 R-7K3QX9"
    with house.db.read() as tx:
        seen = bulk.preview(tx, house.desk, "loan-due", day.isoformat(), text, house.now)
    assert [(one.ref, one.problem) for one in seen.changes] == [
        *((ref, "") for ref in refs), ("L-000000", "there is no such loan")
    ]  # fmt: skip
    assert due(house, refs[0]) is None, "looking changes nothing"
    number = change(house, "loan-due", day.isoformat(), text)
    assert {due(house, ref) for ref in refs} == {day}
    with house.db.transaction() as tx:
        loans.extend(tx, refs[1], day + timedelta(days=1), house.desk, house.tick())
        assert bulk.undo(tx, house.desk, number, house.tick()) == (2, [refs[1]])
        with pytest.raises(Refused, match="already"):
            bulk.undo(tx, house.desk, number, house.tick())
        noted = tx.s.scalars(select(AuditEntry.action).where(AuditEntry.action.like("changed-many%"))).all()
    assert [due(house, ref) for ref in refs] == [None, day + timedelta(days=1), None]
    assert noted == ["changed-many", "changed-many-undone"]


def test_what_changed_since_it_was_seen_is_not_done(house: House) -> None:
    refs = [house.new_loan() for _ in range(2)]
    day = (house.now + timedelta(days=60)).date().isoformat()
    with house.db.transaction() as tx:
        seen = bulk.preview(tx, house.desk, "loan-due", day, " ".join(refs), house.now)
        loans.extend(tx, refs[0], (house.now + timedelta(days=5)).date(), house.desk, house.tick())
        with pytest.raises(Refused, match="look again"):
            bulk.make(tx, house.desk, "loan-due", day, " ".join(refs), seen.seal, house.tick())
    assert due(house, refs[1]) is None


def test_referrals_move_to_another_partner_who_then_sees_them(house: House) -> None:
    house.new_loan()
    with house.db.read() as tx:
        ref = referrals.referrals(tx, house.partner)[0].ref
    number = change(house, "referral-partner", str(house.outsider.partner_id), ref)
    with house.db.transaction() as tx:
        assert referrals.get(tx, house.outsider, ref).ref == ref
        with pytest.raises(Refused):
            referrals.get(tx, house.partner, ref)
        with pytest.raises(Refused):
            bulk.preview(tx, house.desk, "referral-partner", "1", ref, house.now)
        bulk.undo(tx, house.supervisor, number, house.tick())
        assert referrals.get(tx, house.partner, ref).ref == ref


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("loan-due", "2027-01-01", "nothing"), ("loan-due", "soon", "L-7K3QX9"), ("referral-partner", "99", "R-7K3QX9"),
        ("other", "", "L-7K3QX9"), ("loan-due", "", " ".join(f"L-{n:06d}" for n in range(2001))),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_at_once(house: House, kind: str, value: str, text: str) -> None:
    with house.db.read() as tx, pytest.raises(Refused):
        bulk.preview(tx, house.supervisor, kind, value, text, house.now)


def test_on_the_screen_it_is_seen_then_done_then_taken_back(town: Town) -> None:
    sue = town.browser("supervisor")
    sue.get("/change-many")
    day = (town.house.now + timedelta(days=90)).date()
    fields = {"due-day": str(day.day), "due-month": str(day.month), "due-year": str(day.year)}
    text = sue.post("/change-many", fields, kind="loan-due", refs=town.out).get_data(as_text=True)
    assert "1 record would be changed" in text
    seal = text.split('name="seal" value="')[1].split('"')[0]
    value = text.split('name="value" value="')[1].split('"')[0]
    assert value == day.isoformat()
    done = sue.post("/change-many", kind="loan-due", refs=town.out, step="do", seal=seal, value=value)
    assert "Take it back" in done.get_data(as_text=True)
    assert due(town.house, town.out) == day
    assert "1 put back" in sue.post("/change-many/1/undo").get_data(as_text=True)
    assert sue.post("/change-many", kind="loan-due", refs="").status_code == 422
