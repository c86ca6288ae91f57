"""What people do on the screens, page by page, on both databases."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from custody.events import Digest, EventHash, World
from labels.codes import pretty
from lending import loans, people
from lending.views import refusals, words
from tests.factories import NOON, inventoried, medium, wiped
from tests.lending.screens import (
    LENT,
    PASSWORD,
    READY,
    REPORTED,
    RESERVED,
    SWAPPED,
    UNKNOWN_WIPE,
    UNWIPED,
    Browser,
    Town,
    evidence,
)


def text_of(browser: Browser, path: str, code: int = 200) -> str:
    found = browser.get(path)
    assert found.status_code == code, path
    return found.get_data(as_text=True)


def one_wrong(code: str) -> str:
    return code[:4] + ("Y" if code[4] != "Y" else "Z") + code[5:]


def test_the_first_page_counts_what_waits_and_every_figure_leads_there(town: Town) -> None:
    for role in people.ROLES:
        browser = town.browser(role)
        text = text_of(browser, "/")
        for href in text.split('kb-card__link" href="')[1:]:
            assert browser.get(href.split('"')[0].replace("&amp;", "&")).status_code == 200
    assert "referrals waiting" in text_of(town.browser("desk"), "/")
    assert "machines suspended" in text_of(town.browser("administrator"), "/")


def test_devices_are_searched_filtered_and_counted(town: Town) -> None:
    desk = town.browser("desk")
    assert "7 devices" in text_of(desk, "/devices")
    found = text_of(desk, "/devices?q=thinkpad")
    assert pretty(READY) in found
    assert pretty(LENT) not in found
    assert pretty(LENT) in text_of(desk, "/devices?state=out")
    assert "No device fits" in text_of(desk, "/devices?q=nothing+like+this")


def test_a_scanned_address_or_a_bare_code_finds_the_device(town: Town) -> None:
    desk = town.browser("desk")
    for typed in (READY, pretty(READY).lower(), f"HTTPS://KIT.EXAMPLE.ORG/D/{READY}"):
        assert desk.get(f"/devices/find?code={typed}", follow=False).location == f"/devices/{READY}"


def test_one_wrong_character_is_named_and_the_right_code_offered(town: Town) -> None:
    text = text_of(town.browser("desk"), f"/devices/find?code={one_wrong(READY)}", 422)
    assert "Character 5" in text
    assert pretty(READY) in text
    assert f"code={READY}" in text


def test_the_verdict_of_a_device_is_said_with_all_its_reasons(town: Town) -> None:
    volunteer = town.browser("volunteer")
    assert "Can be lent" in text_of(volunteer, f"/devices/{READY}")
    refused = text_of(volunteer, f"/devices/{SWAPPED}")
    assert "Must not be lent" in refused
    assert "2 reasons" in refused
    assert "not since it last left our custody" in refused
    assert "was not tested" in refused
    assert "Can be lent" not in refused
    assert "Out on loan" in text_of(volunteer, f"/devices/{LENT}")


def test_only_a_wipe_that_counts_is_shown_as_one(town: Town) -> None:
    volunteer = town.browser("volunteer")
    good = text_of(volunteer, f"/devices/{READY}")
    assert "This wipe counts" in good
    for figure in ("256,060,514,304 of 256,060,514,304 bytes", "64 planted, 64 seen before, 0 left after", "S-4K7Q2M"):
        assert figure in good
    for code in (SWAPPED, UNKNOWN_WIPE, UNWIPED):
        text = text_of(volunteer, f"/devices/{code}")
        assert "This wipe counts" not in text
        assert "Must not be lent" in text
    assert "Never wiped here" in text_of(volunteer, f"/devices/{UNWIPED}")


def test_a_refused_statement_is_shown_as_refused(town: Town) -> None:
    text = text_of(town.browser("auditor"), f"/devices/{SWAPPED}")
    assert "Refused, does not count" in text
    assert "kiosk may not sign medium.wiped" in text


def test_the_signed_record_and_the_evidence_are_given_as_they_were_signed(town: Town) -> None:
    auditor = town.browser("auditor")
    assert "Signed record" in text_of(auditor, f"/proof/{town.wipe}")
    record = auditor.get(f"/proof/{town.wipe}/record.json")
    assert record.get_data() in town.house.bench.envelopes
    assert record.headers["Content-Disposition"].startswith("attachment")
    body = town.house.bench.events[3].body
    evidence = json.loads(auditor.get(f"/evidence/{body['evidence']}").get_data())
    assert evidence["technique"] == "overwrite"
    assert auditor.get(f"/evidence/{'0' * 64}").status_code == 404
    assert auditor.get("/proof/" + "0" * 64).status_code == 404


def test_an_approved_referral_becomes_a_loan_once(town: Town) -> None:
    desk = town.browser("desk")
    desk.get(f"/referrals/{town.waiting}")
    assert "Choose a device for loan" in desk.post(f"/referrals/{town.waiting}/approve").get_data(as_text=True)
    again = desk.post(f"/referrals/{town.waiting}/approve")
    assert again.status_code == 409
    assert "already" in again.get_data(as_text=True)


def test_a_ready_device_is_kept_handed_over_and_received(town: Town) -> None:
    desk = town.browser("desk")
    desk.get(f"/loans/{town.loan}")
    assert "kept for this loan" in desk.post(f"/loans/{town.loan}/reserve", code=pretty(READY)).get_data(as_text=True)
    for code in (READY, RESERVED):
        assert "is handed over" in desk.post(f"/loans/{town.loan}/hand-over", code=code).get_data(as_text=True)
    assert "Out on loan" in text_of(desk, f"/devices/{READY}")
    desk.get("/receive")
    found = desk.post("/receive", code=READY, condition="worn", item_charger="1").get_data(as_text=True)
    assert "must be wiped before it can be lent again" in found
    assert "Must not be lent" in text_of(desk, f"/devices/{READY}")


def test_a_device_that_came_back_unwiped_cannot_be_handed_over_and_all_reasons_are_shown(town: Town) -> None:
    desk = town.browser("desk")
    desk.get(f"/loans/{town.loan}")
    for action in ("reserve", "hand-over"):
        found = desk.post(f"/loans/{town.loan}/{action}", code=SWAPPED)
        text = found.get_data(as_text=True)
        assert found.status_code == 409
        assert "Must not be lent" in text
        assert "Nothing was changed. 2 reasons" in text
        assert "not since it last left our custody" in text
        assert "Bench" in text
    with town.house.db.read() as tx:
        items = loans.get(tx, town.house.desk, town.loan).items
    assert [item.device for item in items] == [RESERVED]


def test_a_machine_asking_gets_the_reasons_as_json(town: Town) -> None:
    desk = town.browser("desk")
    data = {"form_token": desk.token, "code": SWAPPED}
    path = f"/loans/{town.loan}/hand-over"
    found = desk.client.post(path, data=data, headers={"Accept": "application/json"})
    assert found.status_code == 409
    assert found.json is not None
    assert {reason["code"] for reason in found.json["reasons"]} == {"not-tested", "wipe-before-exit"}


def test_every_reason_of_the_rules_has_advice_on_where_to_take_the_device() -> None:
    source = (Path(__file__).parents[2] / "custody/rules.py").read_text(encoding="utf-8")
    codes = {part.split('"')[0] for part in source.replace("(\n            ", "(").split('Reason("')[1:]}
    codes |= {part.split('"')[0] for part in source.split('Reason(\n            "')[1:]}
    assert len(codes) > 12
    assert codes <= set(refusals.ADVICE)


def test_a_day_that_no_calendar_has_is_refused_beside_its_field(town: Town) -> None:
    desk = town.browser("desk")
    desk.get(f"/loans/{town.out}")
    path = f"/loans/{town.out}/extend"
    wrong = desk.post(path, {"due-day": "31", "due-month": "2", "due-year": "2028"})
    assert wrong.status_code == 422
    assert "is not a day of the calendar" in wrong.get_data(as_text=True)
    assert 'href="#due-day"' in wrong.get_data(as_text=True)
    assert desk.post(path, {"due-day": "1", "due-month": "1", "due-year": "2020"}).status_code == 409
    right = desk.post(path, {"due-day": "1", "due-month": "3", "due-year": "2028"}).get_data(as_text=True)
    assert "1 March 2028" in right


def test_only_a_supervisor_ends_a_loan_without_the_device(town: Town) -> None:
    path = f"/loans/{town.out}/close/{LENT}"
    assert town.browser("desk").get(path).status_code == 403
    supervisor = town.browser("supervisor")
    supervisor.get(path)
    assert supervisor.post(path, how="forgotten").status_code == 422
    assert "lost" in supervisor.post(path, how="lost").get_data(as_text=True)


def test_a_report_of_a_return_waits_until_somebody_has_the_device(town: Town) -> None:
    volunteer = town.browser("volunteer")
    assert pretty(REPORTED) in text_of(volunteer, "/receive")
    assert volunteer.post("/receive", code=REPORTED).status_code == 422
    assert "is received" in volunteer.post("/receive", code=REPORTED, condition="good").get_data(as_text=True)
    assert "Nothing waits" in text_of(volunteer, "/receive")
    assert volunteer.post("/receive", code=REPORTED, condition="good").status_code == 409


def test_a_doubtful_report_says_why_a_person_must_look(town: Town) -> None:
    town.house.report(LENT, EventHash("9" * 64))
    assert "Names another exit" in text_of(town.browser("volunteer"), "/receive")


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"\xff", b"[]", b"{}", b'{"passes": [[]]}',
        b'{"technique": {"a": 1}}', b"9" * 5000,
    ],
    ids=range(8),
)  # fmt: skip
def test_evidence_of_any_shape_is_said_to_be_unreadable(town: Town, data: bytes) -> None:
    bench, disk = town.house.bench, medium(1)
    digest = Digest(hashlib.sha256(data).hexdigest())
    town.house.server.put_attachment(digest, data, bench.id)
    event = bench.say("medium.wiped", disk.id, {**wiped(disk, None, device=READY), "evidence": digest})
    bench.say("device.inventoried", READY, inventoried(READY, None, disk))
    town.house.sync(bench)
    auditor = town.browser("auditor")
    assert "cannot be read" in text_of(auditor, f"/proof/{event.hash}")
    assert "cannot be read" in text_of(auditor, f"/devices/{READY}")


@pytest.mark.parametrize("field", ["hidden_areas", "stopped", "technique", "size_before", "seconds"])
def test_evidence_with_odd_values_crashes_no_page(town: Town, field: str) -> None:
    bench, disk = town.house.bench, medium(1)
    odds: list[Any] = ["\ud800", 10**400, float("inf"), None, [], {}]
    for odd in odds:
        said = evidence(disk).to_json()
        if field == "seconds":
            said["passes"][0][field] = odd
        else:
            said[field] = odd
        data = json.dumps(said).encode()
        digest = Digest(hashlib.sha256(data).hexdigest())
        town.house.server.put_attachment(digest, data, bench.id)
        event = bench.say("medium.wiped", disk.id, {**wiped(disk, None, device=READY), "evidence": digest})
        town.house.sync(bench)
        assert "Signed record" in text_of(town.browser("auditor"), f"/proof/{event.hash}")


def test_evidence_that_is_not_here_yet_is_not_called_unreadable(town: Town) -> None:
    bench, disk = town.house.bench, medium(1)
    event = bench.say("medium.wiped", disk.id, wiped(disk, None, device=READY))
    town.house.sync(bench)
    text = text_of(town.browser("auditor"), f"/proof/{event.hash}")
    assert "has not been sent yet" in text
    assert "cannot be read" not in text


@pytest.mark.parametrize(("year", "hours"), [(1, 0), (1, 14), (9999, -14)])
def test_a_clock_at_either_end_of_the_calendar_is_shown_as_it_was_written(year: int, hours: int) -> None:
    month, day = (1, 1) if year == 1 else (12, 31)
    at = datetime(year, month, day, tzinfo=timezone(timedelta(hours=hours))) + timedelta(hours=0 if year == 1 else 23)
    assert words.when(at) == words.day(at) == at.isoformat()
    assert words.ago(at, NOON)


def test_a_mistaken_report_is_set_aside_with_a_reason(town: Town) -> None:
    desk = town.browser("desk")
    path = f"/receive/set-aside/{town.report}"
    desk.get(path)
    assert desk.post(path, reason="").status_code == 422
    desk.post(path, reason="scanned the wrong label")
    assert "Nothing waits" in text_of(desk, "/receive")


def test_a_machines_one_time_code_is_shown_once(town: Town) -> None:
    administrator = town.browser("administrator")
    administrator.get("/machines")
    assert administrator.post("/machines/code", role="printer", name="").status_code == 422
    shown = administrator.post("/machines/code", role="station", name="Bench 3").get_data(as_text=True)
    code = shown.split("kb-bigcode'>")[1].split("<")[0]
    assert len(code) == 14
    assert code not in text_of(administrator, "/machines")


def test_revoking_a_machine_asks_for_a_reason_and_is_confirmed(town: Town) -> None:
    administrator = town.browser("administrator")
    path = f"/machines/{town.house.bench.id}/revoke"
    assert "cannot be undone" in text_of(administrator, path)
    assert administrator.post(path, reason=" ").status_code == 422
    assert "is revoked" in administrator.post(path, reason="stolen").get_data(as_text=True)
    assert administrator.get("/machines/kiosk-nobody/revoke").status_code == 404


def test_a_suspended_machine_is_let_write_again(town: Town) -> None:
    administrator = town.browser("administrator")
    assert "Suspended" in text_of(administrator, "/machines")
    path = f"/machines/{town.house.other_bench.id}/resume"
    assert "may write again" in administrator.post(path).get_data(as_text=True)


def test_an_account_is_made_with_a_link_and_closed_again(town: Town) -> None:
    administrator = town.browser("administrator")
    administrator.get("/accounts/new")
    assert administrator.post("/accounts/new", email="x", name="", partner="").status_code == 422
    made = administrator.post(
        "/accounts/new", email="zoe@example.org", name="Zoe", roles=["partner"], partner="New Hub"
    ).get_data(as_text=True)
    link = made.split('tabindex="0">')[1].split("<")[0]
    assert link.startswith("http://localhost/set-password/")
    other = Browser(town.app.test_client())
    path = link.removeprefix("http://localhost")
    other.get(path)
    other.post(path, password=PASSWORD, again=PASSWORD)
    other.sign_in("zoe")
    assert "New Hub" not in text_of(other, "/referrals/new")
    with town.house.db.read() as tx:
        number = next(one.id for one in people.list_accounts(tx) if one.name == "Zoe")
    administrator.post(f"/accounts/{number}/disable")
    assert other.get("/", follow=False).status_code == 303


def test_an_administrator_cannot_close_the_own_account(town: Town) -> None:
    administrator = town.browser("administrator")
    path = f"/accounts/{town.house.administrator.account_id}/disable"
    assert administrator.post(path).status_code == 409
    assert administrator.get("/").status_code == 200


def test_the_auditor_checks_the_whole_history(town: Town) -> None:
    auditor = town.browser("auditor")
    text_of(auditor, "/system")
    text = auditor.post("/system/verify").get_data(as_text=True)
    assert "Everything holds" in text
    assert "A promise is broken" not in text


def test_the_practice_world_is_unmistakable_and_the_real_one_has_no_such_band(town: Town) -> None:
    assert town.house.db.world is World.REAL
    assert "Nothing here is real" not in text_of(town.browser("desk"), "/")


def test_what_people_type_is_shown_as_text_and_never_obeyed(town: Town) -> None:
    desk = town.browser("desk")
    hostile = "<script>alert(1)</script>"
    for path in (f"/devices?q={hostile}", f"/devices/find?code={hostile}"):
        assert hostile not in desk.get(path).get_data(as_text=True)


def test_sizes_times_and_sentences_read_as_people_say_them() -> None:
    assert words.size(256_060_514_304) == "256 GB"
    assert words.size(1_000) == "1 KB"
    assert words.when(NOON).startswith("22 Nov 2026, 12:00")
    assert words.when(None) == "never"
    assert words.sentence("it was made before") == "It was made before."
    assert words.count(1, "person", "people") == "1 person"
    assert words.readable(f"{READY} was lost", READY) == f"{pretty(READY)} was lost"
