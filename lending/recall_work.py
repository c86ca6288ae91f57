"""Working through a recall, line by line: what is still to do, what was done, and when a line is finished.

A line is finished only when `left_to_do` is empty; nobody can say it is. What must be done:

- a household that has or had the device is told (or a supervisor says why it cannot be reached);
- the device comes back: our hands, by the ordinary receiving, or its loan ended without it;
- in hand it is wiped again, or a supervisor releases it, with a reason; a disputed wipe is only ever wiped again;
- a household that gave its device back is asked whether it needs another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from custody import rules
from lending import tables
from lending.caches import FOR_GOOD, state_word
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.recall_find import doubt_of
from lending.recall_scope import in_doubt_now, scope_in
from lending.recall_tables import RecallLine, RecallRow, RecallStep
from lending.record import Reader, storable
from lending.referrals import SAFE_CONTACT

STEPS: Mapping[str, str] = {
    "told": "The household was told",
    "tried": "Tried, not reached yet",
    "unreachable": "Cannot be reached",
    "collection": "Collection agreed",
    "replacement": "Replacement settled",
    "released": "Released",
    "note": "Note",
}
TO_DO: Mapping[str, str] = {
    "tell": "Tell the household",
    "fetch": "Get the device back",
    "wipe": "Wipe the device again",
    "release": "Make it safe; then a supervisor releases it",
    "replace": "Ask whether the household needs another device",
}


@dataclass(frozen=True)
class Step:
    """One thing done about a line; `who` is a member of staff."""

    at: datetime
    kind: str
    words: str
    who: str


@dataclass(frozen=True)
class Line:
    """One line of a recall as the desk works on it. `contact` says how to reach the household safely, never where.

    `standing` is the device's state word; `left` the keys of `TO_DO` that are not done.
    """

    id: int
    recall: str
    device: str
    part: str
    loan: str
    referral: str
    standing: str
    contact: str
    language: str
    via_partner: str
    left: tuple[str, ...]
    steps: tuple[Step, ...]
    released: bool
    finished_at: datetime | None
    how: str


def lines(tx: Tx, recall: str, by: Actor, *, todo: bool, after: int = 0, limit: int = 50) -> list[Line]:
    """Return lines of a recall in their order, only open ones if `todo`; `after` is the last line seen.

    Desk, supervisor, auditor, data protection. Raises `Refused` `role`.
    """
    need(by, "desk", "supervisor", "auditor", "data-protection")
    query = select(RecallLine).where(RecallLine.recall == recall, RecallLine.id > after)
    if todo:
        query = query.where(RecallLine.finished_at.is_(None))
    row, reader = tx.s.get_one(RecallRow, recall), Reader(tx)
    return [_line(tx, reader, row, one) for one in tx.s.scalars(query.order_by(RecallLine.id).limit(limit)).all()]


def line(tx: Tx, number: int, by: Actor) -> Line:
    """Return one line. Raises `Refused`: `role`, `unknown-line`."""
    need(by, "desk", "supervisor", "auditor", "data-protection")
    row = _row(tx, number)
    return _line(tx, Reader(tx), tx.s.get_one(RecallRow, row.recall), row)


def note(tx: Tx, number: int, kind: str, words: str, by: Actor, now: datetime) -> None:
    """Write down what was done; finishes the line when nothing is left to do. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-line`, `finished`, `kind`, `words` (needed for all but "told").
    """
    need(by, "supervisor") if kind == "unreachable" else need(by, "desk", "supervisor")
    row = _unfinished(tx, number)
    if kind not in STEPS or kind == "released":
        raise refused("kind", "choose what was done", "kind")
    if not words.strip() and kind != "told":
        raise refused("words", "say it in a few words (no names of people)", "words")
    _write(tx, row, kind, words, by, now)
    finish_if_done(tx, row, now)


def release(tx: Tx, number: int, reason: str, by: Actor, now: datetime) -> None:
    """End the hold on one device, with a reason; the rules of custody stay as they are. Supervisor.

    Raises `Refused`: `role`, `unknown-line`, `finished`, `part` (an earlier household's line holds nothing), `reason`,
    `by-wipe`: a wipe that history itself calls mistaken is answered by another wipe and by nothing else.
    """
    need(by, "supervisor")
    row = _unfinished(tx, number)
    recall = tx.s.get_one(RecallRow, row.recall)
    if row.part != "device":
        raise refused("part", "this line holds no device; it is about a household that had it", row.device)
    if not reason.strip():
        raise refused("reason", "say why it is safe to release (no names of people)", "reason")
    if recall.kind == "wipe":
        raise refused("by-wipe", "this wipe is disputed in history: only another wipe answers that", row.device)
    row.released_at, row.released_by = now, by.account_id
    _write(tx, row, "released", reason, by, now)
    finish_if_done(tx, row, now)


def finish_ready(tx: Tx, recall: str, now: datetime) -> int:
    """Finish every line for which nothing is left to do; return how many."""
    query = select(RecallLine).where(RecallLine.recall == recall, RecallLine.finished_at.is_(None))
    return sum(finish_if_done(tx, row, now) for row in tx.s.scalars(query.order_by(RecallLine.id)).all())


def finish_if_done(tx: Tx, row: RecallLine, now: datetime) -> bool:
    """Finish a line when nothing is left to do for it; tell whether it was."""
    recall, reader = tx.s.get_one(RecallRow, row.recall), Reader(tx)
    if _left(tx, reader, recall, row):
        return False
    row.finished_at = now
    if row.part == "earlier":
        row.how = "told"
    elif row.released_at is not None:
        row.how = "released"
    else:
        row.how = "out-of-stock" if _gone(tx, reader, row.device) else "rewiped"
    tx.s.flush()
    return True


def _line(tx: Tx, reader: Reader, recall: RecallRow, row: RecallLine) -> Line:
    loan = tx.s.get(tables.LoanRow, row.loan) if row.loan else None
    referral = tx.s.get(tables.ReferralRow, loan.referral) if loan is not None and loan.referral else None
    partner = tx.s.get(tables.Partner, referral.partner_id) if referral is not None and referral.partner_id else None
    query = (
        select(RecallStep, tables.AccountRow.name)
        .outerjoin(tables.AccountRow, tables.AccountRow.id == RecallStep.account_id)
        .where(RecallStep.line_id == row.id)
        .order_by(RecallStep.id)
    )
    facts = reader.facts_about(row.device)
    return Line(
        id=row.id, recall=row.recall, device=row.device, part=row.part, loan=row.loan,
        referral=referral.ref if referral else "",
        standing=state_word(tx, facts, row.device, lendable=False),
        contact=SAFE_CONTACT.get(referral.safe_contact, referral.safe_contact) if referral else "",
        language=referral.language if referral else "",
        via_partner=partner.name if referral and referral.via_partner and partner else "",
        left=() if row.finished_at else _left(tx, reader, recall, row),
        steps=tuple(Step(one.at, one.kind, one.words, name or "") for one, name in tx.s.execute(query)),
        released=row.released_at is not None, finished_at=row.finished_at, how=row.how,
    )  # fmt: skip


def _left(tx: Tx, reader: Reader, recall: RecallRow, row: RecallLine) -> tuple[str, ...]:
    """Return what is still to do for a line, as keys of `TO_DO`, in the order in which people do it."""
    done = set(tx.s.scalars(select(RecallStep.kind).where(RecallStep.line_id == row.id)))
    left = []
    if row.loan and not done & {"told", "unreachable"}:
        left.append("tell")
    if row.part == "earlier":
        return tuple(left)
    gone = _gone(tx, reader, row.device)
    here = reader.facts_about(row.device).in_hand(row.device)
    if not here and not gone:
        left.append("fetch")
    if row.released_at is None and not gone:
        left.extend(_safe(tx, reader, recall, row, here))
    if row.loan and not done & {"replacement", "unreachable"}:
        left.append("replace")
    return tuple(left)


def _safe(tx: Tx, reader: Reader, recall: RecallRow, row: RecallLine, here: bool) -> list[str]:
    scope = scope_in(recall.scope)
    if scope.kind == "model":
        return ["release"]
    facts, wrong = doubt_of(tx, reader, recall, row.device)
    looked = facts.media_of(row.device) is not None
    wiped = all(
        rules.wipe_that_counts(reader.facts_about(row.device), row.device, one, tx.policy.claim) is not None
        for one in facts.media_of(row.device) or ()
    )
    return [] if here and looked and wiped and not in_doubt_now(row.device, facts, wrong, scope) else ["wipe"]


def _gone(tx: Tx, reader: Reader, device: str) -> bool:
    """Tell whether a device will not come back: its loan ended without it, or it left for good."""
    facts = reader.facts_about(device)
    return state_word(tx, facts, device, lendable=False) == "gone" or rules.state_of(facts, device).left_for in FOR_GOOD


def _row(tx: Tx, number: int) -> RecallLine:
    row = tx.s.get(RecallLine, number)
    if row is None:
        raise refused("unknown-line", f"there is no line {number}", str(number))
    return row


def _unfinished(tx: Tx, number: int) -> RecallLine:
    row = _row(tx, number)
    if row.finished_at is not None:
        raise refused("finished", "this line is finished", row.device)
    return row


def _write(tx: Tx, row: RecallLine, kind: str, words: str, by: Actor, now: datetime) -> None:
    text = storable(words.strip(), 500)
    tx.s.add(RecallStep(line_id=row.id, at=now, kind=kind, words=text, account_id=by.account_id))
    tx.s.flush()
