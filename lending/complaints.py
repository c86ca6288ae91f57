"""Complaints about personal data: taken from anybody by any road, acknowledged within 30 days, answered, counted.

The law: Data Protection Act 2018 section 164A, put in by the Data (Use and Access) Act 2025, in force since
19 June 2026: acknowledge within 30 days, take steps and tell the outcome without undue delay. The section counts
from the day of receipt, the Information Commissioner's guidance from the day after; the earlier day is shown here,
which meets both. Who complains, how to answer and every word are sealed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from custody.errors import Reason, Refused
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.privacy_tables import ComplaintRow

PURPOSE = "complaint"
LEAD = ("data-protection",)
ACKNOWLEDGE_DAYS = 30
LONGEST = 5000

HOW: Mapping[str, str] = {
    "page": "On our website", "phone": "By telephone", "letter": "By letter", "desk": "In person",
    "partner": "Through a partner", "email": "By e-mail",
}  # fmt: skip
STATES: Mapping[str, str] = {"received": "To acknowledge", "acknowledged": "To answer", "closed": "Answered"}
OUTCOMES: Mapping[str, str] = {
    "upheld": "They were right: we put it right", "partly": "They were right in part",
    "not-upheld": "We did nothing wrong, and said why", "withdrawn": "They took it back",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """What a complaint says, and what we did: everything that is sealed. `reply_to` may be a postal address."""

    name: str = ""
    reply_to: str = ""
    text: str = ""
    done: str = ""


@dataclass(frozen=True)
class Complaint:
    """One complaint. `acknowledge_by` is the last day for the acknowledgement; `words` is None after erasure."""

    ref: str
    received_at: datetime
    how: str
    state: str
    acknowledged_at: datetime | None
    outcome: str
    closed_at: datetime | None
    words: Words | None

    @property
    def acknowledge_by(self) -> date:
        """Return the last day on which it may be acknowledged: the day of receipt is the first of the thirty."""
        return (self.received_at + timedelta(days=ACKNOWLEDGE_DAYS - 1)).date()

    def overdue(self, now: datetime) -> bool:
        """Tell whether it is past its day and still not acknowledged."""
        return self.state == "received" and now.date() > self.acknowledge_by

    def days_left(self, now: datetime) -> int:
        """Return how many days are left, today included; below 1 when it is overdue."""
        return (self.acknowledge_by - now.date()).days + 1


def what_is_wrong(words: Words) -> list[Reason]:
    """Return a reason for every answer that cannot stand; its `subject` is the field. A name is never demanded."""
    reasons = []
    if len(words.text.strip()) < 10:
        reasons.append(Reason("form", "Tell us what went wrong, in a few words or more", "text"))
    if len(words.text) > LONGEST:
        reasons.append(Reason("form", f"This is {len(words.text)} characters long; {LONGEST} can be stored", "text"))
    if not 3 <= len(words.reply_to.strip()) <= 300:
        reasons.append(Reason("form", "Tell us how to answer: an e-mail, a number, an address or your partner",
                              "reply_to"))  # fmt: skip
    if len(words.name) > 100:
        reasons.append(Reason("form", "Enter a shorter name, or none", "name"))
    return reasons


def receive(tx: Tx, words: Words, how: str, now: datetime, received_at: datetime | None = None) -> str:
    """Store a complaint and return its reference (`C-XXXXXX`). Anybody may complain; staff may for somebody.

    `received_at` is when it reached us, where that was earlier than now. Raises `Refused` `form` per field.
    """
    reasons = what_is_wrong(words)
    at = received_at or now
    if how not in HOW:
        reasons.append(Reason("form", f"Choose one of: {', '.join(HOW.values())}", "how"))
    if at > now:
        reasons.append(Reason("form", "It cannot have come after today", "received"))
    if reasons:
        raise Refused(reasons)
    ref = random_ref("C")
    tx.s.add(ComplaintRow(
        ref=ref, received_at=at, how=how, state="received", sealed=tx.vault.seal(PURPOSE, ref, asdict(words)),
        acknowledged_at=None, outcome=None, closed_at=None, handled_by=None,
    ))  # fmt: skip
    tx.s.flush()
    return ref


def acknowledge(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Record that we told the person that we have it. Raises `Refused`: `role`, `unknown-complaint`, `acknowledged`."""
    need(by, *LEAD)
    row = _row(tx, ref)
    if row.state != "received":
        raise refused("acknowledged", f"complaint {ref} is acknowledged already", ref)
    row.state, row.acknowledged_at, row.handled_by = "acknowledged", now, by.account_id
    tx.s.flush()


def answer(tx: Tx, ref: str, outcome: str, done: str, by: Actor, now: datetime) -> None:
    """Record the outcome that we told the person, and what we did. It counts as acknowledged with it.

    Raises `Refused`: `role`, `unknown-complaint`, `closed`, `form`.
    """
    need(by, *LEAD)
    row = _row(tx, ref)
    if row.state == "closed" or row.sealed is None:
        raise refused("closed", f"complaint {ref} is answered already", ref)
    reasons = []
    if outcome not in OUTCOMES:
        reasons.append(Reason("form", "Choose how it ended", "outcome"))
    if not 5 <= len(done.strip()) <= LONGEST:
        reasons.append(Reason("form", "Write what we did and what we told them", "done"))
    if reasons:
        raise Refused(reasons)
    words = Words(**tx.vault.open_(PURPOSE, ref, row.sealed))
    row.sealed = tx.vault.seal(PURPOSE, ref, {**asdict(words), "done": done.strip()})
    row.state, row.outcome, row.closed_at, row.handled_by = "closed", outcome, now, by.account_id
    row.acknowledged_at = row.acknowledged_at or now
    tx.s.flush()


def complaints(tx: Tx, by: Actor) -> list[Complaint]:
    """Return all complaints without their words: what waits first, by its day; then the answered, newest first."""
    need(by, *LEAD)
    found = [_complaint(row, None) for row in tx.s.scalars(select(ComplaintRow))]
    waiting = sorted((one for one in found if one.state != "closed"), key=lambda one: (one.received_at, one.ref))
    closed = sorted((one for one in found if one.state == "closed"), key=lambda one: one.received_at, reverse=True)
    return waiting + closed


def get(tx: Tx, by: Actor, ref: str) -> Complaint:
    """Return one complaint with its words. Raises `Refused`: `role`, `unknown-complaint`."""
    need(by, *LEAD)
    row = _row(tx, ref)
    words = None if row.sealed is None else Words(**tx.vault.open_(PURPOSE, ref, row.sealed))
    return _complaint(row, words)


def _row(tx: Tx, ref: str) -> ComplaintRow:
    row = tx.s.get(ComplaintRow, ref)
    if row is None:
        raise refused("unknown-complaint", f"there is no complaint {ref[:20]!r}", ref)
    return row


def _complaint(row: ComplaintRow, words: Words | None) -> Complaint:
    return Complaint(
        row.ref, row.received_at, row.how, row.state, row.acknowledged_at, row.outcome or "", row.closed_at, words
    )
