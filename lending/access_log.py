"""Looking at a household's contact data: only with a reason, and never without a line that says so.

The line is written in the same transaction in which the data is opened: who sees it and no line is impossible, a
line and nothing seen is harmless. The log says who, when, which household and why; never what was seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from custody.errors import Reason, Refused
from lending import contacts, tables
from lending.contacts import Contact
from lending.db import Tx
from lending.people import Actor, need
from lending.privacy_tables import AccessLogRow

MAY_REVEAL = ("desk", "supervisor", "data-protection")
READERS = ("data-protection",)
LONGEST_NOTE = 120

REASONS: Mapping[str, str] = {
    "hand-over": "To arrange collection or delivery",
    "call": "To call or write about this loan",
    "correct": "To check or correct what is stored",
    "safety": "Somebody may be in danger",
    "request": "They asked what we hold, or complained",
    "other": "Another reason",
}


@dataclass(frozen=True)
class Look:
    """One line of the log, with the names as they are now; `who` is empty when the account was erased."""

    at: datetime
    who: str
    subject: str
    what: str
    reason: str


def reveal(tx: Tx, referral: str, by: Actor, reason: str, note: str, now: datetime) -> Contact:
    """Open a household's contact data and log it. Desk, supervisor or data-protection lead.

    `reason` is one of `REASONS`; "other" needs a `note`. Raises `Refused`: `role`, `form` (see `what_is_wrong`),
    `unknown-referral`; `VaultError` when the data cannot be opened.
    """
    need(by, *MAY_REVEAL)
    reasons = what_is_wrong(reason, note)
    if reasons:
        raise Refused(reasons)
    note = " ".join(note.split())
    found = contacts.opened(tx, referral)
    log(tx, by, f"referral:{referral}", "contact", f"{reason}: {note}" if note else reason, now)
    return found


def what_is_wrong(reason: str, note: str) -> list[Reason]:
    """Return what is wrong with the reason somebody gives; the `subject` of each is the field."""
    note, reasons = " ".join(note.split()), []
    if reason not in REASONS:
        reasons.append(Reason("form", "Choose why you need to see it", "reason"))
    if reason == "other" and len(note) < 5:
        reasons.append(Reason("form", "Write in a few words why you need to see it, without names", "note"))
    if len(note) > LONGEST_NOTE:
        text = f"The note is {len(note)} characters long; {LONGEST_NOTE} are enough"
        reasons.append(Reason("form", text, "note"))
    return reasons


def log(tx: Tx, by: Actor, subject: str, what: str, reason: str, now: datetime) -> None:
    """Write a line: `subject` as `kind:reference`, `what` was seen in one word. For every part that shows such data."""
    tx.s.add(AccessLogRow(at=now, account_id=by.account_id, subject=subject, what=what, reason=reason))
    tx.s.flush()


def looks(tx: Tx, by: Actor, subject: str = "", most: int = 200) -> list[Look]:
    """Return the newest lines, of one subject if given. Data-protection lead. Raises `Refused` `role`."""
    need(by, *READERS)
    row, account = AccessLogRow, tables.AccountRow
    query = select(row, account.name).outerjoin(account, account.id == row.account_id)
    if subject:
        query = query.where(row.subject == subject)
    found = tx.s.execute(query.order_by(row.at.desc(), row.id.desc()).limit(most))
    return [Look(one.at, name or "", one.subject, one.what, words(one.reason)) for one, name in found]


def words(reason: str) -> str:
    """Return a reason as it is shown: the words of the choice, and the note after it."""
    code, _, note = reason.partition(": ")
    shown = REASONS.get(code, code)
    return f"{shown}: {note}" if note else shown
