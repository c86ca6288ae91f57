"""The file of contact keys: made once, for its owner alone, rotated under a running server, never lost by a crash."""

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, select, update

import lending
from lending import contact_keys, contacts, referrals, schema, sealed, tables, vault
from lending.contacts import Contact
from lending.db import Database
from lending.privacy_tables import ContactKeyRow
from lending.vault import VaultError
from tests.factories import NOON
from tests.lending.house import FORM, House

CONTACT = Contact("Nadia Rahman", "07700 900123", "L1 8JQ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "contact.keys"


@pytest.fixture
def kept(db: Database, path: Path) -> Database:
    """Return an installation whose contact keys are in a file."""
    return contact_keys.ready(db, path, NOON)


def refer(house: House, db: Database) -> str:
    with db.transaction() as tx:
        return referrals.refer(tx, house.partner, FORM, house.tick())


def opened(db: Database, ref: str) -> Contact:
    with db.read() as tx:
        return contacts.opened(tx, ref)


def many(db: Database, number: int) -> None:
    """Store that many referrals, each with its own contact."""
    with db.transaction() as tx:
        for one in range(number):
            ref = f"R-{one:06d}"
            sealed_now = contacts.seal(tx, ref, Contact(f"Name {one}", str(one), "L1 8JQ"))
            tx.s.add(tables.ReferralRow(**plain(ref), contact=sealed_now))


def plain(ref: str, name: str = "", phone: str = "", postcode: str = "L1") -> dict[str, object]:
    return {
        "ref": ref, "client_reference": "x", "postcode": postcode, "adults": 1, "children": {}, "need": "laptop",
        "internet": "none", "purpose": "school", "ground": "worker", "contact_name": name, "contact_phone": phone,
        "via_partner": False, "safe_contact": "yes", "language": "English", "told_how": "read", "state": "waiting",
        "created_at": NOON,
    }  # fmt: skip


def test_the_first_start_makes_keys_that_only_their_owner_reads(kept: Database, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with kept.read() as tx:
        assert [row.id for row in tx.s.scalars(select(ContactKeyRow))] == [contact_keys.read(path).newest.id.hex()]
    again = contact_keys.ready(kept, path, NOON)
    assert again.vault.head() == kept.vault.head()


def test_a_lost_or_foreign_file_is_said_and_never_replaced_by_a_new_one(kept: Database, path: Path) -> None:
    held = path.read_bytes()
    path.unlink()
    with pytest.raises(VaultError, match="restore the file from its backup"):
        contact_keys.ready(kept, path, NOON)
    assert not path.exists()
    contact_keys.store(path, vault.new_keys(NOON))
    with pytest.raises(VaultError, match="lacks the contact key"):
        contact_keys.ready(kept, path, NOON)
    path.write_bytes(held)
    contact_keys.ready(kept, path, NOON)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "fingerprint": "00", "keys": []}', "\x00"]
)
def test_a_damaged_file_is_said_to_be_damaged(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(VaultError, match="restore it from its backup"):
        contact_keys.read(path)


def test_a_file_that_others_can_read_is_refused(kept: Database, path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(VaultError, match="0644"):
        contact_keys.read(path)


def test_a_running_server_follows_a_rotation_and_the_old_key_may_go(house: House, path: Path) -> None:
    server = contact_keys.ready(house.db, path, NOON)
    first = refer(house, server)
    command = contact_keys.ready(replace(server), path, NOON)  # another process: its own copy of the keys
    assert contact_keys.rotate(command, path, NOON) == 1
    after = refer(house, server)
    with server.read() as tx:
        heads = {bytes(row.contact or b"")[:5] for row in tx.s.scalars(select(tables.ReferralRow))}
    assert len(heads) == 1, "the running server went on sealing with the old key"
    assert contact_keys.drop_old(command, path, NOON)
    assert len(contact_keys.read(path).sealing) == 1
    assert opened(server, first) == opened(server, after) == CONTACT
    assert contact_keys.ready(server, path, NOON)


def test_a_key_that_still_seals_something_is_not_dropped(house: House, path: Path) -> None:
    db = contact_keys.ready(house.db, path, NOON)
    ref = refer(house, db)
    with db.read() as tx:
        old = tx.s.scalars(select(tables.ReferralRow.contact)).one()
    contact_keys.rotate(db, path, NOON)
    with db.transaction() as tx:
        tx.s.execute(update(tables.ReferralRow).values(contact=old))
    with pytest.raises(VaultError, match="still seals 1"):
        contact_keys.drop_old(db, path, NOON)
    assert len(contact_keys.read(path).sealing) == 2
    assert opened(db, ref) == CONTACT


def test_uses_say_how_many_values_need_a_key(house: House, path: Path) -> None:
    db = contact_keys.ready(house.db, path, NOON)
    many(db, 7)
    assert [one.values for one in contact_keys.uses(db)] == [7]
    assert contact_keys.rotate(db, path, NOON) == 7
    assert [(one.values, one.newest) for one in contact_keys.uses(db)] == [(0, False), (7, True)]


def test_a_moved_value_stops_a_rotation_and_is_named(house: House, path: Path) -> None:
    db = contact_keys.ready(house.db, path, NOON)
    many(db, 2)
    with db.transaction() as tx:
        first = tx.s.get(tables.ReferralRow, "R-000000")
        second = tx.s.get(tables.ReferralRow, "R-000001")
        assert first is not None
        assert second is not None
        second.contact = first.contact
    with pytest.raises(VaultError, match="R-000001"):
        contact_keys.rotate(db, path, NOON)


KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import lending
from lending import contact_keys, sealed
from lending.config import from_environment
from lending.opening import open_database
import os
sealed.BATCH = 20
config = from_environment(os.environ)
db = open_database(config)
print("open", flush=True)
contact_keys.rotate(db, config.contact_keys_file, datetime.now(UTC), lambda done: print(done, flush=True))
"""


def test_a_rotation_that_is_killed_again_and_again_loses_nothing_and_ends(tmp_path: Path) -> None:
    environ = {**{k: v for k, v in os.environ.items() if not k.startswith("KITBANK_")}, "KITBANK_HOME": str(tmp_path)}
    environ.pop("DATABASE_URL", None)
    subprocess.run([sys.executable, "-m", "lending.cli", "init"], env=environ, check=True, capture_output=True)
    from lending.config import from_environment
    from lending.opening import open_database

    db = open_database(from_environment(environ))
    many(db, 400)
    path, killed = tmp_path / "contact.keys", 0
    for wait in range(4):
        with subprocess.Popen([sys.executable, "-c", KILLED], env=environ, stdout=subprocess.PIPE, text=True) as one:
            assert one.stdout is not None
            for _ in range(2 + wait):
                one.stdout.readline()
            time.sleep(0.003 * wait)
            killed += one.poll() is None
            one.send_signal(signal.SIGKILL)
    assert killed == 4, "the rotation was over before it could be killed"
    keys = contact_keys.read(path).sealing
    assert len(keys) == 2, "every attempt made a key of its own"
    with db.read() as tx:
        left = sealed.sealed_with(tx, keys[0].head)
    assert 0 < left < 400
    assert contact_keys.rotate(db, path, NOON) == left
    assert contact_keys.drop_old(db, path, NOON) == [keys[0].id.hex()]
    for number in range(400):
        assert opened(db, f"R-{number:06d}") == Contact(f"Name {number}", str(number), "L1 8JQ")
    db.close()


def test_what_an_older_version_kept_in_clear_is_sealed_and_nothing_lost(house: House) -> None:
    with house.db.transaction() as tx:
        for number in range(3):
            tx.s.add(tables.ReferralRow(**plain(f"R-OLD{number}", "Nadia Rahman", "07700 900123", "L1 8JQ")))
        tx.s.add(tables.ReferralRow(**plain("R-GONE", postcode="L1")))
    assert contacts.seal_plain(house.db) == 3
    assert contacts.seal_plain(house.db) == 0
    with house.db.read() as tx:
        rows = {row.ref: row for row in tx.s.scalars(select(tables.ReferralRow))}
        assert {(row.contact_name, row.contact_phone, row.postcode) for row in rows.values()} == {("", "", "L1")}
        assert contacts.opened(tx, "R-OLD1") == CONTACT
        assert rows["R-GONE"].contact is None
    if house.db.engine.dialect.name == "sqlite":
        file = Path(str(house.db.engine.url.database))
        for one in (file, file.with_name(file.name + "-wal")):
            data = one.read_bytes() if one.exists() else b""
            assert b"Nadia" not in data
            assert b"900123" not in data


def test_every_column_of_bytes_is_sealed_or_said_not_to_be() -> None:
    listed = {f"{one.table}.{one.name}" for one in sealed.COLUMNS}
    for table in schema.metadata().sorted_tables:
        for column in table.columns:
            if isinstance(column.type, LargeBinary):
                name = f"{table.name}.{column.name}"
                assert (name in listed) != (name in sealed.NOT_SEALED), f"{name}: add it to lending/sealed.py"


def test_every_purpose_that_is_sealed_for_is_known_to_a_rotation() -> None:
    modules = [importlib.import_module(f"lending.{found.name}") for found in pkgutil.iter_modules(lending.__path__)]
    purposes = {module.PURPOSE for module in modules if hasattr(module, "PURPOSE")}
    assert "referral" in purposes
    assert purposes - {one.purpose for one in sealed.COLUMNS} == set(), "a rotation could not open these"


def test_the_file_is_json_that_a_person_can_check(kept: Database, path: Path) -> None:
    data = json.loads(path.read_text())
    assert (data["version"], len(data["keys"]), len(data["keys"][0]["key"])) == (1, 1, 64)
