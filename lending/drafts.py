"""Referrals that are being filled in: one row per draft, its answers sealed, seen by the worker who began it alone.

Answers are kept as they were typed, also wrong ones, so that nothing is lost; `lending.referral_pages` judges them.
A draft that nobody touched for `KEPT` is deleted, and a worker has at most `MOST` at a time.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.referral_tables import ReferralDraft

PURPOSE = "referral draft"
KEPT = timedelta(days=30)
MOST = 50
LONGEST_ANSWER = 500


@dataclass(frozen=True)
class Draft:
    """One draft and its answers, as typed."""

    id: str
    answers: Mapping[str, str]
    created_at: datetime
    saved_at: datetime


def begin(tx: Tx, by: Actor, answers: Mapping[str, str], now: datetime) -> str:
    """Start a draft and return its random name. Raises `Refused`: `role`, `drafts` (too many)."""
    need(by, "partner", "desk")
    forget_old(tx, now)
    held = count(tx, by)
    if held >= MOST:
        raise refused("drafts", f"you have {held} referrals begun; send or delete some of them first")
    name = secrets.token_urlsafe(12)
    sealed = tx.vault.seal(PURPOSE, name, answers)
    tx.s.add(ReferralDraft(id=name, account_id=by.account_id, sealed=sealed, created_at=now, saved_at=now))
    tx.s.flush()
    return name


def get(tx: Tx, by: Actor, name: str) -> Draft:
    """Return a draft of one's own. Raises `Refused` `unknown-draft`, also for somebody else's."""
    return _opened(tx, _row(tx, by, name))


def save(tx: Tx, by: Actor, name: str, answers: Mapping[str, str], now: datetime) -> None:
    """Put some answers in place of those with the same names. Raises `Refused` `unknown-draft`."""
    row = _row(tx, by, name)
    kept = {**_opened(tx, row).answers, **{key: text[:LONGEST_ANSWER] for key, text in answers.items()}}
    row.sealed, row.saved_at = tx.vault.seal(PURPOSE, name, kept), now
    tx.s.flush()


def remove(tx: Tx, by: Actor, name: str) -> None:
    """Delete a draft: it was sent, or is not wanted. Raises `Refused` `unknown-draft`."""
    tx.s.delete(_row(tx, by, name))
    tx.s.flush()


def mine(tx: Tx, by: Actor) -> list[Draft]:
    """Return one's own drafts, the latest first."""
    query = (
        select(ReferralDraft)
        .where(ReferralDraft.account_id == by.account_id)
        .order_by(ReferralDraft.saved_at.desc(), ReferralDraft.id)
    )
    return [_opened(tx, row) for row in tx.s.scalars(query)]


def count(tx: Tx, by: Actor) -> int:
    """Return how many drafts of one's own there are."""
    return tx.s.scalar(select(func.count()).where(ReferralDraft.account_id == by.account_id)) or 0


def forget_old(tx: Tx, now: datetime) -> int:
    """Delete drafts that nobody touched for `KEPT`, and return how many."""
    old = tx.s.scalars(select(ReferralDraft.id).where(ReferralDraft.saved_at < now - KEPT)).all()
    tx.s.execute(delete(ReferralDraft).where(ReferralDraft.id.in_(old)))
    return len(old)


def _row(tx: Tx, by: Actor, name: str) -> ReferralDraft:
    need(by, "partner", "desk")
    row = tx.s.get(ReferralDraft, name)
    if row is None or row.account_id != by.account_id:
        raise refused("unknown-draft", "this referral was sent or deleted, or is not yours", name[:20])
    return row


def _opened(tx: Tx, row: ReferralDraft) -> Draft:
    return Draft(row.id, tx.vault.open_(PURPOSE, row.id, row.sealed), row.created_at, row.saved_at)
