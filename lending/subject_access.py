"""Everything that is held on one household, in one action: as data (JSON) and to read (PDF).

Nobody lists by hand where a household appears: from the referral's row the foreign keys are followed backwards,
through the loan to everything that hangs on it, so that a new table cannot be forgotten. Sealed columns are opened.
What does not hang on a key (who looked, what the audit says, recalls) stands in `MORE`; a part adds its line there.
Beside each value stands what the table of personal data says of it: why, who sees it, how long (UK GDPR Article 15).
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import Table, select

from lending import access_log, privacy, schema, sealed, tables
from lending.agreement_pdf import Paper, Part, print_paper
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.referral_details import PHONE_MARK, plain_phone

LEAD = ("data-protection",)
Row = Mapping[str, Any]
AROUND = frozenset({"account", "partner", "slot", "import_run"})
"""Tables that many households share: a household's rows point at them, but they are not about the household."""


@dataclass(frozen=True)
class Section:
    """The rows of one table that are about the household; sealed columns are opened in place."""

    table: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Held:
    """Everything about one household, and when it was looked up."""

    referral: str
    at: datetime
    sections: tuple[Section, ...]


def _by_loan(table: str, column: str) -> Callable[[Tx, str, Sequence[str]], list[Row]]:
    """Return the rows of a table that names a loan without a foreign key."""

    def rows(tx: Tx, referral: str, loans: Sequence[str]) -> list[Row]:
        return _select(tx, _t(table), _t(table).c[column].in_(loans))

    return rows


def _by_subject(table: str) -> Callable[[Tx, str, Sequence[str]], list[Row]]:
    """Return the rows of a log whose `subject` is the referral or one of its loans, with or without a kind before."""

    def rows(tx: Tx, referral: str, loans: Sequence[str]) -> list[Row]:
        names = [referral, *loans]
        wanted = [*names, *(f"referral:{one}" for one in names), *(f"loan:{one}" for one in names)]
        return _select(tx, _t(table), _t(table).c.subject.in_(wanted))

    return rows


MORE: Mapping[str, Callable[[Tx, str, Sequence[str]], list[Row]]] = {
    "access_log": _by_subject("access_log"),
    "audit_entry": _by_subject("audit_entry"),
    "recall_line": _by_loan("recall_line", "loan"),
}
"""Table -> what finds its rows, given the referral and the references of its loans."""


def find(tx: Tx, by: Actor, text: str) -> list[str]:
    """Return the referrals that a text leads to: a reference of ours, the partner's, or a telephone number.

    Raises `Refused`: `role`, `unknown-household`.
    """
    need(by, *LEAD)
    text = " ".join(text.split())
    row, loan, mark = tables.ReferralRow, tables.LoanRow, _t("referral_mark")
    found = set(tx.s.scalars(select(row.ref).where((row.ref == text.upper()) | (row.client_reference == text))))
    found |= {ref for ref in tx.s.scalars(select(loan.referral).where(loan.ref == text.upper())) if ref}
    if sum(one.isdigit() for one in text) >= 7:
        coded = tx.vault.fingerprint("referral phone", plain_phone(text))
        found |= set(tx.s.scalars(select(mark.c.ref).where(mark.c.kind == PHONE_MARK, mark.c.mark == coded)))
    if not found:
        raise refused("unknown-household", "we hold no household under this reference or number", text[:40])
    return sorted(found)


def held(tx: Tx, by: Actor, referral: str, now: datetime) -> Held:
    """Return everything held on the household of a referral, and log that it was looked at.

    Raises `Refused`: `role`, `unknown-referral`; `VaultError` when something sealed does not open.
    """
    need(by, *LEAD)
    if tx.s.get(tables.ReferralRow, referral) is None:
        raise refused("unknown-referral", f"there is no referral {referral[:20]!r}", referral)
    access_log.log(tx, by, f"referral:{referral}", "everything", "request", now)
    found: dict[str, list[Row]] = {"referral": _select(tx, _t("referral"), _t("referral").c.ref == referral)}
    _follow(tx, "referral", found)
    loans = [str(row["ref"]) for row in found.get("loan", [])]
    for table, rows in MORE.items():
        found.setdefault(table, []).extend(rows(tx, referral, loans))
    sections = tuple(
        Section(name, tuple(_opened(tx, name, row) for row in rows)) for name, rows in found.items() if rows
    )
    return Held(referral, now, sections)


def _follow(tx: Tx, name: str, found: dict[str, list[Row]]) -> None:
    """Add the rows of every table with a foreign key to rows already found, and of those that hang on these."""
    for table in schema.metadata().sorted_tables:
        if table.name in AROUND or table.name in found:
            continue
        for key in table.foreign_keys:
            if key.column.table.name == name:
                values = [row[key.column.name] for row in found[name]]
                rows = _select(tx, table, table.c[key.parent.name].in_(values))
                if rows:
                    found[table.name] = rows
                    _follow(tx, table.name, found)
                break


def _select(tx: Tx, table: Table, where: sqlalchemy.ColumnElement[bool]) -> list[Row]:
    return [dict(row) for row in tx.s.execute(select(table).where(where)).mappings()]


def _opened(tx: Tx, table: str, row: Row) -> Row:
    """Return a row with its sealed columns opened, as plain values."""
    shown: dict[str, Any] = dict(row)
    for column in sealed.COLUMNS:
        if column.table == table and row.get(column.name) is not None:
            name = column.row.format(row[column.key])
            shown[column.name] = tx.vault.open_(column.purpose, name, bytes(row[column.name]))
    return shown


def to_json(found: Held) -> bytes:
    """Return everything as JSON, with what each field is for."""
    fields = privacy.columns()
    data = {
        "referral": found.referral,
        "made_at": found.at.isoformat(),
        "held": {one.table: [{k: _plain(v) for k, v in row.items()} for row in one.rows] for one in found.sections},
        "about": {
            name: {"what": field.what, "purpose": field.purpose, "basis": privacy.BASES[field.basis].name,
                   "seen_by": field.seen_by, "kept": privacy.CLOCKS[field.clock].words, "source": field.source}
            for one in found.sections for column in one.rows[0] for name in [f"{one.table}.{column}"]
            for field in [fields.get(name)] if field is not None
        },
    }  # fmt: skip
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()


def to_pdf(found: Held, title: str = "What we hold about you") -> bytes:
    """Return everything as a paper to read: what each thing is, what stands there, why and how long."""
    parts = [Part([
        title, f"Referral {found.referral}, looked up on {found.at.day} {found.at:%B %Y at %H:%M} UTC.",
        "You may ask us to correct or erase it, and you may complain to us or to the Information Commissioner.",
    ])]  # fmt: skip
    for field in privacy.FIELDS:
        lines = _lines(found, field)
        if lines:
            clock = privacy.CLOCKS[field.clock]
            why = f"Why: {field.purpose}. Basis: {privacy.BASES[field.basis].name}. Who sees it: {field.seen_by}."
            kept = f"Kept: {clock.words}. Then: {field.end}. It came from: {field.source}."
            parts.append(Part([field.what, *lines, "", why, kept]))
    return print_paper(Paper(title, parts, footer=f"{found.referral}: personal. Keep it safe."))


def _lines(found: Held, field: privacy.Field) -> list[str]:
    lines = []
    for section in found.sections:
        for row in section.rows:
            for column, value in row.items():
                if f"{section.table}.{column}" in field.columns and value not in (None, "", [], {}):
                    lines.extend(_words(column, value))
    return lines


def _words(column: str, value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}: {one}" for key, one in value.items() if one]
    return [f"{column.replace('_', ' ')}: {_plain(value)}"]


def _plain(value: object) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value


def to_zip(found: Held) -> bytes:
    """Return one file with both."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as both:
        both.writestr(f"{found.referral}.json", to_json(found))
        both.writestr(f"{found.referral}.pdf", to_pdf(found))
    return out.getvalue()


def _t(name: str) -> Table:
    return schema.metadata().tables[name]
