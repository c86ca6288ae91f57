"""A council's own sign-in, against a council that lies: who gets in, and everything that does not."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey

from custody.errors import Refused
from custody.events import World
from lending import council_sign_in, councils, errors, people, sign_in_steps
from lending.councils import Council, Wish
from lending.people import Actor
from tests.lending.house import House
from tests.lending.town_hall import CLIENT, SECRET, TownHall, open_town_hall

BACK = "http://localhost/sign-in/council/1/back"
DEE = {"email": "Dee@example.org", "email_verified": True}


@pytest.fixture
def hall(house: House) -> Iterator[TownHall]:
    with open_town_hall(int(house.now.timestamp())) as found:
        found.person = dict(DEE)
        yield found


@pytest.fixture
def council(house: House, hall: TownHall) -> Council:
    practice = replace(house.db, world=World.PRACTICE)  # a town hall on loopback has no HTTPS
    with practice.transaction() as tx:
        wish = Wish("Sefton Council", hall.address, CLIENT, SECRET, ["Example.org"])
        return councils.add(tx, house.administrator, wish, house.now)


def sign_in(house: House, hall: TownHall, council: Council, bend: dict[str, str] | None = None) -> Actor:
    with house.db.transaction() as tx:
        provider = council_sign_in.discover(council)
        address, token = council_sign_in.begin(tx, council, provider, BACK, "/loans", house.now)
    came = dict(parse_qsl(urlsplit(hall.sign_in(address)).query)) | (bend or {})
    with house.db.transaction() as tx:
        step = sign_in_steps.take(tx, token, council_sign_in.KIND, house.now)
        secret = councils.secret(tx, council.id)
    assert step is not None
    if not council_sign_in.is_answer(step, council, came):
        raise errors.refused("council", "not the answer to what was asked")
    who = council_sign_in.identity(council, secret, step, came["code"], BACK, house.now)
    with house.db.transaction() as tx:
        return council_sign_in.admit(tx, council, who, house.now)


def refused(house: House, hall: TownHall, council: Council, bend: dict[str, str] | None = None) -> str:
    with pytest.raises(Refused) as no:
        sign_in(house, hall, council, bend)
    assert no.value.reasons[0].code == "council"
    return no.value.reasons[0].text


def test_an_invited_person_gets_in_and_then_only_the_subject_counts(
    house: House, hall: TownHall, council: Council
) -> None:
    assert sign_in(house, hall, council).account_id == house.desk.account_id
    hall.person = {"email": "dee.married@example.org", "email_verified": False}
    assert sign_in(house, hall, council).account_id == house.desk.account_id
    hall.person = dict(DEE)
    hall.claims = {"sub": "somebody-new"}  # the address was given to a new colleague
    assert "nobody has invited you" in refused(house, hall, council)
    with house.db.transaction() as tx:
        people.disable(tx, house.desk.account_id, house.now)
    hall.claims = {}
    assert "nobody has invited you" in refused(house, hall, council)


@pytest.mark.parametrize(
    "person",
    [
        {"email": "dee@example.org"}, {"email": "dee@example.org", "email_verified": False},
        {"email": "dee@example.org", "email_verified": "true"},
        {"email": "stranger@example.org", "email_verified": True},
        {"email": "dee@example.org.evil.example", "email_verified": True}, {"email_verified": True}, {},
    ],
    ids=str,
)  # fmt: skip
def test_nobody_gets_in_who_is_not_invited_or_not_verified(
    house: House, hall: TownHall, council: Council, person: dict[str, Any]
) -> None:
    hall.person = person
    assert "nobody has invited you" in refused(house, hall, council)
    with house.db.read() as tx:
        assert len(people.list_accounts(tx)) == 6


def test_a_council_answers_for_its_own_domains_only(house: House, hall: TownHall, council: Council) -> None:
    with house.db.transaction() as tx:
        wish = Wish("Sefton Council", "", CLIENT, "", ["sefton.gov.uk"])
        councils.change(tx, house.administrator, council.id, wish, house.now)
        council = councils.council(tx, council.id)
    assert "nobody has invited you" in refused(house, hall, council)


def test_microsofts_word_for_a_verified_domain_is_understood(house: House, hall: TownHall, council: Council) -> None:
    hall.person = {"email": "dee@example.org", "xms_edov": True}
    assert sign_in(house, hall, council).account_id == house.desk.account_id


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"iss": "https://evil.example"}, {}), ({"iss": None}, {}), ({"aud": "another-service"}, {}),
        ({"aud": None}, {}), ({"nonce": "an older one"}, {}), ({"nonce": None}, {}), ({"exp": 1}, {}),
        ({"exp": None}, {}), ({"sub": None}, {}), ({"iat": 99999999999}, {}),
        ({"aud": [CLIENT, "another-service"]}, {}), ({"azp": "another-service"}, {}),
        ({}, {"alg": "none"}), ({}, {"alg": "HS256"}), ({}, {"kid": "unknown"}),
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_is_not_genuine_or_not_for_us_is_refused(
    house: House, hall: TownHall, council: Council, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    hall.claims, hall.header = claims, header
    refused(house, hall, council)


def test_a_token_signed_by_somebody_else_is_refused(house: House, hall: TownHall, council: Council) -> None:
    hall.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert "not genuine" in refused(house, hall, council)


@pytest.mark.parametrize(
    "bend", [{"state": "guessed"}, {"state": ""}, {"iss": "https://evil.example"}, {"code": "guessed"}], ids=str
)
def test_an_answer_to_another_question_is_refused(
    house: House, hall: TownHall, council: Council, bend: dict[str, str]
) -> None:
    refused(house, hall, council, bend)
    if "code" not in bend:
        assert "/token" not in hall.asked


def test_an_answer_counts_once(house: House, hall: TownHall, council: Council) -> None:
    with house.db.transaction() as tx:
        _, token = council_sign_in.begin(tx, council, council_sign_in.discover(council), BACK, "", house.now)
        assert sign_in_steps.take(tx, token, "second", house.now) is None
        assert sign_in_steps.take(tx, token, council_sign_in.KIND, house.now) is not None
        assert sign_in_steps.take(tx, token, council_sign_in.KIND, house.now) is None


def test_a_council_that_is_away_or_lies_about_itself_is_not_believed(
    house: House, hall: TownHall, council: Council
) -> None:
    hall.called = "https://evil.example"
    assert "by another name" in refused(house, hall, council)
    hall.called, hall.token_at = "", "http://evil.example/token"
    assert "without HTTPS" in refused(house, hall, council)
    with pytest.raises(Refused, match="does not answer"):
        council_sign_in.discover(replace(council, issuer="http://127.0.0.1:1"))


def test_a_council_is_set_up_with_care_and_its_secret_is_sealed(house: House, council: Council) -> None:
    good = Wish("Wirral Council", "https://login.wirral.gov.uk", CLIENT, SECRET, ["wirral.gov.uk"])
    bad = [
        (replace(good, name=" "), "name"), (replace(good, issuer="http://login.wirral.gov.uk"), "issuer"),
        (replace(good, issuer="https://x.example/?a"), "issuer"), (replace(good, issuer=council.issuer), "issuer"),
        (replace(good, client_id=""), "client_id"), (replace(good, secret=""), "secret"),
        (replace(good, domains=[]), "domains"), (replace(good, domains=["*.gov.uk"]), "domains"),
        (replace(good, domains=["gmail.com"]), "domains"), (replace(good, domains=["uk"]), "domains"),
    ]  # fmt: skip
    for wish, field in bad:
        with house.db.transaction() as tx, pytest.raises(Refused) as no:
            councils.add(tx, house.administrator, wish, house.now)
        assert field in {reason.code for reason in no.value.reasons}
    with house.db.transaction() as tx:
        off = councils.add(tx, house.administrator, replace(good, client_id="", secret="", enabled=False), house.now)
        with pytest.raises(Refused, match="secret"):
            councils.change(tx, house.administrator, off.id, replace(good, secret=""), house.now)
        councils.change(tx, house.administrator, off.id, good, house.now)
        councils.change(tx, house.administrator, off.id, replace(good, secret="", name="Wirral"), house.now)
        assert councils.secret(tx, off.id) == SECRET
        assert [one.name for one in councils.listing(tx)] == ["Sefton Council", "Wirral"]
        with pytest.raises(Refused, match="role"):
            councils.add(tx, house.desk, good, house.now)
    assert SECRET not in repr(good)
