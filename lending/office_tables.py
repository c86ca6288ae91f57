"""Rows of the office: what search looks in, counters, programme tokens, imports, bulk changes, webhooks, equality.

`search_word`, `device_count` and `office_count` are kept by triggers of the database (migration 0010), whoever writes
the rows they are made from. No personal data stands in any of these tables: an import keeps the mapped columns only,
an equality answer is a counter, and what a webhook says are references.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import DeviceRow, LoanRow, ReferralRow, Row

BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that compares byte by byte on either database, so that a range is a prefix (PostgreSQL: collation "C")."""


class SearchWord(Row):
    """That `word` (capitals, no spaces or dashes) leads to `target`, which is a device, a medium or a referral."""

    __tablename__ = "search_word"
    __table_args__ = (Index("ix_search_word_target", "target"),)
    word: Mapped[str] = mapped_column(BYTEWISE, primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)


class DeviceCount(Row):
    """How many devices of one make and model are in one state."""

    __tablename__ = "device_count"
    make: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class OfficeCount(Row):
    """How many rows of `referral` or `loan` (`what`) are in one state."""

    __tablename__ = "office_count"
    what: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class ApiToken(Row):
    """A programme's key to the interface: it acts for an account, within `scopes`. Only its digest is kept."""

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ApiAnswer(Row):
    """What a POST with an `Idempotency-Key` made, so that sending it again makes nothing new."""

    __tablename__ = "api_answer"
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    target: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(index=True)


class ImportRun(Row):
    """One file that is being read in: where from, which column is what, how far it has come."""

    __tablename__ = "import_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    source: Mapped[str]
    filename: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64))
    mapping: Mapped[dict[str, Any]]
    left_out: Mapped[list[Any]]
    state: Mapped[str]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ImportRow(Row):
    """One row of such a file: the mapped columns only. `line` is its number in the file, the header being 1."""

    __tablename__ = "import_row"
    __table_args__ = (Index("ix_import_row_state", "run", "state", "line"),)
    run: Mapped[int] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    columns: Mapped[dict[str, Any]]
    state: Mapped[str]
    target: Mapped[str]
    problems: Mapped[list[Any]]


class ImportKey(Row):
    """Which record here an entry of another system became: reading it in again finds it."""

    __tablename__ = "import_key"
    source: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(index=True)


class ImportMapping(Row):
    """Which column is what, as somebody chose it for files with this header."""

    __tablename__ = "import_mapping"
    what: Mapped[str] = mapped_column(primary_key=True)
    header: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str]
    mapping: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]


class BulkChange(Row):
    """One change of many records: what each was and became. `undone_at` when it was taken back."""

    __tablename__ = "bulk_change"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    value: Mapped[str]
    changes: Mapped[list[Any]]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    made_at: Mapped[datetime] = mapped_column(index=True)
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    undone_at: Mapped[datetime | None]


class WebhookEndpoint(Row):
    """An address that is told what happens. `secret` is sealed; `seen` is the last event that was looked at."""

    __tablename__ = "webhook_endpoint"
    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    kinds: Mapped[list[Any]]
    secret: Mapped[bytes]
    seen: Mapped[int] = mapped_column(BigInteger)
    enabled: Mapped[bool] = mapped_column(Boolean)
    why_off: Mapped[str]
    made_at: Mapped[datetime]


class WebhookDelivery(Row):
    """One message to one address, until it is delivered or given up. Its `message` is the same at every try."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("endpoint", "message", name="uq_webhook_delivery_message"),
        Index("ix_webhook_delivery_due", "state", "next_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint: Mapped[int] = mapped_column(ForeignKey("webhook_endpoint.id", ondelete="CASCADE"))
    message: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str]
    body: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    said: Mapped[str]


class EqualityCard(Row):
    """A card that may answer the equality questions once. Nothing says to whom it was given; using it deletes it."""

    __tablename__ = "equality_card"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_on: Mapped[date]


class EqualityCount(Row):
    """How many people gave one answer to one question in one quarter: all that is kept of the answers."""

    __tablename__ = "equality_count"
    quarter: Mapped[str] = mapped_column(String(7), primary_key=True)
    question: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]


# What the lists walk along: each list's order, in all states and in one.
Index("ix_device_order", DeviceRow.make, DeviceRow.model, DeviceRow.code)
Index("ix_device_state_order", DeviceRow.state, DeviceRow.make, DeviceRow.model, DeviceRow.code)
Index("ix_referral_order", ReferralRow.created_at, ReferralRow.ref)
Index("ix_referral_state_order", ReferralRow.state, ReferralRow.created_at, ReferralRow.ref)
Index("ix_referral_partner_order", ReferralRow.partner_id, ReferralRow.created_at, ReferralRow.ref)
Index("ix_loan_order", LoanRow.created_at, LoanRow.ref)
Index("ix_loan_state_order", LoanRow.state, LoanRow.created_at, LoanRow.ref)
Index("ix_loan_state_due", LoanRow.state, LoanRow.due)
