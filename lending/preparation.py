"""What must lie on the table for a day: every booked household, what it gets, what is packed and what is missing.

The list is made anew from the loans each time; nothing on it names a household: the loan, the partner's own
reference and the things.
"""

from dataclasses import dataclass
from datetime import date, datetime

from custody.errors import Reason, Refused
from lending import child_safety, loan_items, loans, sims, slots
from lending.agreements import agreed
from lending.db import Tx
from lending.loan_items import Thing
from lending.people import Actor
from lending.record import facts_about
from lending.slots import Booked


@dataclass(frozen=True)
class Parcel:
    """One household's things for one slot."""

    loan: str
    reference: str
    partner: str
    need: str
    booked: Booked | None
    wanted: tuple[Thing, ...]
    children: bool
    agreed: bool

    @property
    def packed(self) -> int:
        """Return how many of the wanted things lie packed."""
        return sum(one.prepared for one in self.wanted)

    @property
    def ready(self) -> bool:
        """Tell whether there is something and all of it is packed."""
        return bool(self.wanted) and self.packed == len(self.wanted)


@dataclass(frozen=True)
class Packed:
    """What a scan or a number put to a loan."""

    what: str
    item: int


def day(tx: Tx, on: date, by: Actor) -> list[Parcel]:
    """Return the parcels of a day, by time. Raises `Refused` `role`."""
    return [_parcel(tx, one.loan, one, by) for one in slots.on_day(tx, on)]


def parcel(tx: Tx, loan: str, by: Actor) -> Parcel:
    """Return one loan's parcel, booked or not. Raises `Refused`: `role`, `unknown-loan`."""
    standing = slots.booking(tx, loan)
    return _parcel(tx, loan, standing if standing is not None and standing.state == "booked" else None, by)


def pack_device(tx: Tx, loan: str, device: str, by: Actor, now: datetime) -> Packed:
    """Put a scanned device to a loan and mark it packed; it must be lendable now. Desk or supervisor.

    A device that is kept for this very loan is only marked. Raises `Refused` as `loans.reserve` does, and where a
    child lives in the household `filter-…` too: better on the table today than at the desk tomorrow.
    """
    mine = [one for one in loan_items.things(tx, loan) if one.device == device and one.state == "reserved"]
    reasons: list[Reason] = []
    if not mine:
        try:
            loans.reserve(tx, loan, device, by, now)
        except Refused as refusal:
            reasons.extend(refusal.reasons)
    if child_safety.has_children(tx, loan):
        reasons.extend(child_safety.why_not_safe(facts_about(tx, device), device))
    if reasons:
        raise Refused(reasons)
    row = next(one for one in loan_items.things(tx, loan) if one.device == device and one.state == "reserved")
    loan_items.prepare(tx, loan, row.id, True, by, now)
    return Packed(row.name, row.id)


def pack_sim(tx: Tx, loan: str, digits: str, by: Actor, now: datetime) -> Packed:
    """Put a SIM to a loan by its last digits. Raises `Refused` as `sims.keep` does."""
    item = sims.keep(tx, loan, digits, by, now)
    return Packed(f"SIM …{digits.strip()}", item)


def _parcel(tx: Tx, loan: str, booked: Booked | None, by: Actor) -> Parcel:
    found = loans.get(tx, by, loan)
    wanted = tuple(one for one in loan_items.things(tx, loan) if one.state == "reserved")
    signed = any(one.kind == "loan" for one in agreed(tx, loan))
    return Parcel(
        loan, found.client_reference, found.partner, found.need, booked, wanted, child_safety.has_children(tx, loan),
        signed,
    )  # fmt: skip


def hand_over_all(tx: Tx, loan: str, by: Actor, now: datetime) -> list[str]:
    """Let everything that is packed go out at once, devices by their rules; return what went. Desk or supervisor.

    All or nothing. A SIM is left: it needs an adult's name. Raises `Refused` with every reason of every device, and
    `nothing-packed`.
    """
    ready = [one for one in loan_items.things(tx, loan) if one.state == "reserved" and one.kind != "sim"]
    ready = [one for one in ready if one.prepared or one.device]
    if not ready:
        raise Refused([Reason("nothing-packed", "nothing is packed for this loan yet; pack it first", loan)])
    reasons: list[Reason] = []
    for one in ready:
        try:
            if one.device:
                loans.hand_over(tx, loan, one.device, by, now)
            else:
                loan_items.hand_out(tx, loan, one.id, by, now)
        except Refused as refusal:
            reasons.extend(refusal.reasons)
    if reasons:
        raise Refused(list(dict.fromkeys(reasons)))
    standing = slots.booking(tx, loan)
    if standing is not None and standing.state == "booked":
        slots.done(tx, loan, by, now)
    return [one.name for one in ready]
