"""Changes of accounts: by whom, never the last administrator, both mailboxes for an address; who needs a factor."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import access_config, accounts, factors, one_time_codes, people, sessions, tables
from lending.access_config import AccessConfig
from lending.access_tables import AuditEntry
from lending.errors import ConfigError
from lending.people import Actor
from tests.lending.house import House

CONFIG = AccessConfig()


def said(house: House) -> list[tuple[str, str, str]]:
    with house.db.read() as tx:
        rows = tx.s.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(row.by, row.action, row.reason) for row in rows]


def change(house: House, by: Actor, of: Actor, *roles: str, partner: int | None = None) -> None:
    with house.db.transaction() as tx:
        accounts.change_roles(tx, by, of.account_id, roles, partner, CONFIG, house.tick())


def code(house: House, by: Actor, of: Actor, *roles: str, partner: int | None = None) -> str:
    with pytest.raises(Refused) as no:
        change(house, by, of, *roles, partner=partner)
    return no.value.reasons[0].code


def test_roles_change_at_once_and_the_person_is_signed_out(house: House) -> None:
    with house.db.transaction() as tx:
        token = sessions.start(tx, house.desk.account_id, house.now)
    change(house, house.administrator, house.desk, "desk", "volunteer")
    with house.db.read() as tx:
        assert sessions.session(tx, token, house.now) is None
        now = people.actor(tx, house.desk.account_id)
    assert now is not None
    assert now.roles == {"desk", "volunteer"}
    assert said(house) == [(house.administrator.ref, "roles-changed", "desk -> desk, volunteer")]


def test_nobody_changes_themselves_and_only_administrators_change_others(house: House) -> None:
    ada, dee = house.administrator, house.desk
    assert code(house, ada, ada, "administrator", "desk") == "own-account"
    for by in (house.supervisor, dee, house.volunteer, house.partner):
        assert code(house, by, house.volunteer, "administrator") == "role"
    assert code(house, ada, dee) == "roles"
    assert code(house, ada, dee, "king") == "roles"
    assert code(house, ada, dee, "desk") == "roles"
    assert code(house, ada, dee, "partner") == "partner"
    assert code(house, ada, dee, "desk", partner=house.partner.partner_id) == "partner"
    with house.db.transaction() as tx, pytest.raises(Refused, match="own account"):
        accounts.close(tx, ada, ada.account_id, house.now)
    assert said(house) == []


def test_the_last_administrator_stays_one(house: House) -> None:
    """Two administrators act on each other at the same moment: the second comes too late."""
    change(house, house.administrator, house.desk, "administrator")
    with house.db.read() as tx:
        dee = people.actor(tx, house.desk.account_id)
    assert dee is not None
    change(house, house.administrator, dee, "desk")
    assert code(house, dee, house.administrator, "desk") == "last-administrator"
    with house.db.transaction() as tx, pytest.raises(Refused, match="last administrator"):
        accounts.close(tx, dee, house.administrator.account_id, house.now)


def test_an_address_changes_when_both_mailboxes_said_so(house: House) -> None:
    for order in (("old", "new"), ("new", "old")):
        email = f"{order[0]}-first@example.org"
        with house.db.transaction() as tx:
            token = sessions.start(tx, house.desk.account_id, house.now)
            asked = accounts.ask_address(tx, house.desk, email.upper(), house.tick())
            tokens = {"old": asked.old_token, "new": asked.new_token}
            assert asked.old_token not in repr(asked)
            for _ in range(2):
                half = accounts.confirm_address(tx, tokens[order[0]], house.tick())
            assert half is not None
            assert tx.s.get_one(tables.AccountRow, house.desk.account_id).email != email
            assert accounts.confirm_address(tx, tokens[order[1]], house.tick()) is not None
        with house.db.read() as tx:
            assert tx.s.get_one(tables.AccountRow, house.desk.account_id).email == email
            assert sessions.session(tx, token, house.now) is None
            assert accounts.change(tx, tokens["new"], house.now) is None
    assert [one[1] for one in said(house)] == ["address-asked", "address-changed"] * 2


def test_a_wish_for_an_address_ends_by_time_by_a_newer_one_and_when_it_is_taken(house: House) -> None:
    with house.db.transaction() as tx:
        first = accounts.ask_address(tx, house.desk, "new@example.org", house.now)
        second = accounts.ask_address(tx, house.desk, "newer@example.org", house.now)
        assert accounts.change(tx, first.old_token, house.now) is None
        late = house.now + accounts.ADDRESS_LIFE + timedelta(seconds=1)
        assert accounts.confirm_address(tx, second.old_token, late) is None
        taken = accounts.ask_address(tx, house.desk, "vic@example.org", house.now)
        accounts.confirm_address(tx, taken.old_token, house.now)
    with house.db.transaction() as tx, pytest.raises(Refused, match="cannot be used"):
        accounts.confirm_address(tx, taken.new_token, house.now)
    with house.db.transaction() as tx:
        with pytest.raises(Refused, match="your address already"):
            accounts.ask_address(tx, house.desk, "dee@example.org", house.now)
        with pytest.raises(Refused, match="too many"):
            accounts.ask_address(tx, house.desk, "newest@example.org", house.now)


def test_who_needs_a_second_factor_has_days_of_grace_from_the_day_of_the_role(house: House) -> None:
    house.now += timedelta(days=60)
    with house.db.read() as tx:
        ada = factors.standing(tx, house.administrator, CONFIG)
        dee = factors.standing(tx, house.desk, CONFIG)
    assert (ada.asked, ada.has_one, ada.is_shut(house.now)) == (True, False, True)
    assert (dee.asked, dee.is_shut(house.now)) == (False, False)
    change(house, house.administrator, house.desk, "supervisor")
    with house.db.transaction() as tx:
        now = people.actor(tx, house.desk.account_id)
        assert now is not None
        new = factors.standing(tx, now, CONFIG)
        assert not new.is_shut(house.now + CONFIG.grace - timedelta(minutes=1))
        assert new.is_shut(house.now + CONFIG.grace)
        assert not factors.standing(tx, now, AccessConfig(factor_roles=frozenset())).asked


def test_lost_factors_are_taken_away_by_another_administrator_with_a_reason(house: House) -> None:
    with house.db.transaction() as tx:
        token = sessions.start(tx, house.supervisor.account_id, house.now)
        secret = one_time_codes.begin(tx, house.supervisor, "Kitbank", house.now)
        one_time_codes.confirm(tx, house.supervisor, _now_code(secret.secret, house), house.now)
        for by, number, why, match in (
            (house.desk, house.supervisor.account_id, "x", "role"),
            (house.administrator, house.administrator.account_id, "x", "another administrator"),
            (house.administrator, house.supervisor.account_id, " ", "how you know"),
            (house.administrator, 9999, "x", "no account"),
        ):
            with pytest.raises(Refused, match=match):
                factors.take_away(tx, number, by, why, house.now)
        factors.still_enough(tx, house.supervisor, CONFIG, asks=True)
        with pytest.raises(Refused, match="your role needs"):
            factors.still_enough(tx, house.administrator, CONFIG, asks=True)
        factors.take_away(tx, house.supervisor.account_id, house.administrator, "came in person", house.now)
        assert not factors.has_one(tx, house.supervisor.account_id)
        assert sessions.session(tx, token, house.now) is None
    assert said(house) == [(house.administrator.ref, "factors-removed", "came in person")]


def _now_code(secret: str, house: House) -> str:
    return pyotp.TOTP(secret).at(int(house.now.timestamp()))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"KITBANK_SECOND_FACTOR_ROLES": "king"}, "king"),
        ({"KITBANK_SECOND_FACTOR_GRACE_DAYS": "-1"}, "-1"),
        ({"KITBANK_SECOND_FACTOR_GRACE_DAYS": "91"}, "0 to 90"),
        ({"KITBANK_TRUSTED_PROXIES": "one"}, "one"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(values: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        access_config.from_values(values)


def test_settings_have_safe_defaults() -> None:
    assert access_config.from_values({}) == AccessConfig()
    found = access_config.from_values({
        "KITBANK_SECOND_FACTOR_ROLES": "none", "KITBANK_SECOND_FACTOR_GRACE_DAYS": "0", "KITBANK_TRUSTED_PROXIES": "2",
        "KITBANK_OTHER_HOSTS": "A.example, b.example",
    })  # fmt: skip
    assert found == AccessConfig(frozenset(), timedelta(0), 2, frozenset({"a.example", "b.example"}))
