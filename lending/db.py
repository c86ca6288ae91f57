"""One way to the database, and one way to write.

`Database.transaction()` begins with the write lock, so that everything decided inside it is still true when it
commits: `BEGIN IMMEDIATE` on SQLite, `SELECT … FOR UPDATE` on the server's own row in `origin` on PostgreSQL.
Arrival numbers are given out under that lock and therefore commit in order: a feed never skips one.
`Database.read()` sees one consistent moment and cannot write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from custody.events import OriginId, PrivateKey, World
from custody.rules import Policy
from lending import tables, vault
from lending.errors import NotReady
from lending.vault import Vault

BUSY_SECONDS = 30


@dataclass(frozen=True)
class Tx:
    """One transaction: the session, and what every use case may need to know about this server."""

    s: Session
    world: World
    server: OriginId
    key: PrivateKey | None
    policy: Policy
    vault: Vault = field(default_factory=vault.closed)


@dataclass(frozen=True)
class Database:
    """An opened installation. `key` is absent where only reading is wanted; `vault` opens contact data."""

    engine: Engine
    world: World
    server: OriginId
    key: PrivateKey | None = None
    policy: Policy = field(default_factory=Policy)
    vault: Vault = field(default_factory=vault.closed)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """Write: take the one lock first, commit at the end, undo everything on any error."""
        with Session(self.engine.execution_options(kitbank_write=True), expire_on_commit=False) as s, s.begin():
            lock(s, self.server)
            yield Tx(s, self.world, self.server, self.key, self.policy, self.vault)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Read one consistent moment; nothing written inside is kept."""
        with Session(_reading(self.engine), expire_on_commit=False) as s:
            yield Tx(s, self.world, self.server, None, self.policy, self.vault)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def lock(s: Session, server: OriginId) -> None:
    """Wait until nobody else writes. On SQLite the transaction itself has begun with the lock."""
    s.execute(select(tables.Origin.id).where(tables.Origin.id == server).with_for_update()).all()


def _reading(engine: Engine) -> Engine:
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


def connect(url: str) -> Engine:
    """Make the engine for an address; SQLite gets the settings that custody needs."""
    engine = create_engine(url, pool_pre_ping=url.startswith("postgresql"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The sqlite3 module would begin transactions by itself, too late and without the lock: switch that off.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # without it INSERT OR REPLACE slips past a BEFORE DELETE trigger
        "secure_delete = ON",  # what is erased is overwritten with zeros, not only unlinked
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("kitbank_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def opened(engine: Engine, key: PrivateKey | None = None, policy: Policy | None = None) -> Database:
    """Read which world and which server this database belongs to.

    Raises:
        NotReady: the database has not been initialised.
    """
    try:
        with Session(engine) as s:
            row = s.scalars(select(tables.Installation)).one_or_none()
    except DBAPIError as error:
        raise NotReady(f"the database cannot be read ({error.orig}); run `kitbank-lending init` first") from error
    if row is None:
        raise NotReady("the database is empty; run `kitbank-lending init` first")
    return Database(engine, World(row.world), OriginId(row.server), key, policy or Policy())
