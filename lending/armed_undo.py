"""Undoing a scan within its ten seconds, where there is an honest way. docs/decisions/undo.md says why so.

- *Received*: both statements stay in history and are disputed there: the device is with its household again, its loan
  is open again. Not when anything else was said about the device since.
- *Prepared*: the reservation is given up.
- *Handed over* is not undone: an exit is never taken back. If the device is still here, it is received.
"""

from datetime import datetime

from sqlalchemy import select

from labels.codes import pretty
from lending import history, loans, steps, tables
from lending.armed import GRACE, UNDO, UNDOABLE
from lending.armed_tables import ArmedRow, ArmedScan
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor

REASON = "scanned by mistake; undone within seconds at the desk"


def undo(tx: Tx, ref: str, number: int, by: Actor, now: datetime) -> str:
    """Undo one scan of one's own desk; return what is so now, as a sentence.

    Raises `Refused`: `not-armed`, `unknown-scan`, `undone`, `too-late`, `no-undo` (it never could be), `worked-on`.
    """
    row, scan = tx.s.get(ArmedRow, ref), tx.s.get(ArmedScan, number)
    if row is None or row.account_id != by.account_id:
        raise refused("not-armed", "this desk is not armed by you", ref)
    if scan is None or scan.armed != ref or not scan.code:
        raise refused("unknown-scan", "there is no such scan at this desk", str(number))
    if scan.undone_at is not None:
        raise refused("undone", f"the scan of {pretty(scan.code)} was undone already", scan.code)
    if scan.mode not in UNDOABLE or scan.verdict != "yes":
        raise refused("no-undo", "a hand-over is not taken back; if the device is still here, receive it", scan.code)
    if now - scan.at > UNDO + GRACE:
        raise refused("too-late", "the ten seconds are over; tell a supervisor what happened", scan.code)
    said = _unreceive(tx, scan, by, now) if scan.mode == "RECEIVE" else _unprepare(tx, scan, by, now)
    scan.undone_at = row.last_at = now
    tx.s.flush()
    return said


def _unprepare(tx: Tx, scan: ArmedScan, by: Actor, now: datetime) -> str:
    loans.release(tx, str(scan.loan), scan.code, by, now)
    return f"{pretty(scan.code)} is free again."


def _unreceive(tx: Tx, scan: ArmedScan, by: Actor, now: datetime) -> str:
    if _said_since(tx, scan):
        text = f"somebody has worked on {pretty(scan.code)} since; it is here, so leave it"
        raise refused("worked-on", text, scan.code)
    for name, subject in ((scan.closing, None), (scan.event, scan.code)):
        if name is not None:
            event = tx.s.execute(select(tables.EventRow.subject).where(tables.EventRow.hash == name)).scalar_one()
            body = {"event": name, "reason": REASON, "who": by.who()}
            history.append(tx, "record.disputed", subject or event, body, now)
    item = _item(tx, scan)
    if item is None:
        return f"{pretty(scan.code)} is not received."
    item.state, item.closed_at, item.closed_how = "out", None, None
    loan = tx.s.get_one(tables.LoanRow, item.loan)
    loan.state, loan.closed_at = "out", None
    steps.note(tx, item.loan, "back", f"{pretty(scan.code)} was received by a mistaken scan: undone", by, now)
    return f"{pretty(scan.code)} is not received. Loan {item.loan} is open again."


def _said_since(tx: Tx, scan: ArmedScan) -> bool:
    """Tell whether history says more about the device than this scan did."""
    row = tables.EventRow
    n = select(row.n).where(row.hash == scan.event).scalar_subquery()
    query = select(row.n).join(tables.Mention, tables.Mention.n == row.n)
    later = query.where(tables.Mention.subject == scan.code, row.n > n, row.refused.is_(None))
    return tx.s.scalar(later.where(row.hash != (scan.closing or "")).limit(1)) is not None


def _item(tx: Tx, scan: ArmedScan) -> tables.LoanItem | None:
    """Return the item that this scan closed, by the exit that the receipt answered."""
    if scan.closing is None:
        return None
    item = tables.LoanItem
    query = select(item).where(item.device == scan.code, item.state == "returned", item.closed_at == scan.at)
    return tx.s.scalar(query.order_by(item.id.desc()).limit(1))
