"""The pages of a loan as the desk uses them, on both databases."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from custody.errors import Refused
from labels.codes import pretty
from lending import agreements, child_safety, exceptions, loan_items, slots, tables
from lending.loan_tables import Booking, LoanAgreement
from tests.lending.screens import LENT, READY, RESERVED, Browser, Town

MARK = "100,100 200,150 300,100|400,200 500,250"


def text(browser: Browser, path: str, status: int = 200) -> str:
    found = browser.get(path)
    assert found.status_code == status, (path, found.status_code)
    return found.get_data(as_text=True)


def sent(browser: Browser, path: str, status: int = 200, more: dict[str, str] | None = None, **answers: Any) -> str:
    found = browser.post(path, more, **answers)
    assert found.status_code == status, (path, found.status_code, found.get_data(as_text=True)[:2000])
    return found.get_data(as_text=True)


def items(town: Town, loan: str) -> list[loan_items.Thing]:
    with town.house.db.read() as tx:
        return loan_items.things(tx, loan)


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found.group(1)


def test_a_household_goes_home_with_everything_step_by_step(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    page = text(desk, loan)
    assert "Before they go home with it" in page
    for kind in ("charger", "sim"):
        assert "is on the list" in sent(desk, f"{loan}/things", kind=kind)
    text(desk, "/sims")
    made = sent(desk, "/sims", network="Vodafone", allowance="40 GB a month", months="6", digits="48213 48214")
    assert "2 in the drawer" in made
    day = (town.house.now + timedelta(days=2)).date()
    when = {"day-day": str(day.day), "day-month": str(day.month), "day-year": str(day.year)}
    slot = {"kind": "collection", "place": "Toxteth Library", "starts": "09:30", "ends": "12:00", "places": "1"}
    assert "2 opened" in sent(desk, "/slots", more={**when, **slot, "weeks": "2"})
    with town.house.db.read() as tx:
        first = slots.slots(tx, day)[0].id
    assert "Booked." in sent(desk, f"{loan}/booking", slot=str(first))
    listed = text(desk, f"/prepare?day={day}")
    assert town.loan in listed
    assert "0 of 3 packed" in listed
    pack = f"/prepare/{town.loan}"
    assert "Packed: SIM …48213" in sent(desk, f"{pack}/scan", code="48213")
    assert "Packed: " in sent(desk, f"{pack}/scan", code=RESERVED)
    charger = next(one.id for one in items(town, town.loan) if one.kind == "charger")
    assert "All 3 packed" in sent(desk, f"{pack}/tick", item=str(charger))
    shown = text(desk, f"{loan}/agreement/loan")
    assert 'lang="ar" dir="rtl"' in shown
    assert "no person has reviewed" in shown
    agreed = sent(
        desk, f"{loan}/agreement/loan", language="ar", digest=digest_in(shown), how="mark", name="Nadia Rahman",
        mark=MARK, aloud="yes",
    )  # fmt: skip
    assert "kept as it was shown" in agreed
    assert "Handed over: " in sent(desk, f"{loan}/hand-over-packed")
    assert [one.state for one in items(town, town.loan) if one.kind != "sim"] == ["out", "out"]
    sim = next(one.id for one in items(town, town.loan) if one.kind == "sim")
    assert "tick that they are 18" in sent(desk, f"{loan}/things/{sim}/sim", 422, holder="Nadia Rahman")
    assert "Its data runs until" in sent(desk, f"{loan}/things/{sim}/sim", holder="Nadia Rahman", adult="yes")
    page = text(desk, loan)
    assert "was handed over" in page
    assert "Collection done" in page
    assert "Before they go home" not in page


def test_a_device_without_a_checked_filter_is_refused_with_what_to_do_and_goes_out_after_it(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    with town.house.db.transaction() as tx:
        how = "three pages tried"
        child_safety.verify_filter(tx, READY, "os", how, False, town.house.desk, town.house.tick())
    text(desk, loan)
    refused = sent(desk, f"{loan}/hand-over", 409, code=READY)
    assert "no working content filter" in refused
    assert "Put a content filter on" in refused
    assert "Does the content filter work?" in text(desk, f"{loan}/filter/{READY}")
    assert "Choose what filters" in sent(desk, f"{loan}/filter/{READY}", 422)
    assert "works: it may go" in sent(
        desk, f"{loan}/filter/{READY}", way="family-dns", how="three pages, all blocked", works="yes"
    )
    assert f"{pretty(READY)} is handed over" in sent(desk, f"{loan}/hand-over", code=READY)


def test_nothing_is_signed_that_was_not_shown(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    shown = digest_in(text(desk, f"{loan}/agreement/loan?language=pl"))
    sent(desk, f"{loan}/things", kind="bag")
    answers: dict[str, Any] = {"language": "pl", "how": "name", "name": "Nadia Rahman"}
    assert "changed since" in sent(desk, f"{loan}/agreement/loan", 409, digest=shown, **answers)
    with town.house.db.read() as tx:
        assert tx.s.scalars(select(LoanAgreement)).all() == []


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ({"how": "name"}, "enter the name"), ({"name": "N"}, "choose how"), ({"how": "mark", "name": "N"}, "was drawn"),
        ({"how": "mark", "name": "N", "mark": "1,1;drop"}, "was drawn"), ({"how": "witness", "name": "N"}, "who heard"),
        ({"how": "witness", "name": "N", "witness": "n "}, "somebody other"),
    ],
)  # fmt: skip
def test_an_agreement_says_what_is_missing(town: Town, answers: dict[str, Any], wanted: str) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    shown = digest_in(text(desk, f"{loan}/agreement/loan?language=en"))
    page = sent(desk, f"{loan}/agreement/loan", 422, language="en", digest=shown, **answers)
    assert wanted.lower() in page.lower()


def test_a_kept_agreement_is_what_was_shown_and_prints_in_both_languages(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    shown = text(desk, f"{loan}/agreement/loan?language=ckb")
    sent(
        desk, f"{loan}/agreement/loan", language="ckb", digest=digest_in(shown), how="witness", name="Nadia Rahman",
        witness="Vic",
    )  # fmt: skip
    with town.house.db.read() as tx:
        row = tx.s.scalars(select(LoanAgreement)).one()
        opened = agreements.open_agreement(tx, town.loan, row.ref, town.house.desk)
        made = agreements.document(tx, town.loan, "loan", "ckb", "Kitbank")
    assert opened.text == made.text
    assert opened.english == made.english
    assert "Nadia" not in str(row.sealed)
    kept = text(desk, f"{loan}/agreements/{row.ref}")
    for line in made.text.splitlines():
        assert line in kept
    pdf = desk.get(f"{loan}/agreements/{row.ref}.pdf")
    assert pdf.data.startswith(b"%PDF")
    assert len(pdf.data) > 20_000
    assert town.browser("supervisor").get(f"/loans/{town.out}/agreements/{row.ref}").status_code == 404


def test_what_a_partner_sees_of_a_loan_is_its_clocks_and_nothing_about_hardship(town: Town) -> None:
    with town.house.db.transaction() as tx:
        exceptions.stop_reminders(tx, town.out, "domestic-abuse", town.house.desk, town.house.tick())
    page = text(town.browser("partner"), f"/loans/{town.out}")
    assert "Reminders are stopped" not in page
    assert "What happened" not in page
    assert "days left" in page
    desk = text(town.browser("desk"), f"/loans/{town.out}/reminders")
    assert "are stopped" in desk
    assert "not safe" not in desk
    assert "domestic abuse" not in desk
    for role in ("supervisor", "data-protection"):
        assert "domestic abuse" in text(town.browser(role), f"/loans/{town.out}/reminders")


def test_reminders_stop_from_the_screen_at_once_and_only_a_supervisor_starts_them_again(town: Town) -> None:
    desk, path = town.browser("desk"), f"/loans/{town.out}/reminders"
    text(desk, path)
    assert "Choose the nearest reason" in sent(desk, path, 422)
    assert "Do not remind this household" in sent(desk, path, why="bereavement")
    assert sent(desk, f"{path}/again", 403)
    boss = town.browser("supervisor")
    text(boss, path)
    assert "Reminders go out again" in sent(boss, f"{path}/again")


def test_a_delivery_that_failed_says_why_keeps_no_address_and_is_booked_again(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    house, day = town.house, (town.house.now + timedelta(days=1)).date()
    with house.db.transaction() as tx:
        for where in ("North round", "South round"):
            slots.open_slots(tx, "delivery", where, day, "13:00", "16:00", 1, 1, house.desk, house.tick())
        first, second = (one.id for one in slots.slots(tx, day))
    text(desk, f"{loan}/booking")
    assert "needs the address" in sent(desk, f"{loan}/booking", 409, slot=str(first))
    sent(desk, f"{loan}/booking", slot=str(first), address="1 Upper Parliament Street")
    page = text(desk, f"{loan}/booking")
    assert "Upper Parliament" not in page
    assert "Upper Parliament" in sent(desk, f"{loan}/booking/address")
    assert "Choose what happened" in sent(desk, f"{loan}/booking/failed", 422)
    failed = sent(desk, f"{loan}/booking/failed", why="nobody-there")
    assert "Did not happen: nobody was there" in failed
    sent(desk, f"{loan}/booking", slot=str(second), address="1 Upper Parliament Street")
    with house.db.read() as tx:
        rows = tx.s.scalars(select(Booking).order_by(Booking.id)).all()
        assert [(row.state, row.why, row.sealed is None) for row in rows] == [
            ("failed", "nobody-there", True), ("booked", None, False),
        ]  # fmt: skip


def test_a_full_slot_takes_nobody_more_and_a_moved_booking_frees_its_place(town: Town) -> None:
    house, day = town.house, (town.house.now + timedelta(days=1)).date()
    other = house.new_loan()
    with house.db.transaction() as tx:
        slots.open_slots(tx, "collection", "Hub", day, "09:00", "10:00", 1, 2, house.desk, house.tick())
        first, second = (one.id for one in slots.slots(tx, day))
        slots.book(tx, town.loan, first, house.desk, house.tick())
        slots.book(tx, town.loan, first, house.desk, house.tick())  # the same again is no second place
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        slots.book(tx, other, first, house.desk, house.tick())
    assert [one.code for one in refused.value.reasons] == ["slot-full"]
    with house.db.transaction() as tx:
        slots.book(tx, town.loan, second, house.desk, house.tick())
        slots.book(tx, other, first, house.desk, house.tick())
        assert [one.left for one in slots.slots(tx, day)] == [0, 0]


def test_an_exchange_a_loss_and_a_day_of_its_own_from_the_page_of_one_thing(town: Town) -> None:
    desk, out = town.browser("desk"), f"/loans/{town.out}"
    item = next(one.id for one in items(town, town.out) if one.device == LENT)
    page = f"{out}/things/{item}"
    assert "Exchange or repair" in text(desk, page)
    assert "Enter the day" in sent(desk, f"{page}/clock", 422, which="own")
    sent(desk, f"{page}/clock", which="open")
    assert [one.due for one in items(town, town.out) if one.id == item] == [None]
    assert "old one is here" in sent(desk, f"{page}/swap", 422, why="repair")
    assert "Another device is wanted" in sent(desk, f"{page}/swap", why="repair", here="yes", condition="damaged")
    assert [one.state for one in items(town, town.out)][-1] == "reserved"


def test_a_gift_is_offered_only_where_the_programme_gives(town: Town) -> None:
    boss = town.browser("supervisor")
    item = next(one.id for one in items(town, town.out) if one.device == LENT)
    page = f"/loans/{town.out}/things/{item}"
    assert "keep it for good" not in text(boss, page)
    assert "lends and does not give" in sent(boss, f"{page}/give", 409)


def test_help_and_the_four_questions_are_kept(town: Town) -> None:
    desk, path = town.browser("desk"), f"/loans/{town.out}/help"
    text(desk, path)
    assert "Tap an answer" in sent(desk, path, 422, part="answers", stage="before", devices="1")
    taps: dict[str, Any] = {"devices": "0", "broadband": "1", "mobile_data": "2", "confidence": "1"}
    assert "Answered" in sent(desk, path, part="answers", stage="before", **taps)
    assert "Set up together" in sent(desk, path, part="setup", what="wifi")
    assert "tick that they said yes" in sent(desk, path, 422, part="skills", where="Learn My Way")
    assert "sent on to Learn My Way" in sent(desk, path, part="skills", where="Learn My Way", agreed="yes")


def test_no_word_about_a_household_is_in_clear_in_the_tables_of_loans(town: Town) -> None:
    desk, loan = town.browser("desk"), f"/loans/{town.loan}"
    shown = digest_in(text(desk, f"{loan}/agreement/loan?language=en"))
    sent(desk, f"{loan}/agreement/loan", language="en", digest=shown, how="name", name="Zebedee Quux")
    with town.house.db.read() as tx:
        for table in tables.Row.metadata.sorted_tables:
            assert "Quux" not in str(tx.s.execute(select(table)).all()), table.name
