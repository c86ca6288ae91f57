"""The ways in and out as pages: the second step, who must have one, proving again, roles, addresses, audit."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyotp
import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import select, update

from custody.events import World
from lending import councils, people, sessions, tables
from lending.access_config import AccessConfig
from lending.app import create_app
from lending.councils import Wish
from lending.message_tables import MessageRow
from lending.outbox import PURPOSE
from tests.lending.authenticator import Authenticator
from tests.lending.house import House
from tests.lending.screens import PASSWORD, Browser, configuration, hashed
from tests.lending.town_hall import CLIENT, SECRET, TownHall, open_town_hall


@pytest.fixture
def app(house: House, tmp_path: Path) -> Flask:
    """Return the application with the rules that a real server has."""
    with house.db.transaction() as tx:
        tx.s.execute(update(tables.AccountRow).values(password_hash=hashed(PASSWORD)))
    config = replace(configuration(tmp_path), access=AccessConfig())
    made = create_app(config, db=house.db, now=house.tick)
    made.jinja_env.bytecode_cache = FileSystemBytecodeCache()
    return made


def browser_of(app: Flask, name: str = "") -> Browser:
    found = Browser(app.test_client())
    if name:
        found.sign_in(name)
    return found


def asked(text: str) -> tuple[dict[str, Any], str]:
    """Return what a page asks of a passkey: the options and the challenge."""
    options = re.search(r'data-options="([^"]+)"', text)
    challenge = re.search(r'name="challenge" value="([^"]+)"', text)
    assert options is not None
    assert challenge is not None
    return json.loads(unescape(options.group(1))), challenge.group(1)


def add_passkey(browser: Browser, key: Authenticator, name: str = "My phone") -> int:
    options, challenge = asked(browser.get("/security/passkeys/new").get_data(as_text=True))
    found = browser.post("/security/passkeys/new", name=name, challenge=challenge, answer=key.make(options))
    assert found.status_code in (200, 422), found.status_code
    return found.status_code


def use_passkey(browser: Browser, key: Authenticator, page: str, to: str, wanted: str = "") -> tuple[int, str]:
    options, challenge = asked(browser.get(page).get_data(as_text=True))
    found = browser.post(to, follow=False, challenge=challenge, answer=key.use(options), next=wanted)
    return found.status_code, found.location or ""


def set_codes_up(browser: Browser, house: House) -> tuple[str, list[str]]:
    browser.get("/security")
    text = browser.post("/security/codes/start").get_data(as_text=True)
    secret = re.search(r'kb-bigcode"[^>]*>([A-Z2-7]+)<', text)
    assert secret is not None
    picture = browser.client.get("/security/codes/picture.svg")
    assert (picture.mimetype, picture.headers["Cache-Control"]) == ("image/svg+xml", "no-store")
    text = browser.post("/security/codes", code=pyotp.TOTP(secret.group(1)).at(int(house.now.timestamp()))).get_data(
        as_text=True
    )
    return secret.group(1), re.findall(r"<bdi>([0-9A-Z]{5}-[0-9A-Z]{5})</bdi>", text)


def mails(house: House) -> list[dict[str, str]]:
    with house.db.read() as tx:
        rows = tx.s.scalars(select(MessageRow).order_by(MessageRow.id))
        return [tx.vault.open_(PURPOSE, row.ref, row.sealed or b"") for row in rows]


def test_a_passkey_alone_signs_in_and_goes_on_to_the_page_one_wanted(app: Flask) -> None:
    key = Authenticator()
    assert add_passkey(browser_of(app, "Dee"), key) == 200
    fresh = browser_of(app)
    assert use_passkey(fresh, key, "/sign-in?next=/loans", "/sign-in/passkey", "/loans") == (303, "/loans")
    assert fresh.get("/loans").status_code == 200
    other = browser_of(app)
    options, challenge = asked(other.get("/sign-in").get_data(as_text=True))
    answer = key.use(options)
    thief = browser_of(app)  # an answer works in the browser that was asked, once
    thief.get("/sign-in")
    assert thief.post("/sign-in/passkey", challenge=challenge, answer=answer).status_code == 422
    assert other.post("/sign-in/passkey", challenge=challenge, answer=answer).status_code == 200
    again = other.client.post(
        "/sign-in/passkey", data={"form_token": other.token, "challenge": challenge, "answer": answer}
    )
    assert again.status_code in (400, 422)


def test_after_the_password_the_second_step_cannot_be_walked_round(app: Flask, house: House) -> None:
    secret, spare = set_codes_up(browser_of(app, "Dee"), house)
    assert len(spare) == 10
    house.now += timedelta(minutes=2)
    browser = browser_of(app)
    browser.get("/sign-in")
    found = browser.post("/sign-in", follow=False, email="dee@example.org", password=PASSWORD, next="/loans")
    assert found.location == "/sign-in/second"
    assert browser.get("/", follow=False).location == "/sign-in"
    browser.get("/sign-in/second")
    assert browser.post("/sign-in/second", code="000000").status_code == 422
    code = pyotp.TOTP(secret).at(int(house.now.timestamp()))
    found = browser.post("/sign-in/second", follow=False, code=code)
    assert found.location == "/loans"
    assert browser.get("/loans").status_code == 200
    late = browser_of(app)
    late.get("/sign-in")
    late.post("/sign-in", email="dee@example.org", password=PASSWORD)
    house.now += timedelta(minutes=11)
    found = late.post("/sign-in/second", follow=False, code=spare[0])
    assert found.location == "/sign-in"
    assert "too long" in late.get("/sign-in").get_data(as_text=True)


def test_another_accounts_passkey_is_no_second_step(app: Flask, house: House) -> None:
    dee, sue = Authenticator(), Authenticator()
    add_passkey(browser_of(app, "Dee"), dee)
    add_passkey(browser_of(app, "Sue"), sue)
    browser = browser_of(app)
    browser.get("/sign-in")
    browser.post("/sign-in", email="sue@example.org", password=PASSWORD)
    assert use_passkey(browser, dee, "/sign-in/second", "/sign-in/second")[0] == 422
    assert browser.get("/", follow=False).status_code == 303
    assert use_passkey(browser, sue, "/sign-in/second", "/sign-in/second") == (303, "/")


def test_who_must_have_a_second_factor_does_nothing_else_after_the_days_of_grace(app: Flask, house: House) -> None:
    ada = browser_of(app, "Ada")
    assert "by 29 November 2026" in ada.get("/accounts").get_data(as_text=True)
    house.now += timedelta(days=7)
    ada, dee = browser_of(app, "Ada"), browser_of(app, "Dee")
    assert dee.get("/loans", follow=False).status_code == 200
    for path in ("/", "/accounts", "/machines", "/security/address"):
        assert ada.get(path, follow=False).location == "/security", path
    ada.get("/security")
    assert ada.client.post("/machines/code", data={"form_token": ada.token}).location == "/security"
    assert "Set up one of them here" in ada.get("/security").get_data(as_text=True)
    key = Authenticator()
    assert add_passkey(ada, key) == 200
    assert ada.get("/accounts", follow=False).status_code == 200
    number = re.search(r"/security/passkeys/(\d+)", ada.get("/security").get_data(as_text=True))
    assert number is not None
    ada.get("/security")
    found = ada.post(f"/security/passkeys/{number.group(1)}/remove")
    assert found.status_code == 409
    assert "your role needs a passkey" in found.get_data(as_text=True).lower()
    assert use_passkey(browser_of(app), key, "/sign-in", "/sign-in/passkey") == (303, "/")


def test_a_practice_server_on_its_own_machine_asks_nobody(app: Flask, house: House, tmp_path: Path) -> None:
    house.now += timedelta(days=30)
    practice = replace(house.db, world=World.PRACTICE)
    config = replace(configuration(tmp_path), access=AccessConfig())
    for listen, code in (("127.0.0.1:8000", 200), ("0.0.0.0:8000", 303)):
        served = create_app(replace(config, listen=listen), db=practice, now=house.tick)
        assert browser_of(served, "Ada").get("/accounts", follow=False).status_code == code
    assert browser_of(app, "Ada").get("/accounts", follow=False).status_code == 303


def test_a_session_from_before_the_factor_ends_when_the_factor_is_added(app: Flask) -> None:
    first, second = browser_of(app, "Dee"), browser_of(app, "Dee")
    add_passkey(second, Authenticator())
    assert second.get("/loans", follow=False).status_code == 200
    assert first.get("/loans", follow=False).status_code == 303


def test_what_is_dangerous_asks_again_who_signed_in_long_ago(app: Flask, house: House) -> None:
    ada = browser_of(app, "Ada")
    assert ada.get("/accounts/new", follow=False).status_code == 200
    house.now += sessions.RECENT + timedelta(minutes=1)
    assert ada.get("/accounts", follow=False).status_code == 200
    for path in ("/accounts/new", f"/machines/{house.bench.id}/revoke", "/councils/new", "/security/passkeys/new"):
        assert urlsplit(ada.get(path, follow=False).location).path == "/prove", path
    ada.get("/accounts")
    found = ada.post("/accounts/new", follow=False, name="Mallory", email="m@example.org", roles="administrator")
    assert found.location == "/prove?next=/accounts/new"
    with house.db.read() as tx:
        assert not [one for one in people.list_accounts(tx) if one.name == "Mallory"]
    ada.get("/prove?next=/accounts/new")
    assert ada.post("/prove", password="wrong", next="/accounts/new").status_code == 422
    found = ada.post("/prove", follow=False, password=PASSWORD, next="/accounts/new")
    assert (found.status_code, found.location) == (303, "/accounts/new")
    assert ada.get("/accounts/new", follow=False).status_code == 200
    for _ in range(people.TRIES):
        ada.post("/prove", password="wrong")
    assert ada.post("/prove", password=PASSWORD).status_code == 429


def test_with_a_second_factor_the_password_alone_proves_nothing(app: Flask, house: House) -> None:
    dee, key = browser_of(app, "Dee"), Authenticator()
    add_passkey(dee, key)
    house.now += sessions.RECENT + timedelta(minutes=1)
    dee.get("/prove")
    assert dee.post("/prove", password=PASSWORD).status_code == 422
    assert use_passkey(dee, key, "/prove?next=/security", "/prove", "/security/passkeys/new") == (
        303, "/security/passkeys/new",
    )  # fmt: skip
    assert dee.get("/security/passkeys/new", follow=False).status_code == 200


def test_a_partner_gets_a_link_by_e_mail_and_the_link_alone_signs_nobody_in(app: Flask, house: House) -> None:
    browser = browser_of(app)
    browser.get("/sign-in/link")
    for email in ("pat@example.org", "dee@example.org", "nobody@example.org"):
        assert "a link is on its way" in browser.post("/sign-in/link", email=email).get_data(as_text=True)
        browser.get("/sign-in/link")
    sent = mails(house)
    assert [one["to"] for one in sent] == ["pat@example.org"]
    found = re.search(r"http://localhost(/sign-in/link/\S+)", sent[0]["body"])
    assert found is not None
    for _ in range(3):  # a mail scanner, and again
        assert "Hello Pat" in browser.get(found.group(1)).get_data(as_text=True)
    assert browser.get("/", follow=False).status_code == 303
    browser.get(found.group(1))
    assert browser.post(found.group(1), follow=False).location == "/"
    assert browser.get("/referrals").status_code == 200
    assert browser.get(found.group(1)).status_code == 410
    assert browser.post("/sign-in/link", email="not an address").status_code in (400, 422)


def test_owners_end_their_sessions_one_by_one_and_all(app: Flask) -> None:
    here, there, third = (browser_of(app, "Dee") for _ in range(3))
    text = here.get("/security").get_data(as_text=True)
    handles = re.findall(r"/security/sessions/([0-9a-f]{20})/end", text)
    assert len(handles) == 2
    assert here.post(f"/security/sessions/{handles[0]}/end").status_code == 200
    states = [one.get("/loans", follow=False).status_code for one in (there, third)]
    assert sorted(states) == [200, 303]
    here.get("/security")
    here.post("/security/sessions/end-others")
    assert [one.get("/loans", follow=False).status_code for one in (here, there, third)] == [200, 303, 303]


def test_an_address_is_changed_by_two_mailboxes_and_a_taken_one_is_not_told(app: Flask, house: House) -> None:
    dee = browser_of(app, "Dee")
    for email, letters in (("vic@example.org", 1), ("dee.new@example.org", 2)):
        before = len(mails(house))
        dee.get("/security/address")
        assert "Look into both mailboxes" in dee.post("/security/address", email=email).get_data(as_text=True)
        assert len(mails(house)) - before == letters
    links = [re.search(r"http://localhost(/address/\S+)", one["body"]) for one in mails(house)[-2:]]
    for link, words in zip(links, ("Half done", "The address is changed"), strict=True):
        assert link is not None
        stranger = browser_of(app)
        stranger.get(link.group(1))
        assert words in stranger.post(link.group(1)).get_data(as_text=True)
    assert dee.get("/", follow=False).status_code == 303
    with house.db.read() as tx:
        assert tx.s.get_one(tables.AccountRow, house.desk.account_id).email == "dee.new@example.org"


def test_administrators_change_roles_but_never_their_own(app: Flask, house: House) -> None:
    ada, path = browser_of(app, "Ada"), f"/accounts/{house.desk.account_id}/roles"
    assert "Loan desk" in ada.get(path).get_data(as_text=True)
    assert ada.post(path).status_code == 422
    assert ada.post(path, roles="partner").status_code == 422
    assert ada.post(path, roles=["desk", "auditor"]).status_code == 200
    own = f"/accounts/{house.administrator.account_id}"
    ada.get(own + "/roles")
    for doing in ("roles", "disable", "factors"):
        found = ada.post(f"{own}/{doing}", roles="desk", reason="x")
        assert found.status_code == 409, doing
    assert browser_of(app, "Dee").get("/audit").status_code == 200


def test_the_audit_is_filtered_handed_out_and_says_so(app: Flask, house: House) -> None:
    with house.db.transaction() as tx:
        made = people.create_account(tx, "aud@example.org", "Aud", ["auditor"], None, house.now)
        tx.s.get_one(tables.AccountRow, made.id).password_hash = hashed(PASSWORD)
    browser_of(app, "Dee")
    aud = browser_of(app, "Aud")
    text = aud.get("/audit?by=dee").get_data(as_text=True)
    assert "1 line" in text
    assert "Aud" not in text.split("<tbody>")[1]
    for query, code in (("from=22/11/2026&to=2026-11-22", 200), ("from=31/02/2026", 422), ("page=x", 200)):
        assert aud.get(f"/audit?{query}").status_code == code
    assert "No lines that fit" in aud.get("/audit?to=21/11/2026").get_data(as_text=True)
    found = aud.post("/audit.csv", action="signed-in")
    rows = list(csv.DictReader(io.StringIO(found.get_data(as_text=True))))
    assert {row["name"] for row in rows} == {"Dee", "Aud"}
    assert found.headers["Cache-Control"] == "no-store"
    assert "Audit exported" in aud.get("/audit").get_data(as_text=True)


@pytest.fixture
def hall(house: House) -> Iterator[TownHall]:
    with open_town_hall(int(house.now.timestamp())) as found:
        found.person = {"email": "dee@example.org", "email_verified": True}
        practice = replace(house.db, world=World.PRACTICE)
        with practice.transaction() as tx:
            wish = Wish("Sefton Council", found.address, CLIENT, SECRET, ["example.org"])
            councils.add(tx, house.administrator, wish, house.now)
        yield found


def test_a_council_signs_in_and_its_answer_counts_once_in_one_browser(app: Flask, hall: TownHall) -> None:
    browser, thief = browser_of(app), browser_of(app)
    assert "Use your account at Sefton Council" in browser.get("/sign-in?next=/loans").get_data(as_text=True)
    there = browser.get("/sign-in/council/1?next=/loans", follow=False).location
    back = urlsplit(hall.sign_in(there))
    thief.get("/sign-in")
    assert thief.get(f"{back.path}?{back.query}", follow=False).location == "/sign-in"
    found = browser.get(f"{back.path}?{back.query}", follow=False)
    assert (found.status_code, found.location) == (303, "/loans")
    assert browser.get("/loans").status_code == 200
    assert browser.get(f"{back.path}?{back.query}", follow=False).location == "/sign-in"


def test_a_council_asks_the_second_step_too_and_says_no_politely(app: Flask, hall: TownHall, house: House) -> None:
    set_codes_up(browser_of(app, "Dee"), house)
    browser = browser_of(app)
    back = urlsplit(hall.sign_in(browser.get("/sign-in/council/1", follow=False).location))
    assert browser.get(f"{back.path}?{back.query}", follow=False).location == "/sign-in/second"
    hall.person = {"email": "stranger@example.org", "email_verified": True}
    hall.claims = {"sub": "another"}
    back = urlsplit(hall.sign_in(browser.get("/sign-in/council/1", follow=False).location))
    found = browser.get(f"{back.path}?{back.query}")
    assert found.status_code == 409
    assert "nobody has invited you" in found.get_data(as_text=True)
    assert app.test_client().get("/sign-in/council/9").status_code == 404
