"""The machines that may write history: enrolled with a one-time code, revoked, suspended after a fork."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from custody.errors import BadEvent
from custody.events import Event, OriginId, PublicKey, Role, origin_id
from lending import history, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import SYMBOLS, Actor, need
from lending.record import Store, opened, writer_in

ROLES = ("station", "kiosk")
CODE_LIFE = timedelta(hours=48)


@dataclass(frozen=True)
class OriginLine:
    """One machine. `state`: active, suspended or revoked; `fingerprint` is of its event key."""

    id: str
    role: str
    name: str
    state: str
    why: str
    fingerprint: str
    head: int
    refused: int
    quarantined: int
    enrolled_at: datetime
    last_seen: datetime | None


@dataclass(frozen=True)
class EnrolRequest:
    """What a machine sends with its one-time code. Keys are public, in hexadecimal."""

    role: str
    key: str
    transport_key: str
    world: str
    name: str = ""


@dataclass(frozen=True)
class Enrolled:
    """The answer to an enrolment: who you are here, and whom to trust from now on."""

    origin: str
    name: str
    server: Mapping[str, Any]


def make_code(tx: Tx, role: str, name: str, by: Actor | None, now: datetime) -> str:
    """Return a one-time code (`XXXX-XXXX-XXXX`) that enrols one station or kiosk within 48 hours. Administrator.

    `by` is None at the server's own command line.
    Raises `Refused`: `role`, `machine` (role not station or kiosk), `name`.
    """
    _need_administrator(by)
    if role not in ROLES:
        raise refused("machine", f"{role!r} is no machine that can be enrolled; choose station or kiosk")
    if not 1 <= len(name.strip()) <= 80:
        raise refused("name", "give the machine a name of 1 to 80 characters that tells where it stands")
    code = "".join(secrets.choice(SYMBOLS) for _ in range(12))
    tx.s.add(
        tables.EnrolmentCode(
            code_hash=_digest(code), role=role, name=name.strip(), made_by=by.ref if by else "command line",
            made_at=now, expires_at=now + CODE_LIFE, used_at=None, used_by=None,
        )
    )  # fmt: skip
    tx.s.flush()
    return "-".join(code[i : i + 4] for i in range(0, 12, 4))


def enrol(tx: Tx, code: str, request: EnrolRequest, now: datetime) -> Enrolled:
    """Enrol the machine that holds the code and its own keys; the same machine may ask again with the same code.

    Raises `Refused`: `code` (unknown, used, expired), `world`, `machine`, `key`, `revoked`, `origin-taken`.
    """
    row = tx.s.get(tables.EnrolmentCode, _digest(code))
    if row is None:
        raise refused("code", "this enrolment code is not known here; ask an administrator for a new one")
    if request.world != tx.world:
        text = (
            f"this is a {tx.world} server and the machine was made for the {request.world[:20]!r} world; they never mix"
        )
        raise refused("world", text)
    if request.role != row.role:
        raise refused("machine", f"this code enrols a {row.role}, not a {request.role[:20]!r}")
    key, transport = _keys(request.key, request.transport_key)
    origin = origin_id(Role(row.role), key)
    if row.used_at is not None and row.used_by != origin:
        raise refused("code", "this enrolment code was used already; ask an administrator for a new one")
    if row.used_at is None and row.expires_at < now:
        raise refused("code", "this enrolment code has expired; ask an administrator for a new one")
    _take_in(tx, origin, row, key, transport, now)
    row.used_at, row.used_by = row.used_at or now, origin
    tx.s.flush()
    return Enrolled(origin, row.name, described_server(tx))


def _take_in(
    tx: Tx, origin: OriginId, row: tables.EnrolmentCode, key: PublicKey, transport: PublicKey, now: datetime
) -> None:
    held = Store(tx).writer(origin)
    if held is not None and held.revoked_through is not None:
        raise refused("revoked", f"{held.name} was revoked; make new keys on it, then enrol it anew", origin)
    if held is not None and held.transport is not None and held.transport.hex == transport.hex:
        return
    if held is not None:
        raise refused("origin-taken", f"{held.name} is enrolled already with another transport key", origin)
    taken = select(tables.Origin.name).where(tables.Origin.transport_keyid == transport.keyid)
    if owner := tx.s.scalar(taken):
        raise refused("key", f"this transport key is already {owner}'s; a machine makes its own")
    body = {
        "origin": origin, "role": row.role, "name": row.name, "key": key.hex, "transport_key": transport.hex,
        "world": str(tx.world),
    }  # fmt: skip
    history.append(tx, "origin.enrolled", origin, body, now)


def revoke(tx: Tx, origin: str, reason: str, by: Actor | None, now: datetime) -> Event:
    """End an origin: what it wrote up to its present head stands, nothing later counts. Administrator.

    Raises `Refused`: `role`, `unknown-origin`, `revoked`, `reason`.
    """
    _need_administrator(by)
    row = _machine(tx, origin)
    if writer_in(row).revoked_through is not None:
        raise refused("revoked", f"{row.name} is revoked already", origin)
    if not reason.strip():
        raise refused("reason", "say why it is revoked (no names of people)")
    body = {"origin": origin, "through": row.head_seq, "head": row.head_hash, "reason": reason.strip()}
    return history.append(tx, "origin.revoked", origin, body, now)


def rekey(tx: Tx, origin: str, key: str, transport_key: str | None, by: Actor | None, now: datetime) -> Event:
    """Let an origin sign with a new key from its next event on. Administrator.

    Raises `Refused`: `role`, `unknown-origin`, `key`, `key-taken`.
    """
    _need_administrator(by)
    row = _machine(tx, origin)
    new, transport = _keys(key, transport_key or key)
    body = {
        "origin": origin, "key": new.hex, "transport_key": transport.hex if transport_key else None,
        "since": row.head_seq + 1,
    }  # fmt: skip
    return history.append(tx, "origin.rekeyed", origin, body, now)


def resume(tx: Tx, origin: str, by: Actor | None, now: datetime) -> None:
    """End a suspension: the chain we hold stands, the other branch stays in quarantine. Administrator.

    Raises `Refused`: `role`, `unknown-origin`, `not-suspended`.
    """
    _need_administrator(by)
    row = _machine(tx, origin)
    if not row.suspended:
        raise refused("not-suspended", f"{row.name} is not suspended", origin)
    row.suspended = False
    row.suspended_why = f"{row.suspended_why} (resumed {now:%Y-%m-%d} by {by.ref if by else 'command line'})"
    tx.s.flush()


def listing(tx: Tx) -> list[OriginLine]:
    """Return every machine and the server itself, by role and name."""
    refusals = _counts(tx, tables.EventRow.origin, tables.EventRow.refused.is_not(None))
    kept = _counts(tx, tables.Quarantine.origin, tables.Quarantine.origin.is_not(None))
    rows = tx.s.scalars(select(tables.Origin).order_by(tables.Origin.role, tables.Origin.name)).all()
    return [_line(row, refusals.get(row.id, 0), kept.get(row.id, 0)) for row in rows]


def server(tx: Tx) -> OriginLine:
    """Return this server's own line, whose fingerprint is compared at enrolment."""
    return _line(tx.s.get_one(tables.Origin, tx.server), 0, 0)


def described_server(tx: Tx) -> Mapping[str, Any]:
    """Return what a machine must know to trust this server: its first key, and the root's word for it if any."""
    writer = writer_in(tx.s.get_one(tables.Origin, tx.server))
    first = writer.keys[0].key
    query = select(tables.EventRow.envelope).where(tables.EventRow.origin == tx.server, tables.EventRow.seq == 1)
    founding = next(opened(tx, tx.s.scalars(query).all()))
    found: dict[str, Any] = {
        "origin": tx.server, "key": first.hex, "name": writer.name, "fingerprint": first.fingerprint,
    }  # fmt: skip
    if "root" in founding.body:
        found["root"] = founding.body["root"]
    return found


def _line(row: tables.Origin, refusals: int, kept: int) -> OriginLine:
    writer = writer_in(row)
    state = "revoked" if writer.revoked_through is not None else "suspended" if row.suspended else "active"
    return OriginLine(
        row.id, row.role, row.name, state, row.suspended_why if row.suspended else "",
        writer.keys[0].key.fingerprint, row.head_seq, refusals, kept, row.enrolled_at, row.last_seen,
    )  # fmt: skip


def _counts(tx: Tx, column: Any, condition: Any) -> dict[str, int]:
    rows = tx.s.execute(select(column, func.count()).where(condition).group_by(column))
    return {str(name): int(count) for name, count in rows}


def _machine(tx: Tx, origin: str) -> tables.Origin:
    row = tx.s.get(tables.Origin, origin)
    if row is None or row.id == tx.server:
        raise refused("unknown-origin", f"{origin[:60]!r} is no station or kiosk enrolled here", origin)
    return row


def _need_administrator(by: Actor | None) -> None:
    if by is not None:
        need(by, "administrator")


def _keys(key: str, transport_key: str) -> tuple[PublicKey, PublicKey]:
    try:
        return PublicKey.from_hex(key), PublicKey.from_hex(transport_key)
    except BadEvent as error:
        raise refused("key", str(error)) from error


def _digest(code: str) -> str:
    plain = "".join(c for c in code.upper() if c.isalnum()).translate(str.maketrans("ILO", "110"))
    return hashlib.sha256(f"enrol:{plain}".encode()).hexdigest()
