"""Founding an installation: its world, its key, its first event. Done once; the world can never be changed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from custody.chain import root_statement, server_writer
from custody.events import PrivateKey, Role, World, origin_id
from custody.rules import Policy
from lending import history, migrations, tables
from lending.db import Database, Tx, opened
from lending.errors import LendingError, NotReady


@dataclass(frozen=True)
class Founded:
    """A new installation: the database, and the fingerprint that people compare when they enrol a machine."""

    db: Database
    fingerprint: str


def found(
    engine: Engine,
    *,
    world: World,
    name: str,
    key: PrivateKey,
    now: datetime,
    root: PrivateKey | None = None,
    policy: Policy | None = None,
) -> Founded:
    """Make the schema, fix the world and write the server's own `origin.enrolled` as the first event.

    `root` is the organisation's offline key; it signs the server's key and is not kept.
    Raises `LendingError` when the database belongs to an installation already.
    """
    migrations.upgrade(engine)
    server = origin_id(Role.SERVER, key.public)
    with Session(engine.execution_options(kitbank_write=True), expire_on_commit=False) as s, s.begin():
        held = s.scalars(select(tables.Installation)).one_or_none()
        if held is not None:
            raise LendingError(f"this database is a {held.world} installation already ({held.server}); it stays so")
        s.add(tables.Installation(id=1, world=str(world), server=server, created_at=now))
        tx = Tx(s, world, server, key, policy or Policy())
        history.put_writer(tx, server_writer(server, key.public, name), now)
        body: dict[str, object] = {
            "origin": server, "role": "server", "name": name, "key": key.public.hex, "transport_key": None,
            "world": str(world),
        }  # fmt: skip
        if root is not None:
            signature = root.sign(root_statement(world, key.public))
            body["root"] = {"key": root.public.hex, "signature": signature.hex()}
        history.append(tx, "origin.enrolled", server, body, now)
    return Founded(Database(engine, world, server, key, policy or Policy()), key.public.fingerprint)


def reopen(engine: Engine, key: PrivateKey | None, world: World | None, policy: Policy | None = None) -> Database:
    """Open an installation for work.

    Raises `NotReady` when it was never founded or its schema is older, `LendingError` when it is of the other
    world than configured or belongs to another key.
    """
    db = opened(engine, key, policy)
    at, wanted = migrations.current(engine), migrations.newest()
    if at != wanted:
        raise NotReady(f"the database is at revision {at}, this program needs {wanted}; run `kitbank-lending migrate`")
    if world is not None and world is not db.world:
        raise LendingError(f"KITBANK_WORLD says {world}, but this database is a {db.world} installation")
    if key is not None and origin_id(Role.SERVER, key.public) != db.server:
        raise LendingError(f"the key file is not the key of {db.server}; restore the right one")
    return db
