"""Loans: approve, reserve, hand over, extend, take back. The hand-over is the only exit from our custody.

`hand_over` is the only writer of `device.left`. Inside the one locked transaction it folds the device's history
afresh, refuses with *all* the reasons, and names the media of the current inventory in the exit it signs; the
database refuses a second open item for a device on its own account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from custody.events import Event
from lending.db import Tx
from lending.people import Actor

LOAN_STATES: Mapping[str, str] = {"approved": "Approved, nothing handed over yet", "out": "Out", "closed": "Closed"}
ITEM_STATES: Mapping[str, str] = {
    "reserved": "Reserved", "out": "Out", "returned": "Returned", "lost": "Lost", "given": "Given", "written-off": "Written off", "cancelled": "Not taken",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One thing of a loan. `reported_at` is when a kiosk said it came back (not the same as received)."""

    id: int
    kind: str
    device: str | None
    label: str
    state: str
    out_at: datetime | None
    exit: str | None
    reported_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True)
class Loan:
    """One loan. `due` is None for as long as needed. `client_reference` and `partner` come from the referral."""

    ref: str
    state: str
    referral: str | None
    client_reference: str
    partner: str
    need: str
    due: date | None
    created_at: datetime
    items: tuple[Item, ...]


@dataclass(frozen=True)
class ReportedReturn:
    """A device that somebody says they brought back and that no member of staff has in hand yet."""

    device: str
    pretty: str
    known: bool
    loan: str | None
    kiosk: str
    at: datetime
    items: Mapping[str, int]
    condition: str
    call_staff: bool
    event: str


def approve(tx: Tx, referral: str, by: Actor, now: datetime) -> str:
    """Grant a referral and return the new loan's reference (`L-XXXXXX`). Desk or supervisor.

    Raises `Refused`: `role`, `unknown-referral`, `decided`.
    """
    raise NotImplementedError


def reserve(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> None:
    """Keep a device for a loan; it must be lendable now. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `reserved` or `out` (for another loan), and
    everything that `custody.rules.why_not_lendable` says.
    """
    raise NotImplementedError


def release(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> None:
    """Give up a reservation. Raises `Refused`: `role`, `not-reserved`."""
    raise NotImplementedError


def hand_over(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> Event:
    """Let a device leave on a loan and return the signed `device.left`. Desk or supervisor.

    Raises `Refused` with every reason that stands against it, and then nothing has changed.
    """
    raise NotImplementedError


def extend(tx: Tx, loan: str, until: date | None, by: Actor, now: datetime) -> None:
    """Set or remove (None: as long as needed) the day a loan is due. Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `date`."""
    raise NotImplementedError


def take_back(
    tx: Tx, device: str, by: Actor, now: datetime, condition: str = "", items: Mapping[str, int] | None = None
) -> Event:
    """Say that staff have a device in hand: sign `device.received`, and `loan.closed` if it was on loan.

    Desk, supervisor or volunteer. Raises `Refused`: `role`, `unknown-device`, `in-hand` (it never left or was received).
    """
    raise NotImplementedError


def close(tx: Tx, loan: str, device: str, how: str, by: Actor, now: datetime) -> Event:
    """Close a device's item as `lost`, `given` or `written-off`. Supervisor. Raises `Refused`: `role`, `not-out`, `how`."""
    raise NotImplementedError


def get(tx: Tx, by: Actor, loan: str) -> Loan:
    """Return one loan. Raises `Refused` `unknown-loan`, also for another partner's."""
    raise NotImplementedError


def loans(tx: Tx, by: Actor, state: str = "") -> list[Loan]:
    """Return the loans that `by` may see, newest first: a partner those of its referrals, staff all."""
    raise NotImplementedError


def awaiting_receipt(tx: Tx) -> list[ReportedReturn]:
    """Return what was reported returned and not received since, oldest first; unknown codes too."""
    raise NotImplementedError
