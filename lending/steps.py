"""What was done about a loan, in words: the line of its history that the desk reads.

No step holds a name, a telephone number or a reason that is nobody's business: who may read a loan may read its steps.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lending import tables
from lending.db import Tx
from lending.loan_tables import LoanStep
from lending.people import Actor

KINDS = ("item", "out", "back", "clock", "booking", "agreement", "help", "pause", "safety")
"""What a step is about; each has a picture on the page."""


@dataclass(frozen=True)
class Step:
    """One line of a loan's history. `who` is a member of staff's name, empty when it was a machine."""

    at: datetime
    kind: str
    words: str
    who: str


def note(tx: Tx, loan: str, kind: str, words: str, by: Actor | None, now: datetime) -> None:
    """Write one line. Raises `ValueError` for a kind that no page knows."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of step; use one of {', '.join(KINDS)}")
    tx.s.add(LoanStep(loan=loan, at=now, kind=kind, words=words, account_id=by.account_id if by else None))
    tx.s.flush()


def steps(tx: Tx, loan: str) -> list[Step]:
    """Return what was done, newest first."""
    query = (
        select(LoanStep, tables.AccountRow.name)
        .outerjoin(tables.AccountRow, tables.AccountRow.id == LoanStep.account_id)
        .where(LoanStep.loan == loan)
        .order_by(LoanStep.at.desc(), LoanStep.id.desc())
    )
    return [Step(row.at, row.kind, row.words, name or "") for row, name in tx.s.execute(query)]
