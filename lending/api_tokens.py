"""Keys of programmes: each acts for one account, within scopes, until a day; shown once, kept as a digest.

Rules:

- a token can never do more than its account: a scope counts only while the account's roles may do that, and a
  disabled account's tokens are dead;
- a wrong token is answered like none, and wrong ones are counted: an address that tries many must wait;
- making and revoking is for administrators, and each leaves a line in the audit.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from lending import audit_log, people, tables
from lending.db import Tx
from lending.errors import refused
from lending.office_tables import ApiAnswer, ApiToken
from lending.people import Actor, need

PREFIX = "kbt_"
"""What every token begins with, so that scanners of repositories can find a leaked one."""

LONGEST_LIFE = 366
NOTE_USE_EVERY = timedelta(hours=1)
ANSWERS_KEPT = timedelta(days=7)
DESK = frozenset({"desk", "supervisor"})
SCOPES: Mapping[str, tuple[str, frozenset[str]]] = {
    "devices:read": ("Read devices", frozenset({"volunteer", "supervisor", "desk", "administrator", "auditor"})),
    "stock:read": ("Read how many devices there are to lend", frozenset(people.ROLES)),
    "loans:read": ("Read loans", DESK | {"partner"}),
    "loans:write": ("Change the day a loan is due", DESK),
    "referrals:read": ("Read referrals, without contact data", DESK | {"partner", "data-protection"}),
    "referrals:write": ("Refer households", frozenset({"partner", "desk"})),
    "partners:read": ("Read the list of partners", DESK | {"administrator"}),
}
"""Scope: what it allows in words, and the roles that an account must have one of."""


@dataclass(frozen=True)
class Bearer:
    """A programme that showed a valid token: for whom it acts, and what it may do now."""

    token_id: int
    actor: Actor
    scopes: frozenset[str]


@dataclass(frozen=True)
class TokenLine:
    """One token as administrators see it; the token itself is not kept."""

    id: int
    name: str
    account: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    state: str


def create(
    tx: Tx, by: Actor, account_id: int, name: str, scopes: Collection[str], days: int, now: datetime
) -> str:
    """Make a token for an account and return it: this once. Administrator. `days` is how long it lives.

    Raises `Refused`: `role`, `account`, `name`, `scopes` (none, unknown, or not for this account's roles), `days`.
    """
    need(by, "administrator")
    account = people.actor(tx, account_id)
    if account is None:
        raise refused("account", "choose an account that can sign in", "account")
    name = " ".join(name.split())
    if not 1 <= len(name) <= 80:
        raise refused("name", "say what the token is for, in up to 80 characters", "name")
    if not scopes:
        raise refused("scopes", "choose at least one thing that the token may do", "scopes")
    for scope in scopes:
        if scope not in SCOPES or not SCOPES[scope][1] & account.roles:
            raise refused("scopes", f"{account.name} may not do {scope!r}; choose something else", "scopes")
    if not 1 <= days <= LONGEST_LIFE:
        raise refused("days", f"a token lives 1 to {LONGEST_LIFE} days", "days")
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(
        digest=digest(token), name=name, account_id=account_id, scopes=sorted(set(scopes)), created_at=now,
        expires_at=now + timedelta(days=days), last_used_at=None, revoked_at=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    audit_log.note(tx, by, "token-made", f"account:{account.ref}", f"{name}: {', '.join(row.scopes)}", now=now)
    return token


def revoke(tx: Tx, by: Actor, token_id: int, now: datetime) -> None:
    """End a token now. Administrator. Raises `Refused`: `role`, `unknown-token`."""
    need(by, "administrator")
    row = tx.s.get(ApiToken, token_id)
    if row is None:
        raise refused("unknown-token", f"there is no token number {token_id}")
    if row.revoked_at is None:
        row.revoked_at = now
        owner = tx.s.get_one(tables.AccountRow, row.account_id)
        audit_log.note(tx, by, "token-revoked", f"account:{owner.ref}", row.name, now=now)
        tx.s.flush()


def bearer(tx: Tx, token: str, now: datetime) -> Bearer | None:
    """Return who a token stands for, None when it is unknown, revoked, expired, or its account is closed."""
    row = tx.s.scalar(select(ApiToken).where(ApiToken.digest == digest(token)))
    if row is None or row.revoked_at is not None or now >= row.expires_at:
        return None
    account = people.actor(tx, row.account_id)
    if account is None:
        return None
    allowed = frozenset(one for one in row.scopes if one in SCOPES and SCOPES[one][1] & account.roles)
    return Bearer(row.id, account, allowed)


def needs_note(tx: Tx, token_id: int, now: datetime) -> bool:
    """Tell whether it is time to note that the token is in use; at most once an hour, since noting writes."""
    used = tx.s.scalar(select(ApiToken.last_used_at).where(ApiToken.id == token_id))
    return used is None or now - used > NOTE_USE_EVERY


def note_use(tx: Tx, token_id: int, now: datetime) -> None:
    """Note that a token is in use, and let go of old answers to POSTs."""
    tx.s.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))
    tx.s.execute(delete(ApiAnswer).where(ApiAnswer.made_at < now - ANSWERS_KEPT))


def listing(tx: Tx, by: Actor, now: datetime) -> list[TokenLine]:
    """Return every token, newest first. Administrator."""
    need(by, "administrator")
    account = tables.AccountRow
    query = select(ApiToken, account.name).join(account, account.id == ApiToken.account_id)
    return [
        TokenLine(
            row.id, row.name, name, tuple(row.scopes), row.created_at, row.expires_at, row.last_used_at,
            "revoked" if row.revoked_at else "expired" if now >= row.expires_at else "active",
        )
        for row, name in tx.s.execute(query.order_by(ApiToken.id.desc()))
    ]  # fmt: skip


def answered(tx: Tx, by: Bearer, key: str, body: bytes) -> str | None:
    """Return what this key made before, None when it is new.

    Raises `Refused` `key-reused` when it was used for something else.
    """
    row = tx.s.get(ApiAnswer, (by.token_id, key))
    if row is None:
        return None
    if row.digest != hashlib.sha256(body).hexdigest():
        raise refused("key-reused", "this Idempotency-Key was used for another body; use a new key for a new thing")
    return row.target


def remember(tx: Tx, by: Bearer, key: str, body: bytes, target: str, now: datetime) -> None:
    """Keep what a key made; the body only as a digest."""
    made = ApiAnswer(
        token_id=by.token_id, key=key, digest=hashlib.sha256(body).hexdigest(), target=target, made_at=now
    )
    tx.s.add(made)
    tx.s.flush()


def digest(token: str) -> str:
    """Return what is kept of a token. It is random and long, so one fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
