"""The file of contact keys: made at first start, 0600, outside the database; added to, rotated, and thinned out.

The file is JSON: `{"version": 1, "fingerprint": hex, "keys": [{"made_at": …, "key": hex}, …]}`, oldest first. It is
replaced as a whole (new file, fsync, rename), never edited in place. A running server reads it again when it changed,
so that a rotation needs no restart. Without this file the contact data is lost for good: keep a copy of it, but never
beside a copy of the database.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from custody.disk import store_file
from custody.errors import CustodyError
from custody.keyfile import read_private
from lending import sealed
from lending.db import Database
from lending.privacy_tables import ContactKeyRow
from lending.vault import KEY_BYTES, ContactKey, Keys, Vault, VaultError, new_keys

MOST_BYTES = 1 << 16
"""More than 400 keys; one a year is plenty."""


class KeyFile:
    """The keys as the file has them now. Calling it reads the file again only when it was replaced."""

    def __init__(self, path: Path) -> None:
        """Take where the file is; it is read at the first call."""
        self.path = path
        self._held: tuple[tuple[int, int, int], Keys] | None = None

    def __call__(self) -> Keys:
        """Return the keys. Raises `VaultError` when the file is missing, open to others, or damaged."""
        try:
            about = os.stat(self.path)
        except OSError as error:
            raise _missing(self.path, str(error.strerror)) from error
        mark, held = (about.st_mtime_ns, about.st_ino, about.st_size), self._held
        if held is None or held[0] != mark:
            held = (mark, read(self.path))
            self._held = held
        return held[1]


def read(path: Path) -> Keys:
    """Read a file of contact keys. Raises `VaultError` with what to do."""
    try:
        raw = read_private(path, MOST_BYTES)
    except CustodyError as error:
        raise VaultError(f"the contact keys cannot be used: {error}") from error
    try:
        data: Any = json.loads(raw)
        if data["version"] != 1:
            raise ValueError(f"version {data['version']!r}")
        keys = tuple(
            ContactKey(_secret(one["key"]), datetime.fromisoformat(one["made_at"])) for one in data["keys"]
        )  # fmt: skip
        if not keys:
            raise ValueError("no key in it")
        return Keys(keys, _secret(data["fingerprint"]))
    except (ValueError, KeyError, TypeError) as error:
        raise VaultError(f"{path} is no file of contact keys ({error}); restore it from its backup") from error


def store(path: Path, keys: Keys, *, new: bool = False) -> None:
    """Write the whole file, durably, for its owner alone. `new`: never over an existing one (`FileExistsError`)."""
    data = {
        "version": 1,
        "fingerprint": keys.fingerprint.hex(),
        "keys": [{"made_at": one.made_at.isoformat(), "key": one.secret.hex()} for one in keys.sealing],
    }
    store_file(path, (json.dumps(data, indent=1) + "\n").encode(), mode=0o600, replace=not new)


def ready(db: Database, path: Path, now: datetime) -> Database:
    """Return the installation with its vault: keys made at the first start, known to the database by name.

    Raises `VaultError` when the database knows a key that the file has not: another file, or an older copy.
    """
    with db.read() as tx:
        known = {row.id for row in tx.s.scalars(select(ContactKeyRow)) if row.dropped_at is None}
    if not path.exists():
        if known:
            raise _missing(path, "there is no such file")
        try:
            store(path, new_keys(now), new=True)
        except FileExistsError:
            pass  # another process of the first start was quicker: its keys are ours too
        except OSError as error:
            raise VaultError(f"{path} cannot be written for the contact keys ({error.strerror})") from error
    keys = KeyFile(path)
    held = {one.id.hex(): one for one in keys().sealing}
    if known - set(held):
        raise VaultError(
            f"{path} lacks the contact key {', '.join(sorted(known - set(held)))}, which this database uses; "
            "restore the file from its backup"
        )
    made = replace(db, vault=Vault(keys))
    if set(held) - known:
        _register(made, held)
    return made


def _register(db: Database, held: dict[str, ContactKey]) -> None:
    with db.transaction() as tx:
        for name, key in held.items():
            row = tx.s.get(ContactKeyRow, name)
            if row is None:
                tx.s.add(ContactKeyRow(id=name, made_at=key.made_at, dropped_at=None))
            else:
                row.dropped_at = None  # an old file was restored, and with it a key that had been dropped


@dataclass(frozen=True)
class KeyUse:
    """One key by name, when it was made, whether it seals now, and how many values it sealed."""

    id: str
    made_at: datetime
    newest: bool
    values: int


def uses(db: Database) -> list[KeyUse]:
    """Return every key of the file and what it is still needed for, oldest first."""
    keys = db.vault.keys()
    with db.read() as tx:
        return [
            KeyUse(one.id.hex(), one.made_at, one == keys.newest, sealed.sealed_with(tx, one.head))
            for one in keys.sealing
        ]


def rotate(db: Database, path: Path, now: datetime, progress: Callable[[int], None] = lambda _: None) -> int:
    """Make a new key and seal everything anew with it; return how many values were. The old key stays in the file.

    Killed half-way, run it again: it goes on with the key it made and makes another only when all is done.
    Raises `VaultError` as `sealed.reseal` does.
    """
    keys = read(path)
    with db.read() as tx:
        rest = sum(sealed.sealed_with(tx, one.head) for one in keys.sealing[:-1])
    if not rest:
        keys = replace(keys, sealing=(*keys.sealing, ContactKey(os.urandom(KEY_BYTES), now)))
        store(path, keys)
        _register(db, {one.id.hex(): one for one in keys.sealing})
    return sealed.reseal(db, progress)


def drop_old(db: Database, path: Path, now: datetime) -> list[str]:
    """Take every key but the newest out of the file and return their names.

    Under the write lock, so that nothing is sealed meanwhile with a key that goes. Backups that are older than the
    rotation can then no longer be opened: that is the point, and the reason why nobody does it for you.
    Raises `VaultError` when a value still needs one of them; then nothing has changed.
    """
    with db.transaction() as tx:
        keys = read(path)
        old = keys.sealing[:-1]
        for one in old:
            count = sealed.sealed_with(tx, one.head)
            if count:
                raise VaultError(
                    f"key {one.id.hex()} still seals {count} values; run `kitbank-lending contact-keys rotate` first"
                )
        for one in old:
            row = tx.s.get(ContactKeyRow, one.id.hex())
            if row is not None:
                row.dropped_at = now
        tx.s.flush()
    store(path, replace(keys, sealing=keys.sealing[-1:]))
    return [one.id.hex() for one in old]


def _secret(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != KEY_BYTES:
        raise ValueError(f"a key of {len(raw)} bytes instead of {KEY_BYTES}")
    return raw


def _missing(path: Path, why: str) -> VaultError:
    return VaultError(
        f"the contact keys {path} cannot be read ({why}), and this database has contact data that only they open; "
        "restore the file from its backup"
    )
