"""Random work on loans of many things, against what must always be so."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from custody.errors import Refused
from lending import audit, endings, loan_items, loans, preparation, sims, slots, tables
from lending.db import Tx
from lending.loan_tables import Booking, DataPlan, SimCard, Slot
from tests.lending.house import House

DOINGS = (
    "want-device", "want-charger", "want-sim", "keep-sim", "give-sim", "renew", "end-sim", "out", "hand-over", "back",
    "receive", "swap", "repair", "lost", "stolen", "let-go", "not-taken", "book", "fail", "cancel", "all", "pack",
)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(DOINGS), st.integers(0, 3)), min_size=4, max_size=25)


def work(house: House, tx: Tx, loan: str, doing: str, pick: int, ready: list[str]) -> None:
    """Do one thing; what the rules do not allow is refused."""
    by, now = house.supervisor, house.tick()
    found = [one for one in loan_items.things(tx, loan) if one.state in loan_items.OPEN]
    one = found[pick % len(found)] if found else None
    item, device = (one.id, one.device or "000000000000") if one else (0, "000000000000")
    match doing:
        case "want-device" | "want-charger" | "want-sim":
            loan_items.want(tx, loan, doing.removeprefix("want-"), by, now)
        case "out":
            loan_items.hand_out(tx, loan, item, by, now)
        case "hand-over":
            loans.hand_over(tx, loan, ready[pick], by, now)
        case "back":
            loan_items.take_in(tx, loan, item, by, now)
        case "receive":
            loans.take_back(tx, device, by, now, "good", {"charger": 1})
        case "swap" | "repair":
            endings.swap(tx, loan, device, pick % 2 == 0, doing, by, now, "worn")
        case "lost" | "stolen" | "let-go":
            endings.end(tx, loan, item, "written-off" if doing == "let-go" else doing, by, now)
        case "not-taken":
            loan_items.not_taken(tx, loan, item, by, now)
        case "pack":
            loan_items.prepare(tx, loan, item, True, by, now)
        case _:
            work_on_sims_and_slots(house, tx, loan, doing, pick, item)


def work_on_sims_and_slots(house: House, tx: Tx, loan: str, doing: str, pick: int, item: int) -> None:
    """Do one thing with a SIM or a booking, or let everything packed go out."""
    by, now = house.supervisor, house.now
    free, free_slots = sims.stock(tx, now.date()), slots.slots(tx, now.date())
    match doing:
        case "keep-sim":
            sims.keep(tx, loan, free[0].digits[0] if free else "9999", by, now)
        case "give-sim":
            sims.hand_out(tx, loan, item, "An Adult", True, by, now)
        case "renew":
            sims.renew(tx, loan, item, 3, by, now)
        case "end-sim":
            sims.end(tx, loan, item, "ended", by, now)
        case "book":
            slots.book(tx, loan, free_slots[pick % len(free_slots)].id, by, now)
        case "fail":
            slots.failed(tx, loan, "nobody-there", by, now)
        case "cancel":
            slots.cancel(tx, loan, by, now)
        case "all":
            preparation.hand_over_all(tx, loan, by, now)
        case _:
            raise AssertionError(doing)


def what_must_be_so(tx: Tx) -> None:
    """Compare every loan, SIM and slot with the rest of what is written down."""
    item = tables.LoanItem
    for loan in tx.s.scalars(select(tables.LoanRow)):
        states = list(tx.s.scalars(select(item.state).where(item.loan == loan.ref)))
        still = any(state in loan_items.OPEN for state in states)
        if loan.state == "closed":
            assert not still, f"{loan.ref} is closed with something open: {states}"
        if loan.state == "out":
            assert still, f"{loan.ref} is out with nothing open: {states}"
        if loan.state == "approved":
            assert "out" not in states
    for card in tx.s.scalars(select(SimCard)):
        row = tx.s.get(item, card.item_id) if card.item_id else None
        assert (card.state == "stock") == (row is None)
        if row is not None:
            assert {"kept": "reserved", "out": "out"}.get(card.state, row.state) == row.state
            plans = tx.s.scalar(select(func.count()).where(DataPlan.item_id == row.id))
            assert bool(plans) == (row.out_at is not None)
    for slot in tx.s.scalars(select(Slot)):
        query = select(func.count()).where(Booking.slot_id == slot.id, Booking.state.in_(("booked", "done")))
        assert (tx.s.scalar(query) or 0) <= slot.places
    for booking in tx.s.scalars(select(Booking)):
        assert booking.state == "booked" or booking.sealed is None
    audit.verify(tx)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_done_in_any_order_loans_sims_slots_and_history_agree(
    house: House, steps: list[tuple[str, int]]
) -> None:
    number = 1000 + house.bench.head.seq
    ready = [house.make_ready(number + each) for each in range(4)]
    loan, now = house.new_loan(), house.tick()
    with house.db.transaction() as tx:
        digits = [str(number * 10 + each)[-8:].zfill(5) for each in range(2)]
        sims.add_stock(tx, digits, "O2", "20 GB", 6, None, house.desk, now)
        for day in range(2):
            when = (now + timedelta(days=day)).date()
            slots.open_slots(tx, "collection", f"Hub {number}", when, "09:00", "10:00", 1, 1, house.desk, now)
    for doing, pick in steps:
        with suppress(Refused), house.db.transaction() as tx:
            work(house, tx, loan, doing, pick, ready)
    with house.db.read() as tx:
        what_must_be_so(tx)


def test_twelve_desks_and_three_places_make_three_bookings(house: House) -> None:
    day = (house.now + timedelta(days=1)).date()
    with house.db.transaction() as tx:
        slots.open_slots(tx, "collection", "Hub", day, "09:00", "10:00", 3, 1, house.desk, house.tick())
        slot = slots.slots(tx, day)[0].id
    wanting = [house.new_loan() for _ in range(12)]
    start = threading.Barrier(12)

    def try_it(loan: str) -> str:
        start.wait()
        try:
            with house.db.transaction() as tx:
                slots.book(tx, loan, slot, house.desk, house.now)
        except Refused as refused:
            return refused.reasons[0].code
        return "booked"

    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(try_it, wanting))
    assert (results.count("booked"), results.count("slot-full")) == (3, 9)


def test_a_slot_says_what_is_wrong_with_each_answer(house: House) -> None:
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        slots.open_slots(tx, "party", " ", None, "9", "08:00", 0, 99, house.desk, house.tick())
    assert [one.subject for one in refused.value.reasons] == [
        "kind", "place", "day", "starts", "ends", "places", "weeks",
    ]  # fmt: skip
