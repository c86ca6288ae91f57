"""The machines that may write history: enrolled with a one-time code, revoked, suspended after a fork."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody.events import Event
from lending.db import Tx
from lending.people import Actor

ROLES = ("station", "kiosk")


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

    `by` is None at the server's own command line. Raises `Refused`: `role`, `machine` (role not station or kiosk), `name`.
    """
    raise NotImplementedError


def enrol(tx: Tx, code: str, request: EnrolRequest, now: datetime) -> Enrolled:
    """Enrol the machine that holds the code and its own keys. Raises `Refused`: `code`, `world`, `machine`, `key`."""
    raise NotImplementedError


def revoke(tx: Tx, origin: str, reason: str, by: Actor | None, now: datetime) -> Event:
    """End an origin: what it wrote up to its present head stands, nothing later counts. Administrator.

    Raises `Refused`: `role`, `unknown-origin`, `revoked`, `reason`.
    """
    raise NotImplementedError


def rekey(tx: Tx, origin: str, key: str, transport_key: str | None, by: Actor | None, now: datetime) -> Event:
    """Let an origin sign with a new key from its next event on. Raises `Refused`: `role`, `unknown-origin`, `key`."""
    raise NotImplementedError


def resume(tx: Tx, origin: str, by: Actor, now: datetime) -> None:
    """End a suspension: the chain we hold stands, the other branch stays in quarantine. Administrator."""
    raise NotImplementedError


def listing(tx: Tx) -> list[OriginLine]:
    """Return every machine and the server itself, by role and name."""
    raise NotImplementedError


def server(tx: Tx) -> OriginLine:
    """Return this server's own line, whose fingerprint is compared at enrolment."""
    raise NotImplementedError
