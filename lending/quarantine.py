"""What was kept and never believed: envelopes without a place in history. Looking only; `history` puts them there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lending import tables
from lending.db import Tx

WHY = {
    "fork": "Two different events with one number",
    "gap": "Came before the one it follows",
    "unknown-origin": "Signed by a machine that is not enrolled",
    "bad-event": "Altered, or not an event",
}
MOST = 100


@dataclass(frozen=True)
class Kept:
    """One envelope in quarantine. `origin_name` is empty when it is not known who sent it."""

    digest: str
    why: str
    words: str
    origin_name: str
    seq: int | None
    text: str
    received_at: datetime


def listing(tx: Tx) -> list[Kept]:
    """Return the newest `MOST` envelopes in quarantine, newest first."""
    row = tables.Quarantine
    query = select(row, tables.Origin.name).outerjoin(tables.Origin, tables.Origin.id == row.origin)
    found = tx.s.execute(query.order_by(row.received_at.desc(), row.digest).limit(MOST)).all()
    return [
        Kept(one.digest, one.why, WHY.get(one.why, one.why), name or "", one.seq, one.text, one.received_at)
        for one, name in found
    ]


def newest_checkpoint_at(tx: Tx) -> datetime | None:
    """Return when this server last signed the heads of all chains."""
    row = tables.EventRow
    query = select(row.received_at).where(row.kind == "checkpoint", row.origin == tx.server, row.refused.is_(None))
    return tx.s.scalar(query.order_by(row.n.desc()).limit(1))
