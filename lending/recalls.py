"""Recalls: one action lists every device and household, stops the next loan of each at once, and is worked to its end.

- `start` lists and holds in one transaction; from its commit on no hand-over of these devices is possible
  (`lending.holds` is asked by the hand-over itself, also about devices that come to fall under the recall later);
- a hold ends only per device: by a supervisor with a reason, or by a new wipe where a wipe was in doubt;
- a recall is closed only when every line is finished, and a line is finished only when nothing is left to do for it;
- households that had a device on a doubtful wipe make a breach: it is in the register from the start, and a recall is
  not closed before somebody has decided about it;
- a household is a loan: who that is stands in the referral, sealed, and is looked at there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from custody.errors import Reason, Refused
from custody.rules import why_not_disputable
from labels.codes import pretty
from lending import breaches, history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.privacy_tables import BreachRow
from lending.recall_find import candidates, checked, current_loans, list_devices, look_closely
from lending.recall_scope import Scope, scope_in
from lending.recall_tables import RecallLine, RecallRow
from lending.record import opened, storable

AT_ONCE = 200
"""Lines that are looked at closely in the transaction that begins a recall: some seconds. The rest follows."""

HOW: Mapping[str, str] = {
    "untouched": "Not touched after all",
    "rewiped": "Wiped again",
    "released": "Released by a supervisor",
    "out-of-stock": "No longer ours",
    "told": "Household told",
}


@dataclass(frozen=True)
class Preview:
    """What a recall would touch now."""

    scope: Scope
    words: str
    devices: int
    out: int


@dataclass(frozen=True)
class Progress:
    """How far a recall is. `total` counts lines; a line not looked at closely counts as open.

    `households` are those concerned, now or earlier; who has a device that was found untouched is not among them.
    """

    total: int
    finished: int
    households: int
    told: int
    out: int
    unrefined: int

    @property
    def per_cent(self) -> int:
        """Return the finished share in whole per cent; 100 only when nothing is open."""
        return self.finished * 100 // self.total if self.total else 100


@dataclass(frozen=True)
class Recall:
    """One recall with its progress."""

    ref: str
    kind: str
    words: str
    reason: str
    started_at: datetime
    closed_at: datetime | None
    progress: Progress


def preview(tx: Tx, scope: Scope, by: Actor) -> Preview:
    """Return what a recall would touch, without beginning it. Supervisor. Raises `Refused`: `role`, a field."""
    need(by, "supervisor")
    scope = checked(tx, scope)
    found = candidates(tx, scope)
    return Preview(scope, scope.words(_names(tx)), len(found), len(current_loans(tx, found)))


def start(tx: Tx, scope: Scope, reason: str, by: Actor, now: datetime) -> str:
    """Begin a recall: hold, list, and look closely at the first lines. Supervisor. Returns its reference.

    A wipe in doubt is disputed in history as well. Raises `Refused`: `role`, `reason`, or the field that is wrong.
    """
    need(by, "supervisor")
    scope = checked(tx, scope)
    if not reason.strip():
        raise refused("reason", "say why it is called back (no names of people)", "reason")
    through = tx.s.scalar(select(func.max(tables.EventRow.n))) or 0
    row = RecallRow(
        ref=random_ref("R"), kind=scope.kind, scope=scope.to_json(), reason=storable(reason.strip(), 500),
        through=through, started_at=now, started_by=by.account_id, closed_at=None, closed_by=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    list_devices(tx, row, candidates(tx, scope))
    look_closely(tx, row, AT_ONCE, now)  # before the dispute: who was exposed is read from what stood until now
    if scope.kind == "wipe":
        _dispute(tx, scope.wipe, row, by, now)
    breach_of(tx, row, by, now)
    return row.ref


def breach_of(tx: Tx, row: RecallRow, by: Actor, now: datetime) -> str:
    """Put the breach of a recall into the register, once, and return its reference; "" where nobody was exposed.

    A dangerous model is no breach of data. The number of households is that of the moment of recording.
    """
    households = progress(tx, row.ref).households
    if row.kind == "model" or not households:
        return ""
    what = f"Recall {row.ref}: devices were lent on wipes that are in doubt. Households concerned: {households}."
    return breaches.record(tx, what, row.started_at, by, now, people=households, source=f"recall:{row.ref}")


def look_again(tx: Tx, recall: str, by: Actor, now: datetime) -> Progress:
    """List devices that fell under the recall since, and look closely at the next lines. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-recall`, `closed`.
    """
    need(by, "desk", "supervisor")
    row = _open(tx, recall)
    list_devices(tx, row, candidates(tx, scope_in(row.scope)))
    look_closely(tx, row, AT_ONCE, now)
    breach_of(tx, row, by, now)
    return progress(tx, recall)


def close(tx: Tx, recall: str, by: Actor, now: datetime) -> None:
    """Close a recall. Supervisor.

    Raises `Refused`: `role`, `unknown-recall`, `closed`, `open-lines`, `breach-open`.
    """
    need(by, "supervisor")
    row = _open(tx, recall)
    list_devices(tx, row, candidates(tx, scope_in(row.scope)))  # nobody closes over a device that came in meanwhile
    query = select(RecallLine).where(RecallLine.recall == recall, RecallLine.finished_at.is_(None))
    left = tx.s.scalars(query.order_by(RecallLine.id).limit(20)).all()
    if left:
        many = progress(tx, recall)
        first = [Reason("open-lines", f"{many.total - many.finished} of {many.total} lines are open", recall)]
        raise Refused([*first, *(Reason("open-line", f"{pretty(one.device)} is not finished", one.device)
                                 for one in left)])  # fmt: skip
    ref = breach_of(tx, row, by, now)
    if ref and tx.s.scalar(select(BreachRow.decision).where(BreachRow.ref == ref)) == "open":
        raise refused("breach-open", f"decide about {ref} in the register of breaches first", ref)
    row.closed_at, row.closed_by = now, by.account_id
    tx.s.flush()


def progress(tx: Tx, recall: str) -> Progress:
    """Return how far a recall is."""
    line = RecallLine
    total, finished, households, told, unrefined = tx.s.execute(
        select(
            func.count(),
            func.count(line.finished_at),
            func.count().filter(line.loan != "", line.how != "untouched"),
            func.count().filter(line.loan != "", line.finished_at.is_not(None), line.how != "untouched"),
            func.count().filter(line.refined.is_(False)),
        ).where(line.recall == recall)
    ).one()
    item = tables.LoanItem
    out = select(func.count(func.distinct(line.device))).join(item, item.device == line.device)
    out = out.where(line.recall == recall, item.state == "out", line.finished_at.is_(None))
    return Progress(total, finished, households, told, tx.s.scalar(out) or 0, unrefined)


def get(tx: Tx, recall: str, by: Actor) -> Recall:
    """Return one recall. Desk, supervisor, auditor, data protection. Raises `Refused`: `role`, `unknown-recall`."""
    need(by, "desk", "supervisor", "auditor", "data-protection")
    row = tx.s.get(RecallRow, recall)
    if row is None:
        raise refused("unknown-recall", f"there is no recall {recall[:20]!r}", recall)
    return _recall(tx, row, _names(tx))


def listing(tx: Tx, by: Actor) -> list[Recall]:
    """Return every recall, open ones first, newest first. Raises `Refused` `role`."""
    need(by, "desk", "supervisor", "auditor", "data-protection")
    rows = tx.s.scalars(select(RecallRow).order_by(RecallRow.closed_at.is_not(None), RecallRow.started_at.desc()))
    names = _names(tx)
    return [_recall(tx, row, names) for row in rows.all()]


def _recall(tx: Tx, row: RecallRow, names: Mapping[str, str]) -> Recall:
    words = scope_in(row.scope).words(names)
    return Recall(row.ref, row.kind, words, row.reason, row.started_at, row.closed_at, progress(tx, row.ref))


def _open(tx: Tx, recall: str) -> RecallRow:
    row = tx.s.get(RecallRow, recall)
    if row is None:
        raise refused("unknown-recall", f"there is no recall {recall[:20]!r}", recall)
    if row.closed_at is not None:
        raise refused("closed", f"recall {recall} is closed", recall)
    return row


def _names(tx: Tx) -> dict[str, str]:
    return {one.id: one.name for one in tx.s.execute(select(tables.Origin.id, tables.Origin.name))}


def _dispute(tx: Tx, wipe: str, row: RecallRow, by: Actor, now: datetime) -> None:
    """Say in history, too, that a wipe is mistaken, unless that is said already or it never succeeded."""
    envelope = history.envelope_of(tx, wipe)
    event = next(opened(tx, [envelope]))
    subject = tables.Mention.subject == f"event:{wipe}"
    again = select(tables.EventRow.n).join(tables.Mention, tables.Mention.n == tables.EventRow.n)
    disputed = again.where(subject, tables.EventRow.kind == "record.disputed", tables.EventRow.refused.is_(None))
    if why_not_disputable(event) or tx.s.scalar(disputed.limit(1)) is not None:
        return
    body = {"event": wipe, "reason": f"recall {row.ref}", "who": by.who()}
    history.append(tx, "record.disputed", event.subject, body, now)
