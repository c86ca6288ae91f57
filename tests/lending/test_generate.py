"""Generated history is history: it verifies, its caches are what a rebuild makes, and it goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from custody.events import World
from lending import audit, caches, installation, tables, vault
from lending.db import Database
from lending.errors import LendingError
from lending.generate import Progress, generate
from tests.factories import NOON
from tests.lending.conftest import CONTACT_KEYS, SERVER_KEY


def practice(engine: Engine) -> Database:
    made = installation.found(engine, world=World.PRACTICE, name="Practice", key=SERVER_KEY, now=NOON).db
    return replace(made, vault=vault.in_memory(CONTACT_KEYS))


def test_generated_history_verifies_and_its_caches_are_right(engine: Engine, tmp_path: Path) -> None:
    db, said = practice(engine), list[Progress]()
    assert generate(db, tmp_path, 20, None, lambda: NOON, portion=10, say=said.append) == 20
    assert [(one.done, one.total) for one in said] == [(10, 20), (20, 20)]
    assert generate(db, tmp_path, 30, None, lambda: NOON) == 10  # goes on, with the same stations
    assert generate(db, tmp_path, 30, None, lambda: NOON) == 0
    with db.transaction() as tx:
        figures = audit.verify(tx)
        assert caches.rebuild(tx).same
        states = dict(iter(tx.s.execute(select(tables.DeviceRow.state, func.count()).group_by(tables.DeviceRow.state))))
        items = tx.s.scalar(select(func.count()).select_from(tables.LoanItem))
    assert figures.exits == 27
    assert figures.refused == 0
    assert set(states) == {"out", "ready", "not-ready"}
    assert items == 90  # ten things for each of nine households


def test_a_real_server_is_never_filled(db: Database, tmp_path: Path) -> None:
    with pytest.raises(LendingError, match="practice server only"):
        generate(db, tmp_path, 10, None, lambda: NOON)
    with db.read() as tx:
        assert tx.s.scalar(select(func.count()).select_from(tables.DeviceRow)) == 0


@pytest.mark.parametrize(("devices", "households"), [(0, None), (10, 0), (10, 10)])
def test_numbers_that_do_not_fit_are_refused(
    engine: Engine, tmp_path: Path, devices: int, households: int | None
) -> None:
    with pytest.raises(LendingError, match="at least one device"):
        generate(practice(engine), tmp_path, devices, households, lambda: NOON)
