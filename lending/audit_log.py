"""The audit of access: every sensitive read and every change of an account leaves one line. `note` is how.

Rules:

- a line says who (the random reference of an account, never a name), what, about which subject (a reference too),
  why, and when; no contact data, no tokens, no addresses. So it may outlive the person without naming them;
- it is written in the transaction of what it speaks of: either both happened or neither;
- nobody can change a line, the database refuses it; the nightly erasure (`lending.retention`) lets old ones go.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from lending import tables
from lending.access_tables import AuditEntry
from lending.db import Tx
from lending.people import Actor, need

READERS = ("auditor", "data-protection")
PAGE = 100
LONGEST_REASON = 500
SERVER = "server"
"""Who did it when nobody was signed in: the command line or the nightly work."""

ACTIONS: Mapping[str, str] = {
    "signed-in": "Signed in",
    "sign-in-refused": "Sign-in refused",
    "sessions-ended": "Sessions ended",
    "account-made": "Account made",
    "account-closed": "Account closed",
    "link-made": "One-time link made",
    "password-set": "Password set",
    "roles-changed": "Roles changed",
    "address-asked": "Change of address asked for",
    "address-changed": "Address changed",
    "passkey-added": "Passkey added",
    "passkey-removed": "Passkey removed",
    "codes-on": "One-time codes switched on",
    "codes-off": "One-time codes switched off",
    "recovery-made": "New recovery codes made",
    "recovery-used": "Recovery code used",
    "factors-removed": "Second factor taken away by an administrator",
    "council-bound": "Council's sign-in used for the first time",
    "council-changed": "Council's sign-in changed",
    "audit-exported": "Audit exported",
}
"""Known actions in words. Another part may note an action of its own; it is shown as it is written."""


@dataclass(frozen=True)
class Line:
    """One line of the audit; `name` is who that reference is today, empty when the account is gone."""

    at: datetime
    by: str
    name: str
    action: str
    subject: str
    reason: str

    @property
    def words(self) -> str:
        """Return the action in words."""
        return ACTIONS.get(self.action, self.action.replace("-", " ").capitalize())


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted; empty means all. `after` and `before` are moments, `before` not included."""

    by: str = ""
    action: str = ""
    subject: str = ""
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Page:
    """Lines, newest first, and how many there are in all."""

    lines: tuple[Line, ...]
    total: int
    number: int

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least one."""
        return max(1, -(-self.total // PAGE))


def note(tx: Tx, by: Actor | None, action: str, subject: str, reason: str = "", *, now: datetime) -> None:
    """Write one line in this transaction. `by` is None when no person did it (command line, nightly work).

    `subject` is a reference such as `account:S-7K3QX9` or `referral:R-4F`, never a name; `reason` is in people's words.
    """
    tx.s.add(
        AuditEntry(
            at=now, by=by.ref if by else SERVER, action=action, subject=subject, reason=reason[:LONGEST_REASON]
        )
    )
    tx.s.flush()


def page(tx: Tx, by: Actor, wanted: Filter, number: int = 1) -> Page:
    """Return one page of the audit, newest first. Auditor, data-protection lead."""
    need(by, *READERS)
    total = tx.s.scalar(select(func.count()).select_from(AuditEntry).where(*_where(wanted))) or 0
    last = max(1, -(-total // PAGE))
    number = min(max(1, number), last)
    return Page(tuple(_lines(tx, wanted, (number - 1) * PAGE, PAGE)), total, number)


def export(tx: Tx, by: Actor, wanted: Filter) -> str:
    """Return the wanted lines as CSV, newest first, times in UTC (ISO 8601). Auditor, data-protection lead."""
    need(by, *READERS)
    out = io.StringIO(newline="")
    write = csv.writer(out)
    write.writerow(("at", "by", "name", "action", "subject", "reason"))
    for line in _lines(tx, wanted, 0, None):
        texts = (line.by, line.name, line.action, line.subject, line.reason)
        write.writerow((line.at.isoformat(), *(_plain(text) for text in texts)))
    return out.getvalue()


def known_actions(tx: Tx) -> list[str]:
    """Return every action that stands in the audit, sorted."""
    return sorted(tx.s.scalars(select(AuditEntry.action).distinct()))


def _where(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.by:
        account = tables.AccountRow
        who = wanted.by.strip()
        named = select(account.ref).where(func.lower(account.name).contains(who.lower(), autoescape=True))
        found.append(or_(AuditEntry.by == who.upper(), AuditEntry.by == who.lower(), AuditEntry.by.in_(named)))
    if wanted.action:
        found.append(AuditEntry.action == wanted.action)
    if wanted.subject:
        found.append(func.lower(AuditEntry.subject).contains(wanted.subject.strip().lower(), autoescape=True))
    if wanted.after:
        found.append(AuditEntry.at >= wanted.after)
    if wanted.before:
        found.append(AuditEntry.at < wanted.before)
    return found


def _lines(tx: Tx, wanted: Filter, skip: int, most: int | None) -> Iterator[Line]:
    account = tables.AccountRow
    query = select(AuditEntry, account.name).outerjoin(account, account.ref == AuditEntry.by).where(*_where(wanted))
    ordered = query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).offset(skip).limit(most)
    for row, name in tx.s.execute(ordered):
        yield Line(row.at, row.by, name or "", row.action, row.subject, row.reason)


def _plain(text: str) -> str:
    """Return a cell that a spreadsheet takes for text: one that begins like a formula gets an apostrophe (OWASP)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
