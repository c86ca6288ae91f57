"""Rows about signing in: passkeys, one-time codes, councils, links, what a session is worth; and the audit of access.

No secret stands here as it is: of links, recovery codes and steps only digests are kept, what must be read again is
sealed with the key outside the database. A passkey's public key is no secret. Everything but the audit belongs to an
account and goes with it; the audit names people by their reference and is never changed (a trigger refuses it), only
let go at the end of its retention.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class AuditEntry(Row):
    """Somebody read or changed something that concerns a person: who (a reference), what, about whom, why."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_by", "by", "at"),
        Index("ix_audit_entry_subject", "subject", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    by: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    reason: Mapped[str]


class PasskeyRow(Row):
    """A passkey of an account: what proves it, and what its owner calls it."""

    __tablename__ = "passkey"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    credential: Mapped[str] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    uses: Mapped[int] = mapped_column(BigInteger)
    synced: Mapped[bool]
    name: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OneTimeCodeRow(Row):
    """The secret from which an account's authenticator app makes codes (RFC 6238), sealed; `step` is the last used."""

    __tablename__ = "one_time_code"
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    sealed: Mapped[bytes]
    step: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class RecoveryCodeRow(Row):
    """One code for the day the telephone is lost; works once, only a keyed hash is kept."""

    __tablename__ = "recovery_code"
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None]


class CouncilRow(Row):
    """A council (or other organisation) whose own sign-in we trust for the e-mail domains named here."""

    __tablename__ = "council"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    issuer: Mapped[str] = mapped_column(unique=True)
    client_id: Mapped[str]
    sealed: Mapped[bytes]
    domains: Mapped[list[Any]]
    enabled: Mapped[bool]
    created_at: Mapped[datetime]


class CouncilSubjectRow(Row):
    """Which account a council's subject is: bound at first use, then only the subject counts, not the address."""

    __tablename__ = "council_subject"
    council_id: Mapped[int] = mapped_column(ForeignKey("council.id", ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    bound_at: Mapped[datetime]


class SignInStepRow(Row):
    """A sign-in that has begun and waits for its next step; deleted when it is taken, so it counts once."""

    __tablename__ = "sign_in_step"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str]
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    data: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UsedOnceRow(Row):
    """A passkey's challenge that was answered; it is not answered twice."""

    __tablename__ = "used_once"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignInLinkRow(Row):
    """A link sent by e-mail that signs somebody in once; `subject` is an account or a donor, by its reference."""

    __tablename__ = "sign_in_link"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    audience: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SessionNoteRow(Row):
    """What a session is worth and how its owner recognises it: how it began, in which browser, when last proved."""

    __tablename__ = "session_note"
    token_hash: Mapped[str] = mapped_column(
        ForeignKey("session.token_hash", ondelete="CASCADE"), primary_key=True
    )
    method: Mapped[str]
    strong: Mapped[bool]
    browser: Mapped[str]
    proved_at: Mapped[datetime]


class AccountNoteRow(Row):
    """Since when an account's roles ask for a second factor; without a row, since the account was made."""

    __tablename__ = "account_note"
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    asked_from: Mapped[datetime]


class AddressChangeRow(Row):
    """A wish to change an account's e-mail address, confirmed from the old one and from the new one."""

    __tablename__ = "address_change"
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    address: Mapped[str]
    old_hash: Mapped[str] = mapped_column(String(64), unique=True)
    new_hash: Mapped[str] = mapped_column(String(64), unique=True)
    old_at: Mapped[datetime | None]
    new_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
