"""The outbox and what belongs to it. What a message says and to whom is sealed; who may not be written to is a digest.

A row of `message` is never deleted by the outbox: when its retention ends only `sealed` goes, and what was sent when,
at what cost and with what outcome stays countable.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import LoanRow, Row

Index("ix_loan_due", LoanRow.due)


class MessagePolicy(Row):
    """When and how one type of loan is reminded of. `steps` are days from the day agreed: -7, 0, 3."""

    __tablename__ = "message_policy"
    loan_type: Mapped[str] = mapped_column(primary_key=True)
    active: Mapped[bool]
    steps: Mapped[list[Any]]
    channels: Mapped[list[Any]]
    quiet_from: Mapped[str] = mapped_column(String(5))
    quiet_to: Mapped[str] = mapped_column(String(5))
    per_week: Mapped[int]
    copy_partner: Mapped[bool]
    plain: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class MessageWording(Row):
    """The office's own wording of one text in one language, instead of the one that comes with the program."""

    __tablename__ = "message_wording"
    kind: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(String(8), primary_key=True)
    body: Mapped[str]
    reviewed: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class MessageSetting(Row):
    """One short text that messages and the loan's page show, such as where things can be returned."""

    __tablename__ = "message_setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class MessageRow(Row):
    """One message, from being wanted to what became of it.

    `ref` is its name everywhere and the key that transports are given. `cause` is why it exists and unique, so that
    planning twice or pressing a button twice makes one message.

    `due_at`: not before this moment the next step (hand over, or ask the transport). `fence`: the number of the
    worker that took it. `cost` is in hundredths of a penny, as estimated from the prices configured.
    """

    __tablename__ = "message"
    __table_args__ = (Index("ix_message_state", "state", "due_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    cause: Mapped[str] = mapped_column(unique=True)
    loan: Mapped[str | None] = mapped_column(ForeignKey("loan.ref", ondelete="SET NULL"), index=True)
    kind: Mapped[str]
    channel: Mapped[str]
    language: Mapped[str] = mapped_column(String(8))
    sealed: Mapped[bytes | None]
    address: Mapped[str] = mapped_column(index=True)
    segments: Mapped[int]
    cost: Mapped[int]
    state: Mapped[str]
    due_at: Mapped[datetime]
    not_after: Mapped[datetime | None]
    queued_at: Mapped[datetime] = mapped_column(index=True)
    attempt: Mapped[int]
    asked: Mapped[int]
    fence: Mapped[int] = mapped_column(BigInteger)
    transport: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    handed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    transport_id: Mapped[str | None]
    error: Mapped[str]
    written_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class MessageStop(Row):
    """An address, as a keyed digest, whose owner said STOP; nothing goes there until they say START."""

    __tablename__ = "message_stop"
    address: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    via: Mapped[str]


class MessageSaid(Row):
    """What a household answered, by text or on the loan's page. Open until somebody at the desk has dealt with it."""

    __tablename__ = "message_said"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    via: Mapped[str]
    what: Mapped[str]
    loan: Mapped[str | None] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    address: Mapped[str | None]
    sealed: Mapped[bytes | None]
    transport_id: Mapped[str | None] = mapped_column(unique=True)
    done_at: Mapped[datetime | None] = mapped_column(index=True)
    done_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class LoanCard(Row):
    """A link to the page of one loan, in messages and on paper; only the token's digest is kept."""

    __tablename__ = "loan_card"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class OutboxWorker(Row):
    """The one row that says who drains the outbox. `fence` grows with every new holder and never falls."""

    __tablename__ = "outbox_worker"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fence: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str]
    until: Mapped[datetime]
    planned_at: Mapped[datetime | None]
