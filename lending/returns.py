"""What was reported returned at a kiosk and nobody has in hand yet. A report never closes a loan; staff do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select

from custody.errors import Refused
from custody.events import Event
from custody.rules import why_not_disputable
from labels.codes import pretty
from lending import history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.record import is_code, opened


@dataclass(frozen=True)
class ReportedReturn:
    """A device that somebody says they brought back and that no member of staff has in hand yet.

    `known` is False for a label that no device here has: take it, look at it, and `dismiss` the report.
    """

    device: str
    pretty: str
    known: bool
    loan: str | None
    kiosk: str
    at: datetime
    items: Mapping[str, int]
    condition: str
    call_staff: bool
    event: str


def awaiting_receipt(tx: Tx) -> list[ReportedReturn]:
    """Return what was reported returned and not received since, oldest first; unknown labels too.

    Several reports of one device are one line, with the newest report.
    """
    disputed = (
        select(tables.Mention.n)
        .join(tables.EventRow, tables.EventRow.n == tables.Mention.n)
        .where(
            tables.Mention.subject == "event:" + _event.c.hash,
            tables.EventRow.kind == "record.disputed",
            tables.EventRow.refused.is_(None),
        )
    )
    newest = (
        select(func.max(_event.c.n))
        .outerjoin(tables.DeviceRow, tables.DeviceRow.code == _event.c.subject)
        .where(
            _event.c.kind == "device.returned",
            _event.c.refused.is_(None),
            or_(tables.DeviceRow.code.is_(None), tables.DeviceRow.state.in_(("reported", "unknown"))),
            ~disputed.exists(),
        )
        .group_by(_event.c.subject)
    )
    query = (
        select(tables.EventRow.envelope, tables.Origin.name)
        .join(tables.Origin, tables.Origin.id == tables.EventRow.origin)
        .where(tables.EventRow.n.in_(newest))
        .order_by(tables.EventRow.n)
    )
    rows = tx.s.execute(query).all()
    events = opened(tx, [row.envelope for row in rows])
    return [_line(tx, event, row.name) for event, row in zip(events, rows, strict=True)]


def dismiss(tx: Tx, event: str, reason: str, by: Actor, now: datetime) -> Event:
    """Say that a report is mistaken or settled (a foreign device, a wrong scan), by a `record.disputed`. Desk.

    Raises `Refused`: `role`, `unknown-event`, `not-disputable`, `reason`.
    """
    need(by, "desk", "supervisor")
    envelope = tx.s.scalar(
        select(tables.EventRow.envelope).where(
            tables.EventRow.hash == event, tables.EventRow.kind == "device.returned", tables.EventRow.refused.is_(None)
        )
    )
    if envelope is None:
        raise refused("unknown-event", "there is no such report of a return", event)
    if not reason.strip():
        raise refused("reason", "say why the report is set aside (no names of people)")
    report = next(opened(tx, [envelope]))
    if wrong := why_not_disputable(report):
        raise Refused(wrong)
    body = {"event": event, "reason": reason.strip(), "who": by.who()}
    return history.append(tx, "record.disputed", report.subject, body, now)


_event = tables.EventRow.__table__.alias("report")


def _line(tx: Tx, event: Event, kiosk: str) -> ReportedReturn:
    row = tx.s.get(tables.DeviceRow, event.subject) if is_code(event.subject) else None
    known = row is not None and row.state != "unknown"
    return ReportedReturn(
        device=event.subject,
        pretty=pretty(event.subject) if is_code(event.subject) else event.subject,
        known=known,
        loan=row.loan if row is not None and known else event.body["loan"],
        kiosk=kiosk,
        at=event.at,
        items=event.body["items"],
        condition=event.body["condition"],
        call_staff=event.body["call_staff"],
        event=event.hash,
    )
