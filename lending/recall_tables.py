"""The rows of recalls: what is called back and why, every device and household it touches, and what was done.

No name, no address: a household is its loan. A line is never deleted (triggers); it is finished, and says how.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class RecallRow(Row):
    """One recall. While `closed_at` is empty it is asked before every hand-over (`lending.holds`).

    `kind` is wipe, medium, origin or model; `scope` holds what exactly (`lending.recall_scope`). `through` is the
    newest event's number when it began.
    """

    __tablename__ = "recall"
    ref: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    scope: Mapped[dict[str, Any]]
    reason: Mapped[str]
    through: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    started_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class RecallLine(Row):
    """One device of a recall, and the household (by its loan, "" for none) that has or had it."""

    __tablename__ = "recall_line"
    __table_args__ = (UniqueConstraint("recall", "device", "loan", name="uq_recall_line_recall"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    recall: Mapped[str] = mapped_column(ForeignKey("recall.ref"))
    device: Mapped[str] = mapped_column(String(12), index=True)
    loan: Mapped[str]
    part: Mapped[str]
    refined: Mapped[bool]
    released_at: Mapped[datetime | None]
    released_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    finished_at: Mapped[datetime | None]
    how: Mapped[str]


class RecallStep(Row):
    """One thing done about a line, in words for the desk. No names."""

    __tablename__ = "recall_step"
    __table_args__ = (Index("ix_recall_step_line", "line_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("recall_line.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    words: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
