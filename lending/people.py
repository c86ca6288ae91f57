"""Who works here and for the partners: accounts, roles, passwords set by one-time link, throttling.

Rules:

- a password is never known to anyone but its owner: it is set through a link that works once and expires;
- only digests of link tokens are kept; sessions are `lending.sessions`;
- after `TRIES` wrong passwords within `WINDOW` an account's sign-in waits, whoever asks, and after `ADDRESS_TRIES` the
  network address they came from; the counts are in the database, so more serving processes do not mean more tries;
- a wrong e-mail address costs as much time as a wrong password, and is answered the same.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select, update

from lending import tables
from lending.db import Database, Tx
from lending.errors import refused

ROLES = ("volunteer", "supervisor", "partner", "desk", "administrator", "auditor", "data-protection")
TRIES = 8
ADDRESS_TRIES = 60
"""More than for an account: a whole office may stand behind one address."""
WINDOW = timedelta(minutes=15)
LINK_LIFE = timedelta(hours=24)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Actor:
    """Whoever asks for something. `ref` is what events may say of them; never the name."""

    account_id: int
    name: str
    roles: frozenset[str]
    partner_id: int | None
    ref: str

    def who(self) -> dict[str, object]:
        """Return the `who` of an event body: a signed-in person is authenticated."""
        return {"ref": self.ref, "authenticated": True}


@dataclass(frozen=True)
class Account:
    """One account as administrators see it."""

    id: int
    ref: str
    email: str
    name: str
    roles: tuple[str, ...]
    partner_id: int | None
    partner: str
    disabled: bool
    has_password: bool
    created_at: datetime


def need(by: Actor, *roles: str) -> None:
    """Raise `Refused` with code `role` unless `by` has one of the roles."""
    if not by.roles & set(roles):
        raise refused("role", f"this needs the role {' or '.join(roles)}; ask an administrator")


def random_ref(prefix: str, length: int = 6) -> str:
    """Return a random reference such as `L-7K3QX9`, easy to read aloud (Crockford's alphabet)."""
    return f"{prefix}-" + "".join(secrets.choice(SYMBOLS) for _ in range(length))


def create_account(
    tx: Tx, email: str, name: str, roles: Collection[str], partner_id: int | None, now: datetime
) -> Account:
    """Add an account without a password; give its owner a link from `create_link`.

    Raises `Refused`: `email` (not an address, or taken), `name`, `roles` (unknown or none), `partner`.
    """
    email = read_address(email)
    if not name.strip():
        raise refused("name", "a name is needed")
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise refused(
            "roles", f"choose at least one of {', '.join(ROLES)}" + (f"; not {unknown[0]!r}" if unknown else "")
        )
    if ("partner" in roles) != (partner_id is not None):
        raise refused("partner", "a partner's account names its organisation, and only a partner's does")
    if partner_id is not None and tx.s.get(tables.Partner, partner_id) is None:
        raise refused("partner", f"there is no partner organisation {partner_id}")
    if tx.s.scalar(select(tables.AccountRow.id).where(tables.AccountRow.email == email)):
        raise refused("email", f"{email} already has an account")
    row = tables.AccountRow(
        ref=random_ref("S"), email=email, name=name.strip(), roles=sorted(set(roles)), partner_id=partner_id,
        password_hash=None, disabled=False, created_at=now,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    return _account(row, "")


def create_partner(tx: Tx, name: str, now: datetime) -> int:
    """Add a partner organisation, or find it by its name; return its number."""
    name = " ".join(name.split())
    if not name:
        raise refused("partner", "the organisation's name is needed")
    found = tx.s.scalar(select(tables.Partner.id).where(tables.Partner.name == name))
    if found is not None:
        return found
    row = tables.Partner(name=name, created_at=now)
    tx.s.add(row)
    tx.s.flush()
    return row.id


def partners(tx: Tx) -> list[tuple[int, str]]:
    """Return every partner organisation: number and name, by name."""
    rows = tx.s.execute(select(tables.Partner.id, tables.Partner.name).order_by(tables.Partner.name))
    return [(row.id, row.name) for row in rows]


def list_accounts(tx: Tx) -> list[Account]:
    """Return every account, by name."""
    query = select(tables.AccountRow, tables.Partner.name).outerjoin(tables.Partner).order_by(tables.AccountRow.name)
    return [_account(row, partner or "") for row, partner in tx.s.execute(query)]


def actor(tx: Tx, account_id: int) -> Actor | None:
    """Return the account as an actor, or None when it is unknown or disabled."""
    row = tx.s.get(tables.AccountRow, account_id)
    return None if row is None or row.disabled else _actor(row)


def disable(tx: Tx, account_id: int, now: datetime) -> None:
    """Close an account: no sign-in any more, and every session of it ends now."""
    tx.s.execute(update(tables.AccountRow).where(tables.AccountRow.id == account_id).values(disabled=True))
    end_sessions(tx, account_id, now)


def create_link(tx: Tx, account_id: int, purpose: str, now: datetime) -> str:
    """Return a token that sets the account's password once, within 24 hours; older links stop working."""
    link, token = tables.AccountLink, secrets.token_urlsafe(32)
    tx.s.execute(delete(link).where(link.account_id == account_id))
    tx.s.add(
        link(
            token_hash=_digest(token), account_id=account_id, purpose=purpose, expires_at=now + LINK_LIFE, used_at=None
        )
    )
    tx.s.flush()
    return token


def link_owner(tx: Tx, token: str, now: datetime) -> Actor | None:
    """Return whose unused, unexpired link this is, or None."""
    row = tx.s.get(tables.AccountLink, _digest(token))
    if row is None or row.used_at is not None or row.expires_at < now:
        return None
    return actor(tx, row.account_id)


def set_password_by_link(tx: Tx, token: str, password: str, now: datetime) -> Actor:
    """Set the password that a link stands for, and end the account's older sessions.

    Raises `Refused`: `link` (unknown, used or expired), `password` (too short or too long).
    """
    owner = link_owner(tx, token, now)
    if owner is None:
        raise refused("link", "this link was used already or has expired; ask an administrator for a new one")
    set_password(tx, owner.account_id, password)
    tx.s.execute(update(tables.AccountLink).where(tables.AccountLink.token_hash == _digest(token)).values(used_at=now))
    end_sessions(tx, owner.account_id, now)
    return owner


def set_password(tx: Tx, account_id: int, password: str) -> None:
    """Set a password (argon2id). Raises `Refused` with code `password` when it is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise refused(
            "password", f"use {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; three random words are good"
        )
    hashed = PasswordHasher().hash(password)
    tx.s.execute(update(tables.AccountRow).where(tables.AccountRow.id == account_id).values(password_hash=hashed))


def sign_in(db: Database, email: str, password: str, now: datetime, address: str = "") -> Actor | None:
    """Return who signs in, or None for a wrong address or password. `address` is the network address that asks.

    The try is counted before the password is looked at and taken back when it was right; the slow part runs between
    two transactions, so that guessing holds up nobody's work. Raises `Refused` with code `throttled`.
    """
    key = "email:" + email.strip().casefold()
    with db.transaction() as tx:
        refuse_if_throttled(tx, key, now)
        refuse_if_throttled(tx, "address:" + address, now, ADDRESS_TRIES)
        count_try(tx, key, now)
        row = tx.s.scalar(select(tables.AccountRow).where(tables.AccountRow.email == email.strip().casefold()))
    right = _password_fits(row.password_hash if row else None, password[:LONGEST_PASSWORD])
    with db.transaction() as tx:
        found = actor(tx, row.id) if row is not None and right else None
        if found is None:
            count_try(tx, "address:" + address, now)
        else:
            forget_tries(tx, key)
        return found


def has_password(tx: Tx, account_id: int) -> bool:
    """Tell whether an account has a password."""
    return tx.s.scalar(select(tables.AccountRow.password_hash).where(tables.AccountRow.id == account_id)) is not None


def proves(db: Database, account_id: int, password: str, now: datetime) -> bool:
    """Tell whether this is the password of an account; wrong ones are counted. Raises `Refused` `throttled`."""
    key = f"prove:{account_id}"
    with db.transaction() as tx:
        refuse_if_throttled(tx, key, now)
        count_try(tx, key, now)
        hashed = tx.s.scalar(select(tables.AccountRow.password_hash).where(tables.AccountRow.id == account_id))
    if not _password_fits(hashed, password[:LONGEST_PASSWORD]):
        return False
    with db.transaction() as tx:
        forget_tries(tx, key)
    return True


def refuse_if_throttled(tx: Tx, key: str, now: datetime, tries: int = TRIES) -> None:
    """Raise `Refused` with code `throttled` when there were too many wrong tries under this key lately."""
    attempt = tables.SignInAttempt
    tx.s.execute(delete(attempt).where(attempt.at < now - WINDOW))
    made = tx.s.scalar(select(func.count()).select_from(attempt).where(attempt.key == _digest(key))) or 0
    if made >= tries:
        minutes = int(WINDOW.total_seconds() // 60)
        raise refused("throttled", f"too many wrong tries; wait {minutes} minutes, then try again")


def forget_tries(tx: Tx, key: str) -> None:
    """Take back the wrong tries under this key: it was right now."""
    tx.s.execute(delete(tables.SignInAttempt).where(tables.SignInAttempt.key == _digest(key)))


def count_try(tx: Tx, key: str, now: datetime) -> None:
    """Remember one wrong try; only a digest of the key is kept."""
    tx.s.add(tables.SignInAttempt(key=_digest(key), at=now))
    tx.s.flush()


def end_sessions(tx: Tx, account_id: int, now: datetime) -> None:
    """Sign an account out everywhere."""
    tx.s.execute(update(tables.SessionRow).where(tables.SessionRow.account_id == account_id).values(revoked_at=now))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def read_address(email: str) -> str:
    """Return an e-mail address as it is kept. Raises `Refused` with code `email` when it is none."""
    text = email.strip().casefold()
    name, at, host = text.partition("@")
    if not (name and at and "." in host) or any(c.isspace() for c in text) or len(text) > 254:
        raise refused("email", f"{email.strip()!r} is not an e-mail address")
    return text


def _password_fits(hashed: str | None, password: str) -> bool:
    hasher = PasswordHasher()
    if hashed is None:
        hasher.hash(password[:LONGEST_PASSWORD])  # the same work as for a known address
        return False
    try:
        return hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _actor(row: tables.AccountRow) -> Actor:
    return Actor(row.id, row.name, frozenset(row.roles), row.partner_id, row.ref)


def _account(row: tables.AccountRow, partner: str) -> Account:
    return Account(
        row.id, row.ref, row.email, row.name, tuple(row.roles), row.partner_id, partner, row.disabled,
        row.password_hash is not None, row.created_at,
    )  # fmt: skip
