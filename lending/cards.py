"""The link to a loan's page, in messages and on paper. It names the loan and nobody.

The token is 60 bits made from the loan's reference with the key that stands outside the database: the same loan gives
the same link as long as its card is not ended, and only a digest of it is kept.
"""

import hashlib
from datetime import datetime

from sqlalchemy import func, select

from lending.db import Tx
from lending.message_tables import LoanCard
from lending.people import SYMBOLS

LENGTH = 12


def token_of(tx: Tx, loan: str) -> str:
    """Return the loan's token without keeping it: for previews. Raises `VaultError` without the keys."""
    query = select(func.count()).where(LoanCard.loan == loan, LoanCard.ended_at.is_not(None))
    ended = tx.s.scalar(query) or 0
    number = int(tx.vault.fingerprint("loan-card", f"{loan}:{ended}"), 16)
    return "".join(SYMBOLS[(number >> (5 * place)) & 31] for place in range(LENGTH)).lower()


def link(tx: Tx, host: str, loan: str) -> str:
    """Return the address of the loan's page."""
    return f"{host}/l/{token_of(tx, loan)}"


def keep(tx: Tx, loan: str, now: datetime) -> str:
    """Return the loan's token and make it work."""
    token = token_of(tx, loan)
    if tx.s.get(LoanCard, _digest(token)) is None:
        tx.s.add(LoanCard(token_hash=_digest(token), loan=loan, made_at=now, ended_at=None))
        tx.s.flush()
    return token


def loan_of(tx: Tx, token: str) -> str | None:
    """Return the loan a link stands for, None for one that is unknown or ended. Case does not matter."""
    row = tx.s.get(LoanCard, _digest(token.lower()[:40]))
    return None if row is None or row.ended_at is not None else row.loan


def end(tx: Tx, loan: str, now: datetime) -> None:
    """End every link to a loan; the next message makes a new one."""
    for row in tx.s.scalars(select(LoanCard).where(LoanCard.loan == loan, LoanCard.ended_at.is_(None))):
        row.ended_at = now
    tx.s.flush()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
