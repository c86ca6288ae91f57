"""Every table once, as rows only: no relationships, no lazy loading, no hooks.

Four groups, and what may happen to a row of each:

- *history* (`installation event event_mention attachment quarantine`): added, never changed or deleted (triggers);
- *machines* (`origin enrolment_code`): who may write history, and how far each chain has come;
- *caches* (`device medium`): made from history alone, thrown away and rebuilt by `kitbank-lending rebuild`;
- *office* (the rest): people, referrals, loans. Nothing in history points to a person, and no row of history has
  a foreign key to the office, so a person can be erased.
"""

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
OPEN_ITEM = "device IS NOT NULL AND state IN ('reserved', 'out')"


class Moment(TypeDecorator[datetime]):
    """A moment with its time zone, kept as UTC; SQLite has no time zones of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone, since it could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every moment back in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Row(DeclarativeBase):
    """What all rows share: one metadata, and how Python types become columns."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        datetime: Moment,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
        str: Text,
    }


# -- history ---------------------------------------------------------------------------------------------------


class Installation(Row):
    """The one row that says which server this is and in which world it stands; fixed for good by `init`."""

    __tablename__ = "installation"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    world: Mapped[str]
    server: Mapped[str]
    created_at: Mapped[datetime]


class EventRow(Row):
    """One event as it came: the envelope's bytes, and `n`, its place in our order of arrival.

    `refused` is null, or the list of reasons why it is kept but never folded.
    """

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("origin", "seq", name="uq_event_origin_seq"),
        Index("ix_event_kind", "kind", "n"),
    )
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    origin: Mapped[str]
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str]
    subject: Mapped[str]
    at: Mapped[datetime]
    envelope: Mapped[bytes]
    refused: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    received_at: Mapped[datetime]


class Mention(Row):
    """That event `n` speaks of `subject`: deciding about one device reads only its own events."""

    __tablename__ = "event_mention"
    subject: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger, ForeignKey("event.n"), primary_key=True, index=True)


class Attachment(Row):
    """Raw evidence, named by the SHA-256 of its bytes."""

    __tablename__ = "attachment"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes]
    size: Mapped[int] = mapped_column(BigInteger)
    sent_by: Mapped[str | None]
    received_at: Mapped[datetime]


class Quarantine(Row):
    """What could not be taken into history (altered, unknown writer, gap, fork), kept as it came."""

    __tablename__ = "quarantine"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    why: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str | None] = mapped_column(index=True)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str]
    envelope: Mapped[bytes]
    received_at: Mapped[datetime]


# -- machines --------------------------------------------------------------------------------------------------


class Origin(Row):
    """A writer of events. The server's own row is the lock that every write takes on PostgreSQL."""

    __tablename__ = "origin"
    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    name: Mapped[str]
    writer: Mapped[dict[str, Any]]
    transport_keyid: Mapped[str | None] = mapped_column(unique=True)
    head_seq: Mapped[int] = mapped_column(BigInteger)
    head_hash: Mapped[str] = mapped_column(String(64))
    suspended: Mapped[bool]
    suspended_why: Mapped[str]
    enrolled_at: Mapped[datetime]
    last_seen: Mapped[datetime | None]


class WriterKey(Row):
    """Which origin an event key belongs to; keys of revoked origins stay, their old events still verify."""

    __tablename__ = "writer_key"
    keyid: Mapped[str] = mapped_column(String(64), primary_key=True)
    origin: Mapped[str] = mapped_column(ForeignKey("origin.id"))


class EnrolmentCode(Row):
    """A one-time code for enrolling one machine; only its digest is kept."""

    __tablename__ = "enrolment_code"
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str]
    name: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]


# -- caches ----------------------------------------------------------------------------------------------------


class DeviceRow(Row):
    """What history says about one device. For lists only: no decision is ever made from it."""

    __tablename__ = "device"
    code: Mapped[str] = mapped_column(String(12), primary_key=True)
    make: Mapped[str]
    model: Mapped[str]
    serial: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    reasons: Mapped[list[Any]]
    loan: Mapped[str | None]
    exit: Mapped[str | None]
    grade: Mapped[str]


class MediumRow(Row):
    """What history says about one storage medium. For lists only."""

    __tablename__ = "medium"
    id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str | None] = mapped_column(index=True)
    transport: Mapped[str]
    model: Mapped[str]
    serial: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    exit: Mapped[str | None]


# -- office ----------------------------------------------------------------------------------------------------


class Partner(Row):
    """An organisation that refers households."""

    __tablename__ = "partner"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class AccountRow(Row):
    """Somebody who signs in. `ref` is the random reference that events may carry instead of a name."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    roles: Mapped[list[Any]]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    password_hash: Mapped[str | None]
    disabled: Mapped[bool]
    created_at: Mapped[datetime]


class AccountLink(Row):
    """A one-time link for setting a password; only the token's digest is kept."""

    __tablename__ = "account_link"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SessionRow(Row):
    """One signed-in browser; only the token's digest is kept. Deleting or revoking the row signs it out."""

    __tablename__ = "session"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    last_seen: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SignInAttempt(Row):
    """A failed sign-in, counted per address and per account; the e-mail is kept as a digest only."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (Index("ix_sign_in_attempt_key", "key", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class ReferralRow(Row):
    """One household's request, with no more than what is needed to answer it.

    `contact` holds name, telephone number and full postcode, sealed (`lending.contacts`); `postcode` only the part
    before the space. `contact_name` and `contact_phone` are of older versions and always empty.
    """

    __tablename__ = "referral"
    ref: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"), index=True)
    referred_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    client_reference: Mapped[str]
    postcode: Mapped[str]
    adults: Mapped[int]
    children: Mapped[dict[str, Any]]
    need: Mapped[str]
    internet: Mapped[str]
    purpose: Mapped[str]
    ground: Mapped[str]
    contact_name: Mapped[str]
    contact_phone: Mapped[str]
    contact: Mapped[bytes | None]
    via_partner: Mapped[bool]
    safe_contact: Mapped[str]
    language: Mapped[str]
    told_how: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))


class LoanRow(Row):
    """One household's loan. `ref` is random and is the only thing about it that events carry."""

    __tablename__ = "loan"
    ref: Mapped[str] = mapped_column(primary_key=True)
    referral: Mapped[str | None] = mapped_column(ForeignKey("referral.ref", ondelete="SET NULL"), unique=True)
    state: Mapped[str] = mapped_column(index=True)
    due: Mapped[date | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class LoanItem(Row):
    """One thing of a loan. At most one open item per device: the database's own last word against lending twice."""

    __tablename__ = "loan_item"
    __table_args__ = (
        Index(
            "uq_loan_item_open_device",
            "device",
            unique=True,
            sqlite_where=text(OPEN_ITEM),
            postgresql_where=text(OPEN_ITEM),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.ref"), index=True)
    kind: Mapped[str]
    device: Mapped[str | None] = mapped_column(String(12), index=True)
    label: Mapped[str]
    network: Mapped[str | None]
    allowance: Mapped[str | None]
    state: Mapped[str]
    reserved_at: Mapped[datetime | None]
    out_at: Mapped[datetime | None]
    exit: Mapped[str | None] = mapped_column(String(64), unique=True)
    closed_at: Mapped[datetime | None]
    closed_how: Mapped[str | None]
