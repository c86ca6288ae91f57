"""The SQLite file under the journal: its settings, its one way to write, and what its errors mean.

- WAL with `synchronous=FULL`: a commit returns after the log was fsynced (SQLite, "Write-Ahead Logging", §2.2).
- One writer at a time by `BEGIN IMMEDIATE`; others wait up to `PATIENCE`; readers never wait.

Only the journal uses this module.
"""

import json
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from custody.chain import Writer
from custody.errors import JournalDamaged, JournalError, JournalFull
from custody.journaltables import migrations
from custody.salvage import what_is_left

PATIENCE = 30.0
"""Seconds to wait for another process that is writing."""

ROOM = 1 << 20
"""Bytes. With less room than this on its disk, a failed write is a full disk."""


def connect(path: Path, *, readonly: bool) -> Database:
    """Open the file with the settings the promises need; raises what `told` says."""
    if not path.exists():
        raise JournalError(f"there is no journal at {path}; make one with the program's 'init'")
    mode = "ro" if readonly else "rw"
    with told(path):
        db = Database(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE))
        try:
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA cell_size_check=ON")
            if not readonly:
                migrations().apply(db)
        except sqlite3.Error:
            db.close()
            raise
    return db


def lay_out(path: Path, identity: dict[str, Any], writer: Writer) -> None:
    """Make the tables and write whose journal this is, in a file that nobody uses yet."""
    with told(path):
        db = Database(path)
        try:
            db.enable_wal()
            db.execute("PRAGMA synchronous=FULL")
            migrations().apply(db)
            db.table("identity").insert(identity)
            db.table("writer").insert({"origin": writer.id, "data": json.dumps(writer.to_json())})
        finally:
            db.close()


@contextmanager
def writing(db: Database, path: Path) -> Iterator[Database]:
    """Hold the only write lock; commit and fsync at the end, or leave everything as it was."""
    with told(path):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            db.rollback()
            raise


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `JournalFull`, `JournalDamaged` or `JournalError`, with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, path) from error


def damaged(path: Path, detail: str) -> JournalDamaged:
    """Return the error for a file that does not hold what was written to it, with what can still be read."""
    return JournalDamaged(
        f"the journal {path} is damaged ({detail}). Keep the file, do not delete it, and copy it first; what the "
        f"server already acknowledged is safe there. {what_is_left(path)} To go on: make a new journal with the "
        "same key, sync it, then take back what 'salvage' reads from the old file"
    )


def _meaning(error: sqlite3.Error, path: Path) -> JournalError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ")):
        return damaged(path, str(error))
    if not name and "UTF-8" in str(error):  # the module's own complaint about a text that is none
        return damaged(path, str(error))
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")) and (
        name == "SQLITE_FULL" or _no_room(path)
    ):
        return JournalFull(
            f"no room left to write the journal {path}; nothing was recorded. Make room on that disk, then do it again"
        )
    if name.startswith("SQLITE_BUSY"):
        return JournalError(
            f"another program has held the journal {path} for {PATIENCE:.0f} seconds; nothing was recorded, try again"
        )
    if name.startswith("SQLITE_READONLY"):
        return JournalError(f"the journal {path} may not be written by this user; nothing was recorded")
    return JournalError(
        f"the journal {path} cannot be used ({error}); nothing was recorded. Check the disk and try again"
    )


def _no_room(path: Path) -> bool:
    try:
        about = os.statvfs(path.parent)
    except OSError:
        return False
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return about.f_bavail * about.f_frsize < ROOM or limit != resource.RLIM_INFINITY
