"""Recalls: everybody and everything is listed, nothing goes out meanwhile, and nobody closes one too early."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from custody.errors import Refused
from custody.events import EventHash
from labels.codes import pretty
from lending import audit, breaches, loans, origins, recall_work, recalls, referrals, tables
from lending.recall_scope import Scope, serial_within
from tests.factories import Scribe, inventoried, medium, passed, registered, wiped
from tests.lending.house import FORM, House, code
from tests.lending.screens import REPORTED, Town


def codes_of(refused: Refused) -> set[str]:
    return {reason.code for reason in refused.reasons}


def begin(house: House, scope: Scope, reason: str = "found in an audit") -> str:
    with house.db.transaction() as tx:
        return recalls.start(tx, scope, reason, house.supervisor, house.tick())


def open_lines(house: House, recall: str, todo: bool = True) -> list[recall_work.Line]:
    with house.db.read() as tx:
        return recall_work.lines(tx, recall, house.desk, todo=todo)


def say(house: House, number: int, kind: str, words: str = "by telephone") -> None:
    with house.db.transaction() as tx:
        recall_work.note(tx, number, kind, words, house.desk, house.tick())


def loan_of(house: House) -> str:
    """Refer a household without children, so that no content filter is asked for."""
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, replace(FORM, children={}), house.tick())
        return loans.approve(tx, ref, house.desk, house.tick())


def ready_at(house: House, bench: Scribe, number: int, after: EventHash | None = None) -> str:
    name, disk = code(number), medium(number)
    bench.clock = house.bench.clock
    bench.say("device.inventoried", name, inventoried(name, after, disk))
    bench.say("device.tested", name, passed(name, after))
    bench.say("medium.wiped", disk.id, wiped(disk, after, device=name))
    house.sync(bench)
    return name


def wipe_of(house: House, name: str) -> str:
    return next(e.hash for e in house.bench.events if e.kind == "medium.wiped" and e.body["device"] == name)


def refuse_hand_over(house: House, loan: str, name: str) -> set[str]:
    with pytest.raises(Refused) as caught:
        house.hand_over(loan, name)
    return codes_of(caught.value)


def test_a_recall_of_a_station_stops_every_device_it_vouched_for_at_once(house: House) -> None:
    here, other = house.make_ready(1), house.make_ready(2)
    ready_at(house, house.other_bench, 2)
    loan = loan_of(house)
    recall = begin(house, Scope("origin", origin=house.bench.id))
    assert "recalled" in refuse_hand_over(house, loan, here)
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        loans.reserve(tx, loan, here, house.desk, house.tick())
    assert "recalled" in codes_of(caught.value)
    house.hand_over(loan, other)  # another station wiped it and looked inside as well
    assert [(one.device, one.left) for one in open_lines(house, recall)] == [(here, ("wipe",))]


def test_a_new_wipe_by_another_station_ends_the_hold_and_one_by_the_same_does_not(house: House) -> None:
    here, loan = house.make_ready(1), loan_of(house)
    recall = begin(house, Scope("origin", origin=house.bench.id))
    house.bench.say("medium.wiped", medium(1).id, wiped(medium(1), None, device=here))
    house.sync(house.bench)
    assert refuse_hand_over(house, loan, here) == {"recalled"}
    ready_at(house, house.other_bench, 1)
    house.hand_over(loan, here)
    with house.db.transaction() as tx:
        recall_work.finish_ready(tx, recall, house.tick())
    assert [one.device for one in open_lines(house, recall)] == [here]  # it is out now: it must come back


def test_a_device_that_comes_under_a_recall_later_is_held_and_listed_too(house: House) -> None:
    recall = begin(house, Scope("model", make="acme", model="BOOK", first="SER5", last="SER9"))
    inside, outside, loan = house.make_ready(7), house.make_ready(12), loan_of(house)
    assert refuse_hand_over(house, loan, inside) == {"recalled"}
    house.hand_over(loan, outside)
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recalls.close(tx, recall, house.supervisor, house.tick())
    assert "open-lines" in codes_of(caught.value)
    with house.db.transaction() as tx:
        recalls.look_again(tx, recall, house.desk, house.tick())
    assert [one.device for one in open_lines(house, recall)] == [inside]


def test_every_household_that_had_a_device_on_a_doubtful_wipe_alone_is_named(house: House) -> None:
    name, first, second = house.make_ready(1), loan_of(house), loan_of(house)
    bad = wipe_of(house, name)
    left = house.hand_over(first, name)
    house.take_back(name)
    house.make_ready(1, after=left.hash)
    house.hand_over(second, name)
    recall = begin(house, Scope("wipe", wipe=bad[:16]))
    found = {(one.loan, one.part, one.left) for one in open_lines(house, recall)}
    assert found == {(first, "earlier", ("tell",))}  # the second had a wipe of its own
    (line,) = open_lines(house, recall)
    assert line.contact and line.language == "Arabic"
    say(house, line.id, "told")
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recalls.close(tx, recall, house.supervisor, house.tick())
    assert codes_of(caught.value) == {"breach-open"}  # it went into the register by itself
    lead = replace(house.supervisor, roles=frozenset({"data-protection"}))
    with house.db.transaction() as tx:
        (breach,) = breaches.breaches(tx, lead)
        assert breach.people == 1
        breaches.decide(tx, breach.ref, "not-told", "Read back: the drive held nothing.", lead, house.tick())
        recalls.close(tx, recall, house.supervisor, house.tick())


def test_a_disputed_wipe_closes_the_gate_itself_and_history_still_verifies(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    recall = begin(house, Scope("wipe", wipe=wipe_of(house, name)))
    assert "not-wiped" in refuse_hand_over(house, loan, name)
    (line,) = open_lines(house, recall)
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recall_work.release(tx, line.id, "it will be fine", house.supervisor, house.tick())
    assert codes_of(caught.value) == {"by-wipe"}
    house.bench.say("medium.wiped", medium(1).id, wiped(medium(1), None, device=name))
    house.sync(house.bench)
    with house.db.transaction() as tx:
        assert recall_work.finish_ready(tx, recall, house.tick()) == 1
        recalls.close(tx, recall, house.supervisor, house.tick())
    house.hand_over(loan, name)
    with house.db.read() as tx:
        audit.verify(tx)


def test_a_wipe_disputed_before_the_recall_is_found_as_well(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    bad = wipe_of(house, name)
    house.hand_over(loan, name)
    first = begin(house, Scope("wipe", wipe=bad))
    again = begin(house, Scope("wipe", wipe=bad))
    for recall in (first, again):
        assert [(one.loan, one.standing) for one in open_lines(house, recall)] == [(loan, "out")]


def test_a_household_with_a_recalled_device_is_worked_through_to_the_end(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    left = house.hand_over(loan, name)
    recall = begin(house, Scope("model", make="ACME", model="Book"))
    (line,) = open_lines(house, recall)
    assert line.left == ("tell", "fetch", "release", "replace")
    say(house, line.id, "tried")
    say(house, line.id, "told")
    say(house, line.id, "collection", "Tuesday morning")
    say(house, line.id, "replacement", "takes another one")
    house.take_back(name)
    assert open_lines(house, recall)[0].left == ("release",)
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recall_work.release(tx, line.id, "new battery", house.desk, house.tick())
    assert codes_of(caught.value) == {"role"}
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recall_work.release(tx, line.id, " ", house.supervisor, house.tick())
    assert codes_of(caught.value) == {"reason"}
    house.make_ready(1, after=left.hash)
    assert refuse_hand_over(house, loan_of(house), name) == {"recalled"}
    with house.db.transaction() as tx:
        recall_work.release(tx, line.id, "new battery fitted and tested", house.supervisor, house.tick())
    house.hand_over(loan_of(house), name)
    with house.db.transaction() as tx:
        assert recalls.progress(tx, recall).per_cent == 100
        recalls.close(tx, recall, house.supervisor, house.tick())
    (line,) = open_lines(house, recall, todo=False)
    assert [one.kind for one in line.steps] == ["tried", "told", "collection", "replacement", "released"]


def test_nobody_closes_a_recall_with_an_open_line_and_no_line_can_be_deleted(house: House) -> None:
    name = house.make_ready(1)
    recall = begin(house, Scope("medium", medium="SN000001"))
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recalls.close(tx, recall, house.supervisor, house.tick())
    assert {"open-lines", "open-line"} == codes_of(caught.value)
    say(house, open_lines(house, recall)[0].id, "note", "looked for it")
    for table in ("recall_step", "recall_line", "recall"):
        with house.db.transaction() as tx, pytest.raises(DBAPIError, match="never deleted"):
            tx.s.execute(text(f"DELETE FROM {table}"))
    assert [one.device for one in open_lines(house, recall)] == [name]


def test_only_a_supervisor_starts_releases_or_closes(house: House) -> None:
    house.make_ready(1)
    for actor in (house.desk, house.volunteer, house.partner, house.administrator):
        with house.db.transaction() as tx, pytest.raises(Refused) as caught:
            recalls.start(tx, Scope("model", make="ACME", model="Book"), "x", actor, house.tick())
        assert codes_of(caught.value) == {"role"}


@pytest.mark.parametrize(
    ("scope", "field"),
    [
        (Scope("wipe", wipe="abc"), "wipe"), (Scope("medium", medium="no such"), "medium"),
        (Scope("origin", origin="x"), "origin"), (Scope("model", make="ACME"), "make"), (Scope("other"), "kind"),
    ],
)  # fmt: skip
def test_a_scope_that_names_nothing_is_refused_at_its_field(house: House, scope: Scope, field: str) -> None:
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        recalls.start(tx, scope, "why", house.supervisor, house.tick())
    assert caught.value.reasons[0].subject == field


def test_a_revoked_stations_devices_can_be_recalled(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    with house.db.transaction() as tx:
        origins.revoke(tx, house.bench.id, "its key was copied", house.administrator, house.tick())
    recall = begin(house, Scope("origin", origin=house.bench.id))
    assert refuse_hand_over(house, loan, name) == {"recalled"}
    ready_at(house, house.other_bench, 1)
    house.hand_over(loan, name)
    assert recall


@pytest.mark.parametrize(
    ("serial", "first", "last", "inside"),
    [
        ("PF0010", "PF0005", "PF0020", True), ("PF0021", "PF0005", "PF0020", False), ("pf9", "PF10", "", False),
        ("", "PF10", "PF20", True), ("XY15", "PF10", "PF20", True), ("PF15", "", "", True), ("PF15", "", "PF15", True),
    ],
)  # fmt: skip
def test_a_serial_is_in_the_range_or_cannot_be_told_to_be_outside(
    serial: str, first: str, last: str, inside: bool
) -> None:
    assert serial_within(serial, first, last) is inside


def test_registered_devices_of_the_model_are_found_whatever_the_capitals(house: House) -> None:
    house.bench.say("device.registered", code(3), {**registered(code(3)), "make": "Acme  ", "model": "book"})
    house.sync(house.bench)
    with house.db.read() as tx:
        found = recalls.preview(tx, Scope("model", make="ACME", model="Book"), house.supervisor)
    assert (found.devices, found.out) == (1, 0)
    with house.db.read() as tx:
        assert tx.s.get(tables.DeviceRow, code(3)) is not None


def test_a_recall_is_begun_worked_and_closed_on_the_screens(town: Town) -> None:
    sue, dee = town.browser("supervisor"), town.browser("desk")
    asked = sue.get("/recalls/new?kind=model&make=apple&model=macbook+air+2017").get_data(as_text=True)
    assert "1 device" in asked
    assert "cannot be compared" not in asked
    wrong = sue.get("/recalls/new?kind=medium&medium=none").get_data(as_text=True)
    assert "no drive here has the serial number" in wrong.lower()
    scope = {"kind": "model", "make": "apple", "model": "macbook air 2017"}
    assert sue.post("/recalls/new", {**scope, "reason": ""}).status_code == 422
    page = sue.post("/recalls/new", {**scope, "reason": "The battery swells"}).get_data(as_text=True)
    assert "0 of 1 line finished" in page
    ref = page.split("/recalls/R-")[1][:6]
    assert pretty(REPORTED) in page
    assert "Close the recall" not in page
    line = f"/recalls/R-{ref}/lines/" + page.split("/lines/")[1].split('"')[0]
    assert dee.get(line).status_code == 200
    assert dee.post(f"{line}/note", kind="told", words="").status_code == 200
    assert dee.post(f"{line}/note", kind="", words="").status_code == 422
    assert dee.post(f"/recalls/R-{ref}/close").status_code == 403
    assert "is not finished" in sue.post(f"/recalls/R-{ref}/close").get_data(as_text=True)
    for kind in ("collection", "replacement"):
        dee.post(f"{line}/note", kind=kind, words="said on the telephone")
    town.house.take_back(REPORTED)
    sue.post(f"{line}/release", reason="new battery")
    assert "Close the recall" in sue.get(f"/recalls/R-{ref}").get_data(as_text=True)
    assert "is closed" in sue.post(f"/recalls/R-{ref}/close").get_data(as_text=True)
    for path in ("/recalls", f"/recalls/R-{ref}?show=all", line):
        assert sue.get(path).status_code == 200
    assert town.browser("desk").get("/recalls/R-NONE").status_code == 404
