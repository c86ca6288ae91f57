"""A partner's own people: whoever leads there invites workers and closes their accounts; nobody else's are seen.

The desk, a supervisor or an administrator names the leads. An invitation is a one-time link that the lead passes on;
nobody learns a password. Every change is a line in the audit.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from custody.errors import Refused
from lending import audit_log, people, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Account, Actor, need
from lending.referral_tables import PartnerLead

NAMERS = ("desk", "supervisor", "administrator")


@dataclass(frozen=True)
class Worker:
    """One of a partner's accounts. `lead`: may invite others."""

    account: Account
    lead: bool


def is_lead(tx: Tx, by: Actor) -> bool:
    """Tell whether somebody leads at their partner."""
    return by.partner_id is not None and tx.s.get(PartnerLead, by.account_id) is not None


def workers(tx: Tx, by: Actor, partner: int) -> list[Worker]:
    """Return a partner's accounts, by name. Raises `Refused`: `lead`, `unknown-partner`."""
    _may(tx, by, partner)
    leads = set(tx.s.scalars(select(PartnerLead.account_id)))
    return [Worker(one, one.id in leads) for one in people.list_accounts(tx) if one.partner_id == partner]


def leads(tx: Tx, by: Actor) -> list[str]:
    """Return the names of those who lead at one's own partner, for whoever looks for them."""
    row = tables.AccountRow
    query = (
        select(row.name)
        .join(PartnerLead, PartnerLead.account_id == row.id)
        .where(row.partner_id == by.partner_id, row.disabled.is_(False))
        .order_by(row.name)
    )
    return list(tx.s.scalars(query))


def set_lead(tx: Tx, by: Actor, account_id: int, now: datetime, *, lead: bool) -> None:
    """Say whether a partner's worker leads there. Desk, supervisor or administrator.

    Raises `Refused`: `role`, `unknown-account` (also for one of no partner).
    """
    need(by, *NAMERS)
    row = _worker(tx, account_id, None)
    held = tx.s.get(PartnerLead, account_id)
    if lead and held is None:
        tx.s.add(PartnerLead(account_id=account_id))
    elif not lead and held is not None:
        tx.s.delete(held)
    audit_log.note(tx, by, "roles-changed", f"account:{row.ref}", "leads" if lead else "leads no more", now=now)


def invite(tx: Tx, by: Actor, partner: int, email: str, name: str, now: datetime) -> tuple[Account, str]:
    """Make an account for a new worker of a partner; return it and its one-time link.

    Raises `Refused`: `lead`, `unknown-partner`, `email`, `name`. That an address is known to us is not said.
    """
    _may(tx, by, partner)
    try:
        account = people.create_account(tx, email, name, ["partner"], partner, now)
    except Refused as no:
        if "already" in no.reasons[0].text:
            raise refused("email", "no account can be made for this address; ask the loan desk") from None
        raise
    audit_log.note(tx, by, "account-made", f"account:{account.ref}", "partner", now=now)
    return account, people.create_link(tx, account.id, "first", now)


def close(tx: Tx, by: Actor, partner: int, account_id: int, now: datetime) -> None:
    """Close the account of a worker of a partner.

    Raises `Refused`: `lead`, `unknown-partner`, `unknown-account` (also another partner's), `own-account`.
    """
    _may(tx, by, partner)
    row = _worker(tx, account_id, partner)
    if account_id == by.account_id:
        raise refused("own-account", "you cannot close your own account; another lead or the loan desk can")
    people.disable(tx, account_id, now)
    audit_log.note(tx, by, "account-closed", f"account:{row.ref}", now=now)


def _may(tx: Tx, by: Actor, partner: int) -> None:
    if by.roles & set(NAMERS):
        if tx.s.get(tables.Partner, partner) is None:
            raise refused("unknown-partner", f"there is no partner organisation {partner}")
    elif by.partner_id != partner or not is_lead(tx, by):
        raise refused("lead", "this is for whoever leads at your organisation; ask them, or the loan desk")


def _worker(tx: Tx, account_id: int, partner: int | None) -> tables.AccountRow:
    row = tx.s.get(tables.AccountRow, account_id)
    if row is None or row.partner_id is None or partner not in (None, row.partner_id):
        raise refused("unknown-account", f"there is no worker number {account_id} here")
    return row
