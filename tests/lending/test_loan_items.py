"""A loan of many things: each has its clock, and the loan ends when nothing is out any more."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.errors import Refused
from lending import audit, child_safety, endings, exceptions, loan_items, loans, sims, steps, tables
from lending.db import Tx
from lending.loan_items import Thing
from tests.factories import filtered, inventoried, medium, passed, wiped
from tests.lending.house import FORM, House, code
from tests.lending.test_loans import codes_of


def thing(tx: Tx, loan: str, kind: str) -> Thing:
    return [one for one in loan_items.things(tx, loan) if one.kind == kind][-1]


def family(house: House) -> str:
    return house.new_loan(FORM)


def check_filter(house: House, name: str, verified: bool = True) -> None:
    with house.db.transaction() as tx:
        how = "three test pages, all blocked"
        child_safety.verify_filter(tx, name, "family-dns", how, verified, house.desk, house.tick())


# -- the child-safety gate ---------------------------------------------------------------------------------------


def test_no_device_goes_to_a_child_before_its_filter_was_checked(house: House) -> None:
    name, loan = house.make_ready(1), family(house)
    with pytest.raises(Refused) as refused:
        house.hand_over(loan, name)
    assert codes_of(refused) == {"filter-not-verified"}
    check_filter(house, name)
    house.hand_over(loan, name)


def test_a_filter_that_did_not_work_keeps_the_gate_closed_until_it_was_seen_to_work(house: House) -> None:
    name, loan = house.make_ready(1), family(house)
    check_filter(house, name)
    check_filter(house, name, verified=False)
    with pytest.raises(Refused) as refused:
        house.hand_over(loan, name)
    assert codes_of(refused) == {"filter-failed"}
    check_filter(house, name)
    house.hand_over(loan, name)


def test_a_filter_of_before_the_last_loan_does_not_count(house: House) -> None:
    name = house.make_ready(1)
    check_filter(house, name)
    left = house.hand_over(family(house), name)
    house.take_back(name)
    house.make_ready(1, after=left.hash)
    with pytest.raises(Refused) as refused:
        house.hand_over(family(house), name)
    assert codes_of(refused) == {"filter-not-verified"}
    house.hand_over(house.new_loan(), name)  # grown-ups only


@pytest.mark.parametrize("writer", ["bench", "other_bench"])
def test_a_wipe_takes_the_filter_away_whoever_wiped(house: House, writer: str) -> None:
    name, loan = house.make_ready(1), family(house)
    check_filter(house, name)
    scribe = getattr(house, writer)
    scribe.say("medium.wiped", medium(1).id, wiped(medium(1), None, device=name))
    house.sync(scribe)
    with pytest.raises(Refused) as refused:
        house.hand_over(loan, name)
    assert codes_of(refused) == {"filter-gone"}


def test_a_station_may_say_that_the_filter_works_and_only_after_its_wipe(house: House) -> None:
    name, loan = house.make_ready(1), family(house)
    house.bench.say("device.filtered", name, filtered(name, None))
    house.sync(house.bench)
    house.hand_over(loan, name)
    second = house.make_ready(2)
    house.other_bench.say("device.filtered", second, filtered(second, None))  # it has not seen the other bench's wipe
    house.sync(house.other_bench)
    with pytest.raises(Refused) as refused:
        house.hand_over(loan, second)
    assert codes_of(refused) == {"filter-gone"}


def test_where_nobody_knows_who_lives_there_the_filter_is_asked_for(house: House) -> None:
    loan = house.new_loan()
    with house.db.transaction() as tx:
        assert not child_safety.has_children(tx, loan)
        tx.s.get_one(tables.LoanRow, loan).referral = None
        tx.s.flush()
        assert child_safety.has_children(tx, loan)


def test_a_filter_is_checked_on_a_device_that_is_here_by_somebody_who_says_how(house: House) -> None:
    name = house.make_ready(1)
    for way, how, wanted in (("magic", "looked at it", "way"), ("os", " ", "how")):
        with pytest.raises(Refused) as refused, house.db.transaction() as tx:
            child_safety.verify_filter(tx, name, way, how, True, house.desk, house.tick())
        assert codes_of(refused) == {wanted}
    house.hand_over(house.new_loan(), name)
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        child_safety.verify_filter(tx, name, "os", "looked at it", True, house.desk, house.tick())
    assert codes_of(refused) == {"not-in-hand"}


WORLDS = st.lists(st.sampled_from(["check", "fail", "wipe", "wipe-elsewhere", "look", "round"]), max_size=7)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORLDS)
def test_whatever_happened_a_child_gets_a_device_only_with_a_filter_that_is_on_it(
    house: House, doings: list[str]
) -> None:
    """The oracle keeps what is true of the thing itself: is a working filter on it now?"""
    number = 1000 + house.bench.head.seq  # a device that no other example has touched
    name, on_it, exit_hash = house.make_ready(number), False, None
    for doing in doings:
        if doing in ("check", "fail"):
            on_it = doing == "check"
            check_filter(house, name, verified=on_it)
        elif doing.startswith("wipe"):
            scribe = house.bench if doing == "wipe" else house.other_bench
            scribe.say("medium.wiped", medium(number).id, wiped(medium(number), exit_hash, device=name))
            house.sync(scribe)
            on_it = False
        elif doing == "look":
            house.bench.say("device.inventoried", name, inventoried(name, exit_hash, medium(number)))
            house.bench.say("device.tested", name, passed(name, exit_hash))
            house.sync(house.bench)
        else:
            exit_hash = house.hand_over(house.new_loan(), name).hash
            house.take_back(name)
            house.make_ready(number, after=exit_hash)
            on_it = False
    went = True
    try:
        house.hand_over(family(house), name)
    except Refused:
        went = False
    assert went == on_it
    if went:
        house.take_back(name)


# -- items and clocks --------------------------------------------------------------------------------------------


def test_each_thing_has_a_clock_of_its_own_and_follows_the_loan_otherwise(house: House) -> None:
    loan, today = house.new_loan(), house.now.date()
    with house.db.transaction() as tx:
        loans.extend(tx, loan, today + timedelta(days=90), house.desk, house.tick())
        bag = loan_items.want(tx, loan, "bag", house.desk, house.tick())
        mouse = loan_items.want(tx, loan, "mouse", house.desk, house.tick())
        until = today + timedelta(days=7)
        loan_items.set_clock(tx, loan, bag, until, house.desk, house.tick(), open_ended=False)
        loan_items.set_clock(tx, loan, mouse, None, house.desk, house.tick(), open_ended=True)
        charger = loan_items.want(tx, loan, "charger", house.desk, house.tick())
        assert [loan_items.due_of(tx, one) for one in (bag, mouse, charger)] == [
            until, None, today + timedelta(days=90),
        ]  # fmt: skip
        with pytest.raises(Refused) as refused:
            loan_items.set_clock(tx, loan, bag, date(2020, 1, 1), house.desk, house.tick(), open_ended=False)
        assert codes_of(refused) == {"date"}
        loan_items.set_clock(tx, loan, bag, None, house.desk, house.tick(), open_ended=False)
        assert loan_items.due_of(tx, bag) == today + timedelta(days=90)


def test_a_wanted_device_takes_the_label_that_is_scanned_and_is_not_wanted_twice(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    with house.db.transaction() as tx:
        loan_items.want(tx, loan, "device", house.desk, house.tick())
    house.hand_over(loan, name)
    with house.db.read() as tx:
        assert [(one.device, one.state) for one in loan_items.things(tx, loan)] == [(name, "out")]


def test_a_loan_ends_with_the_last_thing_and_a_counted_charger_comes_back_with_its_device(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    with house.db.transaction() as tx:
        charger = loan_items.want(tx, loan, "charger", house.desk, house.tick())
        bag = loan_items.want(tx, loan, "bag", house.desk, house.tick())
        for one in (charger, bag):
            loan_items.hand_out(tx, loan, one, house.desk, house.tick())
    house.hand_over(loan, name)
    house.take_back(name)  # with one charger
    with house.db.transaction() as tx:
        assert thing(tx, loan, "charger").state == "returned"
        assert thing(tx, loan, "bag").state == "out"
        assert loans.get(tx, house.desk, loan).state == "out"
        loan_items.take_in(tx, loan, bag, house.volunteer, house.tick())
        assert loans.get(tx, house.desk, loan).state == "closed"
        audit.verify(tx)


def test_a_device_never_goes_out_or_comes_in_as_if_it_were_a_bag(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    with house.db.transaction() as tx:
        loans.reserve(tx, loan, name, house.desk, house.tick())
        item = thing(tx, loan, "device").id
        for doing in (loan_items.hand_out, loan_items.take_in):
            with pytest.raises(Refused) as refused:
                doing(tx, loan, item, house.desk, house.tick())
            assert codes_of(refused) == {"wrong-way"}
        with pytest.raises(Refused) as refused:
            loan_items.take_in(tx, "L-OTHER", item, house.desk, house.tick())
        assert codes_of(refused) == {"unknown-item"}


def test_an_exchange_keeps_the_loan_and_wants_another_device_at_once(house: House) -> None:
    old, new, loan = house.make_ready(1), house.make_ready(2), house.new_loan()
    house.hand_over(loan, old)
    with house.db.transaction() as tx:
        endings.swap(tx, loan, old, True, "repair", house.desk, house.tick(), "damaged")
        assert loans.get(tx, house.desk, loan).state == "out"
        assert [one.state for one in loan_items.things(tx, loan)] == ["returned", "reserved"]
    house.hand_over(loan, new)
    with house.db.read() as tx:
        found = loan_items.things(tx, loan)
        assert [(one.device, one.state) for one in found] == [(old, "returned"), (new, "out")]
        assert found[1].replaces == found[0].id
        assert found[0].how == "repair"
        audit.verify(tx)


def test_an_exchange_may_let_the_old_one_come_back_later_so_that_nobody_is_without(house: House) -> None:
    old, new, loan = house.make_ready(1), house.make_ready(2), house.new_loan()
    house.hand_over(loan, old)
    with house.db.transaction() as tx:
        endings.swap(tx, loan, old, False, "swap", house.desk, house.tick())
        assert loan_items.things(tx, loan)[0].due == house.now.date() + timedelta(days=endings.SWAP_DAYS)
    house.hand_over(loan, new)
    house.take_back(old)
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "out"


@pytest.mark.parametrize("how", list(endings.HOWS))
def test_lost_stolen_and_let_go_end_a_device_without_blame_and_history_agrees(house: House, how: str) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    house.hand_over(loan, name)
    with house.db.transaction() as tx:
        endings.end(tx, loan, thing(tx, loan, "device").id, how, house.supervisor, house.tick())
        assert thing(tx, loan, "device").how == how
        assert loans.get(tx, house.desk, loan).state == "closed"
        audit.verify(tx)


def test_a_gift_needs_a_programme_that_gives_and_takes_the_charger_along(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    house.hand_over(loan, name)
    with house.db.transaction() as tx:
        charger = loan_items.want(tx, loan, "charger", house.desk, house.tick())
        loan_items.hand_out(tx, loan, charger, house.desk, house.tick())
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        endings.give(tx, loan, name, house.supervisor, house.tick(), gifts=False)
    assert codes_of(refused) == {"gifts-off"}
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        endings.gift(tx, loan, name, house.desk)
    assert codes_of(refused) == {"unknown-gift"}
    with house.db.transaction() as tx:
        endings.give(tx, loan, name, house.supervisor, house.tick(), gifts=True)
        assert [one.state for one in loan_items.things(tx, loan)] == ["given", "given"]
        assert endings.gift(tx, loan, name, house.desk).device == name
        assert loans.get(tx, house.desk, loan).state == "closed"
        audit.verify(tx)


def test_a_device_that_is_on_its_way_back_is_not_given(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    left = house.hand_over(loan, name)
    house.report(name, left.hash, loan)
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        endings.give(tx, loan, name, house.supervisor, house.tick(), gifts=True)
    assert codes_of(refused) == {"reported"}


# -- hardship ----------------------------------------------------------------------------------------------------


def test_hardship_stops_reminders_at_once_and_its_reason_is_for_two_roles_only(house: House) -> None:
    loan = house.new_loan()
    with house.db.transaction() as tx:
        assert not exceptions.reminders_stopped(tx, loan)
        exceptions.stop_reminders(tx, loan, "domestic-abuse", house.desk, house.tick())
        assert exceptions.reminders_stopped(tx, loan)
        assert [one.why for one in exceptions.exceptions(tx, loan, house.desk)] == [""]
        assert [one.why for one in exceptions.exceptions(tx, loan, house.supervisor)] == ["domestic-abuse"]
        words = " ".join(one.words for one in steps.steps(tx, loan))
        assert "abuse" not in words
        assert "safe" not in words
        with pytest.raises(Refused) as refused:
            exceptions.resume_reminders(tx, loan, house.desk, house.tick())
        assert codes_of(refused) == {"role"}
        exceptions.resume_reminders(tx, loan, house.supervisor, house.tick())
        assert not exceptions.reminders_stopped(tx, loan)


# -- SIMs --------------------------------------------------------------------------------------------------------


def drawer(tx: Tx, house: House, *digits: str) -> None:
    sims.add_stock(tx, digits, "Vodafone", "40 GB a month", 6, None, house.desk, house.tick())


def test_a_sim_goes_to_an_adult_and_runs_its_months_whatever_the_device_does(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    with house.db.transaction() as tx:
        drawer(tx, house, "48213", "48214")
        item = loan_items.want(tx, loan, "sim", house.desk, house.tick())
        assert sims.keep(tx, loan, "48213", house.volunteer, house.tick()) == item
        with pytest.raises(Refused) as refused:
            sims.hand_out(tx, loan, item, "Nadia Rahman", False, house.desk, house.tick())
        assert codes_of(refused) == {"adult"}
        plan = sims.hand_out(tx, loan, item, "Nadia Rahman", True, house.desk, house.tick())
        assert plan.expires == sims.add_months(house.now.date(), 6)
        assert sims.holder(tx, item, house.now.date()) == "Nadia Rahman"
    house.hand_over(loan, name)
    house.take_back(name)
    with house.db.transaction() as tx:
        assert thing(tx, loan, "sim").state == "out"
        assert loans.get(tx, house.desk, loan).state == "out"
        sims.end(tx, loan, item, "ended", house.desk, house.tick())
        assert loans.get(tx, house.desk, loan).state == "closed"
        assert sims.counts(tx) == {"stock": 1, "ended": 1}


def test_a_plan_warns_thirty_days_before_its_end_and_is_renewed_from_its_end(house: House) -> None:
    loan = house.new_loan()
    with house.db.transaction() as tx:
        drawer(tx, house, "48213")
        item = sims.keep(tx, loan, "48213", house.desk, house.tick())
        plan = sims.hand_out(tx, loan, item, "A", True, house.desk, house.tick())
        day = timedelta(days=1)
        assert sims.ending(tx, plan.expires - 31 * day) == []
        assert [(one.item, one.left) for one in sims.ending(tx, plan.expires - 30 * day)] == [(item, 30)]
        assert [one.left for one in sims.ending(tx, plan.expires + day)] == [-1]
        again = sims.renew(tx, loan, item, 3, house.desk, house.tick())
        assert (again.starts, again.expires) == (plan.expires, sims.add_months(plan.expires, 3))
        assert sims.ending(tx, plan.expires - 30 * day) == []
        assert sims.holder(tx, item, house.now.date()) == "A"
        assert loan_items.due_of(tx, item) == again.expires


def test_a_sim_is_in_one_place_only_and_a_wrong_one_says_which(house: House) -> None:
    first, second = house.new_loan(), house.new_loan()
    with house.db.transaction() as tx:
        drawer(tx, house, "48213")
        item = sims.keep(tx, first, "48213", house.desk, house.tick())
        for digits, wanted in (("48213", "sim-taken"), ("99999", "unknown-sim")):
            with pytest.raises(Refused) as refused:
                sims.keep(tx, second, digits, house.desk, house.tick())
            assert codes_of(refused) == {wanted}
        loan_items.not_taken(tx, first, item, house.desk, house.tick())
        sims.keep(tx, second, "48213", house.desk, house.tick())
        with pytest.raises(Refused) as refused:
            sims.add_stock(tx, ["48213", "12", "77777", "77777"], "", "x", 99, None, house.desk, house.tick())
        assert [one.subject for one in refused.value.reasons] == ["network", "months", "digits", "digits", "digits"]
        assert sims.stock(tx, house.now.date()) == []


@pytest.mark.parametrize(
    ("day", "months", "wanted"),
    [
        (date(2026, 8, 31), 6, date(2027, 2, 28)), (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 11, 25), 1, date(2026, 12, 25)), (date(2026, 12, 1), 12, date(2027, 12, 1)),
    ],
)  # fmt: skip
def test_months_end_on_the_same_day_or_the_last_of_the_month(day: date, months: int, wanted: date) -> None:
    assert sims.add_months(day, months) == wanted


def test_the_household_of_the_tests_has_children() -> None:
    assert child_safety.children_in(FORM.children) == 2
    assert child_safety.children_in({}) is None
    assert child_safety.children_in(replace(FORM, children={"0-4": 0}).children) == 0
    assert len(code(1)) == 12
