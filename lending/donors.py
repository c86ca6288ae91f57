"""Pledges: an organisation offers devices on the public site; the desk books, declines or closes.

What this module promises:

- a pledge is checked whole: every wrong answer is named at once, and nothing is stored before all are right;
- who to speak to, the postcode, the way in and every note are sealed; the list shows the organisation and an area;
- opening what is sealed writes down who looked, in the same transaction;
- the pledge's reference is what history knows the donor by: no organisation and no person is ever in an event.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from custody.errors import Reason, Refused
from lending import access_log, people, postcodes
from lending.db import Tx
from lending.donor_tables import DonorPledge, DonorVisit
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.record import storable

PURPOSE = "donor-contact"
MOST_OF_A_KIND = 5000
LONGEST_NOTE = 1000
MOST_PER_ADDRESS = 5
"""Pledges from one network address in the time that `people.WINDOW` spans."""

KINDS: Mapping[str, str] = {
    "laptop": "Laptops", "desktop": "Desktop computers", "tablet": "Tablets", "phone": "Phones",
    "monitor": "Screens", "other": "Other things",
}  # fmt: skip
ONE: Mapping[str, str] = {
    "laptop": "Laptop", "desktop": "Desktop computer", "tablet": "Tablet", "phone": "Phone", "monitor": "Screen",
    "other": "Other thing",
}  # fmt: skip
BEARING: Mapping[str, str] = {
    "yes": "Yes, or some of them", "no": "No, all drives were taken out", "unsure": "I do not know",
}  # fmt: skip
WANTS: Mapping[str, str] = {
    "any": "No, you decide", "clear": "Clear: overwritten", "purge": "Purge: erased by the drive itself, or stronger",
    "destroy": "Destroy: the drives are physically destroyed",
}  # fmt: skip
"""The levels of NIST SP 800-88 by which contracts name them. "any" leaves it to our rule: chosen, never assumed."""
STATES: Mapping[str, str] = {
    "pledged": "Pledged", "booked": "Booked", "collected": "Collected", "closed": "Closed", "declined": "Declined",
}  # fmt: skip
WHY_DECLINED: Mapping[str, str] = {
    "too-old": "The devices are too old to lend", "too-far": "It is outside the area that we reach",
    "not-ours": "They are things that we cannot use", "no-room": "We have no room at the moment",
    "withdrawn": "The donor took it back", "not-real": "It was not a real offer",
}  # fmt: skip


@dataclass(frozen=True)
class Contact:
    """Everything that is sealed: who to speak to, the full postcode and address, and how to get in."""

    name: str = ""
    email: str = ""
    phone: str = ""
    postcode: str = ""
    address: str = ""
    access: str = ""


@dataclass(frozen=True)
class Offer:
    """A filled form. `counts` holds numbers above 0 per kind; `bad_counts` the kinds whose number is none."""

    organisation: str
    contact: Contact
    counts: Mapping[str, int]
    bearing: str
    wants: str
    bad_counts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pledge:
    """One pledge as a list shows it. `wants` is "any" where the donor left it to us."""

    ref: str
    organisation: str
    area: str
    counts: Mapping[str, int]
    bearing: str
    wants: str
    state: str
    why: str
    created_at: datetime

    @property
    def total(self) -> int:
        """Return how many things were promised."""
        return sum(self.counts.values())


def what_is_wrong(offer: Offer) -> list[Reason]:
    """Return a reason for every answer that cannot stand; its `subject` is the field."""
    who = offer.contact
    found = {
        "organisation": "" if 2 <= len(offer.organisation.strip()) <= 120 else "Enter the name of your organisation",
        "name": "" if 1 <= len(who.name.strip()) <= 100 else "Enter whom we may speak to",
        "email": _email_problem(who.email),
        "phone": "" if len(who.phone) <= 40 else "Enter a shorter telephone number",
        **{f"count-{kind}": f"{KINDS[kind]}: enter a number up to {MOST_OF_A_KIND}" for kind in offer.bad_counts},
        "counts": "" if offer.counts or offer.bad_counts else "Say roughly how many there are of at least one kind",
        "bearing": "" if offer.bearing in BEARING else "Choose whether anything is stored on them",
        "wants": "" if offer.wants in WANTS else "Choose what your contract asks for",
        "postcode": "" if postcodes.split(who.postcode) else "Enter the full postcode where they are, as L1 8JQ",
        "address": "" if 3 <= len(who.address.strip()) <= 300 else "Enter the street and number where they are",
        "access": "" if len(who.access) <= LONGEST_NOTE else f"Use at most {LONGEST_NOTE} characters",
    }
    return [Reason("form", text, field) for field, text in found.items() if text]


def pledge(tx: Tx, offer: Offer, address: str, now: datetime) -> str:
    """Store an offer and return its reference (`D-XXXXXX`). Anybody may; `address` is the network address that asks.

    Raises `Refused`: `form` per field, `throttled`.
    """
    if reasons := what_is_wrong(offer):
        raise Refused(reasons)
    key = "pledge-from:" + address
    people.refuse_if_throttled(tx, key, now, MOST_PER_ADDRESS)
    people.count_try(tx, key, now)
    ref = random_ref("D")
    area = (postcodes.split(offer.contact.postcode) or ("", ""))[0]
    kept = {name: storable(" ".join(text.split()), LONGEST_NOTE) for name, text in asdict(offer.contact).items()}
    tx.s.add(
        DonorPledge(
            ref=ref, organisation=storable(" ".join(offer.organisation.split())), area=area,
            sealed=tx.vault.seal(PURPOSE, ref, kept), counts=dict(offer.counts), bearing=offer.bearing,
            wants=None if offer.wants == "any" else offer.wants, state="pledged", why=None, created_at=now,
            changed_at=now,
        )
    )  # fmt: skip
    tx.s.flush()
    return ref


def pledges(tx: Tx, by: Actor, state: str = "", most: int = 200) -> list[Pledge]:
    """Return the newest pledges, of one state if given. Desk or supervisor. Raises `Refused` `role`."""
    need(by, "desk", "supervisor")
    query = select(DonorPledge)
    if state:
        query = query.where(DonorPledge.state == state)
    rows = tx.s.scalars(query.order_by(DonorPledge.created_at.desc(), DonorPledge.ref).limit(most))
    return [_shown(row) for row in rows]


def states(tx: Tx) -> Mapping[str, int]:
    """Return how many pledges stand in each state; states without any are missing."""
    query = select(DonorPledge.state, func.count()).group_by(DonorPledge.state)
    return {row[0]: row[1] for row in tx.s.execute(query)}


def get(tx: Tx, ref: str) -> Pledge:
    """Return one pledge. Raises `Refused` `unknown-pledge`."""
    return _shown(row_of(tx, ref))


def contact(tx: Tx, ref: str, by: Actor, reason: str, now: datetime) -> Contact:
    """Open who to speak to and where, and write down who looked. Desk, supervisor; a volunteer on the van.

    Raises `Refused`: `role`, `unknown-pledge`, `erased`; `VaultError` when it cannot be opened.
    """
    need(by, "desk", "supervisor", "volunteer")
    found = opened(tx, ref)
    access_log.log(tx, by, f"donor:{ref}", "contact", reason, now)
    return found


def opened(tx: Tx, ref: str) -> Contact:
    """Open what is sealed without a line in the log: for what we send to the donor, never for a screen of staff."""
    row = row_of(tx, ref)
    if row.sealed is None:
        raise refused("erased", f"the contact of pledge {row.ref} was erased", row.ref)
    return Contact(**tx.vault.open_(PURPOSE, row.ref, row.sealed))


def decline(tx: Tx, ref: str, why: str, by: Actor, now: datetime) -> None:
    """Say no to a pledge that is not booked. Desk or supervisor. Raises `Refused`: `role`, `why`, `pledge-state`."""
    need(by, "desk", "supervisor")
    if why not in WHY_DECLINED:
        raise refused("why", "choose why it is declined", "why")
    row = row_of(tx, ref)
    move(row, ("pledged",), "declined", now)
    row.why = why
    tx.s.flush()


def close(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Say that nothing more is expected of a pledge. Its portal stays. Raises `Refused`: `role`, `pledge-state`."""
    need(by, "desk", "supervisor")
    move(row_of(tx, ref), ("collected",), "closed", now)
    tx.s.flush()


def erase(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Erase who to speak to of a pledge that has ended, and end every visit to its portal. Supervisor.

    What became of the devices stays. Raises `Refused`: `role`, `unknown-pledge`, `pledge-state`.
    """
    need(by, "supervisor")
    row = row_of(tx, ref)
    move(row, ("closed", "declined"), row.state, now)
    row.sealed = None
    end_visits(tx, row.ref, now)


def end_visits(tx: Tx, ref: str, now: datetime) -> None:
    """End every visit of this donor at once; asking for a new link stays possible while there is a contact."""
    visit = DonorVisit
    tx.s.execute(update(visit).where(visit.pledge == ref, visit.revoked_at.is_(None)).values(revoked_at=now))
    tx.s.flush()


def move(row: DonorPledge, allowed: tuple[str, ...], state: str, now: datetime) -> None:
    """Move a pledge on. Raises `Refused` `pledge-state` when it stands elsewhere."""
    if row.state not in allowed:
        words = " or ".join(STATES[one].lower() for one in allowed)
        text = f"pledge {row.ref} is {STATES[row.state].lower()}; this needs one that is {words}"
        raise refused("pledge-state", text, row.ref)
    row.state, row.changed_at = state, now


def row_of(tx: Tx, ref: str) -> DonorPledge:
    """Return a pledge's row. Raises `Refused` `unknown-pledge`."""
    row = tx.s.get(DonorPledge, storable(ref.strip().upper(), 20))
    if row is None:
        raise refused("unknown-pledge", f"there is no pledge {ref[:20]!r}", "ref")
    return row


def _email_problem(email: str) -> str:
    try:
        people.read_address(email)
    except Refused:
        return "Enter an e-mail address, as name@example.org; the page about your devices is sent there"
    return ""


def _shown(row: DonorPledge) -> Pledge:
    counts = {kind: int(row.counts[kind]) for kind in KINDS if kind in row.counts}
    return Pledge(
        row.ref, row.organisation, row.area, counts, row.bearing, row.wants or "any", row.state, row.why or "",
        row.created_at,
    )  # fmt: skip
