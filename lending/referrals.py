"""A partner's request for a household: as little as is needed to answer it, and nothing of it in history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from custody.errors import Refused
from lending import contacts, quotas, referral_details, region, tables
from lending.contacts import Contact
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.referral_form import (
    BANDS,
    CHOICES,
    CONNECTIONS,
    GROUNDS,
    INTERNET,
    LISTS,
    NEEDS,
    POSTCODE,
    PURPOSES,
    ROUTES,
    SAFE_CONTACT,
    SIM_HOLDERS,
    SUPPORT,
    TOLD,
    WORKS_WITH,
    ReferralForm,
    tidied,
    what_is_wrong,
)
from lending.region import Region

__all__ = [
    "BANDS", "CHOICES", "CONNECTIONS", "GROUNDS", "INTERNET", "LISTS", "NEEDS", "POSTCODE", "PURPOSES", "ROUTES",
    "SAFE_CONTACT", "SIM_HOLDERS", "SUPPORT", "TOLD", "WORKS_WITH", "ReferralForm", "tidied", "what_is_wrong",
]

READERS = ("partner", "desk", "supervisor", "data-protection")
STATES: Mapping[str, str] = {
    "waiting": "Waiting",
    "approved": "Approved",
    "declined": "Declined",
    "withdrawn": "Withdrawn",
}


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


def refer(
    tx: Tx, by: Actor, form: ReferralForm, now: datetime, *, route: str = "worker", within: Region | None = None,
    partner: int | None = None,
) -> str:  # fmt: skip
    """Store a referral and return its reference (`R-XXXXXX`). Partner or desk.

    `route` is how it came (`ROUTES`); `within` the region that is served (default: the one that comes with Kitbank);
    `partner` the organisation for which the desk fills it in, None for a household that asks for itself. A partner's
    worker always refers for their own organisation.

    Raises `Refused`: `role`; one reason per field that is wrong, its `subject` being the field's name; for a partner
    also `paused`, `pool` and `quota` (`lending.quotas`).
    """
    need(by, "partner", "desk")
    form, within = tidied(form), within or region.default()
    reasons = what_is_wrong(form)
    if route not in ROUTES:
        raise refused("route", f"{route[:20]!r} is no way for a referral to come; use one of {', '.join(ROUTES)}")
    if reasons:
        raise Refused(reasons)
    ref = random_ref("R")
    contact = Contact(form.contact_name, form.contact_phone, form.postcode)
    organisation = by.partner_id if by.partner_id is not None else partner
    row = tables.ReferralRow(
        ref=ref, partner_id=organisation, referred_by=by.account_id, client_reference=form.client_reference,
        postcode=contacts.area(form.postcode), adults=form.adults, children=dict(form.children), need=form.need,
        internet=form.internet, purpose=form.purpose, ground=form.ground, contact_name="", contact_phone="",
        contact=contacts.seal(tx, ref, contact), via_partner=form.via_partner, safe_contact=form.safe_contact,
        language=form.language, told_how=form.told_how, state="waiting", created_at=now, decided_at=None,
        decided_by=None,
    )  # fmt: skip
    if "desk" not in by.roles:
        quotas.refuse_beyond(tx, organisation, form.need, now)
    tx.s.add(row)
    tx.s.flush()
    referral_details.write(tx, ref, form, within, route)
    tx.s.flush()
    return ref


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
