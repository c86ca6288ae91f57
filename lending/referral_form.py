"""The questions of a referral and their answers: what is asked, in which words, and what is wrong with an answer.

As little as is needed (LENDING.md section 4): no date of birth, no health, no immigration status, no names of children,
no free text beyond a reference, a name, a number and a language. Needs are named by the pillars of the Minimum Digital
Living Standard (University of Liverpool and others, 2025): devices, home broadband, mobile data, functional skills
(using it) and critical skills (staying safe). What a screen reader or touch says about a person is not asked: it is
logistics, which device to choose.

Pages, telephone, paper, CSV and the interface all go through `what_is_wrong`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from custody.errors import Reason
from lending.postcodes import SHAPE, split

POSTCODE = SHAPE
BANDS: Mapping[str, str] = {"0-4": "0 to 4", "5-10": "5 to 10", "11-15": "11 to 15", "16-17": "16 and 17"}
NEEDS: Mapping[str, str] = {
    "laptop": "Laptop",
    "desktop": "Desktop computer",
    "tablet": "Tablet",
    "phone": "Smartphone",
    "any": "Whatever fits",
    "internet-only": "No device, only internet",
}
INTERNET: Mapping[str, str] = {
    "none": "None",
    "phone-only": "Only on a phone",
    "insufficient": "Some, but not enough",
    "ok": "Enough",
}
CONNECTIONS: Mapping[str, str] = {
    "home-broadband": "Home broadband",
    "mobile-data": "Mobile data (a SIM)",
}
SIM_HOLDERS: Mapping[str, str] = {
    "contact": "The adult we contact",
    "other-adult": "Another adult in the household",
    "not-sure": "Not decided yet",
}
PURPOSES: Mapping[str, str] = {
    "school": "School",
    "work": "Work",
    "benefits": "Benefits and services",
    "health": "Health",
    "contact": "Keeping in touch",
    "other": "Something else",
}
WORKS_WITH: Mapping[str, str] = {
    "screen-reader": "Screen-reader software",
    "large-screen": "A large screen or large text",
    "touch": "Touch instead of a keyboard",
    "keyboard": "A full keyboard",
    "google": "School uses Google (Chromebook is fine)",
    "microsoft": "School uses Microsoft 365",
    "windows-only": "School or work needs Windows",
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
SUPPORT: Mapping[str, str] = {
    "set-up": "Setting the device up",
    "using-it": "Learning to use it",
    "staying-safe": "Learning to stay safe online",
    "delivery": "Delivery: cannot come to collect",
    "interpreter": "An interpreter",
    "large-print": "Letters in large print",
    "easy-read": "Letters in easy words and pictures",
}
TOLD: Mapping[str, str] = {
    "read": "They read the privacy notice",
    "explained": "It was explained to them",
    "interpreter": "It was explained through an interpreter",
}
ROUTES: Mapping[str, str] = {
    "worker": "By a partner's worker",
    "telephone": "By telephone",
    "paper": "On paper",
    "csv": "In a file",
    "api": "By a programme",
    "self": "By the household itself",
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

LISTS: Mapping[str, Mapping[str, str]] = {
    "connection": CONNECTIONS,
    "works_with": WORKS_WITH,
    "support": SUPPORT,
}
"""The fields that are any number of a few words, none included."""

MOST_OF_A_BAND = 20
LONGEST_REFERENCE, LONGEST_NAME, LONGEST_LANGUAGE = 40, 80, 40
PHONE = re.compile(r"\+?[0-9][0-9 ()-]{6,24}")
A_NUMBER = re.compile(r"(?:\+44|\b0)(?:[ -]?[0-9]){9,10}\b")


@dataclass(frozen=True)
class ReferralForm:
    """What a partner is asked. `children` counts children per band of `BANDS`; texts are as typed.

    `borough` is the GSS code of the authority that somebody chose because no table has the postcode.
    """

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
    connection: tuple[str, ...] = ()
    sim_holder: str = ""
    works_with: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    borough: str = ""


def tidied(form: ReferralForm) -> ReferralForm:
    """Return the form with spaces and case put right, and no contact where the partner is the contact."""
    through = form.via_partner or form.safe_contact == "partner-only"
    parts = split(form.postcode)
    wants_sim = "mobile-data" in form.connection
    return replace(
        form,
        client_reference=" ".join(form.client_reference.split()),
        postcode=" ".join(parts) if parts else "".join(form.postcode.upper().split()),
        children={band: int(form.children.get(band, 0)) for band in BANDS},
        contact_name="" if through else " ".join(form.contact_name.split()),
        contact_phone="" if through else " ".join(form.contact_phone.split()),
        via_partner=through,
        language=" ".join(form.language.split()),
        sim_holder=(form.sim_holder or "not-sure") if wants_sim else "",
        connection=tuple(sorted(set(form.connection))),
        works_with=tuple(sorted(set(form.works_with))),
        support=tuple(sorted(set(form.support))),
    )


def what_is_wrong(form: ReferralForm) -> list[Reason]:
    """Return a reason for every field of a tidied form that cannot stand; its `subject` is the field's name."""
    reasons: list[Reason] = []

    def wrong(field: str, text: str) -> None:
        reasons.append(Reason("form", text, field))

    if not 1 <= len(form.client_reference) <= LONGEST_REFERENCE:
        wrong("client_reference", "Enter your own reference for the household, up to 40 characters, not a name")
    elif "@" in form.client_reference or A_NUMBER.search(form.client_reference):
        wrong("client_reference", "Use a reference of your own: this looks like a telephone number or an address")
    if not split(form.postcode):
        wrong("postcode", "Enter a full UK postcode, for example L1 8JQ")
    if not 1 <= form.adults <= MOST_OF_A_BAND:
        wrong("adults", "Enter how many adults live there, 1 to 20: the agreement is with an adult")
    if any(not 0 <= count <= MOST_OF_A_BAND for count in form.children.values()):
        wrong("children", "Enter how many children of each age live there, 0 to 20")
    for field, words in CHOICES.items():
        if getattr(form, field) not in words:
            wrong(field, f"Choose one of: {', '.join(words.values())}")
    reasons += _wrong_lists(form)
    if not form.via_partner and not 1 <= len(form.contact_name) <= LONGEST_NAME:
        wrong("contact_name", "Enter the adult's name, or say that contact goes through you")
    if not form.via_partner and not PHONE.fullmatch(form.contact_phone):
        wrong("contact_phone", "Enter a telephone number, or say that contact goes through you")
    if not 2 <= len(form.language) <= LONGEST_LANGUAGE:
        wrong("language", "Enter the language the household prefers")
    return reasons


def _wrong_lists(form: ReferralForm) -> list[Reason]:
    reasons = []
    for field, words in LISTS.items():
        unknown = [one for one in getattr(form, field) if one not in words]
        if unknown:
            text = f"{unknown[0][:40]!r} is not one of: {', '.join(words.values())}"
            reasons.append(Reason("form", text, field))
    if form.sim_holder and form.sim_holder not in SIM_HOLDERS:
        reasons.append(Reason("form", f"Choose one of: {', '.join(SIM_HOLDERS.values())}", "sim_holder"))
    if form.need == "internet-only" and not form.connection:
        text = "Choose home broadband or mobile data, or choose a device: nothing is asked for yet"
        reasons.append(Reason("form", text, "connection"))
    return reasons
