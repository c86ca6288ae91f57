"""Who a household is and how it is reached: sealed in the referral's row, opened only for those who need it.

Name, telephone number and full postcode are sealed together: a full postcode is about fifteen households, and with
the ages of the children it is one. The part before the space stays readable, for lists and statistics.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import Engine, or_, select

from lending import tables
from lending.db import Database, Tx
from lending.errors import refused

BATCH = 500
PURPOSE = "referral"
"""What `tx.vault` seals a referral's contact for; the row is the referral's reference."""


@dataclass(frozen=True)
class Contact:
    """One household's contact. Texts may be empty: where contact goes through the partner, and after erasure."""

    name: str = ""
    phone: str = ""
    postcode: str = ""


def seal(tx: Tx, ref: str, contact: Contact) -> bytes:
    """Return the contact sealed for the row of referral `ref`. Raises `VaultError` without the contact keys."""
    return tx.vault.seal(PURPOSE, ref, asdict(contact))


def opened(tx: Tx, ref: str) -> Contact:
    """Return the contact of a referral, for sending and delivering; a person looks through `access_log.reveal`.

    Raises `Refused` `unknown-referral`, and `VaultError` when it cannot be opened.
    """
    row = tx.s.get(tables.ReferralRow, ref)
    if row is None:
        raise refused("unknown-referral", f"there is no referral {ref[:20]!r}", ref)
    if row.contact is None:
        return Contact(row.contact_name, row.contact_phone, row.postcode)
    found = tx.vault.open_(PURPOSE, ref, row.contact)
    return Contact(found.get("name", ""), found.get("phone", ""), found.get("postcode", ""))


def area(postcode: str) -> str:
    """Return the part of a postcode before the space: `L1` of `L1 8JQ`; what has no space, unchanged."""
    return postcode.split(" ", 1)[0]


def seal_plain(db: Database) -> int:
    """Seal the contact data that an older version kept in clear, and return how many rows it was.

    Run at every start, since a migration has no key. In batches; killed, it goes on where it was: a row is sealed
    and emptied in one transaction. At the end the database file is written anew, so that no old page keeps a name.
    """
    done = 0
    while True:
        with db.transaction() as tx:
            batch = _seal_batch(tx)
        if not batch:
            break
        done += batch
    if done:
        forget_old_pages(db.engine)
    return done


def _seal_batch(tx: Tx) -> int:
    row = tables.ReferralRow
    plain = or_(row.contact_name != "", row.contact_phone != "", row.postcode.contains(" "))
    rows = tx.s.scalars(select(row).where(row.contact.is_(None), plain).limit(BATCH)).all()
    for one in rows:
        one.contact = seal(tx, one.ref, Contact(one.contact_name, one.contact_phone, one.postcode))
        one.contact_name = one.contact_phone = ""
        one.postcode = area(one.postcode)
    tx.s.flush()
    return len(rows)


def forget_old_pages(engine: Engine) -> None:
    """Write the database anew without what was deleted from it, its write-ahead log included."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM FULL referral")
            return
    _bare(engine, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")


def forget_log(engine: Engine) -> None:
    """Empty SQLite's write-ahead log, which holds erased values until it is overwritten. Elsewhere nothing to do.

    In the database file itself erased values are overwritten with zeros (`secure_delete`).
    """
    if engine.dialect.name == "sqlite":
        _bare(engine, "PRAGMA wal_checkpoint(TRUNCATE)")


def _bare(engine: Engine, *statements: str) -> None:
    raw = engine.raw_connection()  # these cannot run inside the transaction that our engine begins by itself
    try:
        for statement in statements:
            raw.cursor().execute(statement)
    finally:
        raw.close()
