"""The second and the third role, seen from the office: what waits for another person, and decisions about wipes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select

from custody import rules
from custody.checks import KINDS, due
from custody.events import Event, identities
from custody.four_eyes import WIPERS, said_by, sign_ins
from custody.kinds import DESTINATIONS
from labels import codes
from lending import badges, history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.record import Reader, opened

LATE = timedelta(days=31)
"""How long after its day a wipe may reach the server and still be chosen together with the others of that day."""

DECISIONS = {
    "reuse": "Good enough: the medium is used again",
    "parts": "The medium goes to spare parts",
    "recycler": "The medium goes to the recycler",
    "refuse": "Not good enough: it must be wiped again",
}


@dataclass(frozen=True)
class Line:
    """One wipe that waits for somebody. `device` is a label code or ""; `so_far` what was done about it, or ""."""

    hash: str
    day: date
    medium: str
    device: str
    pretty: str
    by: str
    so_far: str


def listing(tx: Tx, now: datetime, days: int = 7) -> list[Line]:
    """Return the wipes of the last days that another person must look at with another tool, oldest day first."""
    row = tables.EventRow
    since = (now - timedelta(days=days - 1)).date()
    looked = or_(row.kind.not_in(("medium.wiped", "medium.checked")), row.received_at >= now - LATE)
    query = select(row.envelope).where(row.kind.in_(KINDS), row.refused.is_(None), looked).order_by(row.n)
    facts = rules.fold(opened(tx, tx.s.scalars(query).all()))
    roster = badges.newest(tx)
    found = due(facts, roster.seed if roster else "", tx.policy.check_share, since)
    return [_line(facts, one.wipe, one.day, one.so_far) for one in found]


def waiting(tx: Tx) -> list[Line]:
    """Return the wipes that only a supervisor's acceptance keeps from counting, where policy asks for it."""
    rows = tx.s.scalars(select(tables.DeviceRow).order_by(tables.DeviceRow.code)).all()
    reader, lines = Reader(tx), []
    for row in rows:
        if not any(one["code"] == "not-accepted" for one in row.reasons):
            continue
        facts = reader.facts_about(row.code)
        for medium in facts.media_of(row.code) or ():
            wipe = rules.wipe_that_counts(facts, row.code, medium, tx.policy.claim)
            if wipe is not None:
                lines.append(_line(facts, wipe, wipe.at.date(), "", row.code))
    return lines


def wipe(tx: Tx, event_hash: str) -> Line:
    """Return one wipe for the page that decides about it. Raises `Refused` `unknown-event`."""
    event = _wipe(tx, event_hash)
    facts = rules.fold([event, *Reader(tx).about(sign_ins([event]))])
    return _line(facts, event, event.at.date(), "")


def accept(tx: Tx, event_hash: str, decision: str, note: str, by: Actor, now: datetime) -> Event:
    """Record a supervisor's decision about a wipe (a key of `DECISIONS`): the third role.

    Raises `Refused`: `role`, `decision`, `unknown-event`, `self-check` (who wiped cannot accept).
    """
    need(by, "supervisor")
    event = _wipe(tx, event_hash)
    if decision not in DECISIONS:
        raise refused("decision", "choose what becomes of the medium", "decision")
    if decision == "reuse" and event.body["who"]["ref"] == by.ref:
        raise refused("self-check", "you wiped this medium yourself; another supervisor must accept it")
    if decision == "reuse" and event.body["outcome"] != "DONE":
        raise refused("decision", "this wipe was not shown to succeed, so nobody can accept it", "decision")
    body = {
        "wipe": event.hash, "medium": event.subject, "accepted": decision != "refuse",
        "destination": decision if decision in DESTINATIONS else "reuse", "note": note.strip(), "who": by.who(),
    }  # fmt: skip
    return history.append(tx, "medium.accepted", event.subject, body, now)


def _wipe(tx: Tx, event_hash: str) -> Event:
    row = tables.EventRow
    query = select(row.envelope).where(row.hash == event_hash, row.kind == "medium.wiped", row.refused.is_(None))
    found = tx.s.scalar(query)
    if found is None:
        raise refused("unknown-event", f"there is no wipe {event_hash[:20]!r} here", event_hash)
    return next(opened(tx, [found]))


def _line(facts: rules.Facts, event: Event, day: date, so_far: str, device: str = "") -> Line:
    medium = next(iter(identities([event.body["medium"]])), None)
    call = f"{medium.model} {medium.serial}".strip() if medium else ""
    code = device or str(event.body["device"] or "")
    pretty = codes.pretty(code) if code else ""
    return Line(event.hash, day, call or event.subject, code, pretty, said_by(facts, event, WIPERS), so_far)
