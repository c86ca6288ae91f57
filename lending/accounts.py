"""Changes of accounts, each with a line in the audit: making, closing, links, roles, and the e-mail address.

Rules:

- nobody changes their own roles, and the last administrator cannot be closed or made anything else;
- a change of roles counts at once: the person is signed out and signs in again; roles at stations (the badge) are
  given separately and shown beside it;
- a new e-mail address counts only after a link in the old mailbox and one in the new were both followed, within
  `ADDRESS_LIFE`. Who has lost the old mailbox needs a new account: that is what an attacker would say, too.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update

from lending import audit_log, badges, factors, people, tables
from lending.access_config import AccessConfig
from lending.access_tables import AddressChangeRow
from lending.db import Tx
from lending.errors import refused
from lending.people import ROLES, Account, Actor, need

ADDRESS_LIFE = timedelta(hours=24)
ADDRESS_ASKS = 3


@dataclass(frozen=True, repr=False)
class Asked:
    """A wish to change an address: where to write and the two tokens, which nobody but the mailboxes sees."""

    old: str
    new: str
    old_token: str
    new_token: str

    def __repr__(self) -> str:
        """Show nothing of the tokens."""
        return "Asked(…)"


@dataclass(frozen=True)
class Change:
    """A wish to change an address as its two mailboxes see it."""

    address: str
    name: str
    side: str
    old_done: bool
    new_done: bool


def make(
    tx: Tx, by: Actor, email: str, name: str, roles: Collection[str], partner_id: int | None, now: datetime
) -> tuple[Account, str]:
    """Make an account and return it with its one-time link. Administrator. Raises `Refused` as `create_account`."""
    need(by, "administrator")
    account = people.create_account(tx, email, name, roles, partner_id, now)
    token = people.create_link(tx, account.id, "first", now)
    audit_log.note(tx, by, "account-made", f"account:{account.ref}", ", ".join(account.roles), now=now)
    return account, token


def new_link(tx: Tx, by: Actor, account: Account, now: datetime) -> str:
    """Return a new one-time link for setting a password. Administrator."""
    need(by, "administrator")
    audit_log.note(tx, by, "link-made", f"account:{account.ref}", now=now)
    return people.create_link(tx, account.id, "again", now)


def close(tx: Tx, by: Actor, account_id: int, now: datetime) -> None:
    """Close an account and end its badge. Administrator.

    Raises `Refused`: `role`, `own-account`, `last-administrator`, `unknown-account`.
    """
    row = _other(tx, by, account_id)
    _keep_an_administrator(tx, row)
    badges.close_account(tx, account_id, by, now)
    audit_log.note(tx, by, "account-closed", f"account:{row.ref}", now=now)


def change_roles(
    tx: Tx, by: Actor, account_id: int, roles: Collection[str], partner_id: int | None, config: AccessConfig,
    now: datetime,
) -> None:  # fmt: skip
    """Give an account other roles; it is signed out. Administrator.

    Raises `Refused`: `role`, `own-account`, `unknown-account`, `roles` (none, unknown, or no change), `partner`,
    `last-administrator`.
    """
    row = _other(tx, by, account_id)
    wanted, before = sorted(set(roles)), sorted(row.roles)
    if not wanted or set(wanted) - set(ROLES):
        raise refused("roles", "choose at least one role")
    if ("partner" in wanted) != (partner_id is not None):
        raise refused("partner", "a partner's account names its organisation, and only a partner's does")
    if wanted == before and partner_id == row.partner_id:
        raise refused("roles", "these are the roles that the account has already")
    if "administrator" not in wanted:
        _keep_an_administrator(tx, row)
    if set(wanted) & config.factor_roles and not set(before) & config.factor_roles:
        factors.ask_from(tx, account_id, now)
    row.roles, row.partner_id = wanted, partner_id
    tx.s.flush()
    people.end_sessions(tx, account_id, now)
    audit_log.note(
        tx, by, "roles-changed", f"account:{row.ref}", f"{', '.join(before)} -> {', '.join(wanted)}", now=now
    )


def ask_address(tx: Tx, by: Actor, email: str, now: datetime) -> Asked:
    """Note that `by` wants another address; give each token to its mailbox. An older wish ends.

    Whether the new address has an account already is not told here: its owner is not asked, and nothing happens.
    Raises `Refused`: `email` (not an address, or one's own), `throttled`.
    """
    row = tx.s.get_one(tables.AccountRow, by.account_id)
    email = people.read_address(email)
    if email == row.email:
        raise refused("email", "this is your address already")
    people.refuse_if_throttled(tx, f"address-asked:{by.account_id}", now, ADDRESS_ASKS)
    people.count_try(tx, f"address-asked:{by.account_id}", now)
    tx.s.execute(delete(AddressChangeRow).where(AddressChangeRow.account_id == by.account_id))
    made = Asked(row.email, email, secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    tx.s.add(
        AddressChangeRow(
            account_id=by.account_id, address=email, old_hash=_digest(made.old_token), new_hash=_digest(made.new_token),
            old_at=None, new_at=None, expires_at=now + ADDRESS_LIFE,
        )
    )  # fmt: skip
    tx.s.flush()
    audit_log.note(tx, by, "address-asked", f"account:{by.ref}", now=now)
    return made


def change(tx: Tx, token: str, now: datetime) -> Change | None:
    """Return the wish that a link belongs to, None when it is over."""
    row = _wish(tx, token, now)
    if row is None:
        return None
    name = tx.s.get_one(tables.AccountRow, row.account_id).name
    side = "old" if row.old_hash == _digest(token) else "new"
    return Change(row.address, name, side, row.old_at is not None, row.new_at is not None)


def confirm_address(tx: Tx, token: str, now: datetime) -> Change | None:
    """Confirm a wish from one mailbox; after both the address is changed. None when the wish is over.

    Raises `Refused` with code `email` when the address has got an account meanwhile; the wish then ends.
    """
    row = _wish(tx, token, now)
    if row is None:
        return None
    if row.old_hash == _digest(token):
        row.old_at = row.old_at or now
    else:
        row.new_at = row.new_at or now
    tx.s.flush()
    found = change(tx, token, now)
    if row.old_at and row.new_at:
        _change_address(tx, row, now)
    return found


def is_taken(tx: Tx, email: str) -> bool:
    """Tell whether an address has an account: then no link is sent to it. Never shown to whoever asks."""
    return tx.s.scalar(select(tables.AccountRow.id).where(tables.AccountRow.email == email)) is not None


def waiting_address(tx: Tx, by: Actor, now: datetime) -> str:
    """Return the address that `by` asked for and that waits for confirmation, "" when there is none."""
    row = tx.s.get(AddressChangeRow, by.account_id)
    return row.address if row is not None and row.expires_at >= now else ""


def _change_address(tx: Tx, row: AddressChangeRow, now: datetime) -> None:
    account = tx.s.get_one(tables.AccountRow, row.account_id)
    wanted = row.address
    tx.s.delete(row)
    tx.s.flush()
    if is_taken(tx, wanted):
        raise refused("email", "this address cannot be used for your account")
    tx.s.execute(update(tables.AccountRow).where(tables.AccountRow.id == account.id).values(email=wanted))
    people.end_sessions(tx, account.id, now)
    audit_log.note(tx, people.actor(tx, account.id), "address-changed", f"account:{account.ref}", now=now)


def _wish(tx: Tx, token: str, now: datetime) -> AddressChangeRow | None:
    row, digest = AddressChangeRow, _digest(token)
    found = tx.s.scalar(select(row).where(or_(row.old_hash == digest, row.new_hash == digest)))
    if found is None or found.expires_at < now or people.actor(tx, found.account_id) is None:
        return None
    return found


def _other(tx: Tx, by: Actor, account_id: int) -> tables.AccountRow:
    need(by, "administrator")
    row = tx.s.get(tables.AccountRow, account_id)
    if row is None or row.disabled:
        raise refused("unknown-account", f"there is no open account number {account_id}")
    if account_id == by.account_id:
        raise refused("own-account", "you cannot change your own account; another administrator can")
    return row


def _keep_an_administrator(tx: Tx, row: tables.AccountRow) -> None:
    query = select(tables.AccountRow.roles).where(
        tables.AccountRow.disabled.is_(False), tables.AccountRow.id != row.id
    )
    if "administrator" in row.roles and not any("administrator" in roles for roles in tx.s.scalars(query)):
        raise refused("last-administrator", "this is the last administrator; make another one first")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
