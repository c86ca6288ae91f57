"""Looking at devices: lists, finding one by its label, its page, and the proof behind a wipe. Nothing here writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from custody.errors import Reason
from lending.db import Tx

PAGE_SIZE = 50
STATES: Mapping[str, str] = {
    "ready": "Ready to lend",
    "not-ready": "Not ready to lend",
    "out": "Out on loan",
    "reported": "Reported returned, not received yet",
    "gone": "Left for good",
    "unknown": "Not registered",
}


@dataclass(frozen=True)
class DeviceLine:
    """One device in a list. `words` is `state` in English; `reserved_for` a loan reference or None."""

    code: str
    pretty: str
    make: str
    model: str
    serial: str
    state: str
    words: str
    reserved_for: str | None


@dataclass(frozen=True)
class Listing:
    """One page of a list; pages count from 1. `counts` holds the number of devices in each state."""

    lines: tuple[DeviceLine, ...]
    total: int
    page: int
    pages: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class WipeLine:
    """One wipe of a medium. `counts` says whether it answers the last exit, and `checked` how many agreed."""

    hash: str
    at: datetime
    station: str
    outcome: str
    claim: str
    profile: str
    counts: bool
    why_not: str
    checked: int
    evidence: str
    has_evidence: bool
    exceptions: tuple[str, ...]
    who: str


@dataclass(frozen=True)
class MediumLine:
    """A storage medium of the current inventory with its wipes, newest last. `size` in bytes."""

    id: str
    transport: str
    model: str
    serial: str
    size: int
    wipes: tuple[WipeLine, ...]


@dataclass(frozen=True)
class HistoryLine:
    """One event of a device's history, in order of arrival. `refused` is empty for an event that counts."""

    n: int
    hash: str
    kind: str
    words: str
    origin: str
    origin_name: str
    at: datetime
    received_at: datetime
    refused: tuple[Reason, ...]


@dataclass(frozen=True)
class DevicePage:
    """Everything about one device. `media` is None when nobody looked inside since it came back."""

    code: str
    pretty: str
    make: str
    model: str
    serial: str
    donor: str
    state: str
    words: str
    grade: str
    reasons: tuple[Reason, ...]
    media: tuple[MediumLine, ...] | None
    history: tuple[HistoryLine, ...]
    loan: str | None
    reserved_for: str | None


@dataclass(frozen=True)
class Proof:
    """One event as signed, and the stored evidence it names (None when that has not been sent yet)."""

    event: Mapping[str, Any]
    origin_name: str
    refused: tuple[Reason, ...]
    envelope: Mapping[str, Any]
    evidence_digest: str | None
    evidence: Mapping[str, Any] | None
    evidence_size: int


def listing(tx: Tx, q: str = "", state: str = "", page: int = 1) -> Listing:
    """Return devices whose code, make, model or serial contains `q`, in one state or in all ("")."""
    raise NotImplementedError


def find(tx: Tx, scanned: str) -> str:
    """Return the label code in a scanned or typed text, if such a device is known here.

    Raises `Refused`: `bad-code` (says which character is wrong and offers the right code), `unknown-device`.
    """
    raise NotImplementedError


def page(tx: Tx, code: str) -> DevicePage:
    """Fold a device's history afresh and return everything about it. Raises `Refused` `unknown-device`."""
    raise NotImplementedError


def proof(tx: Tx, event_hash: str) -> Proof:
    """Return one event with its evidence. Raises `Refused` `unknown-event`."""
    raise NotImplementedError
