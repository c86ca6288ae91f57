"""Changing many records at once: seen first, done whole, one line in the audit, and taken back where that is possible.

- `preview` says for every record what it is and would become, or why it cannot be changed;
- `make` does exactly what was seen: if anything changed meanwhile, nothing is done;
- what each record was is kept, and `undo` puts it back, but only where it is still as this change left it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select

from custody.errors import Refused
from lending import audit_log, loans, tables
from lending.db import Tx
from lending.errors import refused
from lending.office_tables import BulkChange
from lending.people import Actor, need

MOST = 2000
REFERENCE = re.compile(r"\b[LR]-[0-9A-Z]{6,12}\b")


@dataclass(frozen=True)
class Change:
    """One record of a change: what it is (`before`), what it becomes, both as kept and in words; or a `problem`."""

    ref: str
    before: str
    after: str
    before_words: str
    after_words: str
    problem: str = ""

    @property
    def does_something(self) -> bool:
        """Tell whether this record would be changed."""
        return not self.problem and self.before != self.after


@dataclass(frozen=True)
class Preview:
    """What would happen. `seal` names exactly this, for `make`."""

    kind: str
    value: str
    changes: tuple[Change, ...]

    @property
    def seal(self) -> str:
        """Return a digest of everything that was shown."""
        said = [[one.ref, one.before, one.after, one.problem] for one in self.changes]
        return hashlib.sha256(json.dumps([self.kind, self.value, said]).encode()).hexdigest()

    @property
    def count(self) -> int:
        """Return how many records would be changed."""
        return sum(one.does_something for one in self.changes)


@dataclass(frozen=True)
class Kind:
    """One kind of change: its words, whose records (L or R), who may, and how it reads and writes one record."""

    words: str
    letter: str
    roles: tuple[str, ...]
    read: Callable[[Tx, Sequence[str], str, datetime], list[Change]]
    write: Callable[[Tx, str, str, Actor, datetime], None]


@dataclass(frozen=True)
class Made:
    """A change that was made."""

    id: int
    kind: str
    words: str
    value: str
    count: int
    by: str
    made_at: datetime
    undone_at: datetime | None


def references(text: str, letter: str) -> list[str]:
    """Return the references in a pasted text, each once, in order: from a list, a spreadsheet or an e-mail."""
    found = REFERENCE.findall(text.upper())
    return list(dict.fromkeys(one for one in found if one.startswith(letter)))


def preview(tx: Tx, by: Actor, kind: str, value: str, text: str, now: datetime) -> Preview:
    """Say what changing these records would do. Raises `Refused`: `role`, `kind`, `value`, `refs`."""
    about = _kind(by, kind)
    refs = references(text, about.letter)
    if not refs:
        raise refused("refs", f"paste at least one reference that begins with {about.letter}-", "refs")
    if len(refs) > MOST:
        raise refused("refs", f"these are {len(refs):,} references; change at most {MOST:,} at once", "refs")
    return Preview(kind, value, tuple(about.read(tx, refs, value, now)))


def make(tx: Tx, by: Actor, kind: str, value: str, text: str, seal: str, now: datetime) -> int:
    """Do what was seen and return the number of the change. Raises what `preview` does, `changed` and `nothing`."""
    found = preview(tx, by, kind, value, text, now)
    if found.seal != seal:
        raise refused("changed", "something changed since you looked; look again, nothing was done")
    if not found.count:
        raise refused("nothing", "none of these would be changed")
    done = [one for one in found.changes if one.does_something]
    for one in done:
        KINDS[kind].write(tx, one.ref, one.after, by, now)
    row = BulkChange(
        kind=kind, value=value, changes=[[one.ref, one.before, one.after] for one in done], made_by=by.account_id,
        made_at=now, undone_by=None, undone_at=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    audit_log.note(tx, by, "changed-many", f"bulk:{row.id}", f"{KINDS[kind].words}, {len(done)} records", now=now)
    return row.id


def undo(tx: Tx, by: Actor, number: int, now: datetime) -> tuple[int, list[str]]:
    """Put back what a change did; return how many were put back, and the references that were left as they are.

    Raises `Refused`: `role`, `unknown-change`, `undone`.
    """
    row = tx.s.get(BulkChange, number)
    if row is None:
        raise refused("unknown-change", f"there is no change number {number}")
    about = _kind(by, row.kind)
    if row.undone_at is not None:
        raise refused("undone", "this change was taken back already")
    now_is = {one.ref: one.before for one in about.read(tx, [ref for ref, _, _ in row.changes], row.value, now)}
    left, count = [], 0
    for ref, before, after in row.changes:
        try:
            if now_is.get(ref) != after:
                raise refused("changed", "somebody changed it since", ref)
            about.write(tx, ref, before, by, now)
            count += 1
        except Refused:
            left.append(ref)
    row.undone_at, row.undone_by = now, by.account_id
    tx.s.flush()
    audit_log.note(tx, by, "changed-many-undone", f"bulk:{row.id}", f"{count} put back, {len(left)} left", now=now)
    return count, left


def listing(tx: Tx, by: Actor) -> list[Made]:
    """Return the last changes that `by` may make, newest first."""
    kinds = [name for name, one in KINDS.items() if by.roles & set(one.roles)]
    account = tables.AccountRow
    query = select(BulkChange, account.name).outerjoin(account, account.id == BulkChange.made_by)
    rows = tx.s.execute(query.where(BulkChange.kind.in_(kinds)).order_by(BulkChange.id.desc()).limit(20))
    return [
        Made(
            row.id, row.kind, KINDS[row.kind].words, row.value, len(row.changes), name or "", row.made_at, row.undone_at
        )
        for row, name in rows
    ]


def _kind(by: Actor, kind: str) -> Kind:
    about = KINDS.get(kind)
    if about is None:
        raise refused("kind", "choose what is to be changed", "kind")
    need(by, *about.roles)
    return about


def _loans_due(tx: Tx, refs: Sequence[str], value: str, now: datetime) -> list[Change]:
    try:
        after = date.fromisoformat(value) if value else None
    except ValueError as error:
        raise refused("value", f"{value[:20]!r} is not a day", "value") from error
    row = tables.LoanRow
    found = {one.ref: one for one in tx.s.scalars(select(row).where(row.ref.in_(refs)))}
    changes = []
    for ref in refs:
        loan = found.get(ref)
        problem = "there is no such loan" if loan is None else "it is closed" if loan.state == "closed" else ""
        if after is not None and after < now.date() and not problem:
            problem = "the day is in the past"
        before = loan.due if loan else None
        changes.append(Change(ref, _iso(before), _iso(after), _day(before), _day(after), problem))
    return changes


def _set_due(tx: Tx, ref: str, value: str, by: Actor, now: datetime) -> None:
    loans.extend(tx, ref, date.fromisoformat(value) if value else None, by, now)


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


def _day(day: date | None) -> str:
    return f"{day.day} {day:%B %Y}" if day else "as long as needed"


def _referrals_partner(tx: Tx, refs: Sequence[str], value: str, now: datetime) -> list[Change]:
    names = {str(number): name for number, name in tx.s.execute(select(tables.Partner.id, tables.Partner.name))}
    if value not in names:
        raise refused("value", "choose an organisation", "value")
    row = tables.ReferralRow
    found = {one.ref: one for one in tx.s.scalars(select(row).where(row.ref.in_(refs)))}
    changes = []
    for ref in refs:
        one = found.get(ref)
        before = str(one.partner_id or "") if one else ""
        problem = "" if one else "there is no such referral"
        changes.append(Change(ref, before, value, names.get(before, "none"), names[value], problem))
    return changes


def _set_partner(tx: Tx, ref: str, value: str, by: Actor, now: datetime) -> None:
    tx.s.get_one(tables.ReferralRow, ref).partner_id = int(value) if value else None
    tx.s.flush()


KINDS: Mapping[str, Kind] = {
    "loan-due": Kind("Day due of many loans", "L", ("desk", "supervisor"), _loans_due, _set_due),
    "referral-partner": Kind(
        "Partner of many referrals", "R", ("supervisor",), _referrals_partner, _set_partner
    ),
}
"""What can be changed for many records at once."""
