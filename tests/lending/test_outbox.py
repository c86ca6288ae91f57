"""A message exists once, is handed over once, and nobody pretends to know what nobody knows."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import messages, outbox
from lending.message_tables import MessageRow, OutboxWorker
from lending.outbox import Claim, Draft
from lending.transports import NotSent, Receipt, Superseded
from lending.worker import Busy, Worker, only_one_here
from tests.lending.house import House
from tests.lending.post import Moody, later, worker


def add(house: House, cause: str = "one", loan: str | None = None) -> str | None:
    with house.db.transaction() as tx:
        draft = Draft(cause, "help", "sms", "en", "+447700900123", "", "hello", "key", loan, 1, 250, house.now)
        return outbox.enqueue(tx, draft, house.now)


def row(house: House) -> MessageRow:
    with house.db.read() as tx:
        return tx.s.scalars(select(MessageRow)).one()


def started(house: House, transport: Moody, place: str = "here") -> Worker:
    one = worker(house, transport, place)
    one.take_office()
    return one


def claim(house: House, fence: int) -> Claim:
    with house.db.transaction() as tx:
        (one,) = outbox.claim(tx, fence, house.tick(), lambda tx, row, now: None, {"sms"})
        return one


def test_one_cause_makes_one_message_whose_words_are_sealed(house: House) -> None:
    assert add(house) is not None
    assert add(house) is None
    found = row(house)
    assert found.sealed is not None
    for clear in (b"hello", b"7700"):
        assert clear not in found.sealed


def test_a_message_goes_from_queued_to_sent_with_their_name_for_it(house: House) -> None:
    ref, moody = add(house), Moody()
    assert started(house, moody).round() == 1
    found = row(house)
    assert (found.state, found.transport_id, moody.kept) == ("sent", f"id-{ref}", [ref])
    assert found.claimed_at and found.handed_at and found.finished_at
    assert found.claimed_at < found.handed_at < found.finished_at


def test_a_no_is_tried_again_later_and_a_final_no_never(house: House) -> None:
    add(house)
    moody = Moody(moods=["no", "never"])
    one = started(house, moody)
    one.round()
    assert row(house).state == "queued"
    assert one.round() == 0, "not before its wait is over"
    later(house, minutes=2)
    one.round()
    assert (row(house).state, row(house).error, moody.kept) == ("failed", "they said no", [])


def test_a_message_that_breaks_the_worker_stops_no_other(house: House) -> None:
    add(house, "bad")
    add(house, "good")
    moody = Moody(moods=["broken-early"])
    started(house, moody).round()
    with house.db.read() as tx:
        found = {one.cause: one for one in tx.s.scalars(select(MessageRow))}
    assert (found["bad"].state, found["good"].state) == ("queued", "sent")
    assert found["bad"].error == "unexpected: ZeroDivisionError", "and no address in it"


@pytest.mark.parametrize("mood", ["unsure", "broken"])
def test_where_it_can_be_asked_it_is_asked_after_a_while_and_then_sent(house: House, mood: str) -> None:
    ref, moody = add(house), Moody(moods=[mood])
    one = started(house, moody)
    one.round()
    assert row(house).state == "asking"
    assert one.round() == 0, "the other side's answer is not final yet"
    later(house, seconds=40)
    one.round()
    assert (row(house).state, moody.asked) == ("queued", 1)
    one.round()
    assert (row(house).state, moody.kept) == ("sent", [ref])


def test_what_they_kept_without_saying_so_is_not_sent_again(house: House) -> None:
    ref, moody = add(house), Moody(moods=["unsure-kept"])
    one = started(house, moody)
    one.round()
    later(house, seconds=40)
    one.round()
    assert (row(house).state, moody.kept) == ("sent", [ref])
    assert one.round() == 0


def test_where_nobody_can_be_asked_it_is_unknown_until_a_person_decides(house: House) -> None:
    ref, moody = add(house), Moody(asks=False, moods=["unsure-kept"])
    assert ref is not None
    one = started(house, moody)
    one.round()
    assert row(house).state == "unknown"
    later(house, days=30)
    assert one.round() == 0
    assert moody.kept == [ref]
    with house.db.transaction() as tx:
        with pytest.raises(Refused, match="role"):
            messages.settle(tx, ref, "sent", house.partner, house.now)
        messages.settle(tx, ref, "queued", house.desk, house.now)
    one.round()
    assert (row(house).state, moody.kept) == ("sent", [ref, ref]), "twice, because a person said so"
    with house.db.transaction() as tx, pytest.raises(Refused, match="not unknown"):
        messages.settle(tx, ref, "failed", house.desk, house.now)


def test_a_house_that_refuses_doubles_gets_the_same_key_again(house: House) -> None:
    ref, moody = add(house), Moody(asks=False, keyed=True, moods=["unsure-kept"])
    one = started(house, moody)
    one.round()
    one.round()
    assert (row(house).state, moody.kept) == ("sent", [ref])


def test_a_worker_that_died_before_the_step_without_return_sent_nothing(house: House) -> None:
    add(house)
    dead = started(house, Moody())
    claim(house, dead.fence)
    assert row(house).state == "claimed"
    moody = Moody()
    started(house, moody).round()
    assert (row(house).state, len(moody.kept)) == ("sent", 1)


@pytest.mark.parametrize(("asks", "state"), [(True, "asking"), (False, "unknown")])
def test_a_worker_that_died_after_it_left_a_question(house: House, asks: bool, state: str) -> None:
    add(house)
    dead, moody = started(house, Moody()), Moody(asks=asks)
    one = claim(house, dead.fence)
    with house.db.transaction() as tx:
        assert outbox.handing_over(tx, one, "moody", house.tick())
    started(house, moody)
    assert row(house).state == state


def test_a_worker_that_was_thought_dead_hands_nothing_over(house: House) -> None:
    add(house)
    sleeper, moody = started(house, Moody()), Moody()
    one = claim(house, sleeper.fence)
    started(house, moody).round()
    with house.db.transaction() as tx:
        assert not outbox.handing_over(tx, one, "moody", house.tick())
        assert not outbox.not_sent(tx, one, NotSent("late"), house.tick())
    with pytest.raises(Superseded):
        sleeper.round()
    assert (row(house).state, len(moody.kept)) == ("sent", 1)


def test_a_late_receipt_is_news_and_a_late_no_is_not(house: House) -> None:
    add(house)
    sleeper = started(house, Moody())
    one = claim(house, sleeper.fence)
    with house.db.transaction() as tx:
        outbox.handing_over(tx, one, "moody", house.tick())
    started(house, Moody(asks=False))
    assert row(house).state == "unknown"
    with house.db.transaction() as tx:
        assert not outbox.not_sent(tx, one, NotSent("late"), house.tick())
        assert outbox.sent(tx, one, Receipt("late"), house.tick())
    assert (row(house).state, row(house).transport_id) == ("sent", "late")


def test_what_would_be_wrong_by_now_is_not_sent_any_more(house: House) -> None:
    add(house)
    with house.db.transaction() as tx:
        tx.s.scalars(select(MessageRow)).one().not_after = house.now
    later(house, hours=1)
    moody = Moody()
    started(house, moody).round()
    assert (row(house).state, moody.kept) == ("failed", [])


def test_one_worker_in_office_from_elsewhere_until_its_time_is_over(house: House) -> None:
    first = started(house, Moody(), "here")
    second = worker(house, Moody(), "elsewhere")
    with pytest.raises(Busy, match="drains the outbox"):
        second.take_office()
    later(house, seconds=130)
    second.take_office()
    assert second.fence > first.fence
    second.leave()
    first.take_office()


def test_who_leaves_in_good_order_is_not_waited_for(house: House) -> None:
    first = started(house, Moody(), "here")
    first.leave()
    worker(house, Moody(), "elsewhere").take_office()
    first.leave()
    with house.db.read() as tx:
        found = tx.s.get_one(OutboxWorker, 1)
        assert found.until > house.now, "only whoever is in office can leave it"


def test_one_worker_per_machine_and_its_lock_ends_with_it(tmp_path: Path) -> None:
    with only_one_here(tmp_path) as name, pytest.raises(Busy, match="on this machine"), only_one_here(tmp_path):
        pass
    with only_one_here(tmp_path) as again:
        assert again == name


def test_many_workers_at_once_send_each_message_once(house: House) -> None:
    for number in range(12):
        add(house, f"cause {number}")
    moody = Moody(asks=False)
    ready = threading.Barrier(4)

    def race(number: int) -> None:
        one = worker(house, moody, f"place {number}")
        ready.wait()
        try:
            one.take_office()
            while one.round():
                pass
        except (Busy, Superseded):
            pass

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moody.kept) == len(set(moody.kept)) == 12
