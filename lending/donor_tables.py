"""The rows of donors: what was promised, when it is fetched, which labels it got, and who may look it up.

Who to speak to, where exactly, and both names under a hand-over stand in `sealed` columns only (see `lending.vault`).
Which device came from which pledge is said by its signed `device.registered`; `donor_device` only finds it quickly.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row

BOOKED = "state = 'booked'"


class DonorPledge(Row):
    """What an organisation offered. Its reference is the donor in the history; `area` is half a postcode."""

    __tablename__ = "donor_pledge"
    ref: Mapped[str] = mapped_column(primary_key=True)
    organisation: Mapped[str]
    sealed: Mapped[bytes | None]
    area: Mapped[str]
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    bearing: Mapped[str]
    wants: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    why: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class DonorSlot(Row):
    """A stretch of time on a round of the van, and how many donors can be visited in it."""

    __tablename__ = "donor_slot"
    __table_args__ = (UniqueConstraint("round", "day", "starts", name="uq_donor_slot_round"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    round: Mapped[str]
    day: Mapped[date] = mapped_column(index=True)
    starts: Mapped[str]
    ends: Mapped[str]
    places: Mapped[int]
    closed: Mapped[bool]
    created_at: Mapped[datetime]


class DonorCollection(Row):
    """One visit to one donor. A pledge has at most one that still stands: the database's own last word."""

    __tablename__ = "donor_collection"
    __table_args__ = (
        Index(
            "uq_donor_collection_standing", "pledge", unique=True, sqlite_where=text(BOOKED),
            postgresql_where=text(BOOKED),
        ),
    )  # fmt: skip
    id: Mapped[int] = mapped_column(primary_key=True)
    pledge: Mapped[str] = mapped_column(ForeignKey("donor_pledge.ref"), index=True)
    slot_id: Mapped[int] = mapped_column(ForeignKey("donor_slot.id"), index=True)
    state: Mapped[str]
    why: Mapped[str | None]
    counted: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed: Mapped[bytes | None]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DonorDevice(Row):
    """One label of a pledge, and what kind of thing wears it. Without a collection it was brought to the bench."""

    __tablename__ = "donor_device"
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    pledge: Mapped[str] = mapped_column(ForeignKey("donor_pledge.ref"), index=True)
    collection_id: Mapped[int | None] = mapped_column(ForeignKey("donor_collection.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]


class DonorVisit(Row):
    """A donor who opened the link sent to them: may look at one pledge, for some hours. No account, no role."""

    __tablename__ = "donor_visit"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    pledge: Mapped[str] = mapped_column(ForeignKey("donor_pledge.ref"), index=True)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
