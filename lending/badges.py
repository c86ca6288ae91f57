"""Badges: given, replaced and ended by an administrator; every change is a new roster for the stations.

Rules:

- the secret of a badge exists on its card only. It is made here, shown once and not kept; of the PIN, which its
  owner types, only what scrypt makes of both together is kept;
- one person has one reference and one badge: whoever gets a new card keeps the reference, so two cards are never two
  people. That two accounts are not one person is the office's to know; namesakes are pointed out;
- ending a badge, or closing its account, issues a new roster in the same transaction. A station takes it with its
  next sync and until then still knows the old one;
- in history are references and roles only. The document with what recognises a badge goes to stations alone.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from custody.badges import COST, ROLES, BadBadge, Badge, Cost, Entry, Roster, entry_for, new_badge
from custody.events import Event
from labels.label import Label
from lending import badge_tables, caches, history, people, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Account, Actor, need
from lending.record import opened

LIFE = timedelta(days=30)
"""How long stations may use a roster after the server made it."""

RENEWED_AFTER = timedelta(days=7)
ROLE_WORDS = {
    "volunteer": "Wipes and tests",
    "verifier": "Checks what others wiped",
    "supervisor": "Accepts wipes and lower claims, decides what is unknown, signs destruction",
}


@dataclass(frozen=True)
class Line:
    """One account with its badge. `state`: none, active or ended. `shut_out`: when a station last refused the badge."""

    account: Account
    state: str
    roles: tuple[str, ...]
    given_at: datetime | None
    ended_at: datetime | None
    shut_out: datetime | None
    namesake: bool


@dataclass(frozen=True, repr=False)
class Prepared:
    """A badge that is made and not given yet; slow to make, so it is made outside a transaction."""

    badge: Badge
    entry: Entry

    def __repr__(self) -> str:
        """Show whose it is and nothing of it."""
        return f"Prepared({self.badge!r})"


def prepare(ref: str, roles: Collection[str], pin: str, again: str, cost: Cost = COST) -> Prepared:
    """Return a new badge for a reference and the PIN its owner typed twice.

    Raises `Refused`: `roles` (none or unknown), `pin` (too short, too easy), `again` (typed differently).
    """
    if not roles or set(roles) - set(ROLES):
        raise refused("roles", "choose at least one of what this person does at stations", "roles")
    if pin != again:
        raise refused("again", "the two PINs are not the same", "again")
    badge = new_badge(ref, secrets.randbelow)
    try:
        return Prepared(badge, entry_for(badge, pin, sorted(roles), secrets.token_bytes(16), cost))
    except BadBadge as error:
        raise refused("pin", str(error), "pin") from error


def give(tx: Tx, account_id: int, made: Prepared, by: Actor, now: datetime) -> Event:
    """Give a prepared badge; an older one of the same person stops counting. Administrator.

    Returns the `roster.issued`. Raises `Refused`: `role`, `account` (closed, a partner's, or of another reference).
    """
    need(by, "administrator")
    account = tx.s.get(tables.AccountRow, account_id)
    if account is None or account.disabled or account.ref != made.badge.ref:
        raise refused("account", "this account is closed or is not the one the badge was made for")
    if account.partner_id is not None:
        raise refused("account", "partners do not work at stations; their accounts get no badge")
    entry = made.entry
    tx.s.merge(
        badge_tables.BadgeRow(
            account_id=account_id, roles=list(entry.roles), mark=entry.mark, salt=entry.salt, verifier=entry.verifier,
            given_at=now, ended_at=None,
        )
    )  # fmt: skip
    return issue(tx, now)


def end(tx: Tx, account_id: int, by: Actor, now: datetime, *, distrust: bool = False) -> Event:
    """End a badge at once. With `distrust` nothing that was signed in with it counts as a second person. Administrator.

    Returns the `badge.revoked`. Raises `Refused`: `role`, `badge` (has none).
    """
    need(by, "administrator")
    row = tx.s.get(badge_tables.BadgeRow, account_id)
    if row is None or (row.ended_at is not None and not distrust):
        raise refused("badge", "this person has no badge that could be ended")
    row.mark, row.salt, row.verifier, row.ended_at = None, None, None, row.ended_at or now
    ref = tx.s.get_one(tables.AccountRow, account_id).ref
    body = {"ref": ref, "through": _number(tx), "distrust": distrust, "who": by.who()}
    event = history.append(tx, "badge.revoked", f"badge:{ref}", body, now)
    if distrust:
        caches.refresh(tx, _touched(tx, ref))
    issue(tx, now)
    return event


def close_account(tx: Tx, account_id: int, by: Actor, now: datetime) -> None:
    """Close an account (`people.disable`) and end its badge, if it has one. Administrator."""
    need(by, "administrator")
    people.disable(tx, account_id, now)
    row = tx.s.get(badge_tables.BadgeRow, account_id)
    if row is not None and row.ended_at is None:
        end(tx, account_id, by, now)


def issue(tx: Tx, now: datetime) -> Event:
    """Make the next roster from the badges that count, and name it in history."""
    before = newest(tx)
    row, account = badge_tables.BadgeRow, tables.AccountRow
    query = select(row, account.ref).join(account, account.id == row.account_id)
    counting = query.where(row.ended_at.is_(None), account.disabled.is_(False)).order_by(account.ref)
    entries = tuple(
        Entry(ref, tuple(one.roles), one.mark or "", one.salt or "", one.verifier or "")
        for one, ref in tx.s.execute(counting)
    )
    seed = before.seed if before else secrets.token_hex(16)
    made = Roster(_number(tx) + 1, now + LIFE, entries, seed, tx.policy.check_share)
    document = made.to_bytes()
    digest = hashlib.sha256(document).hexdigest()
    tx.s.execute(delete(badge_tables.RosterRow))
    tx.s.add(badge_tables.RosterRow(number=made.number, digest=digest, document=document, issued_at=now))
    tx.s.flush()
    body = {"number": made.number, "digest": digest, "not_after": made.not_after.isoformat(), "roles": made.roles}
    return history.append(tx, "roster.issued", f"roster:{made.number}", body, now)


def document(tx: Tx) -> bytes | None:
    """Return the newest roster as stations get it, None when none was issued."""
    return tx.s.scalar(select(badge_tables.RosterRow.document))


def newest(tx: Tx) -> Roster | None:
    """Return the newest roster, None when none was issued."""
    found = document(tx)
    return Roster.from_bytes(found) if found else None


def is_stale(tx: Tx, now: datetime) -> bool:
    """Tell whether the newest roster should be made again: it is some days old, or the policy's share changed."""
    issued = tx.s.scalar(select(badge_tables.RosterRow.issued_at))
    found = newest(tx)
    return issued is not None and (now - issued > RENEWED_AFTER or (found and found.share) != tx.policy.check_share)


def listing(tx: Tx) -> list[Line]:
    """Return everybody who works here and may have a badge, by name; closed accounts only if they had one."""
    rows = {row.account_id: row for row in tx.s.scalars(select(badge_tables.BadgeRow))}
    accounts = [
        one for one in people.list_accounts(tx) if one.partner_id is None and (not one.disabled or one.id in rows)
    ]
    names = [one.name.casefold() for one in accounts if not one.disabled]
    return [_line(tx, one, rows.get(one.id), names.count(one.name.casefold()) > 1) for one in accounts]


def card(name: str, badge: Badge) -> Label:
    """Return the card to print: the name for people, the QR for stations; the name is not in the QR."""
    lines = (f"Kitbank badge {badge.ref}", "No photographs of it.", "No PIN on it.")
    return Label("", name, lines, scan=badge.text)


def is_current(tx: Tx, account_id: int, badge: Badge) -> bool:
    """Tell whether this is the person's badge that counts."""
    row = tx.s.get(badge_tables.BadgeRow, account_id)
    ref = tx.s.scalar(select(tables.AccountRow.ref).where(tables.AccountRow.id == account_id))
    return row is not None and row.ended_at is None and row.mark == badge.mark and ref == badge.ref


def _line(tx: Tx, account: Account, row: badge_tables.BadgeRow | None, namesake: bool) -> Line:
    if row is None:
        return Line(account, "none", (), None, None, None, namesake)
    state = "ended" if row.ended_at is not None or account.disabled else "active"
    event = tables.EventRow
    shut = select(event.received_at).where(
        event.kind == "badge.refused", event.subject == f"badge:{account.ref}", event.refused.is_(None)
    )
    last = tx.s.scalar(shut.order_by(event.n.desc()).limit(1))
    return Line(account, state, tuple(row.roles), row.given_at, row.ended_at, last, namesake)


def _number(tx: Tx) -> int:
    """Return the number of the newest roster in history: the row may be gone, a number is never used twice."""
    held = tx.s.scalar(select(badge_tables.RosterRow.number)) or 0
    event = tables.EventRow
    query = select(event.envelope).where(event.kind == "roster.issued", event.refused.is_(None))
    last = tx.s.scalar(query.order_by(event.n.desc()).limit(1))
    said = next(opened(tx, [last])).body["number"] if last else 0
    return max(held, int(said))


def _touched(tx: Tx, ref: str) -> set[str]:
    """Return the devices and media of which somebody, signed in with a badge, said something."""
    mention = tables.Mention
    said = select(mention.n).where(mention.subject == f"by:{ref}")
    return set(tx.s.scalars(select(mention.subject).distinct().where(mention.n.in_(said))))
