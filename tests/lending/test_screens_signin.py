"""Signing in and out, one-time links, what the browser is told, and pages behind a label."""

import re
from pathlib import Path

import pytest

from labels.codes import pretty
from lending import people
from lending.app import create_app
from tests.lending.house import House
from tests.lending.screens import PASSWORD, READY, Browser, application, configuration


@pytest.fixture
def browser(house: House, tmp_path: Path) -> Browser:
    with house.db.transaction() as tx:
        people.set_password(tx, house.desk.account_id, PASSWORD)
    return Browser(application(house, tmp_path).test_client())


def test_a_wrong_address_and_a_wrong_password_are_answered_the_same(browser: Browser) -> None:
    answers = []
    for email, password in (("nobody@example.org", PASSWORD), ("Dee@example.org", "wrong")):
        browser.get("/sign-in")
        found = browser.post("/sign-in", email=email, password=password)
        assert found.status_code == 422
        said = found.get_data(as_text=True).replace(email, "").replace(browser.token, "")
        for challenge in set(re.findall(r'name="challenge" value="([^"]+)"', said)):
            said = said.replace(challenge, "")
        answers.append(said)
    assert answers[0] == answers[1]


def test_too_many_wrong_passwords_make_even_the_right_one_wait(browser: Browser) -> None:
    browser.get("/sign-in")
    for _ in range(people.TRIES):
        browser.post("/sign-in", email="dee@example.org", password="wrong")
    found = browser.post("/sign-in", email="dee@example.org", password=PASSWORD)
    assert found.status_code == 429
    assert "wait" in found.get_data(as_text=True)


def test_after_signing_in_one_goes_on_to_the_page_one_wanted_but_never_to_another_site(browser: Browser) -> None:
    browser.get("/sign-in")
    for wanted, there in (("/loans?state=out", "/loans?state=out"), ("//evil.example", "/"), ("https://evil", "/")):
        found = browser.post("/sign-in", follow=False, email="dee@example.org", password=PASSWORD, next=wanted)
        assert (found.status_code, found.location) == (303, there)
        browser.get("/")
        browser.post("/sign-out")
        browser.get("/sign-in")


def test_a_session_ends_on_the_server_not_only_in_the_browser(browser: Browser, house: House) -> None:
    browser.sign_in("Dee")
    kept = browser.client.get_cookie("kitbank")
    assert kept is not None
    browser.post("/sign-out")
    browser.client.set_cookie("kitbank", kept.value)
    assert browser.get("/", follow=False).status_code == 303
    browser.sign_in("Dee")
    with house.db.transaction() as tx:
        people.disable(tx, house.desk.account_id, house.tick())
    assert browser.get("/", follow=False).status_code == 303


def test_a_one_time_link_sets_a_password_once(browser: Browser, house: House) -> None:
    with house.db.transaction() as tx:
        token = people.create_link(tx, house.volunteer.account_id, "first", house.tick())
    path = f"/set-password/{token}"
    assert "Vic" in browser.get(path).get_data(as_text=True)
    assert browser.post(path, password="short", again="short").status_code == 422
    assert "not the same" in browser.post(path, password=PASSWORD, again="other").get_data(as_text=True)
    assert browser.post(path, password=PASSWORD, again=PASSWORD).status_code == 200
    assert browser.get(path).status_code == 410
    assert browser.sign_in("Vic").status_code == 200
    assert browser.get("/devices").status_code == 200


def test_signed_in_pages_are_kept_by_no_cache_and_may_load_nothing_from_elsewhere(browser: Browser) -> None:
    browser.sign_in("Dee")
    found = browser.get("/devices")
    assert found.headers["Cache-Control"] == "no-store"
    assert "default-src 'self'" in found.headers["Content-Security-Policy"]
    assert "unsafe" not in found.headers["Content-Security-Policy"]
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    text = found.get_data(as_text=True)
    assert " style=" not in text
    assert " onclick=" not in text


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(house: House, tmp_path: Path) -> None:
    for host, secure in (("https://kit.example.org", True), ("http://127.0.0.1:8000", False)):
        client = create_app(configuration(tmp_path, host), db=house.db, now=house.tick).test_client()
        found = client.get("/sign-in")
        cookie = found.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert ("Secure" in cookie) is secure
        assert ("Strict-Transport-Security" in found.headers) is secure


def test_a_label_tells_a_stranger_how_to_return_the_device_and_nothing_else(browser: Browser, house: House) -> None:
    name = house.make_ready(1)
    for path in (f"/d/{name}", f"/D/{name}", f"/d/{name.lower()}", f"/R/{name}/{'A' * 64}", f"/r/{name}"):
        found = browser.get(path)
        text = found.get_data(as_text=True)
        assert found.status_code == 200
        assert "belongs to the device bank" in text
        assert "ACME" not in text
        assert "SER1" not in text
    assert browser.get("/d/ZZZZ").status_code == 200
    assert pretty(READY) == pretty(name)


def test_staff_who_scan_a_label_or_a_slip_go_on_to_their_work(browser: Browser, house: House) -> None:
    name = house.make_ready(1)
    browser.sign_in("Dee")
    assert browser.get(f"/D/{name}", follow=False).location == f"/devices/{name}"
    assert browser.get(f"/R/{name}/{'A' * 64}", follow=False).location == f"/receive?code={name}"


def test_a_page_that_does_not_exist_says_so_in_plain_words(browser: Browser) -> None:
    found = browser.get("/nothing-here")
    assert found.status_code == 404
    assert "Page not found" in found.get_data(as_text=True)
