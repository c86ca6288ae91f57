"""What a donor may see: what became of every device of one pledge, without an account, by a link in an e-mail.

What this module promises:

- a link goes only to the address in the pledge, works once and shortly (`sign_in_links`); what it opens is one
  pledge, for `VISIT`, and can be ended at once; who asks is told the same whether there is such a pledge or not;
- a device is shown only where its signed registration names this very pledge: a row in the office's tables is not
  enough;
- "wiped" is said only while nothing that bears on its wipes speaks against lending it, by the same rules that guard
  the hand-over; a record is offered only while its certificate, made afresh, still shows that it succeeded;
- never to whom a device was lent: no loan, no reference, no place.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from custody import rules
from custody.certificate import Certificate, Standing
from custody.events import World
from custody.rules import Facts
from lending import certificates, donor_impact, donors, people, sign_in_links
from lending.db import Tx
from lending.donor_tables import DonorDevice, DonorPledge, DonorVisit
from lending.record import Reader

AUDIENCE = "donor"
VISIT = timedelta(hours=8)
ASKS = 3
ASKS_PER_ADDRESS = 30
ABOUT_WORK = frozenset({
    "not-tested", "test-not-passed", "grade-too-low", "locked", "inventory-old", "not-in-hand",
})  # fmt: skip
"""Reasons against lending that say nothing about data. Any other one, also one not known here, is against "wiped"."""

STATES: Mapping[str, str] = {
    "collected": "Collected. It waits to be looked at.",
    "bench": "At the bench. It is not finished: no wipe of all its storage counts yet.",
    "wiped": "Wiped, and being made ready to lend.",
    "empty": "At the bench. There is no storage inside.",
    "lent": "Lent to a household.",
    "given": "Given to a household for good.",
    "repair": "Out for repair.",
    "returned": "Back from a loan. It will be wiped again before it goes out.",
    "recycled": "Sent for recycling.",
}
LEFT = {"loan": "lent", "gift": "given", "repair": "repair", "recycling": "recycled"}


@dataclass(frozen=True)
class Proof:
    """One record that stands today: the level it shows, when, and its name (its page is `/v/` and that name)."""

    event: str
    level: str
    at: datetime
    destroyed: bool


@dataclass(frozen=True)
class Line:
    """One device as its donor sees it. `locks` are owner's locks that only the donor can take off."""

    code: str
    kind: str
    make: str
    model: str
    serial: str
    state: str
    proofs: tuple[Proof, ...]
    locks: tuple[str, ...]
    lent_for: timedelta

    @property
    def words(self) -> str:
        """Return the state in plain words."""
        return STATES[self.state]


def ask(tx: Tx, ref: str, email: str, address: str, now: datetime) -> tuple[str, str] | None:
    """Answer a donor who asks for a link: where it goes and its token; None when nobody gets one.

    `address` is the network address that asks. Raises `Refused` with code `throttled`.
    """
    ref, email = ref.strip().upper()[:20], email.strip().casefold()
    people.refuse_if_throttled(tx, "donor:" + ref, now, ASKS)
    people.refuse_if_throttled(tx, "donor-from:" + address, now, ASKS_PER_ADDRESS)
    people.count_try(tx, "donor:" + ref, now)
    people.count_try(tx, "donor-from:" + address, now)
    row = tx.s.get(DonorPledge, ref)
    known = donors.opened(tx, ref).email if row is not None and row.sealed is not None else ""
    if not known or known.casefold() != email:
        sign_in_links.issue(tx, sign_in_links.NOBODY, sign_in_links.NOBODY, now)  # the same work as for somebody
        return None
    return known, sign_in_links.issue(tx, AUDIENCE, ref, now)


def begin(tx: Tx, link: str, now: datetime) -> str | None:
    """Use a link up and return the token of a visit; None when the link does not work."""
    ref = sign_in_links.redeem(tx, AUDIENCE, link, now)
    if ref is None:
        return None
    token = secrets.token_urlsafe(32)
    tx.s.add(DonorVisit(token_hash=digest(token), pledge=ref, expires_at=now + VISIT, revoked_at=None))
    tx.s.flush()
    return token


def whose(tx: Tx, token: str, now: datetime) -> str | None:
    """Return the pledge that a visit may look at; None when it is unknown, over or revoked."""
    row = tx.s.get(DonorVisit, digest(token))
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    return row.pledge


def devices(tx: Tx, ref: str, now: datetime) -> list[Line]:
    """Return every device of a pledge, by label."""
    query = select(DonorDevice).where(DonorDevice.pledge == ref).order_by(DonorDevice.code)
    reader = Reader(tx)
    found = (_line(tx, reader.facts_about(row.code), row, ref, now) for row in tx.s.scalars(query).all())
    return [line for line in found if line is not None]


def device(tx: Tx, ref: str, code: str, now: datetime) -> Line | None:
    """Return one device of a pledge; None when it is not this donor's."""
    row = tx.s.get(DonorDevice, code)
    if row is None or row.pledge != ref:
        return None
    return _line(tx, Reader(tx).facts_about(code), row, ref, now)


def impact(lines: list[Line]) -> donor_impact.Impact:
    """Return what these devices did so far, as a range."""
    return donor_impact.impact((one.kind, one.lent_for) for one in lines)


def shown(tx: Tx, event: str) -> Certificate | None:
    """Return the public certificate of a record, None unless it shows today that the wipe or destruction was done."""
    found = certificates.public_form(tx, event)
    wanted = Standing.SHOWN if tx.world is World.REAL else Standing.PRACTICE
    return found if found is not None and found.standing is wanted and found.claim.rank > 0 else None


def _line(tx: Tx, facts: Facts, row: DonorDevice, ref: str, now: datetime) -> Line | None:
    said = [e.body for e in facts.about_device("device.registered", row.code) if e.body["code"] == row.code]
    if not said or {str(one["donor"] or "") for one in said} != {ref}:
        return None
    named = {name: next((str(one[name]) for one in said if one[name]), "") for name in ("make", "model", "serial")}
    return Line(
        row.code, row.kind, named["make"], named["model"], named["serial"], _state(tx, facts, row.code, now),
        _proofs(tx, facts, row.code), rules.state_of(facts, row.code).locks,
        donor_impact.lent_for(facts, row.code, now),
    )  # fmt: skip


def _state(tx: Tx, facts: Facts, code: str, now: datetime) -> str:
    now_ = rules.state_of(facts, code)
    if not now_.in_hand:
        return LEFT.get(now_.left_for, "lent")
    if now_.media is None:
        return "returned" if now_.exit else "collected"
    against = {one.code for one in rules.why_not_lendable(facts, code, tx.policy, now)} - ABOUT_WORK
    if against:
        return "bench"
    return "wiped" if now_.media else "empty"


def _proofs(tx: Tx, facts: Facts, code: str) -> tuple[Proof, ...]:
    events = [*facts.of("medium.wiped"), *(e for e in facts.of("medium.retired") if e.body["how"] == "destroyed")]
    found = []
    for event in sorted((e for e in events if e.body["device"] == code), key=lambda e: e.at):
        certificate = shown(tx, event.hash)
        if certificate is not None:
            destroyed = event.kind == "medium.retired"
            found.append(Proof(event.hash, str(certificate.claim), event.at, destroyed))
    return tuple(found)


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
