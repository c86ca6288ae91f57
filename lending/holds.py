"""What stops the next loan of a recalled device: part of the decision, inside the transaction that decides.

`hand_over` and `reserve` ask `against` under the one write lock, beside the rules of custody and never instead of
them. A recall begins under the same lock, so every hand-over is decided either before it or with it.

Why a row and not an event: history has words for "this statement is mistaken" (`record.disputed`, which a recall of
a wipe signs as well) and for an owner's lock, and none for "the battery may burn". An owner's lock that nobody saw
would be an untrue statement, signed for ever. A row is as much part of the decision as an event is, and can be judged
for a device that did not exist when the recall began.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from custody.errors import Reason
from custody.events import Event
from custody.facts import Facts
from labels.codes import pretty
from lending import tables
from lending.db import Tx
from lending.recall_scope import Scope, doubted, is_model, rests_on_doubt, scope_in
from lending.recall_tables import RecallLine, RecallRow
from lending.record import Reader


def against(tx: Tx, device: str, facts: Facts, now: datetime) -> list[Reason]:
    """Return a reason for every open recall that keeps this device here; [] when none does."""
    found = []
    for row in tx.s.scalars(select(RecallRow).where(RecallRow.closed_at.is_(None)).order_by(RecallRow.ref)):
        if holds(tx, row, device, facts, now):
            text = f"{pretty(device)} is recalled ({row.ref}): {_why(scope_in(row.scope))}"
            found.append(Reason("recalled", text, device))
    return found


def holds(tx: Tx, row: RecallRow, device: str, facts: Facts, now: datetime) -> bool:
    """Tell whether an open recall keeps this device from being lent. Released lines do not."""
    name = facts.canonical(device)
    line = select(RecallLine).where(RecallLine.recall == row.ref, RecallLine.device.in_((device, name)))
    lines = tx.s.scalars(line).all()
    if any(one.released_at is not None for one in lines):
        return False
    scope = scope_in(row.scope)
    if scope.kind == "model":
        return is_model(facts, device, scope) or any(one.part == "device" for one in lines)
    return rests_on_doubt(device, facts, Reader(tx).about, wrong_under(tx, row), scope, tx.policy, now)


def wrong_under(tx: Tx, row: RecallRow) -> Callable[[Event], bool]:
    """Return the test for whether a recall puts an event in doubt."""
    scope: Scope = scope_in(row.scope)

    def older(event: Event) -> bool:
        n = tx.s.scalar(select(tables.EventRow.n).where(tables.EventRow.hash == event.hash))
        return n is None or n <= row.through

    return lambda event: doubted(scope, event, older)


def _why(scope: Scope) -> str:
    if scope.kind == "model":
        return f"{scope.make} {scope.model} is called back as dangerous"
    return "what shows that it was wiped is in doubt"
