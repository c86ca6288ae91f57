"""What was reported returned at a kiosk and nobody has in hand yet. A report never closes a loan; staff do.

No report may vanish: whatever is doubtful about one, it is listed, with its doubts, until somebody has the device in
hand or sets the report aside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import aliased

from custody.errors import Refused
from custody.events import Event
from custody.rules import why_not_disputable
from labels.codes import pretty
from lending import history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.record import Reader, is_code, opened, reasons_in

REVOKED = "From a revoked kiosk"
OTHER_EXIT = "Names another exit, perhaps an older loan: look"

_IN_HAND = ("ready", "not-ready")


@dataclass(frozen=True)
class ReportedReturn:
    """A device that somebody says they brought back and that no member of staff has in hand yet.

    `device` is the label that stands now, whichever was scanned. `known` is False for a label that no device here
    has: take it, look at it, and `dismiss` the report. `doubts` say why a person must look before believing it.
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
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Report:
    n: int
    event: Event
    kiosk: str
    device: str
    row: tables.DeviceRow | None
    doubts: tuple[str, ...]

    @property
    def one_of(self) -> str:
        """Reports of one device are one line; what has no readable label is each time another thing."""
        return self.device if is_code(self.device) else self.event.hash


def awaiting_receipt(tx: Tx) -> list[ReportedReturn]:
    """Return what was reported returned and not received since, oldest first; unknown labels too.

    Several reports of one device are one line, with the newest of those that are least in doubt.
    """
    best: dict[str, _Report] = {}
    for report in _waiting(tx):
        held = best.get(report.one_of)
        if held is None or len(report.doubts) <= len(held.doubts):
            best[report.one_of] = report
    return [_line(report) for report in sorted(best.values(), key=lambda one: one.n)]


def dismiss(tx: Tx, event: str, reason: str, by: Actor, now: datetime) -> Event:
    """Say that a report is mistaken or settled (a foreign device, a wrong scan), by a `record.disputed`. Desk.

    Raises `Refused`: `role`, `unknown-event`, `not-disputable`, `reason`.
    """
    need(by, "desk", "supervisor")
    row = tx.s.scalar(
        select(tables.EventRow).where(tables.EventRow.hash == event, tables.EventRow.kind == "device.returned")
    )
    if row is None or not _may_be_believed(row.refused):
        raise refused("unknown-event", "there is no such report of a return", event)
    if not reason.strip():
        raise refused("reason", "say why the report is set aside (no names of people)")
    report = next(opened(tx, [row.envelope]))
    if wrong := why_not_disputable(report):
        raise Refused(wrong)
    body = {"event": event, "reason": reason.strip(), "who": by.who()}
    return history.append(tx, "record.disputed", report.subject, body, now)


def _reports() -> Select[int, bytes, list[object] | None, str, str | None, int | None]:
    """Select the undisputed reports that may wait: (n, envelope, refused, kiosk, state, n of the exit)."""
    report, left, row = tables.EventRow, aliased(tables.EventRow), tables.DeviceRow
    dispute = aliased(tables.EventRow)
    disputed = (
        select(tables.Mention.n)
        .join(dispute, dispute.n == tables.Mention.n)
        .where(
            tables.Mention.subject == "event:" + report.hash,
            dispute.kind == "record.disputed",
            dispute.refused.is_(None),
        )
    )
    return (
        select(report.n, report.envelope, report.refused, tables.Origin.name, row.state, left.n)
        .join(tables.Origin, tables.Origin.id == report.origin)
        .outerjoin(row, row.code == report.subject)
        .outerjoin(left, left.hash == row.exit)
        .where(
            report.kind == "device.returned",
            or_(
                row.code.is_(None),
                row.state.in_(("reported", "unknown", "merged")),
                and_(row.state.not_in(_IN_HAND), report.n > left.n),
            ),
            ~disputed.exists(),
        )
        .order_by(report.n)
    )


def _waiting(tx: Tx) -> Iterator[_Report]:
    """Read the reports that wait, oldest first: those after the device's last exit, and those that name it."""
    reader = Reader(tx)
    for n, envelope, stored, kiosk, state, left in tx.s.execute(_reports()).all():
        if not _may_be_believed(stored):
            continue
        event = next(opened(tx, [envelope]))
        device = event.subject
        if state == "merged":
            device = reader.facts_about(device).canonical(device)
        row = tx.s.get(tables.DeviceRow, device) if is_code(device) else None
        if row is None or row.state == "unknown":
            yield _Report(n, event, kiosk, device, None, _doubts(event, stored, None))
        elif row.state not in _IN_HAND and (event.body["exit"] == row.exit or n > (left or 0)):
            yield _Report(n, event, kiosk, device, row, _doubts(event, stored, row.exit))


def _may_be_believed(stored: list[object] | None) -> bool:
    """Tell whether a report is accepted, or refused for nothing but its kiosk's revocation."""
    return {reason.code for reason in reasons_in(stored)} <= {"revoked"}


def _doubts(event: Event, stored: list[object] | None, left: str | None) -> tuple[str, ...]:
    named = event.body["exit"]
    found = [REVOKED] if stored else []
    return (*found, OTHER_EXIT) if left is not None and named not in (None, left) else tuple(found)


def _line(report: _Report) -> ReportedReturn:
    event, row = report.event, report.row
    return ReportedReturn(
        device=report.device,
        pretty=pretty(report.device) if is_code(report.device) else report.device,
        known=row is not None,
        loan=row.loan if row is not None else event.body["loan"],
        kiosk=report.kiosk,
        at=event.at,
        items=event.body["items"],
        condition=event.body["condition"],
        call_staff=event.body["call_staff"],
        event=event.hash,
        doubts=report.doubts,
    )
