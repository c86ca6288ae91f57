"""Hardship that stops every reminder at once, and whose reason is nobody's business.

What this module promises:

- from the moment it is recorded, `reminders_stopped` is true, whatever was planned before; only a person ends it;
- the reason is sealed: the database does not show it, no page shows it to anybody but a supervisor or the
  data-protection lead, the loan's history says only that reminders stopped, and it is never in an event;
- there is no free text: what is not written cannot be read by the wrong person.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lending import steps, tables
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import LoanException
from lending.people import Actor, need

PURPOSE = "loan exception"
WHYS: Mapping[str, str] = {
    "domestic-abuse": "Somebody is not safe (domestic abuse)",
    "homelessness": "They have lost, or may lose, their home",
    "bereavement": "Somebody has died",
    "illness": "Illness or hospital",
    "money": "They cannot manage just now",
    "other": "Another hardship",
}
MAY_KNOW = ("supervisor", "data-protection")


@dataclass(frozen=True)
class Stop:
    """A stop that stands or stood. `why` is empty for whoever need not know."""

    ref: str
    since: datetime
    ended_at: datetime | None
    why: str


def reminders_stopped(tx: Tx, loan: str) -> bool:
    """Tell whether this loan must get no reminder now, by any channel. Cheap; needs no key."""
    query = select(LoanException.ref).where(LoanException.loan == loan, LoanException.ended_at.is_(None))
    return tx.s.scalar(query.limit(1)) is not None


def stop_reminders(tx: Tx, loan: str, why: str, by: Actor, now: datetime) -> None:
    """Stop every reminder of this loan from now on. Desk or supervisor. Saying it twice changes nothing.

    Raises `Refused`: `role`, `unknown-loan`, `why`; `VaultError` when the contact keys are not at hand.
    """
    need(by, "desk", "supervisor")
    if tx.s.get(tables.LoanRow, loan) is None:
        raise refused("unknown-loan", f"there is no loan {loan[:20]!r}", loan)
    if why not in WHYS:
        raise refused("why", "choose the nearest reason; only a supervisor will see it", "why")
    if reminders_stopped(tx, loan):
        return
    ref = "E-" + secrets.token_hex(8)
    sealed = tx.vault.seal(PURPOSE, ref, {"why": why})
    tx.s.add(LoanException(ref=ref, loan=loan, sealed=sealed, since=now, ended_at=None, account_id=by.account_id))
    steps.note(tx, loan, "pause", "Reminders stopped", by, now)


def resume_reminders(tx: Tx, loan: str, by: Actor, now: datetime) -> None:
    """Let reminders go out again. Supervisor. Raises `Refused`: `role`, `not-stopped`."""
    need(by, "supervisor")
    query = select(LoanException).where(LoanException.loan == loan, LoanException.ended_at.is_(None))
    standing = tx.s.scalars(query).all()
    if not standing:
        raise refused("not-stopped", f"reminders of loan {loan[:20]} are not stopped", loan)
    for row in standing:
        row.ended_at = now
    steps.note(tx, loan, "pause", "Reminders go out again", by, now)


def exceptions(tx: Tx, loan: str, by: Actor) -> list[Stop]:
    """Return the stops of a loan, newest first; the reason only for a supervisor or the data-protection lead."""
    may = bool(by.roles & set(MAY_KNOW))
    query = select(LoanException).where(LoanException.loan == loan).order_by(LoanException.since.desc())
    return [
        Stop(row.ref, row.since, row.ended_at, tx.vault.open_(PURPOSE, row.ref, row.sealed)["why"] if may else "")
        for row in tx.s.scalars(query)
    ]
