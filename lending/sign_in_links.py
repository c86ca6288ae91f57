"""Links by e-mail that sign somebody in once: for partners and donors, who come rarely and should need no password.

Rules:

- a link works once and for `LIFE`; only its digest is kept; a new one ends the older ones of the same person;
- opening a link changes nothing (mail scanners open links): a button on its page signs in;
- whoever asks is told the same, known or not, and the same work is done; asking is limited per address written to and
  per network address;
- accounts with any role but partner get none: their mailbox is not enough. Where the account has a second factor it
  is asked for after the link as after a password.

The portal of donors uses `issue` and `redeem` with its own audience; who may get a link there is its own rule.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from lending import people, tables
from lending.access_tables import SignInLinkRow
from lending.db import Tx
from lending.people import Actor

LIFE = timedelta(minutes=15)
KEPT = timedelta(days=1)
ASKS = 3
ASKS_PER_ADDRESS = 30
ACCOUNTS = "account"
NOBODY = "nobody"
MAY_USE = frozenset({"partner"})


def ask(tx: Tx, email: str, address: str, now: datetime) -> tuple[Actor, str, str] | None:
    """Answer somebody who asks for a link: whose it is, where it goes, its token; None when nobody gets one.

    `address` is the network address that asks. Raises `Refused` with code `throttled`.
    """
    email = email.strip().casefold()
    people.refuse_if_throttled(tx, "link:" + email, now, ASKS)
    people.refuse_if_throttled(tx, "link-from:" + address, now, ASKS_PER_ADDRESS)
    people.count_try(tx, "link:" + email, now)
    people.count_try(tx, "link-from:" + address, now)
    number = tx.s.scalar(select(tables.AccountRow.id).where(tables.AccountRow.email == email))
    found = people.actor(tx, number) if number is not None else None
    if found is None or not found.roles <= MAY_USE:
        issue(tx, NOBODY, NOBODY, now)  # the same work as for somebody
        return None
    return found, email, issue(tx, ACCOUNTS, found.ref, now)


def issue(tx: Tx, audience: str, subject: str, now: datetime) -> str:
    """Return the token of a new link for a subject of an audience; older ones of the same subject end."""
    row, token = SignInLinkRow, secrets.token_urlsafe(32)
    tx.s.execute(delete(row).where(row.audience == audience, row.subject == subject))
    tx.s.execute(delete(row).where(row.expires_at < now - KEPT))
    tx.s.add(
        row(
            token_hash=_digest(token), audience=audience, subject=subject, made_at=now, expires_at=now + LIFE,
            used_at=None,
        )
    )  # fmt: skip
    tx.s.flush()
    return token


def whose(tx: Tx, audience: str, token: str, now: datetime) -> str | None:
    """Return the subject of a link that still works, leaving it; None when it does not."""
    row = tx.s.get(SignInLinkRow, _digest(token))
    if row is None or row.audience != audience or row.used_at is not None or row.expires_at < now:
        return None
    return row.subject


def redeem(tx: Tx, audience: str, token: str, now: datetime) -> str | None:
    """Use a link up and return its subject; None when it is unknown, used, over or of another audience."""
    subject = whose(tx, audience, token, now)
    if subject is not None:
        tx.s.get_one(SignInLinkRow, _digest(token)).used_at = now
        tx.s.flush()
    return subject


def account(tx: Tx, subject: str | None) -> Actor | None:
    """Return the account of a link's subject; None when it was closed or got other roles since."""
    number = tx.s.scalar(select(tables.AccountRow.id).where(tables.AccountRow.ref == subject)) if subject else None
    found = people.actor(tx, number) if number is not None else None
    return found if found is not None and found.roles <= MAY_USE else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
