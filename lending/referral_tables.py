"""What a referral holds beyond its first fields, drafts of it, and what partners may ask for.

Three kinds of rows:

- *about a household*: `referral_detail` (choices from short lists, areas, no name), `referral_mark` (keyed hashes by
  which the desk finds the same household again), `referral_draft` and `intake` (sealed until they are sent);
- *about a partner*: its borough, its people who may invite others, and how many open referrals it may have;
- *about what there is*: `pool`, what each borough may have of each kind of device.

`referral_mark`, `referral_draft` and `intake` are personal data: erasure deletes their rows.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class ReferralDetail(Row):
    """The rest of one referral. Lists hold words of `lending.referral_words`; `decile` is of the index named."""

    __tablename__ = "referral_detail"
    ref: Mapped[str] = mapped_column(ForeignKey("referral.ref", ondelete="CASCADE"), primary_key=True)
    route: Mapped[str]
    connection: Mapped[list[Any]]
    sim_holder: Mapped[str]
    works_with: Mapped[list[Any]]
    support: Mapped[list[Any]]
    notice: Mapped[str]
    place: Mapped[str]
    authority: Mapped[str | None] = mapped_column(String(9), index=True)
    ward: Mapped[str | None] = mapped_column(String(9), index=True)
    lsoa11: Mapped[str | None] = mapped_column(String(9))
    lsoa21: Mapped[str | None] = mapped_column(String(9))
    decile: Mapped[int | None]
    decile_index: Mapped[str | None]
    places_edition: Mapped[int | None]


class ReferralMark(Row):
    """A keyed hash of something about the household (`kind`: `phone` or `name-postcode`). Only the desk compares."""

    __tablename__ = "referral_mark"
    ref: Mapped[str] = mapped_column(ForeignKey("referral.ref", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(String(64), index=True)


class ReferralDraft(Row):
    """A referral that is being filled in. All answers stand in `sealed`; `id` is random and says nothing."""

    __tablename__ = "referral_draft"
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    saved_at: Mapped[datetime] = mapped_column(index=True)


class Intake(Row):
    """A file of referrals that was uploaded and not yet taken in. Its text stands in `sealed`."""

    __tablename__ = "intake"
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)


class PartnerDetail(Row):
    """Which borough's pool a partner draws on (a GSS code or none) and whether it may refer now."""

    __tablename__ = "partner_detail"
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    borough: Mapped[str | None] = mapped_column(String(9))
    paused: Mapped[bool]


class PartnerLead(Row):
    """Somebody of a partner who invites and closes the accounts of its other workers."""

    __tablename__ = "partner_lead"
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)


class PartnerQuota(Row):
    """An exception for one partner: `most` open referrals for a kind of device ("" for all kinds together)."""

    __tablename__ = "partner_quota"
    partner_id: Mapped[int] = mapped_column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    need: Mapped[str] = mapped_column(primary_key=True)
    most: Mapped[int]


class Pool(Row):
    """What one borough ("" for all others) may have of one kind of device: OFF, AUTO or ON; `kept` is for it alone."""

    __tablename__ = "pool"
    __table_args__ = (Index("ix_pool_need", "need"),)
    borough: Mapped[str] = mapped_column(primary_key=True)
    need: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    kept: Mapped[int]
