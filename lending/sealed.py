"""All places where sealed contact data stands, and what is done to all of them: change the key, look which key.

A part that adds a sealed column adds a line to `COLUMNS`; a test walks every column of bytes and misses none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import LargeBinary, func, literal, select, update

from lending import schema
from lending.db import Database, Tx
from lending.vault import HEAD_BYTES

BATCH = 500
"""Rows per transaction of a rotation: other work waits at most that long (some 20 ms)."""


@dataclass(frozen=True)
class Column:
    """One sealed column: where, for which purpose, and which column names the row. `row` may put more around it."""

    table: str
    name: str
    purpose: str
    key: str
    row: str = "{}"


COLUMNS: Sequence[Column] = (
    Column("referral", "contact", "referral", "ref"),
    Column("complaint", "sealed", "complaint", "ref"),
    Column("referral_draft", "sealed", "referral draft", "id"),
    Column("intake", "sealed", "referral intake", "id"),
    Column("data_plan", "sealed", "data plan", "id"),
    Column("booking", "sealed", "booking", "id"),
    Column("loan_agreement", "sealed", "loan agreement", "ref"),
    Column("loan_exception", "sealed", "loan exception", "ref"),
    Column("message", "sealed", "message", "ref"),
    Column("message_said", "sealed", "message-said", "id"),
    Column("one_time_code", "sealed", "one-time-code", "account_id"),
    Column("council", "sealed", "council", "issuer"),
    Column("webhook_endpoint", "secret", "webhook", "id"),
    Column("donor_pledge", "sealed", "donor-contact", "ref"),
    Column("donor_collection", "sealed", "donor-signature", "id"),
)
NOT_SEALED: Mapping[str, str] = {
    "attachment.data": "evidence of stations and kiosks about devices",
    "passkey.public_key": "public by its nature",
    "event.envelope": "history: no household is ever in it",
    "quarantine.envelope": "what machines sent and could not be taken into history",
    "roster.document": "the signed list of badges of staff, for stations",
}
"""Columns of bytes that the contact keys have nothing to do with, and what is in them instead."""


def sealed_with(tx: Tx, head: bytes) -> int:
    """Return how many values begin with `head`, that is, were sealed with that key.

    Looks into every column of bytes of the schema, listed or not: what nobody listed must not be lost with its key.
    """
    return sum(
        tx.s.scalar(select(func.count()).where(_head(column) == literal(head))) or 0 for column in _columns_of_bytes()
    )


def reseal(db: Database, progress: Callable[[int], None] = lambda _: None) -> int:
    """Seal every value anew that is not sealed with the newest key, in batches; return how many were.

    May be killed at any moment and run again: a row is sealed with one key or the other, never half, and what is
    done shows in the row itself. `progress` hears the total after every batch.
    Raises `VaultError` at a value that does not open; the rows before it are done.
    """
    done = 0
    for column in COLUMNS:
        while True:
            with db.transaction() as tx:
                batch = _reseal_batch(tx, column)
            done += batch
            if not batch:
                break
            progress(done)
    return done


def _reseal_batch(tx: Tx, column: Column) -> int:
    table = schema.metadata().tables[column.table]
    key, sealed = table.c[column.key], table.c[column.name]
    query = select(key, sealed).where(sealed.is_not(None), _head(sealed) != literal(tx.vault.head()))
    rows = tx.s.execute(query.limit(BATCH)).all()
    for name, old in rows:
        row = column.row.format(name)
        new = tx.vault.seal(column.purpose, row, tx.vault.open_(column.purpose, row, old))
        tx.s.execute(update(table).where(key == name).values({column.name: new}))
    return len(rows)


def _columns_of_bytes() -> list[sqlalchemy.Column[bytes]]:
    return [
        column
        for table in schema.metadata().sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and f"{table.name}.{column.name}" not in NOT_SEALED
    ]


def _head(column: sqlalchemy.Column[bytes]) -> sqlalchemy.ColumnElement[bytes]:
    return func.substr(column, 1, HEAD_BYTES)
