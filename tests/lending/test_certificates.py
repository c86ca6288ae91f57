"""What anybody sees who scans the QR of a certificate: what is known today, and nobody's name or serial number."""

import pytest
from sqlalchemy import select

from custody.events import EventHash
from lending import history, tables
from lending.certificates import public_form
from tests.lending.screens import READY, UNKNOWN_WIPE, Town


def page(town: Town, name: str, code: int = 200) -> str:
    found = town.browser().get(f"/V/{name.upper()}")
    assert found.status_code == code
    return found.get_data(as_text=True)


def wipes(town: Town) -> dict[str, str]:
    """Return each device's wipe."""
    return {e.body["device"]: e.hash for e in town.house.bench.events if e.kind == "medium.wiped"}


def test_a_stranger_sees_what_was_done_and_nothing_that_names_drive_donor_or_person(town: Town) -> None:
    said = page(town, town.wipe)
    assert "Certificate of data erasure" in said
    assert town.wipe in said
    (event,) = [e for e in town.house.bench.events if e.hash == town.wipe]
    medium = event.body["medium"]
    for private in (medium["serial"], "D-0042", event.body["who"]["ref"], event.subject):
        assert private not in said
    assert "Staff: the signed record" not in said


def test_capitals_and_small_letters_lead_to_the_same_page(town: Town) -> None:
    assert town.browser().get(f"/v/{town.wipe}").status_code == 200
    assert "Certificate of data erasure" in page(town, town.wipe)


def test_a_wipe_without_success_is_no_certificate_here_either(town: Town) -> None:
    said = page(town, wipes(town)[UNKNOWN_WIPE])
    assert "RECORD OF A WIPE THAT IS NOT SHOWN TO HAVE SUCCEEDED" in said
    assert "Certificate of data erasure" not in said


def test_a_disputed_record_stops_being_a_certificate_for_whoever_scans_it_later(town: Town) -> None:
    wipe = wipes(town)[READY]
    assert "Certificate of data erasure" in page(town, wipe)
    body = {"event": wipe, "reason": "the wrong drive was in the dock", "who": {"ref": None, "authenticated": False}}
    with town.house.db.transaction() as tx:
        history.append(tx, "record.disputed", f"event:{wipe}", body, town.house.tick())
    said = page(town, wipe)
    assert "NOT SHOWN TO HAVE SUCCEEDED" in said
    assert "the wrong drive was in the dock" in said


@pytest.mark.parametrize("name", ["0" * 64, "NOTHING", "%00", "x" * 3000])
def test_a_name_that_nobody_knows_proves_nothing(town: Town, name: str) -> None:
    assert "There is no such record here" in page(town, name, 404)


def test_an_event_of_another_kind_is_no_certificate(town: Town) -> None:
    with town.house.db.read() as tx:
        name = tx.s.scalar(select(tables.EventRow.hash).where(tables.EventRow.kind == "device.registered"))
        assert name is not None
        assert public_form(tx, EventHash(name)) is None
    page(town, name, 404)


def test_staff_find_the_signed_record_from_there(town: Town) -> None:
    said = town.browser("auditor").get(f"/V/{town.wipe.upper()}").get_data(as_text=True)
    assert f"/proof/{town.wipe}" in said


def test_evidence_that_has_not_been_sent_yet_is_said_to_be_missing(town: Town) -> None:
    house = town.house
    event = next(e for e in house.bench.events if e.hash == town.wipe)
    again = dict(event.body) | {"evidence": "9" * 64}
    new = house.bench.say("medium.wiped", event.subject, again)
    house.sync(house.bench)
    assert "was not at hand" in page(town, new.hash)
