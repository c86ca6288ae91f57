"""Donors: an offer on the public page, the van at the door, and a portal that shows a donor its own devices only."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from custody import pdfsign
from custody.errors import Refused
from labels.codes import pretty
from lending import collections, donor_impact, donor_papers, donor_portal, donor_rounds, donors, sign_in_links, tables
from lending.donor_tables import DonorCollection, DonorDevice, DonorPledge, DonorVisit
from lending.donors import Contact, Offer
from lending.message_tables import MessageRow
from lending.outbox import PURPOSE as MESSAGE
from lending.privacy_tables import AccessLogRow
from lending.record import facts_about
from tests.factories import inventoried, medium, passed, received, wiped
from tests.lending.house import House, code
from tests.lending.screens import Browser, Town

WHO = Contact("Gwen Oakes", "gwen@firm.example", "0151 496 0000", "L3 5TF", "5 Dock Road", "Ring at the gate")
OFFER = Offer("Mersey Paper Ltd", WHO, {"laptop": 2, "monitor": 1}, "yes", "purge")
FORM: Mapping[str, str] = {
    "organisation": "Mersey Paper Ltd", "count-laptop": "2", "count-monitor": "1", "bearing": "yes", "wants": "purge",
    "name": "Gwen Oakes", "email": "gwen@firm.example", "phone": "0151 496 0000", "postcode": "l3 5tf",
    "address": "5 Dock Road", "access": "Ring at the gate",
}  # fmt: skip
PERSONAL = (b"Gwen", b"Oakes", b"gwen@", b"496 0000", b"Dock Road", b"5TF", b"Ring at", b"Hal Hander")


def pledged(house: House, offer: Offer = OFFER, address: str = "192.0.2.1") -> str:
    with house.db.transaction() as tx:
        return donors.pledge(tx, offer, address, house.tick())


def booked(house: House, ref: str, places: int = 1) -> int:
    with house.db.transaction() as tx:
        day = house.tick().date() + timedelta(days=3)
        donor_rounds.open_slots(tx, "North", day, "09:30", "12:00", places, 1, house.desk, house.now)
        slot = donor_rounds.slots(tx, day, day)[0].id
        return collections.book(tx, ref, slot, house.desk, house.tick())


def taken(house: House, *numbers: int, offer: Offer = OFFER) -> str:
    """Pledge, book, label and sign; return the pledge."""
    ref = pledged(house, offer)
    visit = booked(house, ref, 20)
    with house.db.transaction() as tx:
        collections.count(tx, visit, {"laptop": len(numbers)}, house.volunteer, house.tick())
        for number in numbers:
            collections.scan(tx, visit, code(number), "laptop", house.volunteer, house.tick(), "Dell", "7490")
        collections.sign(tx, visit, "Hal Hander", house.volunteer, house.tick())
    return ref


def lines(house: House, ref: str) -> list[donor_portal.Line]:
    with house.db.read() as tx:
        return donor_portal.devices(tx, ref, house.now)


def at_the_bench(house: House, number: int, claim: str = "purge", after: Any = None) -> None:
    name, disk = code(number), medium(number)
    house.bench.say("device.inventoried", name, inventoried(name, after, disk))
    house.bench.say("device.tested", name, passed(name, after))
    house.sync(house.bench)


def wipe(house: House, number: int, after: Any = None) -> None:
    house.bench.say("medium.wiped", medium(number).id, wiped(medium(number), after, device=code(number)))
    house.sync(house.bench)


def test_an_offer_names_every_wrong_answer_at_once_and_stores_nothing(house: House) -> None:
    wrong = Offer(" ", replace(WHO, email="gwen", postcode="Liverpool"), {}, "perhaps", "burn", ("tablet",))
    with house.db.transaction() as tx, pytest.raises(Refused) as no:
        donors.pledge(tx, wrong, "192.0.2.1", house.tick())
    fields = {one.subject for one in no.value.reasons}
    assert fields == {"organisation", "email", "postcode", "bearing", "wants", "count-tablet"}
    with house.db.read() as tx:
        assert tx.s.scalars(select(DonorPledge)).all() == []


def test_whom_to_speak_to_is_sealed_and_looking_is_written_down(house: House) -> None:
    ref = pledged(house)
    with house.db.transaction() as tx:
        row = tx.s.get_one(DonorPledge, ref)
        assert row.sealed is not None
        assert not any(one in row.sealed for one in PERSONAL)
        assert (row.area, row.organisation) == ("L3", "Mersey Paper Ltd")
        assert donors.contact(tx, ref, house.desk, "call", house.tick()).name == "Gwen Oakes"
        assert tx.s.scalars(select(AccessLogRow.subject)).all() == [f"donor:{ref}"]
        with pytest.raises(Refused):
            donors.contact(tx, ref, house.partner, "call", house.tick())


def test_an_address_that_offers_again_and_again_is_slowed_down_and_another_is_not(house: House) -> None:
    for _ in range(donors.MOST_PER_ADDRESS):
        pledged(house)
    with pytest.raises(Refused, match="wait"):
        pledged(house)
    assert pledged(house, address="192.0.2.2")


def test_a_slot_never_holds_more_visits_than_places(house: House) -> None:
    first, second = pledged(house), pledged(house)
    booked(house, first)
    with pytest.raises(Refused, match="all 1 places"):
        booked(house, second)


def test_custody_begins_at_the_door_and_no_name_is_in_any_event(house: House) -> None:
    ref = pledged(house)
    visit = booked(house, ref)
    with house.db.transaction() as tx:
        assert collections.scan(tx, visit, code(50), "laptop", house.volunteer, house.tick())
        assert not collections.scan(tx, visit, code(50), "laptop", house.volunteer, house.tick()), "twice is once"
        (said,) = facts_about(tx, code(50)).about_device("device.registered", code(50))
        assert (said.body["donor"], said.body["donor_wants"]) == (ref, "purge")
        assert facts_about(tx, code(50)).in_hand(code(50))
        with pytest.raises(Refused, match="confirm"):
            collections.sign(tx, visit, "Hal Hander", house.volunteer, house.tick())
        collections.sign(tx, visit, "Hal Hander", house.volunteer, house.tick(), differs=True)
        assert donors.get(tx, ref).state == "collected"
        row = tx.s.get_one(DonorCollection, visit)
        assert row.sealed is not None
        assert tx.vault.open_("donor-signature", str(visit), row.sealed) == {"donor": "Hal Hander", "driver": "Vic"}
        envelopes = b"".join(tx.s.scalars(select(tables.EventRow.envelope)))
        assert not any(one in envelopes for one in (*PERSONAL, b"Mersey"))
        with pytest.raises(Refused, match="over"):
            collections.scan(tx, visit, code(51), "laptop", house.volunteer, house.tick())


def test_a_label_that_is_in_use_is_refused_at_the_door(house: House) -> None:
    house.make_ready(60)
    taken(house, 61)
    visit = booked(house, pledged(house, address="192.0.2.9"), 20)
    for number in (60, 61):
        with house.db.transaction() as tx, pytest.raises(Refused, match="another device"):
            collections.scan(tx, visit, code(number), "laptop", house.volunteer, house.tick())


def test_nothing_that_was_labelled_can_be_given_back_to_the_calendar(house: House) -> None:
    ref = pledged(house)
    visit = booked(house, ref, 5)
    with house.db.transaction() as tx:
        collections.scan(tx, visit, code(52), "laptop", house.volunteer, house.tick())
        with pytest.raises(Refused, match="ours to keep"):
            collections.failed(tx, visit, "nobody-there", house.volunteer, house.tick())
    with pytest.raises(Refused, match="signed first"):
        booked(house, ref, 5)


def test_wiped_is_said_only_while_every_wipe_counts(house: House) -> None:
    ref = taken(house, 70, offer=replace(OFFER, wants="clear"))
    assert [one.state for one in lines(house, ref)] == ["collected"]
    at_the_bench(house, 70)
    assert [(one.state, one.proofs) for one in lines(house, ref)] == [("bench", ())]
    wipe(house, 70)
    (line,) = lines(house, ref)
    assert line.state == "wiped"
    house.bench.say("device.inventoried", code(70), inventoried(code(70), None, medium(70), medium(71)))
    house.sync(house.bench)
    assert [one.state for one in lines(house, ref)] == ["bench"], "a second drive that nobody wiped"


def test_a_contract_that_asks_for_destruction_is_not_met_by_a_wipe(house: House) -> None:
    ref = taken(house, 72, offer=replace(OFFER, wants="destroy"))
    at_the_bench(house, 72)
    wipe(house, 72)
    assert [one.state for one in lines(house, ref)] == ["bench"]


def test_lent_and_back_are_told_without_a_word_to_whom(house: House) -> None:
    ref = taken(house, 73, offer=replace(OFFER, wants="any"))
    at_the_bench(house, 73)
    wipe(house, 73)
    loan = house.new_loan()
    left = house.hand_over(loan, code(73))
    house.now += timedelta(days=30)
    (line,) = lines(house, ref)
    assert (line.state, loan in repr(line)) == ("lent", False)
    assert timedelta(days=29) < line.lent_for < timedelta(days=31)
    house.bench.clock = house.tick()
    house.bench.say("device.received", code(73), received(code(73), left.hash))
    house.sync(house.bench)
    (line,) = lines(house, ref)
    assert line.state == "returned"


def test_a_row_in_our_tables_alone_shows_a_donor_nothing(house: House) -> None:
    mine, theirs = taken(house, 80), taken(house, 81)
    with house.db.transaction() as tx:
        tx.s.execute(update(DonorDevice).where(DonorDevice.code == code(81)).values(pledge=mine))
    assert [one.code for one in lines(house, mine)] == [code(80)]
    assert lines(house, theirs) == []


def test_a_link_is_sent_to_the_address_of_the_pledge_only_and_opens_it_once(house: House) -> None:
    ref = pledged(house)
    with house.db.transaction() as tx:
        assert donor_portal.ask(tx, ref, "other@firm.example", "192.0.2.1", house.tick()) is None
        assert donor_portal.ask(tx, "D-000000", WHO.email, "192.0.2.1", house.tick()) is None
        found = donor_portal.ask(tx, ref.lower(), "GWEN@firm.example", "192.0.2.1", house.tick())
        assert found is not None
        visit = donor_portal.begin(tx, found[1], house.tick())
        assert visit is not None
        assert donor_portal.begin(tx, found[1], house.tick()) is None
        assert donor_portal.whose(tx, visit, house.tick()) == ref
        assert donor_portal.whose(tx, found[1], house.tick()) is None, "the link itself is no visit"
        assert donor_portal.whose(tx, visit, house.now + donor_portal.VISIT) is None
        donors.end_visits(tx, ref, house.tick())
        assert donor_portal.whose(tx, visit, house.tick()) is None
        account = sign_in_links.issue(tx, sign_in_links.ACCOUNTS, ref, house.tick())
        assert donor_portal.begin(tx, account, house.tick()) is None, "a link of another audience"


def test_impact_is_a_range_and_names_its_factors() -> None:
    year = timedelta(days=365)
    found = donor_impact.impact([("laptop", 4 * year), ("laptop", 9 * year), ("desktop", year), ("tablet", 0 * year)])
    assert (found.devices, found.low, found.central, found.high, found.without) == (2, 185, 239, 282, 1)
    words = " ".join(donor_papers.sentences(found))
    assert "Between 185 and 282" in words
    assert "Boavizta" in words
    assert "displacement 0.5" in words


def test_the_letter_about_a_lock_says_which_device_and_there_is_none_without_a_lock(house: House) -> None:
    ref = taken(house, 90, 91)
    house.bench.say("device.locked", code(90), {"device": code(90), "lock": "activation", "seen": "on the screen"})
    house.sync(house.bench)
    found = {one.code: one for one in lines(house, ref)}
    with house.db.read() as tx:
        pledge = donors.get(tx, ref)
    letter = donor_papers.locked(found[code(90)], pledge, "Kitbank test", "desk@example.org", house.now)
    assert letter is not None
    assert letter.startswith(b"%PDF")
    assert donor_papers.locked(found[code(91)], pledge, "Kitbank test", "", house.now) is None


def visiting(town: Town, ref: str) -> Browser:
    """Return a donor's browser that opened its link."""
    house, browser = town.house, town.browser()
    browser.get("/donor")
    answer = browser.post("/donor", ref=ref, email=WHO.email).get_data(as_text=True)
    assert "is on its way" in answer
    with house.db.read() as tx:
        rows = tx.s.scalars(select(MessageRow).order_by(MessageRow.id)).all()
        texts = [str(tx.vault.open_(MESSAGE, row.ref, row.sealed)) for row in rows if row.sealed]
    path = re.findall(r"/donor/open/[\w-]+", texts[-1])[0]
    assert "Show my devices" in browser.get(path).get_data(as_text=True)
    browser.post(path)
    return browser


def test_an_organisation_offers_devices_on_the_public_page_and_the_desk_sees_it(town: Town) -> None:
    donor = town.browser()
    donor.get("/donate")
    wrong = donor.post("/donate", {**FORM, "email": "gwen"})
    assert wrong.status_code == 422
    assert "Enter an e-mail address" in wrong.get_data(as_text=True)
    assert "Check your answers" in donor.post("/donate", FORM).get_data(as_text=True)
    sent = donor.post("/donate/send", FORM).get_data(as_text=True)
    ref = re.findall(r"D-[0-9A-Z]{6}", sent)[0]
    desk = town.browser("desk")
    assert "Mersey Paper Ltd" in desk.get("/pledges").get_data(as_text=True)
    page = desk.get(f"/pledges/{ref}").get_data(as_text=True)
    assert "Gwen" not in page
    assert "Gwen Oakes" in desk.post(f"/pledges/{ref}/contact").get_data(as_text=True)


def test_the_driver_counts_labels_and_signs_on_a_telephone(town: Town) -> None:
    visit = booked(town.house, pledged(town.house))
    van = town.browser("volunteer")
    page = van.get(f"/van/{visit}").get_data(as_text=True)
    assert "Dock Road" not in page
    assert "Dock Road" in van.post(f"/van/{visit}/contact").get_data(as_text=True)
    van.post(f"/van/{visit}/count", {"count-laptop": "1"})
    scanned = van.post(f"/van/{visit}/scan", code=pretty(code(95)), kind="laptop")
    assert "in our hands now" in scanned.get_data(as_text=True)
    assert van.post(f"/van/{visit}/sign", name="").status_code == 409
    assert "is done" in van.post(f"/van/{visit}/sign", name="Hal Hander").get_data(as_text=True)


def test_a_donor_sees_its_own_devices_and_every_other_token_is_the_same_404(town: Town) -> None:
    mine, theirs = taken(town.house, 96), taken(town.house, 97)
    browser = visiting(town, mine)
    page = browser.get("/donor").get_data(as_text=True)
    assert pretty(code(96)) in page
    assert pretty(code(97)) not in page
    assert theirs not in page
    table = browser.get("/donor/devices.csv").get_data(as_text=True)
    assert (pretty(code(96)) in table, pretty(code(97)) in table) == (True, False)
    stranger, no = town.browser(), set()
    for path in ("/donor/devices.csv", "/donor/certificates.pdf", "/donor/thank-you.pdf", "/donor/open/guessed"):
        answer = stranger.get(path)
        no.add((answer.status_code, answer.get_data(as_text=True)))
    for path in ("/donor/certificates.pdf", f"/donor/locked/{code(97)}.pdf"):
        assert browser.get(path).status_code == 404
    assert {status for status, _ in no} == {404}
    assert len(no) == 1
    with town.house.db.transaction() as tx:
        tx.s.execute(update(DonorVisit).values(expires_at=town.house.now))
    assert browser.get("/donor/devices.csv").status_code == 404


def test_all_certificates_are_one_signed_pdf_of_what_stands_today(town: Town, tmp_path: Path) -> None:
    house = town.house
    with house.db.transaction() as tx:
        shown = donor_portal.shown(tx, town.wipe)
        assert shown is not None
        proof = donor_portal.Proof(town.wipe, str(shown.claim), house.now, destroyed=False)
        line = donor_portal.Line(code(1), "laptop", "", "", "", "wiped", (proof, proof), (), timedelta(0))
        data = donor_papers.certificates(tx, [line], "Kitbank test", tmp_path)
        assert data is not None
        pdfsign.opened(data)
        assert donor_papers.certificates(tx, [replace(line, proofs=())], "Kitbank test", tmp_path) is None
