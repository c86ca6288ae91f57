"""The rows of lending beyond the device itself: clocks of items, SIMs and plans, slots, agreements, help, exceptions.

What households wrote or are called stands in `sealed` columns only (see `lending.vault`). An item that has no
`loan_item_detail` follows its loan's clock and has nothing prepared.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row

BOOKED = "state = 'booked'"


class ItemDetail(Row):
    """The clock of one item, whether it lies packed for its household, and how it came to be or to end.

    `due` is None where the item follows the loan's day; `open_ended` says that it has no day at all. `replaces` is
    the item in whose place it came. `how` is a word for how it ended (`stolen`, `repair`, `swap`, …).
    """

    __tablename__ = "loan_item_detail"
    item_id: Mapped[int] = mapped_column(ForeignKey("loan_item.id", ondelete="CASCADE"), primary_key=True)
    due: Mapped[date | None]
    open_ended: Mapped[bool]
    prepared_at: Mapped[datetime | None]
    replaces: Mapped[int | None]
    how: Mapped[str | None]


class LoanStep(Row):
    """One thing that was done about a loan, in words for the desk. No name, no reason that is nobody's business."""

    __tablename__ = "loan_step"
    __table_args__ = (Index("ix_loan_step_loan", "loan", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str]
    words: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class SimCard(Row):
    """One SIM of our stock, by what is printed on it: the last digits of its number (ICCID), never the whole of it."""

    __tablename__ = "sim_card"
    id: Mapped[int] = mapped_column(primary_key=True)
    digits: Mapped[str] = mapped_column(unique=True)
    network: Mapped[str]
    allowance: Mapped[str]
    months: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    item_id: Mapped[int | None] = mapped_column(ForeignKey("loan_item.id", ondelete="SET NULL"), unique=True)
    use_by: Mapped[date | None]
    created_at: Mapped[datetime]


class DataPlan(Row):
    """One stretch of mobile data of one item: a renewal is another row. The adult who holds it is sealed."""

    __tablename__ = "data_plan"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("loan_item.id", ondelete="CASCADE"), index=True)
    network: Mapped[str]
    allowance: Mapped[str]
    months: Mapped[int]
    starts: Mapped[date]
    expires: Mapped[date] = mapped_column(index=True)
    sealed: Mapped[bytes | None]
    made_at: Mapped[datetime]


class Slot(Row):
    """A stretch of time at a place (or a delivery round) in which so many households can be served."""

    __tablename__ = "slot"
    __table_args__ = (UniqueConstraint("kind", "place", "day", "starts", name="uq_slot_kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    place: Mapped[str]
    day: Mapped[date] = mapped_column(index=True)
    starts: Mapped[str]
    ends: Mapped[str]
    places: Mapped[int]
    closed: Mapped[bool]
    created_at: Mapped[datetime]


class Booking(Row):
    """One household in one slot. A loan has at most one booking that still stands: the database's own last word."""

    __tablename__ = "booking"
    __table_args__ = (
        Index(
            "uq_booking_standing", "loan", unique=True, sqlite_where=text(BOOKED), postgresql_where=text(BOOKED)
        ),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    slot_id: Mapped[int] = mapped_column(ForeignKey("slot.id"), index=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    state: Mapped[str]
    why: Mapped[str | None]
    sealed: Mapped[bytes | None]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class LoanAgreement(Row):
    """A signed agreement: which words in which language. The exact bytes, the name and the mark are sealed."""

    __tablename__ = "loan_agreement"
    ref: Mapped[str] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    language: Mapped[str]
    version: Mapped[str]
    made: Mapped[str]
    how: Mapped[str]
    read_aloud: Mapped[bool]
    items: Mapped[list[Any]] = mapped_column(JSON)
    sealed: Mapped[bytes]
    signed_at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class LoanException(Row):
    """Why a loan gets no reminders for now. The reason itself is sealed: only who must know may read it."""

    __tablename__ = "loan_exception"
    ref: Mapped[str] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes]
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class LoanHelp(Row):
    """Help with setting up, or that somebody was referred for digital skills."""

    __tablename__ = "loan_help"
    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    what: Mapped[list[Any]] = mapped_column(JSON)
    where: Mapped[str]
    at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class StandardAnswer(Row):
    """Four taps about the Minimum Digital Living Standard, once before and once after."""

    __tablename__ = "standard_answer"
    __table_args__ = (UniqueConstraint("loan", "stage", name="uq_standard_answer_loan"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref", ondelete="CASCADE"))
    stage: Mapped[str]
    devices: Mapped[int]
    broadband: Mapped[int]
    mobile_data: Mapped[int]
    confidence: Mapped[int]
    at: Mapped[datetime]
