"""Opening an installation for work: its key, its schema, its contact keys, and nothing of a household in clear."""

from collections.abc import Callable
from datetime import UTC, datetime

from custody.keyfile import read_key
from lending import contact_keys, contacts, installation
from lending.config import Config
from lending.db import Database, connect
from lending.errors import NotReady


def utc_now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


def open_database(config: Config, now: Callable[[], datetime] = utc_now) -> Database:
    """Open the installation with its keys; seal what an older version left in clear.

    Raises `NotReady` when it was never founded or its schema is older, `KeyFileError` or `VaultError` when a key
    file is missing or unusable, `LendingError` when the database is another one than configured.
    """
    if not config.key_file.exists():
        raise NotReady(f"{config.key_file} is missing; run `kitbank-lending init` first")
    key = read_key(config.key_file).key
    db = installation.reopen(connect(config.database_url), key, config.world, config.policy)
    db = contact_keys.ready(db, config.contact_keys_file, now())
    contacts.seal_plain(db)
    return db
