"""A partner's request for a household: as little as is needed to answer it, and nothing of it in history."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Select, select

from custody.errors import Reason, Refused
from lending import contacts, tables
from lending.contacts import Contact
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref

READERS = ("partner", "desk", "supervisor", "data-protection")
POSTCODE = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?)([0-9][A-Z]{2})")
"""The shape of a British postcode, spaces taken out; whether it exists is another question."""

BANDS: Mapping[str, str] = {"0-4": "0 to 4", "5-10": "5 to 10", "11-15": "11 to 15", "16-17": "16 and 17"}
NEEDS: Mapping[str, str] = {
    "laptop": "Laptop",
    "desktop": "Desktop computer",
    "tablet": "Tablet",
    "phone": "Smartphone",
    "any": "Whatever fits",
}
INTERNET: Mapping[str, str] = {
    "none": "None",
    "phone-only": "Only on a phone",
    "insufficient": "Some, but not enough",
    "ok": "Enough",
}
PURPOSES: Mapping[str, str] = {
    "school": "School",
    "work": "Work",
    "benefits": "Benefits and services",
    "health": "Health",
    "contact": "Keeping in touch",
    "other": "Something else",
}
GROUNDS: Mapping[str, str] = {
    "low-income": "Low income",
    "school-meals": "Free school meals",
    "universal-credit": "Universal Credit or similar",
    "worker": "The worker's judgement",
}
SAFE_CONTACT: Mapping[str, str] = {
    "yes": "Call, text or write",
    "no-text": "Do not text",
    "no-write": "Do not write",
    "partner-only": "Only through the partner",
}
TOLD: Mapping[str, str] = {
    "read": "They read the privacy notice",
    "explained": "It was explained to them",
    "interpreter": "It was explained through an interpreter",
}
STATES: Mapping[str, str] = {
    "waiting": "Waiting",
    "approved": "Approved",
    "declined": "Declined",
    "withdrawn": "Withdrawn",
}
CHOICES: Mapping[str, Mapping[str, str]] = {
    "need": NEEDS,
    "internet": INTERNET,
    "purpose": PURPOSES,
    "ground": GROUNDS,
    "safe_contact": SAFE_CONTACT,
    "told_how": TOLD,
}
"""The fields that are one of a few words, each with the words in English."""


@dataclass(frozen=True)
class ReferralForm:
    """What a partner is asked. `children` counts children per band of `BANDS`; texts are as typed."""

    client_reference: str
    postcode: str
    adults: int
    children: Mapping[str, int]
    need: str
    internet: str
    purpose: str
    ground: str
    contact_name: str
    contact_phone: str
    via_partner: bool
    safe_contact: str
    language: str
    told_how: str


@dataclass(frozen=True)
class Referral:
    """A stored referral. Name and number are empty and the postcode is cut: they are seen by `access_log.reveal`.

    `contact` tells whether there is a name or number to reveal: not where contact goes through the partner, and not
    after it was erased.
    """

    ref: str
    form: ReferralForm
    state: str
    partner: str
    created_at: datetime
    loan: str | None
    contact: bool = False


def refer(tx: Tx, by: Actor, form: ReferralForm, now: datetime) -> str:
    """Store a referral and return its reference (`R-XXXXXX`). Partner or desk.

    Raises `Refused`: `role`, and one reason per field that is wrong, its `subject` being the field's name.
    """
    need(by, "partner", "desk")
    form = tidied(form)
    reasons = what_is_wrong(form)
    if reasons:
        raise Refused(reasons)
    ref = random_ref("R")
    contact = Contact(form.contact_name, form.contact_phone, form.postcode)
    tx.s.add(
        tables.ReferralRow(
            ref=ref, partner_id=by.partner_id, referred_by=by.account_id, client_reference=form.client_reference,
            postcode=contacts.area(form.postcode), adults=form.adults, children=dict(form.children), need=form.need,
            internet=form.internet, purpose=form.purpose, ground=form.ground, contact_name="", contact_phone="",
            contact=contacts.seal(tx, ref, contact), via_partner=form.via_partner, safe_contact=form.safe_contact,
            language=form.language, told_how=form.told_how, state="waiting", created_at=now, decided_at=None,
            decided_by=None,
        )
    )  # fmt: skip
    tx.s.flush()
    return ref


def tidied(form: ReferralForm) -> ReferralForm:
    """Return the form with spaces and case put right, and no contact where the partner is the contact."""
    through = form.via_partner or form.safe_contact == "partner-only"
    plain = "".join(form.postcode.upper().split())
    found = POSTCODE.fullmatch(plain)
    return replace(
        form,
        client_reference=" ".join(form.client_reference.split()),
        postcode=" ".join(found.groups()) if found else plain,
        children={band: int(form.children.get(band, 0)) for band in BANDS},
        contact_name="" if through else " ".join(form.contact_name.split()),
        contact_phone="" if through else " ".join(form.contact_phone.split()),
        via_partner=through,
        language=" ".join(form.language.split()),
    )


def what_is_wrong(form: ReferralForm) -> list[Reason]:
    """Return a reason for every field of a tidied form that cannot stand; its `subject` is the field's name."""
    reasons = []

    def wrong(field: str, text: str) -> None:
        reasons.append(Reason("form", text, field))

    if not 1 <= len(form.client_reference) <= 40:
        wrong("client_reference", "Enter your own reference for the household, up to 40 characters, not a name")
    if not POSTCODE.fullmatch(form.postcode.replace(" ", "")):
        wrong("postcode", "Enter a full UK postcode, for example L1 8JQ")
    if not 1 <= form.adults <= 20:
        wrong("adults", "Enter how many adults live there, 1 to 20: the agreement is with an adult")
    if any(not 0 <= count <= 20 for count in form.children.values()):
        wrong("children", "Enter how many children of each age live there, 0 to 20")
    for field, words in CHOICES.items():
        if getattr(form, field) not in words:
            wrong(field, f"Choose one of: {', '.join(words.values())}")
    if not form.via_partner and not 1 <= len(form.contact_name) <= 80:
        wrong("contact_name", "Enter the adult's name, or say that contact goes through you")
    if not form.via_partner and not re.fullmatch(r"\+?[0-9][0-9 ()-]{6,24}", form.contact_phone):
        wrong("contact_phone", "Enter a telephone number, or say that contact goes through you")
    if not 2 <= len(form.language) <= 40:
        wrong("language", "Enter the language the household prefers")
    return reasons


def referrals(tx: Tx, by: Actor, state: str = "") -> list[Referral]:
    """Return the referrals that `by` may see, newest first: a partner its own, the desk all.

    Raises `Refused` `role`.
    """
    query = _visible(by).order_by(tables.ReferralRow.created_at.desc(), tables.ReferralRow.ref)
    if state:
        query = query.where(tables.ReferralRow.state == state)
    return [_referral(row, partner, loan) for row, partner, loan in tx.s.execute(query).all()]


def get(tx: Tx, by: Actor, ref: str) -> Referral:
    """Return one referral. Raises `Refused` `role`, or `unknown-referral`, also for another partner's."""
    found = tx.s.execute(_visible(by).where(tables.ReferralRow.ref == ref)).all()
    if not found:
        raise refused("unknown-referral", f"there is no referral {ref[:20]!r} that you may see", ref)
    row, partner, loan = found[0]
    return _referral(row, partner, loan)


def decline(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Close a waiting referral without a loan. Desk or supervisor.

    Raises `Refused`: `role`, `unknown-referral`, `decided`.
    """
    need(by, "desk", "supervisor")
    decide(tx, ref, "declined", by, now)


def decide(tx: Tx, ref: str, state: str, by: Actor, now: datetime) -> None:
    """Move a waiting referral to `state`. Raises `Refused`: `unknown-referral`, `decided`."""
    row = tx.s.get(tables.ReferralRow, ref)
    if row is None:
        raise refused("unknown-referral", f"there is no referral {ref[:20]!r}", ref)
    if row.state != "waiting":
        raise refused("decided", f"referral {ref} is {STATES[row.state].lower()} already", ref)
    row.state, row.decided_at, row.decided_by = state, now, by.account_id
    tx.s.flush()


def _visible(by: Actor) -> Select[tables.ReferralRow, str, str]:
    need(by, *READERS)
    query = (
        select(tables.ReferralRow, tables.Partner.name, tables.LoanRow.ref)
        .outerjoin(tables.Partner, tables.Partner.id == tables.ReferralRow.partner_id)
        .outerjoin(tables.LoanRow, tables.LoanRow.referral == tables.ReferralRow.ref)
    )
    if by.roles & {"desk", "supervisor", "data-protection"}:
        return query
    return query.where(tables.ReferralRow.partner_id == by.partner_id)


def _referral(row: tables.ReferralRow, partner: str | None, loan: str | None) -> Referral:
    form = ReferralForm(
        row.client_reference, contacts.area(row.postcode), row.adults, row.children, row.need, row.internet,
        row.purpose, row.ground, "", "", row.via_partner, row.safe_contact, row.language, row.told_how,
    )  # fmt: skip
    held = row.contact is not None and not row.via_partner
    return Referral(row.ref, form, row.state, partner or "", row.created_at, loan, held)
