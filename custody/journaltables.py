"""The tables of a journal, and the triggers that make its history append-only.

Tables that hold history refuse UPDATE and DELETE by trigger. `INSERT OR REPLACE` deletes without firing a delete
trigger unless `recursive_triggers` is on (sqlite-utils turns it on, a plain connection does not), so a trigger on
INSERT refuses a second row under the same name as well.
"""

from collections.abc import Iterable
from typing import Any

from sqlite_utils import Database, Migrations

NAMES = {
    "identity": ("origin",),
    "event": ("hash", "origin, seq"),
    "mention": ("subject, n",),
    "attachment": ("digest",),
    "quarantine": ("digest",),
}
"""The append-only tables, each with the columns under which a row is unique."""


def migrations() -> Migrations:
    """Return every step from an empty file to the tables of today; applied steps are recorded in the file."""
    steps = Migrations("kitbank-journal")
    steps(name="1 tables")(_tables)
    return steps


def _tables(db: Database) -> None:
    layout: dict[str, tuple[dict[str, Any], str | tuple[str, ...]]] = {
        "identity": ({"origin": str, "role": str, "world": str, "key": str}, "origin"),
        "event": (
            {
                "n": int,
                "hash": str,
                "origin": str,
                "seq": int,
                "kind": str,
                "subject": str,
                "at": str,
                "envelope": bytes,
                "refused": str,
            },
            "n",
        ),
        "mention": ({"subject": str, "n": int}, ("subject", "n")),
        "attachment": ({"digest": str, "media_type": str, "data": bytes}, "digest"),
        "quarantine": (
            {"n": int, "digest": str, "origin": str, "sentence": str, "envelope": bytes},
            "n",
        ),
        "writer": ({"origin": str, "data": str}, "origin"),
        "refusal": ({"hash": str, "reasons": str}, "hash"),
        "progress": ({"name": str, "value": str}, "name"),
    }
    for name, (columns, key) in layout.items():
        db.table(name).create(columns, pk=key, not_null=set(columns), strict=True)
    db.table("event").create_index(["hash"], unique=True)
    db.table("event").create_index(["origin", "seq"], unique=True)
    db.table("quarantine").create_index(["digest"], unique=True)
    for name, unique in NAMES.items():
        _refuse_changes(db, name, unique)


def _refuse_changes(db: Database, table: str, unique: Iterable[str]) -> None:
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    same = " OR ".join(
        "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns.split(", ")) + ")" for columns in unique
    )
    if table in ("event", "quarantine"):
        same += " OR n = NEW.n"
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own tables
    db.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: that row exists'); END"
    )
