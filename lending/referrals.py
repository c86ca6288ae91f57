"""A partner's request for a household: as little as is needed to answer it, and nothing of it in history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lending.db import Tx
from lending.people import Actor

BANDS: Mapping[str, str] = {"0-4": "0 to 4", "5-10": "5 to 10", "11-15": "11 to 15", "16-17": "16 and 17"}
NEEDS: Mapping[str, str] = {"laptop": "Laptop", "desktop": "Desktop computer", "tablet": "Tablet", "phone": "Smartphone", "any": "Whatever fits"}
INTERNET: Mapping[str, str] = {"none": "None", "phone-only": "Only on a phone", "insufficient": "Some, but not enough", "ok": "Enough"}
PURPOSES: Mapping[str, str] = {"school": "School", "work": "Work", "benefits": "Benefits and services", "health": "Health", "contact": "Keeping in touch", "other": "Something else"}
GROUNDS: Mapping[str, str] = {"low-income": "Low income", "school-meals": "Free school meals", "universal-credit": "Universal Credit or similar", "worker": "The worker's judgement"}
SAFE_CONTACT: Mapping[str, str] = {"yes": "Call, text or write", "no-text": "Do not text", "no-write": "Do not write", "partner-only": "Only through the partner"}
TOLD: Mapping[str, str] = {"read": "They read the privacy notice", "explained": "It was explained to them", "interpreter": "It was explained through an interpreter"}
STATES: Mapping[str, str] = {"waiting": "Waiting", "approved": "Approved", "declined": "Declined", "withdrawn": "Withdrawn"}


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
    """A stored referral. Contact fields are empty for whoever does not need them."""

    ref: str
    form: ReferralForm
    state: str
    partner: str
    created_at: datetime
    loan: str | None


def refer(tx: Tx, by: Actor, form: ReferralForm, now: datetime) -> str:
    """Store a referral and return its reference (`R-XXXXXX`).

    Raises `Refused`: `role`, and one reason per field that is wrong, its `subject` being the field's name.
    """
    raise NotImplementedError


def referrals(tx: Tx, by: Actor, state: str = "") -> list[Referral]:
    """Return the referrals that `by` may see, newest first: a partner its own, the desk all."""
    raise NotImplementedError


def get(tx: Tx, by: Actor, ref: str) -> Referral:
    """Return one referral. Raises `Refused` `unknown-referral`, also for another partner's."""
    raise NotImplementedError


def decline(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Close a waiting referral without a loan. Raises `Refused`: `role`, `unknown-referral`, `decided`."""
    raise NotImplementedError
