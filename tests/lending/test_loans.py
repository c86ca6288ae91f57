"""Hand-over is the only exit, and it asks history, not a column."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from custody.errors import Refused
from lending import audit, devices, loans, referrals, tables
from lending.db import Database
from lending.people import Actor
from lending.record import about
from tests.factories import NOON, inventoried, medium, passed, wiped
from tests.lending.house import FORM, House, code


def codes_of(error: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {reason.code for reason in error.value.reasons}


def test_a_device_goes_out_comes_back_and_is_refused_until_it_is_wiped_again(house: House) -> None:
    name = house.make_ready(1)
    first = house.new_loan()
    exit_event = house.hand_over(first, name)
    assert exit_event.body["media"] == [medium(1).id]
    house.report(name, exit_event.hash, first)
    with pytest.raises(Refused) as refused:
        house.hand_over(house.new_loan(), name)
    assert {"out", "not-in-hand", "no-inventory"} <= codes_of(refused)
    house.take_back(name)
    second = house.new_loan()
    with pytest.raises(Refused) as refused:
        house.hand_over(second, name)
    assert codes_of(refused) == {"no-inventory", "not-tested"}
    house.make_ready(1, after=exit_event.hash)
    again = house.hand_over(second, name)
    assert again.body["loan"] == second


def test_a_stale_wipe_does_not_count_after_the_return(house: House) -> None:
    name = house.make_ready(1)
    exit_event = house.hand_over(house.new_loan(), name)
    house.take_back(name)
    house.bench.say("device.inventoried", name, inventoried(name, exit_event.hash, medium(1)))
    house.bench.say("device.tested", name, passed(name, exit_event.hash))
    house.other_bench.say("medium.wiped", medium(1).id, wiped(medium(1), None, device=name))
    house.sync(house.bench)
    house.sync(house.other_bench)
    with pytest.raises(Refused) as refused:
        house.hand_over(house.new_loan(), name)
    assert codes_of(refused) == {"wipe-before-exit"}


def test_a_lie_in_the_cache_is_never_believed(house: House) -> None:
    name = house.make_ready(1)
    house.hand_over(house.new_loan(), name)
    with house.db.transaction() as tx:
        tx.s.execute(update(tables.DeviceRow).values(state="ready", reasons=[], exit=None, loan=None))
        tx.s.execute(update(tables.LoanItem).values(state="returned"))
    with pytest.raises(Refused) as refused:
        house.hand_over(house.new_loan(), name)
    assert "not-in-hand" in codes_of(refused)


def test_a_reservation_keeps_others_away_and_the_holder_may_hand_over(house: House) -> None:
    name, mine, theirs = house.make_ready(1), house.new_loan(), house.new_loan()
    with house.db.transaction() as tx:
        loans.reserve(tx, mine, name, house.desk, house.tick())
    with pytest.raises(Refused) as refused:
        house.hand_over(theirs, name)
    assert codes_of(refused) == {"reserved"}
    house.hand_over(mine, name)
    with house.db.read() as tx:
        assert [item.state for item in loans.get(tx, house.desk, mine).items] == ["out"]


def test_a_released_reservation_leaves_the_device_free(house: House) -> None:
    name, mine, theirs = house.make_ready(1), house.new_loan(), house.new_loan()
    with house.db.transaction() as tx:
        loans.reserve(tx, mine, name, house.desk, house.tick())
        loans.release(tx, mine, name, house.desk, house.tick())
    house.hand_over(theirs, name)


def test_all_reasons_come_at_once(house: House) -> None:
    with pytest.raises(Refused) as refused:
        house.hand_over("L-NONE", code(9))
    assert codes_of(refused) == {"unknown-loan", "not-registered", "not-tested", "no-inventory"}


@pytest.mark.parametrize("who", ["volunteer", "partner", "administrator"])
def test_only_desk_and_supervisor_hand_over(house: House, who: str) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    by: Actor = getattr(house, who)
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        loans.hand_over(tx, loan, name, by, house.tick())
    assert codes_of(refused) == {"role"}


def test_a_kiosk_report_closes_nothing_and_waits_for_staff(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    exit_event = house.hand_over(loan, name)
    house.report(name)
    house.report(name, exit_event.hash, loan)
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "out"
        assert loans.get(tx, house.desk, loan).items[0].reported_at is not None
        waiting = loans.awaiting_receipt(tx)
        assert [(one.device, one.loan, one.known) for one in waiting] == [(name, loan, True)]
        assert devices.page(tx, name, NOON).state == "reported"
    house.take_back(name)
    with house.db.read() as tx:
        assert loans.awaiting_receipt(tx) == []
        assert loans.get(tx, house.desk, loan).state == "closed"


def test_an_unknown_label_at_the_kiosk_waits_too_and_can_be_set_aside(house: House) -> None:
    event = house.report(code(77))
    with house.db.transaction() as tx:
        assert [(one.device, one.known) for one in loans.awaiting_receipt(tx)] == [(code(77), False)]
        loans.dismiss(tx, event.hash, "a library book", house.desk, house.tick())
        assert loans.awaiting_receipt(tx) == []


def test_a_station_that_has_the_device_in_hand_closes_the_loan(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    exit_event = house.hand_over(loan, name)
    house.receive_at_bench(name, exit_event.hash)
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "closed"
        assert about(tx, [f"loan:{loan}"])[-1].kind == "loan.closed"


def test_a_station_that_answers_an_older_exit_closes_nothing(house: House) -> None:
    name = house.make_ready(1)
    first = house.hand_over(house.new_loan(), name)
    house.take_back(name)
    house.make_ready(1, after=first.hash)
    loan = house.new_loan()
    house.hand_over(loan, name)
    house.receive_at_bench(name, first.hash)
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "out"


def test_one_loan_can_have_a_device_back_and_out_again_while_another_stays(house: House) -> None:
    loan = house.new_loan()
    house.hand_over(loan, house.make_ready(2))
    first = house.hand_over(loan, house.make_ready(1))
    house.take_back(code(1))
    house.make_ready(1, after=first.hash)
    house.hand_over(loan, code(1))
    with house.db.read() as tx:
        assert [item.state for item in loans.get(tx, house.desk, loan).items] == ["out", "returned", "out"]
        assert audit.verify(tx).exits == 3


def test_a_device_in_hand_cannot_be_taken_back(house: House) -> None:
    name = house.make_ready(1)
    with pytest.raises(Refused) as refused:
        house.take_back(name)
    assert codes_of(refused) == {"in-hand"}
    with pytest.raises(Refused) as refused:
        house.take_back(code(55))
    assert codes_of(refused) == {"unknown-device"}


def test_lost_and_given_end_a_loan_and_only_a_supervisor_says_so(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    house.hand_over(loan, name)
    with pytest.raises(Refused), house.db.transaction() as tx:
        loans.close(tx, loan, name, "lost", house.desk, house.tick())
    with house.db.transaction() as tx:
        loans.close(tx, loan, name, "lost", house.supervisor, house.tick())
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "closed"
        assert devices.page(tx, name, NOON).state == "gone"


def test_a_lost_device_that_turns_up_can_be_received_wiped_and_lent(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    exit_event = house.hand_over(loan, name)
    with house.db.transaction() as tx:
        loans.close(tx, loan, name, "lost", house.supervisor, house.tick())
    house.take_back(name)
    house.make_ready(1, after=exit_event.hash)
    house.hand_over(house.new_loan(), name)


def test_a_loan_can_be_extended_made_open_ended_and_not_into_the_past(house: House) -> None:
    loan, today = house.new_loan(), house.now.date()
    with house.db.transaction() as tx:
        loans.extend(tx, loan, today + timedelta(days=90), house.desk, house.tick())
        assert loans.get(tx, house.desk, loan).due == today + timedelta(days=90)
        loans.extend(tx, loan, None, house.desk, house.tick())
        assert loans.get(tx, house.desk, loan).due is None
        with pytest.raises(Refused):
            loans.extend(tx, loan, date(2020, 1, 1), house.desk, house.tick())


def test_a_partner_sees_its_own_referrals_and_loans_and_no_others(house: House) -> None:
    loan = house.new_loan()
    with house.db.read() as tx:
        assert [one.ref for one in loans.loans(tx, house.partner)] == [loan]
        assert loans.loans(tx, house.outsider) == []
        with pytest.raises(Refused):
            loans.get(tx, house.outsider, loan)
        referral = referrals.referrals(tx, house.partner)[0]
        assert (referral.loan, referral.state, referral.form.postcode) == (loan, "approved", "L1")
        assert referrals.referrals(tx, house.outsider) == []
        with pytest.raises(Refused):
            referrals.get(tx, house.outsider, referral.ref)
        with pytest.raises(Refused):
            referrals.referrals(tx, house.volunteer)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_reference", " "), ("postcode", "nowhere"), ("adults", 0), ("children", {"0-4": -1}),
        ("need", "yacht"), ("contact_phone", "ring me"), ("contact_name", ""), ("language", ""), ("told_how", ""),
    ],
)  # fmt: skip
def test_a_referral_says_which_field_is_wrong(house: House, field: str, value: Any) -> None:
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        referrals.refer(tx, house.partner, replace(FORM, **{field: value}), house.tick())
    assert [reason.subject for reason in refused.value.reasons] == [field]


def test_contact_through_the_partner_keeps_no_name_or_number(house: House) -> None:
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, replace(FORM, safe_contact="partner-only"), house.tick())
        form = referrals.get(tx, house.partner, ref).form
    assert (form.contact_name, form.contact_phone, form.via_partner) == ("", "", True)


def test_a_referral_is_decided_once(house: House) -> None:
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, FORM, house.tick())
        referrals.decline(tx, ref, house.desk, house.tick())
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        loans.approve(tx, ref, house.desk, house.tick())
    assert codes_of(refused) == {"decided"}


def test_the_database_itself_refuses_a_second_open_item(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    house.hand_over(loan, name)
    with house.db.transaction() as tx:
        tx.s.add(
            tables.LoanItem(
                loan=loan, kind="device", device=name, label="", network=None, allowance=None, state="reserved",
                reserved_at=house.now, out_at=None, exit=None, closed_at=None, closed_how=None,
            )
        )  # fmt: skip
        with pytest.raises(IntegrityError):
            tx.s.flush()
        tx.s.rollback()


def test_a_refused_hand_over_changes_nothing(house: House, db: Database) -> None:
    loan = house.new_loan()
    with db.read() as tx:
        before = tx.s.scalars(select(tables.EventRow.n)).all()
    with pytest.raises(Refused):
        house.hand_over(loan, code(3))
    with db.read() as tx:
        assert tx.s.scalars(select(tables.EventRow.n)).all() == before
        assert loans.get(tx, house.desk, loan).items == ()
