"""What one scan does in each mode, and how it is said. Each act is an ordinary use case; the gate is its own.

The verdict's kinds, each with its own icon, colour and tone: `yes` it is done or can be; `no` it must not be;
`again` it was so already, nothing was done; `info` an answer that is neither.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from custody.errors import Reason, Refused
from custody.rules import why_not_lendable
from lending import holds, loans, tables
from lending.caches import state_word
from lending.db import Tx
from lending.devices import STATES
from lending.mode_cards import Mode
from lending.people import Actor
from lending.record import facts_about, storable

NOT_LOOKED_AT = "not looked at yet"
"""The condition of a device that was received by a scan alone; the bench looks."""

MOST_REASONS = 3


@dataclass(frozen=True)
class Verdict:
    """What a scan is answered: a kind, one or two words, and one line more. `event`, `closing`: what it signed."""

    kind: str
    words: str
    detail: str = ""
    event: str | None = None
    closing: str | None = None


Act = Callable[[Tx, Mode, str, str | None, Actor, datetime], Verdict]


def act(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    """Do what the mode says with a device; all of it or nothing. `slip` is the exit on a return slip.

    A refusal is a verdict like any other, and leaves nothing behind.
    """
    try:
        with tx.s.begin_nested():
            return ACTS[mode.key](tx, mode, code, slip, by, now)
    except Refused as refused:
        return refusal(mode, refused.reasons)


def refusal(mode: Mode, reasons: tuple[Reason, ...]) -> Verdict:
    """Return how a refusal is said: everything that stands against it, the first few in words."""
    codes = {reason.code for reason in reasons}
    said = ". ".join(_plain(reason.text) for reason in reasons[:MOST_REASONS])
    more = f" And {len(reasons) - MOST_REASONS} more." if len(reasons) > MOST_REASONS else ""
    text = storable(said + "." + more, 600)
    if "role" in codes:
        return Verdict("no", "Not for you", text)
    if codes & {"unknown-device", "not-registered"}:
        return Verdict("no", "Not known", "No device with this label is known here. Set it aside and tell the office.")
    if mode.key == "RECEIVE" and "in-hand" in codes:
        return Verdict("again", "Here already", "It is in our hands by our record. Nothing was done.")
    if mode.key == "HANDOVER":
        return Verdict("no", "Do not hand over", text)
    return Verdict("no", "Must not be lent", text)


def _receive(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    event = loans.take_back(tx, code, by, now, NOT_LOOKED_AT)
    row = tables.EventRow
    query = select(row.hash).where(row.kind == "loan.closed", row.origin == tx.server, row.seq == event.seq + 1)
    closing = tx.s.scalar(query)
    loan = f"Loan {event.body['loan']}: returned. " if closing else ""
    old = "The slip is of an older loan. " if slip and slip != event.body["after"] else ""
    return Verdict("yes", "Received", f"{loan}{old}Next: the bench wipes it.", event.hash, closing)


def _prepare(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    held = _held(tx, code)
    if held is not None and held.loan == mode.loan and held.state == "reserved":
        return Verdict("again", "Prepared already", f"It is kept for loan {mode.loan}. Nothing was done.")
    loans.reserve(tx, mode.loan, code, by, now)
    return Verdict("yes", "Prepared", f"Kept for loan {mode.loan}.")


def _hand_over(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    """Hand over what was prepared for this loan, and nothing else: an exit cannot be undone, so it takes two scans."""
    held = _held(tx, code)
    if held is not None and held.loan == mode.loan and held.state == "out":
        return Verdict("again", "Handed over already", f"It is out on loan {mode.loan}. Nothing was done.")
    if held is None or held.loan != mode.loan:
        text = f"Not prepared for loan {mode.loan}. Scan the card “Prepare” first"
        whose = f"It is {held.state} for loan {held.loan}. " if held is not None else ""
        return Verdict("no", "Not for this loan", f"{whose}{text}.")
    event = loans.hand_over(tx, mode.loan, code, by, now)
    return Verdict("yes", "Handed over", f"It is out on loan {mode.loan}.", event.hash)


def _ready(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    facts = facts_about(tx, code)
    reasons = [*why_not_lendable(facts, code, tx.policy, now), *holds.against(tx, code, facts, now)]
    held = _held(tx, code)
    if reasons:
        return refusal(mode, tuple(reasons))
    if held is not None:
        return Verdict("info", "Kept", f"It can be lent, and is kept for loan {held.loan}.")
    return Verdict("yes", "Ready", "It can be lent.")


def _find(tx: Tx, mode: Mode, code: str, slip: str | None, by: Actor, now: datetime) -> Verdict:
    row = tx.s.get(tables.DeviceRow, code)
    if row is None:
        return refusal(mode, (Reason("unknown-device", "", code),))
    facts = facts_about(tx, code)
    reasons = why_not_lendable(facts, code, tx.policy, now)
    held = _held(tx, code)
    kept = f" Loan {held.loan}." if held is not None else ""
    name = " ".join(part for part in (row.make, row.model) if part)
    return Verdict("info", STATES[state_word(tx, facts, code, not reasons)], f"{name}.{kept}".strip())


def _held(tx: Tx, code: str) -> tables.LoanItem | None:
    item = tables.LoanItem
    return tx.s.scalar(select(item).where(item.device == code, item.state.in_(("reserved", "out"))))


def _plain(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


ACTS: Mapping[str, Act] = {
    "RECEIVE": _receive,
    "PREPARE": _prepare,
    "HANDOVER": _hand_over,
    "READY": _ready,
    "FIND": _find,
}
