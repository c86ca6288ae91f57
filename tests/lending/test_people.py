"""Accounts, one-time links, sessions and the wait after too many wrong passwords."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import people, sessions, tables
from lending.db import Database
from tests.factories import NOON
from tests.lending.house import House

PASSWORD = "correct horse battery"


def with_password(house: House) -> int:
    with house.db.transaction() as tx:
        token = people.create_link(tx, house.desk.account_id, "set-password", house.now)
        return people.set_password_by_link(tx, token, PASSWORD, house.now).account_id


def sign_in(house: House, email: str, password: str) -> people.Actor | None:
    return people.sign_in(house.db, email, password, house.now)


def test_a_password_set_by_link_signs_in(house: House) -> None:
    number = with_password(house)
    found = sign_in(house, " Dee@Example.ORG ", PASSWORD)
    assert found is not None
    assert (found.account_id, found.roles) == (number, frozenset({"desk"}))
    assert sign_in(house, "dee@example.org", "wrong") is None
    assert sign_in(house, "nobody@example.org", PASSWORD) is None


def test_a_link_works_once_and_expires_and_an_older_one_dies(house: House) -> None:
    with house.db.transaction() as tx:
        old = people.create_link(tx, house.desk.account_id, "set-password", house.now)
        new = people.create_link(tx, house.desk.account_id, "set-password", house.now)
        late = house.now + timedelta(hours=24, seconds=1)
        assert people.link_owner(tx, old, house.now) is None
        assert people.link_owner(tx, new, late) is None
        people.set_password_by_link(tx, new, PASSWORD, house.now)
        with pytest.raises(Refused, match="used already"):
            people.set_password_by_link(tx, new, PASSWORD, house.now)


def test_a_short_password_is_refused(house: House) -> None:
    with house.db.transaction() as tx:
        token = people.create_link(tx, house.desk.account_id, "set-password", house.now)
        with pytest.raises(Refused, match="12 to 200"):
            people.set_password_by_link(tx, token, "short", house.now)


def test_after_too_many_wrong_passwords_even_the_right_one_waits(house: House) -> None:
    with_password(house)
    for _ in range(people.TRIES):
        assert sign_in(house, "dee@example.org", "wrong") is None
    with pytest.raises(Refused) as refused:
        sign_in(house, "dee@example.org", PASSWORD)
    assert refused.value.reasons[0].code == "throttled"
    house.now += people.WINDOW + timedelta(seconds=1)
    assert sign_in(house, "dee@example.org", PASSWORD) is not None


def test_a_session_ends_by_signing_out_idling_age_and_disabling(house: House) -> None:
    number, now = with_password(house), house.now
    with house.db.transaction() as tx:
        one, two, three = (sessions.start(tx, number, now) for _ in range(3))
        assert sessions.session(tx, one, now) is not None
        sessions.end(tx, one, now)
        assert sessions.session(tx, one, now) is None
        assert sessions.session(tx, two, now + sessions.IDLE + timedelta(seconds=1)) is None
        sessions.touch(tx, two, now + sessions.LIFE)
        assert sessions.session(tx, two, now + sessions.LIFE + timedelta(seconds=1)) is None
        people.disable(tx, number, now)
        assert sessions.session(tx, three, now) is None
        assert people.actor(tx, number) is None
    assert sign_in(house, "dee@example.org", PASSWORD) is None


def test_a_new_password_ends_older_sessions(house: House) -> None:
    number = with_password(house)
    with house.db.transaction() as tx:
        token = sessions.start(tx, number, house.now)
    with_password(house)
    with house.db.read() as tx:
        assert sessions.session(tx, token, house.now) is None


def test_no_token_or_password_is_kept_as_it_is(house: House) -> None:
    number = with_password(house)
    with house.db.transaction() as tx:
        token = sessions.start(tx, number, house.now)
        link = people.create_link(tx, number, "set-password", house.now)
        rows = [
            *tx.s.scalars(select(tables.SessionRow.token_hash)),
            *tx.s.scalars(select(tables.AccountLink.token_hash)),
            *tx.s.scalars(select(tables.AccountRow.password_hash)),
        ]
    assert not {token, link, PASSWORD} & set(rows)
    assert any(row and row.startswith("$argon2id$") for row in rows)


@pytest.mark.parametrize(
    ("email", "name", "roles", "partner", "code"),
    [
        ("nowhere", "A", ["desk"], None, "email"),
        ("dee@example.org", "A", ["desk"], None, "email"),
        ("a@example.org", " ", ["desk"], None, "name"),
        ("a@example.org", "A", [], None, "roles"),
        ("a@example.org", "A", ["king"], None, "roles"),
        ("a@example.org", "A", ["partner"], None, "partner"),
        ("a@example.org", "A", ["desk"], 1, "partner"),
        ("a@example.org", "A", ["partner"], 999, "partner"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(
    house: House, email: str, name: str, roles: list[str], partner: int | None, code: str
) -> None:
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        people.create_account(tx, email, name, roles, partner, house.now)
    assert refused.value.reasons[0].code == code


def test_accounts_and_partners_are_listed(db: Database) -> None:
    with db.transaction() as tx:
        partner = people.create_partner(tx, " The  Hub ", NOON)
        assert people.create_partner(tx, "The Hub", NOON) == partner
        people.create_account(tx, "a@example.org", "Ann", ["partner", "desk"], partner, NOON)
        assert people.partners(tx) == [(partner, "The Hub")]
        assert [(one.name, one.partner, one.roles) for one in people.list_accounts(tx)] == [
            ("Ann", "The Hub", ("desk", "partner"))
        ]
