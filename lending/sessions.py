"""Signed-in browsers: each is a row that its owner sees, recognises and can end; the cookie holds only its token.

Rules:

- only the digest of a token is kept; a token from the outside is never taken over (session fixation);
- a session ends by signing out, after `IDLE` without use, after `LIFE` whatever happens, with its account, and when
  its owner or an administrator ends it;
- `strong` says that a passkey or a second factor was shown; `proved_at` when its owner last proved who they are: what
  is dangerous asks for a proof not older than `RECENT`.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from lending import people, tables
from lending.access_tables import SessionNoteRow
from lending.db import Tx
from lending.people import Actor

LIFE = timedelta(hours=12)
IDLE = timedelta(hours=2)
RECENT = timedelta(minutes=15)
METHODS = {
    "password": "Password",
    "passkey": "Passkey",
    "password+code": "Password and one-time code",
    "password+recovery": "Password and recovery code",
    "password+passkey": "Password and passkey",
    "link": "Link by e-mail",
    "link+code": "Link by e-mail and one-time code",
    "link+recovery": "Link by e-mail and recovery code",
    "link+passkey": "Link by e-mail and passkey",
    "council": "Council's sign-in",
    "council+code": "Council's sign-in and one-time code",
    "council+recovery": "Council's sign-in and recovery code",
    "council+passkey": "Council's sign-in and passkey",
}
HANDLE = 20
SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "Chromebook"), ("Windows", "Windows"),
    ("Mac OS X", "Mac"), ("Linux", "Linux"),
)  # fmt: skip
BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("Chrome/", "Chrome"), ("CriOS", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
"""What a browser's own description contains, and the word for it; the first that fits is taken."""


@dataclass(frozen=True)
class Session:
    """A signed-in browser: who it is, what it is worth and when it ends at the latest."""

    actor: Actor
    expires_at: datetime
    method: str
    strong: bool
    proved_at: datetime

    def is_recent(self, now: datetime) -> bool:
        """Tell whether its owner proved who they are not long ago."""
        return now <= self.proved_at + RECENT


@dataclass(frozen=True)
class Line:
    """One session as its owner sees it; `handle` names it in forms and is of no use for signing in."""

    handle: str
    browser: str
    method: str
    started_at: datetime
    seen_at: datetime
    here: bool


def start(
    tx: Tx, account_id: int, now: datetime, *, method: str = "password", strong: bool = False, browser: str = ""
) -> str:
    """Return the token of a new session, to be kept in the browser's cookie. `browser` is what it says of itself."""
    token = secrets.token_urlsafe(32)
    tx.s.add(
        tables.SessionRow(
            token_hash=_digest(token), account_id=account_id, created_at=now, last_seen=now, expires_at=now + LIFE,
            revoked_at=None,
        )
    )  # fmt: skip
    tx.s.flush()
    tx.s.add(
        SessionNoteRow(
            token_hash=_digest(token), method=method, strong=strong, browser=browser_words(browser), proved_at=now
        )
    )
    tx.s.flush()
    return token


def session(tx: Tx, token: str, now: datetime) -> Session | None:
    """Return the session that a cookie's token stands for, or None when it ended, idled out or was revoked."""
    row = tables.SessionRow
    query = select(row, SessionNoteRow).outerjoin(SessionNoteRow, SessionNoteRow.token_hash == row.token_hash)
    found = tx.s.execute(query.where(row.token_hash == _digest(token))).one_or_none()
    if found is None or not _lives(found[0], now):
        return None
    by = people.actor(tx, found[0].account_id)
    if by is None:
        return None
    note: SessionNoteRow | None = found[1]
    if note is None:  # begun by an older version
        return Session(by, found[0].expires_at, "password", strong=False, proved_at=found[0].created_at)
    return Session(by, found[0].expires_at, note.method, note.strong, note.proved_at)


def touch(tx: Tx, token: str, now: datetime) -> None:
    """Note that a session is in use; call it from a writing transaction, at most once every few minutes."""
    tx.s.execute(update(tables.SessionRow).where(tables.SessionRow.token_hash == _digest(token)).values(last_seen=now))


def prove(tx: Tx, token: str, now: datetime, *, strong: bool) -> None:
    """Note that its owner proved again who they are; `strong`: with a passkey or a second factor."""
    note = tx.s.get(SessionNoteRow, _digest(token))
    if note is None:
        tx.s.add(
            SessionNoteRow(token_hash=_digest(token), method="password", strong=strong, browser="", proved_at=now)
        )
    else:
        note.proved_at, note.strong = now, note.strong or strong
    tx.s.flush()


def end(tx: Tx, token: str, now: datetime) -> None:
    """Sign one browser out."""
    row = tables.SessionRow
    tx.s.execute(
        update(row).where(row.token_hash == _digest(token), row.revoked_at.is_(None)).values(revoked_at=now)
    )


def end_all(tx: Tx, account_id: int, now: datetime, but: str = "") -> int:
    """Sign an account out everywhere, except in the browser with the token `but`; return in how many."""
    row, ended = tables.SessionRow, 0
    query = select(row).where(row.account_id == account_id, row.token_hash != _digest(but), row.revoked_at.is_(None))
    for one in tx.s.scalars(query):
        ended += _lives(one, now)
        one.revoked_at = now
    tx.s.flush()
    return ended


def listing(tx: Tx, by: Actor, token: str, now: datetime) -> list[Line]:
    """Return one's own living sessions, the one with `token` first, then the most recently used."""
    row = tables.SessionRow
    query = select(row, SessionNoteRow).outerjoin(SessionNoteRow, SessionNoteRow.token_hash == row.token_hash)
    own = tx.s.execute(query.where(row.account_id == by.account_id, row.revoked_at.is_(None))).all()
    here = _digest(token)
    lines = [
        Line(
            one.token_hash[:HANDLE], note.browser if note and note.browser else "Unknown browser",
            METHODS.get(note.method, note.method) if note else METHODS["password"], one.created_at, one.last_seen,
            one.token_hash == here,
        )
        for one, note in own if _lives(one, now)
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (not line.here, -line.seen_at.timestamp()))


def end_one(tx: Tx, by: Actor, handle: str, now: datetime) -> bool:
    """End one of one's own sessions by its handle; False when it is over already or not one's own."""
    row = tables.SessionRow
    if not re.fullmatch(rf"[0-9a-f]{{{HANDLE}}}", handle):
        return False
    query = select(row).where(
        row.account_id == by.account_id, row.token_hash.startswith(handle), row.revoked_at.is_(None)
    )
    found = tx.s.scalars(query).one_or_none()
    if found is None or not _lives(found, now):
        return False
    found.revoked_at = now
    tx.s.flush()
    return True


def browser_words(said: str) -> str:
    """Return what a browser says of itself (RFC 9110, User-Agent) as people say it: `Chrome on Windows`."""
    name = next((word for mark, word in BROWSERS if mark in said), "")
    system = next((word for mark, word in SYSTEMS if mark in said), "")
    if not name and not system:
        return ""
    return f"{name or 'A browser'} on {system}" if system else name


def _lives(row: tables.SessionRow, now: datetime) -> bool:
    return row.revoked_at is None and now <= row.expires_at and now <= row.last_seen + IDLE


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
