"""A return that somebody was thanked for is never lost: it stays on the list until staff have seen to it."""

from custody.events import EventHash
from lending import audit, caches, devices, history, loans, origins
from lending.returns import OTHER_EXIT, REVOKED
from tests.factories import ALICE, NOON, inventoried, medium, received
from tests.lending.house import House, code

Waiting = list[tuple[str, tuple[str, ...]]]


def waiting(house: House) -> Waiting:
    """Return the devices that wait and what is doubtful about each."""
    with house.db.read() as tx:
        return [(one.device, one.doubts) for one in loans.awaiting_receipt(tx)]


def lent_again(house: House) -> tuple[str, EventHash, str, EventHash]:
    """Lend device 1 twice; return its code, the first exit, the second loan and its exit."""
    name = house.make_ready(1)
    first = house.hand_over(house.new_loan(), name)
    house.receive_at_bench(name, first.hash)
    house.make_ready(1, first.hash)
    loan = house.new_loan()
    return name, first.hash, loan, house.hand_over(loan, name).hash


def merged(house: House, gone: str, into: str) -> None:
    with house.db.transaction() as tx:
        body = {"from": gone, "into": into, "reason": "one device, two labels", "who": ALICE}
        history.append(tx, "device.merged", gone, body, house.tick())


def revoke_kiosk(house: House) -> None:
    with house.db.transaction() as tx:
        origins.revoke(tx, house.kiosk.id, "replaced by a new kiosk", house.administrator, house.tick())


def rebuild_agrees(house: House) -> bool:
    with house.db.transaction() as tx:
        return caches.rebuild(tx).same


def test_a_return_that_names_an_older_exit_is_listed_with_its_doubt(house: House) -> None:
    name, first, loan, _ = lent_again(house)
    house.report(name, first)
    assert waiting(house) == [(name, (OTHER_EXIT,))]
    with house.db.read() as tx:
        assert devices.page(tx, name, NOON).state == "reported"
        assert loans.get(tx, house.desk, loan).items[0].reported_at is not None
    assert rebuild_agrees(house)
    house.take_back(name)
    assert waiting(house) == []


def test_a_return_in_no_doubt_is_shown_before_a_newer_doubtful_one(house: House) -> None:
    name, first, _, second = lent_again(house)
    house.report(name, second)
    house.report(name, first)
    assert waiting(house) == [(name, ())]


def test_a_return_from_before_the_last_exit_says_nothing_about_it(house: House) -> None:
    name = house.make_ready(1)
    first = house.hand_over(house.new_loan(), name)
    house.report(name, first.hash)
    house.report(name)
    house.receive_at_bench(name, first.hash)
    house.make_ready(1, first.hash)
    house.hand_over(house.new_loan(), name)
    assert waiting(house) == []
    with house.db.read() as tx:
        assert devices.page(tx, name, NOON).state == "out"


def test_a_doubtful_return_can_be_set_aside(house: House) -> None:
    name, first, _, _ = lent_again(house)
    event = house.report(name, first)
    with house.db.transaction() as tx:
        loans.dismiss(tx, event.hash, "an old slip lay in the bag", house.desk, house.tick())
    assert waiting(house) == []
    with house.db.read() as tx:
        assert devices.page(tx, name, NOON).state == "out"


def test_a_return_from_a_revoked_kiosk_is_listed_as_such_until_staff_see_to_it(house: House) -> None:
    name = house.make_ready(1)
    left = house.hand_over(house.new_loan(), name)
    revoke_kiosk(house)
    house.report(name, left.hash)
    stranger = house.report(code(77))
    assert waiting(house) == [(name, (REVOKED,)), (code(77), (REVOKED,))]
    assert rebuild_agrees(house)
    house.take_back(name)
    with house.db.transaction() as tx:
        loans.dismiss(tx, stranger.hash, "not ours", house.desk, house.tick())
    assert waiting(house) == []
    with house.db.read() as tx:
        audit.verify(tx)


def test_a_return_that_was_refused_for_what_it_says_is_not_listed(house: House) -> None:
    name = house.make_ready(1)
    house.hand_over(house.new_loan(), name)
    revoke_kiosk(house)
    house.kiosk.forge("device.returned", name, {"code": name})
    house.sync(house.kiosk)
    assert waiting(house) == []


def test_a_return_under_a_label_that_was_merged_away_is_listed_under_the_one_that_stands(house: House) -> None:
    name, gone = house.make_ready(1), house.make_ready(2)
    merged(house, gone, name)
    house.bench.say("device.inventoried", name, inventoried(name, None, medium(1), medium(2)))
    house.sync(house.bench)
    loan = house.new_loan()
    left = house.hand_over(loan, name)
    house.report(gone, left.hash)
    assert waiting(house) == [(name, ())]
    with house.db.read() as tx:
        assert [one.loan for one in loans.awaiting_receipt(tx)] == [loan]
    house.report(name, left.hash)
    assert waiting(house) == [(name, ())]
    house.take_back(name)
    assert waiting(house) == []


def test_a_label_that_was_merged_while_it_was_out_still_waits(house: House) -> None:
    gone, name = house.make_ready(1), house.make_ready(2)
    left = house.hand_over(house.new_loan(), gone)
    house.report(gone, left.hash)
    merged(house, gone, name)
    assert waiting(house) == [(name, ())]


def test_a_device_that_was_given_up_as_lost_and_stands_at_the_kiosk_is_listed(house: House) -> None:
    name, loan = house.make_ready(1), house.new_loan()
    left = house.hand_over(loan, name)
    with house.db.transaction() as tx:
        loans.close(tx, loan, name, "lost", house.supervisor, house.tick())
    house.report(name, left.hash)
    assert waiting(house) == [(name, ())]
    with house.db.read() as tx:
        assert devices.page(tx, name, NOON).state == "reported"


def test_two_devices_without_a_readable_label_are_two_lines(house: House) -> None:
    house.report("no-label")
    house.report("no-label")
    assert waiting(house) == [("no-label", ()), ("no-label", ())]


def test_a_station_that_names_another_devices_exit_closes_nothing(house: House) -> None:
    name, other, loan = house.make_ready(1), house.make_ready(2), house.new_loan()
    left = house.hand_over(loan, name)
    house.bench.say("device.received", other, received(other, left.hash))
    house.sync(house.bench)
    with house.db.read() as tx:
        assert [item.state for item in loans.get(tx, house.desk, loan).items] == ["out"]
        assert devices.page(tx, name, NOON).state == "out"


def test_a_device_received_under_a_label_merged_into_it_closes_its_loan(house: House) -> None:
    gone, name, loan = house.make_ready(1), house.make_ready(2), house.new_loan()
    left = house.hand_over(loan, gone)
    merged(house, gone, name)
    house.receive_at_bench(name, left.hash)
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "closed"
