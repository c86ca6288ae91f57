"""One way to write, and what it promises."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, select, text

from custody.events import World
from lending import installation, migrations, schema, tables
from lending.db import Database, opened
from lending.errors import LendingError, NotReady
from tests.factories import NOON
from tests.lending.conftest import SERVER_KEY
from tests.lending.house import House


def partners(db: Database) -> list[str]:
    with db.read() as tx:
        return sorted(tx.s.scalars(select(tables.Partner.name)))


def test_an_error_undoes_everything(db: Database) -> None:
    def half() -> None:
        with db.transaction() as tx:
            tx.s.add(tables.Partner(name="half", created_at=NOON))
            tx.s.flush()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        half()
    assert partners(db) == []


def test_reading_keeps_nothing_and_sees_one_moment(house: House) -> None:
    db = house.db
    before = partners(db)
    with db.read() as tx:
        first = sorted(tx.s.scalars(select(tables.Partner.name)))
        with db.transaction() as other:
            other.s.add(tables.Partner(name="later", created_at=NOON))
        assert sorted(tx.s.scalars(select(tables.Partner.name))) == first == before
    assert partners(db) == sorted([*before, "later"])


def test_a_second_writer_waits_for_the_first(db: Database) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.wait(10)
        with db.transaction():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with db.transaction():
        entered.set()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_sqlite_is_set_up_to_keep_what_it_said_it_kept(db: Database) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("these are SQLite's settings")
    with db.engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}


def test_the_tables_are_what_the_migrations_make(engine: Engine) -> None:

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, schema.metadata()) == []
    assert migrations.current(engine) == migrations.newest()


def test_a_database_without_an_installation_says_what_to_run(engine: Engine) -> None:
    with pytest.raises(NotReady, match="init"):
        opened(engine)


def test_an_installation_is_founded_once_and_reopened_in_its_world_with_its_key(db: Database) -> None:
    with pytest.raises(LendingError, match="stays so"):
        installation.found(db.engine, world=World.PRACTICE, name="x", key=SERVER_KEY, now=NOON)
    assert installation.reopen(db.engine, SERVER_KEY, World.REAL).server == db.server
    with pytest.raises(LendingError, match="practice"):
        installation.reopen(db.engine, SERVER_KEY, World.PRACTICE)
    other = type(SERVER_KEY).generate()
    with pytest.raises(LendingError, match="not the key"):
        installation.reopen(db.engine, other, None)
