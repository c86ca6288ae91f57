"""Fetching what was pledged: the rounds of the van, one visit per pledge, counted, labelled and signed at the door.

What this module promises:

- a slot never holds more visits than it has places, counted under the one lock in the same transaction; a pledge has
  at most one visit that stands;
- custody begins at the door: a label that is scanned there is a registered device from that moment, in hand, with
  the pledge's reference as its donor and the wipe that the contract asks for;
- a label that another donor's device wears is refused, whatever this office's own tables say: the signed history
  decides;
- the names of driver and donor are sealed and are in no event; without a signature nothing is "collected".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from custody.errors import Reason, Refused
from labels import codes
from lending import donor_rounds, donors, history
from lending.db import Tx
from lending.donor_rounds import Place
from lending.donor_tables import DonorCollection, DonorDevice, DonorSlot
from lending.errors import refused
from lending.people import Actor, need
from lending.record import facts_about, storable

PURPOSE = "donor-signature"
STATES: Mapping[str, str] = {
    "booked": "Booked", "done": "Collected", "failed": "Did not happen", "moved": "Moved", "cancelled": "Cancelled",
}  # fmt: skip
WHY_FAILED: Mapping[str, str] = {
    "nobody-there": "Nobody was there", "no-access": "We could not get in", "not-ready": "They were not ready",
    "no-room": "They did not fit into the van", "driver": "We could not come",
}  # fmt: skip


@dataclass(frozen=True)
class Label:
    """One label that was stuck on at the door, and on what kind of thing."""

    code: str
    kind: str
    at: datetime


@dataclass(frozen=True)
class Visit:
    """One collection: which pledge, when, what was counted, what was labelled. `signed` says that names are sealed."""

    id: int
    pledge: donors.Pledge
    slot: Place
    state: str
    why: str
    counted: Mapping[str, int]
    labels: tuple[Label, ...]
    signed: bool

    def labelled(self, kind: str) -> int:
        """Return how many things of a kind got a label."""
        return sum(one.kind == kind for one in self.labels)

    @property
    def differs(self) -> tuple[str, ...]:
        """Return the kinds whose labels are not as many as were counted."""
        return tuple(one for one in donors.KINDS if self.counted.get(one, 0) != self.labelled(one))


def book(tx: Tx, ref: str, slot: int, by: Actor, now: datetime) -> int:
    """Give a pledge a place in a slot, moving it from the one it had; return the visit's number. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-pledge`, `pledge-state`, `unknown-slot`, `slot-closed`, `slot-past`,
    `slot-full`, `labelled` (things were labelled already in the visit that stands).
    """
    need(by, "desk", "supervisor")
    pledge, row = donors.row_of(tx, ref), donor_rounds.slot(tx, slot)
    old = _standing(tx, pledge.ref)
    if reasons := _against(tx, row, old, now):
        raise Refused(reasons)
    donors.move(pledge, ("pledged", "booked", "collected"), "booked", now)
    if old is not None:
        _end(old, "moved", now)
        tx.s.flush()
    made = DonorCollection(
        pledge=pledge.ref, slot_id=row.id, state="booked", why=None, counted={}, sealed=None, made_at=now,
        ended_at=None,
    )  # fmt: skip
    tx.s.add(made)
    try:
        tx.s.flush()
    except IntegrityError as error:
        raise refused("booked", f"pledge {pledge.ref} has a visit already; look at it again", pledge.ref) from error
    return made.id


def visits(tx: Tx, ref: str) -> list[Visit]:
    """Return every visit to a donor, newest first."""
    query = select(DonorCollection).where(DonorCollection.pledge == ref).order_by(DonorCollection.id.desc())
    return [_visit(tx, row) for row in tx.s.scalars(query).all()]


def on_day(tx: Tx, day: date) -> list[Visit]:
    """Return the visits that stand for a day, in the order of the round, and those done that day after them."""
    query = (
        select(DonorCollection)
        .join(DonorSlot, DonorSlot.id == DonorCollection.slot_id)
        .where(DonorSlot.day == day, DonorCollection.state.in_(("booked", "done")))
        .order_by(DonorCollection.state, DonorSlot.starts, DonorCollection.id)
    )
    return [_visit(tx, row) for row in tx.s.scalars(query).all()]


def get(tx: Tx, number: int) -> Visit:
    """Return one visit. Raises `Refused` `unknown-collection`."""
    return _visit(tx, _row(tx, number))


def count(tx: Tx, number: int, counted: Mapping[str, int], by: Actor, now: datetime) -> None:
    """Write down how many things of each kind are handed over. Driver (volunteer), desk or supervisor.

    Raises `Refused`: `role`, `unknown-collection`, `collection-over`, `count`.
    """
    row = _open(tx, number, by)
    wrong = [kind for kind, n in counted.items() if kind not in donors.KINDS or not 0 <= n <= donors.MOST_OF_A_KIND]
    if wrong:
        text = "Enter a whole number from 0 on"
        raise Refused([Reason("count", text, f"count-{kind}") for kind in wrong])
    row.counted = {kind: n for kind, n in counted.items() if n}
    tx.s.flush()


def scan(
    tx: Tx, number: int, code: str, kind: str, by: Actor, now: datetime, make: str = "", model: str = ""
) -> bool:
    """Put a label on a thing at the door: it is a registered device of this donor from now on, in our hand.

    Returns False when this very label was scanned in this pledge before. Raises `Refused`: `role`,
    `unknown-collection`, `collection-over`, `kind`, `other-donor`, `registered` (a label that is in use already).
    """
    row = _open(tx, number, by)
    if kind not in donors.KINDS:
        raise refused("kind", "choose what the label is on", "kind")
    held = tx.s.get(DonorDevice, code)
    if held is not None and held.pledge == row.pledge:
        return False
    registered = facts_about(tx, code).about_device("device.registered", code)
    if held is not None or registered:
        text = f"{codes.pretty(code)} is on another device already; stick on a new label"
        raise refused("other-donor" if held else "registered", text, "code")
    pledge = donors.row_of(tx, row.pledge)
    body = {
        "code": code, "make": storable(make.strip(), 100), "model": storable(model.strip(), 100), "serial": None,
        "donor": pledge.ref, "donor_wants": pledge.wants,
    }  # fmt: skip
    history.append(tx, "device.registered", code, body, now)
    tx.s.add(DonorDevice(code=code, pledge=pledge.ref, collection_id=row.id, kind=kind, at=now))
    tx.s.flush()
    return True


def adopt(tx: Tx, ref: str, code: str, kind: str, by: Actor, now: datetime) -> None:
    """Put a device to a pledge that a bench registered with this donor's reference. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-pledge`, `kind`, `other-donor` (its registration names somebody else, or nobody).
    """
    need(by, "desk", "supervisor")
    pledge = donors.row_of(tx, ref)
    if kind not in donors.KINDS:
        raise refused("kind", "choose what kind of thing it is", "kind")
    said = {str(e.body["donor"] or "") for e in facts_about(tx, code).about_device("device.registered", code)}
    held = tx.s.get(DonorDevice, code)
    if said != {pledge.ref} or (held is not None and held.pledge != pledge.ref):
        text = f"{codes.pretty(code)} was not registered with the donor {pledge.ref}; its record cannot be altered"
        raise refused("other-donor", text, "code")
    if held is None:
        tx.s.add(DonorDevice(code=code, pledge=pledge.ref, collection_id=None, kind=kind, at=now))
        tx.s.flush()


def sign(tx: Tx, number: int, name: str, by: Actor, now: datetime, differs: bool = False) -> None:
    """End a visit with the typed name of who hands over; the driver's name is sealed beside it.

    Raises `Refused`: `role`, `unknown-collection`, `collection-over`, `name`, `nothing` (nothing was counted),
    `count-differs` (labels are not as many as counted, and `differs` was not confirmed).
    """
    row = _open(tx, number, by)
    visit = _visit(tx, row)
    reasons = []
    if not 2 <= len(name.strip()) <= 100:
        reasons.append(Reason("name", "Type the name of the person who hands over", "name"))
    if not visit.counted and not visit.labels:
        reasons.append(Reason("nothing", "Count what is handed over first", "counted"))
    elif visit.differs and not differs:
        words = ", ".join(donors.KINDS[one].lower() for one in visit.differs)
        text = f"Counted and labelled are not the same for {words}; put it right, or confirm that it is so"
        reasons.append(Reason("count-differs", text, "differs"))
    if reasons:
        raise Refused(reasons)
    row.sealed = tx.vault.seal(PURPOSE, str(row.id), {"donor": storable(name.strip(), 100), "driver": by.name})
    _end(row, "done", now)
    donors.move(donors.row_of(tx, row.pledge), ("booked",), "collected", now)
    tx.s.flush()


def failed(tx: Tx, number: int, why: str, by: Actor, now: datetime) -> None:
    """Say that nothing was fetched, and why; the pledge waits for another day. Driver, desk or supervisor.

    Raises `Refused`: `role`, `unknown-collection`, `collection-over`, `why`, `labelled`.
    """
    row = _open(tx, number, by)
    if why not in WHY_FAILED:
        raise refused("why", "choose what happened", "why")
    if _labels(tx, row.id):
        raise refused("labelled", "things were labelled in this visit and are ours to keep; sign for them", "why")
    row.why = why
    _end(row, "failed", now)
    donors.move(donors.row_of(tx, row.pledge), ("booked",), "pledged", now)
    tx.s.flush()


def _open(tx: Tx, number: int, by: Actor) -> DonorCollection:
    need(by, "volunteer", "desk", "supervisor")
    row = _row(tx, number)
    if row.state != "booked":
        raise refused("collection-over", f"this visit is over ({STATES[row.state].lower()})", str(number))
    return row


def _against(tx: Tx, row: DonorSlot, old: DonorCollection | None, now: datetime) -> list[Reason]:
    reasons = []
    if old is not None and _labels(tx, old.id):
        text = "things were labelled in the visit that stands; it must be signed first"
        reasons.append(Reason("labelled", text, "slot"))
    if row.closed:
        reasons.append(Reason("slot-closed", "this slot takes no more visits; choose another", "slot"))
    if row.day < now.date():
        reasons.append(Reason("slot-past", f"{row.day:%d %B %Y} is over; choose a later slot", "slot"))
    mine = 1 if old is not None and old.slot_id == row.id else 0
    if donor_rounds.taken(tx, row.id) - mine >= row.places:
        reasons.append(Reason("slot-full", f"all {row.places} places of this slot are taken; choose another", "slot"))
    return reasons


def _row(tx: Tx, number: int) -> DonorCollection:
    row = tx.s.get(DonorCollection, number) if number < donor_rounds.LARGEST else None
    if row is None:
        raise refused("unknown-collection", f"there is no collection {number}", str(number))
    return row


def _standing(tx: Tx, ref: str) -> DonorCollection | None:
    return tx.s.scalar(select(DonorCollection).where(DonorCollection.pledge == ref, DonorCollection.state == "booked"))


def _end(row: DonorCollection, state: str, now: datetime) -> None:
    row.state, row.ended_at = state, now


def _labels(tx: Tx, number: int) -> tuple[Label, ...]:
    query = select(DonorDevice).where(DonorDevice.collection_id == number).order_by(DonorDevice.at.desc())
    return tuple(Label(one.code, one.kind, one.at) for one in tx.s.scalars(query))


def _visit(tx: Tx, row: DonorCollection) -> Visit:
    pledge = donors.get(tx, row.pledge)
    counted = {kind: int(n) for kind, n in row.counted.items()}
    place, labels = donor_rounds.place(tx, donor_rounds.slot(tx, row.slot_id)), _labels(tx, row.id)
    return Visit(row.id, pledge, place, row.state, row.why or "", counted, labels, row.sealed is not None)
