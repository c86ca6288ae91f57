"""Links by e-mail: for partners, once, soon, and no answer that tells a stranger who has an account."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import accounts, office_mail, outbox, people, reminders, sign_in_links, sign_in_steps
from lending.access_config import AccessConfig
from lending.access_tables import SignInLinkRow
from lending.message_tables import MessageRow
from lending.sign_in_links import ACCOUNTS
from tests.lending.house import House


def ask(house: House, email: str = "pat@example.org", address: str = "192.0.2.1") -> str:
    with house.db.transaction() as tx:
        found = sign_in_links.ask(tx, email, address, house.now)
    return found[2] if found else ""


def test_a_link_works_once_for_a_quarter_of_an_hour_and_only_the_newest(house: House) -> None:
    old, new = ask(house), ask(house, " Pat@Example.org")
    with house.db.transaction() as tx:
        assert sign_in_links.redeem(tx, ACCOUNTS, old, house.now) is None
        assert sign_in_links.redeem(tx, "donor", new, house.now) is None
        late = house.now + sign_in_links.LIFE + timedelta(seconds=1)
        assert sign_in_links.redeem(tx, ACCOUNTS, new, late) is None
        assert sign_in_links.whose(tx, ACCOUNTS, new, house.now) == house.partner.ref
        found = sign_in_links.account(tx, sign_in_links.redeem(tx, ACCOUNTS, new, house.now))
        assert found is not None
        assert found.account_id == house.partner.account_id
        assert sign_in_links.redeem(tx, ACCOUNTS, new, house.now) is None


def test_staff_and_strangers_get_none(house: House) -> None:
    for email in ("ada@example.org", "dee@example.org", "vic@example.org", "nobody@example.org"):
        assert ask(house, email, "192.0.2.2") == ""
    with house.db.transaction() as tx:
        people.create_account(tx, "both@example.org", "Bo", ["partner", "desk"], house.partner.partner_id, house.now)
    assert ask(house, "both@example.org") == ""


def test_a_link_that_is_under_way_dies_with_the_account_and_with_other_roles(house: House) -> None:
    pat, ola = ask(house), ask(house, "ola@example.org")
    with house.db.transaction() as tx:
        people.disable(tx, house.partner.account_id, house.now)
        accounts.change_roles(
            tx, house.administrator, house.outsider.account_id, ["desk"], None, AccessConfig(), house.now
        )
        for token in (pat, ola):
            assert sign_in_links.account(tx, sign_in_links.whose(tx, ACCOUNTS, token, house.now)) is None


def test_asking_is_limited_per_mailbox_and_per_network_address(house: House) -> None:
    for number in range(sign_in_links.ASKS):
        ask(house, address=f"192.0.2.{number}")
    with pytest.raises(Refused) as no:
        ask(house, address="192.0.2.99")
    assert no.value.reasons[0].code == "throttled"
    for number in range(sign_in_links.ASKS_PER_ADDRESS):
        ask(house, f"someone{number}@example.org", "198.51.100.1")
    with pytest.raises(Refused):
        ask(house, "ola@example.org", "198.51.100.1")
    assert ask(house, "ola@example.org", "198.51.100.2")


def test_no_token_is_kept_and_the_e_mail_is_sealed_short_lived_and_let_go(house: House) -> None:
    token = ask(house)
    key = sign_in_steps.digest(token)
    address = f"https://kit.example.org/sign-in/link/{token}"
    with house.db.transaction() as tx:
        for _ in range(2):
            office_mail.link(tx, "pat@example.org", "Pat", address, key, house.now, sign_in_links.LIFE)
        row = tx.s.scalars(select(MessageRow)).one()
        everything = repr([{c.name: getattr(row, c.key) for c in MessageRow.__table__.columns}])
        kept = repr(list(tx.s.scalars(select(SignInLinkRow.token_hash))))
        assert token not in everything + kept
        assert "pat@example.org" not in everything
        assert row.not_after == house.now + sign_in_links.LIFE
        said = tx.vault.open_(outbox.PURPOSE, row.ref, row.sealed or b"")
        assert (said["to"], address in said["body"]) == ("pat@example.org", True)
        assert reminders.verdict(tx, row, house.now) is None
