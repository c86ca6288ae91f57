"""The rows of armed scanning: who scans in which mode, and what each scan was answered."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class ArmedRow(Row):
    """One browser that scans in a mode. `since` is when the mode card was scanned; `last_at` the newest scan."""

    __tablename__ = "armed"
    ref: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    mode: Mapped[str]
    loan: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    why: Mapped[str]
    sound: Mapped[bool]
    since: Mapped[datetime]
    last_at: Mapped[datetime]


class ArmedScan(Row):
    """One scan and its verdict, written in the transaction that did it. `event` and `closing` are what it signed.

    `code` is empty where nothing readable was scanned; a badge is never kept.
    """

    __tablename__ = "armed_scan"
    __table_args__ = (Index("ix_armed_scan_armed", "armed", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    armed: Mapped[str] = mapped_column(ForeignKey("armed.ref", ondelete="CASCADE"))
    at: Mapped[datetime]
    mode: Mapped[str]
    loan: Mapped[str | None]
    code: Mapped[str] = mapped_column(String(12))
    verdict: Mapped[str]
    words: Mapped[str]
    detail: Mapped[str]
    offer: Mapped[str] = mapped_column(String(12))
    event: Mapped[str | None] = mapped_column(String(64))
    closing: Mapped[str | None] = mapped_column(String(64))
    undone_at: Mapped[datetime | None]
