"""The rows of data protection: contact keys by name, who looked, complaints, agreements, breaches, statistics.

What people wrote or are called stands in `sealed` columns only (see `lending.vault`). `closed_case` has nothing that
leads to a household, and no way back to the loan it came from.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class ContactKeyRow(Row):
    """That a key for contact data exists: its name, never the key. A backup with too few keys shows by it."""

    __tablename__ = "contact_key"
    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    made_at: Mapped[datetime]
    dropped_at: Mapped[datetime | None]


class AccessLogRow(Row):
    """One look at a household's contact data: who, when, which household, why. Never what was seen."""

    __tablename__ = "access_log"
    __table_args__ = (Index("ix_access_log_subject", "subject", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    subject: Mapped[str]
    what: Mapped[str]
    reason: Mapped[str]


class ComplaintRow(Row):
    """A complaint about personal data, with its clock. Who complains, how to answer and the text are sealed."""

    __tablename__ = "complaint"
    ref: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    how: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    sealed: Mapped[bytes | None]
    acknowledged_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    handled_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class AgreementRow(Row):
    """An agreement about data with a partner: which kind, from when, to be looked at again when, its digest."""

    __tablename__ = "agreement"
    id: Mapped[int] = mapped_column(primary_key=True)
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    signed_on: Mapped[date]
    review_on: Mapped[date]
    ended_on: Mapped[date | None]
    digest: Mapped[str] = mapped_column(String(64))
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    recorded_at: Mapped[datetime]


class BreachRow(Row):
    """Something that happened to personal data: what, since when known, and what was decided within 72 hours."""

    __tablename__ = "breach"
    ref: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str]
    people: Mapped[int | None]
    known_at: Mapped[datetime]
    source: Mapped[str | None] = mapped_column(unique=True)
    decision: Mapped[str] = mapped_column(index=True)
    why: Mapped[str]
    decided_at: Mapped[datetime | None]
    told_people_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class ClosedCase(Row):
    """What is left of a household when its data is erased: bands and months, for counting."""

    __tablename__ = "closed_case"
    id: Mapped[int] = mapped_column(primary_key=True)
    referred: Mapped[date]
    ended: Mapped[date]
    outcome: Mapped[str]
    area: Mapped[str]
    ward: Mapped[str]
    authority: Mapped[str]
    adults: Mapped[str]
    children: Mapped[dict[str, Any]]
    need: Mapped[str]
    internet: Mapped[str]
    purpose: Mapped[str]
    ground: Mapped[str]
    language: Mapped[str]
    devices: Mapped[int]
    months_out: Mapped[int]


class RetentionRun(Row):
    """One night's erasure: how many rows of each field were erased."""

    __tablename__ = "retention_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]
