"""What a sign-in waits for between two pages: kept here, not in the browser, and taken exactly once.

A step is a row that the browser knows by a token; taking it deletes it. Nothing that the browser holds can turn a
half sign-in into a whole one, not even for somebody who had the key that signs cookies.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete

from lending.access_tables import SignInStepRow, UsedOnceRow
from lending.db import Tx

LIFE = timedelta(minutes=10)


@dataclass(frozen=True)
class Step:
    """A sign-in that waits: of which kind, for which account (None when that is not known yet), with what."""

    kind: str
    account_id: int | None
    data: Mapping[str, Any]


def begin(tx: Tx, kind: str, account_id: int | None, data: Mapping[str, Any], now: datetime) -> str:
    """Return the token of a new step, good for ten minutes."""
    tx.s.execute(delete(SignInStepRow).where(SignInStepRow.expires_at < now))
    token = secrets.token_urlsafe(32)
    row = SignInStepRow(
        token_hash=digest(token), kind=kind, account_id=account_id, data=dict(data), expires_at=now + LIFE
    )
    tx.s.add(row)
    tx.s.flush()
    return token


def look(tx: Tx, token: str, kind: str, now: datetime) -> Step | None:
    """Return the step of a token, leaving it; None when it is unknown, over or of another kind."""
    row = tx.s.get(SignInStepRow, digest(token))
    if row is None or row.kind != kind or row.expires_at < now:
        return None
    return Step(row.kind, row.account_id, row.data)


def take(tx: Tx, token: str, kind: str, now: datetime) -> Step | None:
    """Return the step of a token and end it; None when it is unknown, over, taken already or of another kind."""
    found = look(tx, token, kind, now)
    if found is not None:
        tx.s.execute(delete(SignInStepRow).where(SignInStepRow.token_hash == digest(token)))
        tx.s.flush()
    return found


def is_first_use(tx: Tx, text: str, expires_at: datetime, now: datetime) -> bool:
    """Tell whether this text (a challenge) is answered for the first time, and remember that it was."""
    tx.s.execute(delete(UsedOnceRow).where(UsedOnceRow.expires_at < now))
    if tx.s.get(UsedOnceRow, digest(text)) is not None:
        return False
    tx.s.add(UsedOnceRow(digest=digest(text), expires_at=expires_at))
    tx.s.flush()
    return True


def digest(token: str) -> str:
    """Return what is kept of a token, and names it without giving it away: its SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
