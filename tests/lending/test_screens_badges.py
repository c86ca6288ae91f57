"""The screens of badges and checks: given and printed once, ended at once, and what waits for another person."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from custody.badges import COST, Badge, Roster, fits, read_badge
from lending import people
from tests.factories import checked, medium, wiped
from tests.labels.reading import scan_pdf
from tests.lending.house import House
from tests.lending.screens import UNWIPED, Browser, Town

PIN = "482915"


def number_of(town: Town, name: str) -> int:
    with town.house.db.read() as tx:
        return next(one.id for one in people.list_accounts(tx) if one.name == name)


def given(town: Town, name: str = "Vic", roles: tuple[str, ...] = ("volunteer",)) -> tuple[Browser, str, str]:
    """Give somebody a badge on the screen; return the browser, the badge's text and the page."""
    ada, number = town.browser("administrator"), number_of(town, name)
    ada.get(f"/accounts/{number}/badge")
    page = ada.post(f"/accounts/{number}/badge", roles=list(roles), pin=PIN, again=PIN).get_data(as_text=True)
    found = re.search(r'name="badge" value="([^"]+)"', page)
    assert found, page
    return ada, found.group(1), page


def roster(house: House) -> Roster:
    found = house.server.roster(house.bench.id)
    assert found is not None
    return Roster.from_bytes(found)


def test_a_badge_is_given_and_printed_without_a_script(town: Town, tmp_path: Path) -> None:
    ada, text, page = given(town)
    assert "can be printed only now" in page
    assert PIN not in page
    card = ada.post(f"/accounts/{number_of(town, 'Vic')}/badge/card", badge=text)
    assert card.mimetype == "application/pdf"
    assert card.headers["Cache-Control"] == "no-store"
    assert scan_pdf(card.get_data(), tmp_path) == [{text}]
    words = "".join(one.extract_text() for one in PdfReader(io.BytesIO(card.get_data())).pages)
    badge = read_badge(text)
    assert "Vic" in words
    assert "Vic" not in text
    assert badge.secret not in words
    entry = roster(town.house).entry(badge.ref)
    assert entry is not None
    assert fits(entry, badge, PIN, COST)
    assert "Wipes and tests" in ada.get("/badges").get_data(as_text=True)


def test_what_is_wrong_with_the_form_is_said_and_no_pin_comes_back(town: Town) -> None:
    ada, number = town.browser("administrator"), number_of(town, "Vic")
    ada.get(f"/accounts/{number}/badge")
    for answers, word in (
        ({"pin": PIN, "again": PIN}, "at least one"),
        ({"roles": "volunteer", "pin": PIN, "again": "482916"}, "not the same"),
        ({"roles": "volunteer", "pin": "123456", "again": "123456"}, "first that anybody tries"),
        ({"roles": "volunteer", "pin": "12", "again": "12"}, "6 to 12 digits"),
        ({"roles": "chief", "pin": PIN, "again": PIN}, "at least one"),
    ):
        answer = ada.post(f"/accounts/{number}/badge", answers)
        page = answer.get_data(as_text=True)
        assert answer.status_code == 422
        assert word in page
        assert f'value="{answers["pin"]}"' not in page
    assert town.house.server.roster(town.house.bench.id) is None


def test_an_old_or_foreign_card_is_not_printed(town: Town) -> None:
    _, old, _ = given(town)
    ada, new, _ = given(town)
    number = number_of(town, "Vic")
    assert ada.post(f"/accounts/{number}/badge/card", badge=new).status_code == 200
    for text in (old, "KB1/S-OTHER1/" + read_badge(new).secret, "nothing"):
        ada.get("/badges")
        assert ada.post(f"/accounts/{number}/badge/card", badge=text).status_code == 409
    ada.get("/badges")
    assert ada.post(f"/accounts/{number_of(town, 'Sue')}/badge/card", badge=new).status_code == 409


def test_ending_a_badge_takes_it_off_the_roster_and_says_what_stations_do_not_know_yet(town: Town) -> None:
    ada, text, _ = given(town)
    number = number_of(town, "Vic")
    asked = ada.get(f"/accounts/{number}/badge/end").get_data(as_text=True)
    assert "after its next sync" in asked
    told = ada.post(f"/accounts/{number}/badge/end").get_data(as_text=True)
    assert "has ended" in told
    assert roster(town.house).entry(read_badge(text).ref) is None


def test_closing_an_account_ends_its_badge(town: Town) -> None:
    ada, text, _ = given(town)
    ada.get(f"/accounts/{number_of(town, 'Vic')}/disable")
    ada.post(f"/accounts/{number_of(town, 'Vic')}/disable")
    assert roster(town.house).entry(read_badge(text).ref) is None


def test_partners_and_unknown_accounts_have_no_badge_page(town: Town) -> None:
    ada = town.browser("administrator")
    for number in (number_of(town, "Pat"), 99999):
        assert ada.get(f"/accounts/{number}/badge").status_code == 404


def test_a_badge_scanned_into_a_device_field_is_neither_shown_nor_kept(town: Town) -> None:
    text = Badge("S-4K7Q2M", "0123456789ABCDEFGHJKMNPQRS").text
    page = town.browser("desk").get(f"/devices/find?code={text}").get_data(as_text=True)
    assert "somebody&#39;s badge" in page
    assert "0123456789ABCDEF" not in page


# -- checks ----------------------------------------------------------------------------------------------------


def who(text: str, number: int) -> dict[str, Any]:
    return {"ref": read_badge(text).ref, "authenticated": True, "roster": number}


@pytest.fixture
def wipe(town: Town) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Give Vic and Dan a badge; Vic wipes a drive. Return the wipe's hash, the wiper and the checker."""
    _, vic, _ = given(town)
    _, dan, _ = given(town, "Dan", ("verifier",))
    bench, disk = town.house.bench, medium(77)
    event = bench.say("medium.wiped", disk.id, wiped(disk, None) | {"who": who(vic, 2)})
    town.house.sync(bench)
    return event.hash, who(vic, 2), who(dan, 2)


def test_the_office_sees_the_same_list_as_the_stations(town: Town, wipe: tuple[str, Any, Any]) -> None:
    name, vic, dan = wipe
    sue = town.browser("supervisor")
    page = sue.get("/checks").get_data(as_text=True)
    assert f"/proof/{name}" in page
    assert f"wiped by {vic['ref']}" in page.replace("\n", " ")
    event = next(one for one in town.house.bench.events if one.hash == name)
    town.house.bench.say("medium.checked", event.subject, checked(event, dan) | {"tool": "photorec"})
    town.house.sync(town.house.bench)
    assert f"/proof/{name}" not in sue.get("/checks").get_data(as_text=True)


def test_a_supervisor_decides_and_the_decision_is_signed(town: Town, wipe: tuple[str, Any, Any]) -> None:
    name, _, _ = wipe
    sue = town.browser("supervisor")
    assert "good enough" in sue.get(f"/wipes/{name}/accept").get_data(as_text=True)
    assert sue.post(f"/wipes/{name}/accept", note="x").status_code == 422
    assert "is recorded" in sue.post(f"/wipes/{name}/accept", decision="parts", note="noisy").get_data(as_text=True)
    with town.house.db.read() as tx:
        from lending.record import about

        (event,) = [one for one in about(tx, [f"event:{name}"]) if one.kind == "medium.accepted"]
    assert (event.body["accepted"], event.body["destination"], event.body["note"]) == (True, "parts", "noisy")
    assert event.body["who"] == {"ref": town.house.supervisor.ref, "authenticated": True}


def test_a_supervisor_who_wiped_it_cannot_accept_it_and_may_turn_it_down(town: Town) -> None:
    _, text, _ = given(town, "Sue", ("supervisor",))
    bench, disk = town.house.bench, medium(78)
    event = bench.say("medium.wiped", disk.id, wiped(disk, None) | {"who": who(text, 1)})
    unknown = bench.say("medium.wiped", disk.id, wiped(disk, None, "UNKNOWN"))
    town.house.sync(bench)
    sue = town.browser("supervisor")
    sue.get(f"/wipes/{event.hash}/accept")
    refused = sue.post(f"/wipes/{event.hash}/accept", decision="reuse")
    assert refused.status_code == 409
    assert "wiped this medium yourself" in refused.get_data(as_text=True)
    sue.get(f"/wipes/{event.hash}/accept")
    assert sue.post(f"/wipes/{event.hash}/accept", decision="refuse").status_code == 200
    sue.get(f"/wipes/{event.hash}/accept")
    assert sue.post(f"/wipes/{unknown.hash}/accept", decision="reuse").status_code == 422
    assert sue.get(f"/wipes/{'0' * 64}/accept").status_code == 404


def test_a_claimed_sign_in_that_does_not_count_is_shown_as_such(town: Town) -> None:
    given(town)
    bench = town.house.bench
    with town.house.db.read() as tx:
        from lending import devices

        page = devices.page(tx, UNWIPED, town.house.now)
    assert page.media
    disk = next(one for one in bench.events if one.kind == "device.inventoried" and one.subject == UNWIPED)
    from custody.events import identities

    (identity,) = identities(disk.body["media"])
    body = wiped(identity, None, device=UNWIPED) | {"who": {"ref": "S-GHOST0", "authenticated": True, "roster": 1}}
    bench.say("medium.wiped", identity.id, body)
    town.house.sync(bench)
    text = town.browser("auditor").get(f"/devices/{UNWIPED}").get_data(as_text=True)
    assert "S-GHOST0 is said to be signed in, but was not on roster 1" in text
