"""Passkeys against an authenticator that can lie: what is accepted, and everything that is not."""

import json
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from custody.errors import Refused
from lending import passkeys, people
from lending.passkeys import Challenge, Passkey, Site
from lending.people import Actor
from tests.lending.authenticator import Authenticator
from tests.lending.house import House

AT = Site("localhost", "http://localhost", "Kitbank")


def challenge(house: House) -> Challenge:
    return Challenge(secrets.token_urlsafe(32), house.tick())


def register(house: House, key: Authenticator, by: Actor | None = None, name: str = "My phone") -> Passkey:
    by, asked = by or house.desk, challenge(house)
    with house.db.transaction() as tx:
        answer = key.make(json.loads(passkeys.registration(tx, by, AT, asked)))
        return passkeys.register(tx, by, AT, asked, answer, name, house.tick())


def sign_in(house: House, key: Authenticator, asked: Challenge | None = None, handle: str | None = None) -> Actor:
    asked = asked or challenge(house)
    with house.db.transaction() as tx:
        answer = key.use(json.loads(passkeys.question(tx, AT, asked)), handle=handle)
        return passkeys.check(tx, AT, asked, answer, house.tick())


def refused(house: House, key: Authenticator, handle: str | None = None) -> str:
    with pytest.raises(Refused) as no:
        sign_in(house, key, handle=handle)
    assert no.value.reasons[0].code == "passkey"
    return no.value.reasons[0].text


def test_a_passkey_alone_says_who_signs_in(house: House) -> None:
    key, other = Authenticator(), Authenticator(synced=True)
    assert register(house, key).used_at is None
    assert register(house, other, name="Blue key").synced
    assert sign_in(house, key).account_id == house.desk.account_id
    assert sign_in(house, other).account_id == house.desk.account_id
    with house.db.read() as tx:
        assert [(one.name, one.used_at is not None) for one in passkeys.listing(tx, house.desk)] == [
            ("My phone", True), ("Blue key", True),
        ]  # fmt: skip


def test_the_browser_is_asked_for_a_verified_owner_and_a_key_that_names_itself(house: House) -> None:
    register(house, Authenticator())
    with house.db.read() as tx:
        made = json.loads(passkeys.registration(tx, house.desk, AT, challenge(house)))
        used = json.loads(passkeys.question(tx, AT, challenge(house)))
        own = json.loads(passkeys.question(tx, AT, challenge(house), house.desk.account_id))
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert made["attestation"] == "none"
    assert len(made["excludeCredentials"]) == 1
    assert "dee" not in made["user"]["id"].lower()
    assert (used["userVerification"], used["allowCredentials"]) == ("required", [])
    assert len(own["allowCredentials"]) == 1


@pytest.mark.parametrize(
    "lie",
    [
        {"verifies": False}, {"origin": "https://kitbank.evil.example"}, {"host": "evil.example"},
        {"origin": "http://localhost:8001"},
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_without_its_owner_or_for_another_site_is_refused(house: House, lie: dict[str, object]) -> None:
    key = Authenticator()
    register(house, key)
    liar = replace(key, **lie)  # type: ignore[arg-type]
    words = refused(house, liar)
    assert words == refused(house, Authenticator())  # an unknown passkey is answered the same
    with pytest.raises(Refused, match="not accepted"):
        register(house, replace(Authenticator(), **lie), name="Another")  # type: ignore[arg-type]
    assert sign_in(house, replace(liar, origin=key.origin, host=key.host, verifies=True)) is not None


def test_a_challenge_is_answered_once_and_soon(house: House) -> None:
    key = Authenticator(counts=False)
    register(house, key)
    asked = challenge(house)
    assert sign_in(house, key, asked) is not None
    with pytest.raises(Refused, match="open too long"):
        sign_in(house, key, asked)
    late = challenge(house)
    house.now += passkeys.CHALLENGE_LIFE
    with pytest.raises(Refused, match="open too long"):
        sign_in(house, key, late)


def test_an_answer_to_another_challenge_is_refused(house: House) -> None:
    key, asked = Authenticator(), challenge(house)
    register(house, key)
    with house.db.read() as tx:
        answer = key.use(json.loads(passkeys.question(tx, AT, challenge(house))))
    with house.db.transaction() as tx, pytest.raises(Refused, match="not accepted"):
        passkeys.check(tx, AT, asked, answer, house.tick())


def test_a_copy_of_a_passkey_shows_by_its_counter(house: House) -> None:
    key = Authenticator()
    register(house, key)
    copy = replace(key)
    assert sign_in(house, key) is not None
    assert sign_in(house, key) is not None
    refused(house, copy)


def test_a_passkey_answers_for_its_own_account_only(house: House) -> None:
    dee, vic = Authenticator(), Authenticator()
    register(house, dee)
    register(house, vic, house.volunteer)
    refused(house, dee, handle=vic.handle)
    with house.db.transaction() as tx:
        number = passkeys.listing(tx, house.volunteer)[0].id
        with pytest.raises(Refused, match="no passkey number"):
            passkeys.rename(tx, house.desk, number, "Mine")
        with pytest.raises(Refused, match="no passkey number"):
            passkeys.remove(tx, house.desk, number)
    assert sign_in(house, vic).account_id == house.volunteer.account_id


def test_a_closed_account_and_a_removed_passkey_sign_nobody_in(house: House) -> None:
    key, vic = Authenticator(), Authenticator()
    made = register(house, key)
    register(house, vic, house.volunteer)
    with house.db.transaction() as tx:
        assert passkeys.remove(tx, house.desk, made.id) == "My phone"
        people.disable(tx, house.volunteer.account_id, house.now)
    assert refused(house, key) == refused(house, vic)


def test_passkeys_have_names_that_their_owner_tells_apart(house: House) -> None:
    made = register(house, Authenticator())
    for name in ("", "  ", "my PHONE"):
        with pytest.raises(Refused, match="give this passkey a name"):
            register(house, Authenticator(), name=name)
    other = register(house, Authenticator(), name="Blue key")
    with house.db.transaction() as tx:
        passkeys.rename(tx, house.desk, other.id, " Green   key ")
        passkeys.rename(tx, house.desk, made.id, "My Phone")
        with pytest.raises(Refused, match="give this passkey a name"):
            passkeys.rename(tx, house.desk, made.id, "green key")
        assert [one.name for one in passkeys.listing(tx, house.desk)] == ["My Phone", "Green key"]


@pytest.mark.parametrize(
    "answer", ["", "nonsense", "[]", "{}", '{"id": "x"}', '{"id": "x", "response": []}', "9" * 30_000]
)
def test_nonsense_is_refused_politely(house: House, answer: str) -> None:
    for _ in range(2):
        with house.db.transaction() as tx, pytest.raises(Refused, match="not accepted"):
            passkeys.check(tx, AT, challenge(house), answer, house.tick())
        with house.db.transaction() as tx, pytest.raises(Refused, match="not accepted"):
            passkeys.register(tx, house.desk, AT, challenge(house), answer, "My phone", house.tick())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://kit.example.org", "kit.example.org"), ("https://kit.example.org:8443", "kit.example.org"),
        ("http://localhost:8000", "localhost"), ("http://kit.example.org", None), ("http://127.0.0.1:8000", None),
        ("https://192.0.2.7", None), ("https://[2001:db8::1]", None),
    ],
)  # fmt: skip
def test_passkeys_need_a_name_over_https(address: str, host: str | None) -> None:
    found = passkeys.site(address, "Kitbank")
    assert (found.host if found else None) == host
    assert found is None or found.origin == address


def test_a_challenge_from_the_future_is_no_challenge(house: House) -> None:
    key = Authenticator()
    register(house, key)
    with pytest.raises(Refused, match="open too long"):
        sign_in(house, key, Challenge(secrets.token_urlsafe(32), house.now + timedelta(hours=1)))
