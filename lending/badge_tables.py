"""The office's rows about badges: who holds one, and the newest roster. Ordinary rows, erasable like their accounts.

Nothing here is a secret by itself: of badge and PIN only what `custody.badges.Entry` holds is kept, and that only
while the badge counts. The secret of a badge is on its card and nowhere else.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class BadgeRow(Row):
    """One person's badge; a new one replaces it. When it ends, `mark`, `salt` and `verifier` are taken away."""

    __tablename__ = "badge"
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    roles: Mapped[list[Any]]
    mark: Mapped[str | None]
    salt: Mapped[str | None]
    verifier: Mapped[str | None]
    given_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RosterRow(Row):
    """The newest roster as stations get it, byte for byte; its event in history names the digest."""

    __tablename__ = "roster"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[bytes]
    issued_at: Mapped[datetime]
