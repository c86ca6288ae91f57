"""Both databases for every test: a SQLite file, and a private PostgreSQL cluster started once per run."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from custody.events import PrivateKey, World
from lending import installation, migrations, vault
from lending.db import Database, connect
from tests.factories import NOON
from tests.lending.house import House, build
from tests.lending.screens import Town, populate

SERVER_KEY = PrivateKey(random.Random("server").randbytes(32))
CONTACT_KEYS = vault.new_keys(NOON, random.Random("contact").randbytes)


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL, listening on a socket in `folder` only."""

    folder: Path

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def run(self, *statements: str) -> None:
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


def _program(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps them off the path."""
    found = shutil.which(name)
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4].split(".")[0]))
    if found is None and not places:
        pytest.skip("PostgreSQL is not on this machine (apt-get install postgresql); only SQLite was tested")
    return str(places[-1]) if places else str(found)


def _as_postgres(*argv: str) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    command = ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else [*argv]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert result.returncode == 0, result.stderr + result.stdout


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start PostgreSQL with a template that has our schema; skip, saying why, where there is none."""
    with running_cluster() as found:
        yield found


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run PostgreSQL with a template that has our schema while the block runs."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="kitbank-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    _as_postgres(initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=120"
    _as_postgres(pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        found = Cluster(folder)
        found.run("CREATE DATABASE kitbank_template")
        engine = connect(found.url("kitbank_template"))
        migrations.upgrade(engine)
        engine.dispose()
        yield found
    finally:
        _as_postgres(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def numbers() -> Callable[[], int]:
    """Return a source of numbers that are used once, for names."""
    return count(1).__next__


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with our schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite"
    engine = connect(f"sqlite:///{path}")
    migrations.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path, numbers: Callable[[], int]
) -> Iterator[Engine]:
    """Return an empty, migrated database: each test runs once on either kind."""
    if request.param == "sqlite":
        shutil.copy(empty_sqlite, tmp_path / "lending.sqlite")
        made = connect(f"sqlite:///{tmp_path / 'lending.sqlite'}")
        yield made
        made.dispose()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = f"kitbank_{os.getpid()}_{numbers()}"
    cluster.run(f"CREATE DATABASE {name} TEMPLATE kitbank_template")
    made = connect(cluster.url(name))
    yield made
    made.dispose()
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(engine: Engine) -> Database:
    """Return a real-world installation on either database."""
    made = installation.found(engine, world=World.REAL, name="Kitbank test", key=SERVER_KEY, now=NOON).db
    return replace(made, vault=vault.in_memory(CONTACT_KEYS))


@pytest.fixture
def house(db: Database) -> House:
    """Return a charity at work: machines enrolled, accounts opened."""
    return build(db)


@pytest.fixture(scope="session")
def sqlite_town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Town, Path]:
    """Return a charity with something on every screen, and its SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("town") / "town.sqlite"
    return _populated(f"sqlite:///{path}", path.parent), path


@pytest.fixture(scope="session")
def postgresql_town(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Return the same on PostgreSQL; its database is the template `kitbank_town`."""
    cluster.run("CREATE DATABASE kitbank_town TEMPLATE kitbank_template")
    return _populated(cluster.url("kitbank_town"), tmp_path_factory.mktemp("town"))


def _populated(url: str, folder: Path) -> Town:
    engine = connect(url)
    migrations.upgrade(engine)
    made = installation.found(engine, world=World.REAL, name="Kitbank test", key=SERVER_KEY, now=NOON).db
    found = populate(build(replace(made, vault=vault.in_memory(CONTACT_KEYS))), folder)
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def town(request: pytest.FixtureRequest, tmp_path: Path, numbers: Callable[[], int]) -> Iterator[Town]:
    """Return a charity of its own for each test, on either database."""
    if request.param == "sqlite":
        pattern, file = request.getfixturevalue("sqlite_town")
        shutil.copy(file, tmp_path / "lending.sqlite")
        made = connect(f"sqlite:///{tmp_path / 'lending.sqlite'}")
        yield pattern.on(made, tmp_path)
        made.dispose()
        return
    pattern, cluster = request.getfixturevalue("postgresql_town"), request.getfixturevalue("cluster")
    name = f"kitbank_town_{os.getpid()}_{numbers()}"
    cluster.run(f"CREATE DATABASE {name} TEMPLATE kitbank_town")
    made = connect(cluster.url(name))
    yield pattern.on(made, tmp_path)
    made.dispose()
    cluster.run(f"DROP DATABASE {name} WITH (FORCE)")
