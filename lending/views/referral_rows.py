"""The rows of "check the answers": each answer in words, with the page that changes it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from lending import referral_form as words
from lending.places import Answer
from lending.referral_pages import form_of
from lending.region import Region

WHERE: Mapping[str, str] = {
    "outside": "outside our area: the loan desk decides",
    "unknown": "not in our table: the loan desk asks",
}


@dataclass(frozen=True)
class AnswerRow:
    """One row: what was asked, the answer in words, the page that changes it, and the row's anchor."""

    label: str
    value: str
    page: str
    anchor: str


def rows(
    answers: Mapping[str, str], place: Answer, region: Region, partners: Mapping[int, str], *, desk: bool
) -> list[AnswerRow]:
    """Return the rows in the order of the pages."""
    form, _ = form_of(answers)
    found: list[AnswerRow] = []

    def add(label: str, value: str, page: str, field: str) -> None:
        found.append(AnswerRow(label, value, page, f"change-{field}"))

    if desk:
        partner = answers.get("partner", "")
        add("From", partners.get(int(partner), "") if partner else "The household itself", "who", "route")
    add("Your reference", form.client_reference, "reference", "client_reference")
    add("Postcode", ", ".join(part for part in (form.postcode, _where(form, place, region)) if part), "postcode",
        "postcode")  # fmt: skip
    add("Adults", str(form.adults), "household", "adults")
    ages = [f"{number} aged {words.BANDS[band]}" for band, number in form.children.items() if number]
    add("Children", ", ".join(ages) or "none", "household", "children")
    add("Device", words.NEEDS[form.need], "device", "need")
    add("Internet at home", words.INTERNET[form.internet], "internet", "internet")
    add("Would help", _list(form.connection, words.CONNECTIONS) or "nothing", "internet", "connection")
    if form.sim_holder:
        add("Holder of the SIM", words.SIM_HOLDERS[form.sim_holder], "internet", "sim_holder")
    add("Mainly for", words.PURPOSES[form.purpose], "purpose", "purpose")
    add("Must work with", _list(form.works_with, words.WORKS_WITH) or "nothing special", "fit", "works_with")
    add("Qualifies by", words.GROUNDS[form.ground], "ground", "ground")
    through = "Through the partner only" if desk else "Through you only"
    add("Contact", through if form.via_partner else f"{form.contact_name}, {form.contact_phone}", "contact",
        "contact_name")  # fmt: skip
    if answers.get("via_partner") != "yes":
        add("Safe contact", words.SAFE_CONTACT[form.safe_contact], "safe", "safe_contact")
    add("Language", form.language, "language", "language")
    add("Help wanted", _list(form.support, words.SUPPORT) or "none", "support", "support")
    add("Told", words.TOLD[form.told_how], "told", "told_how")
    return found


def _where(form: words.ReferralForm, place: Answer, region: Region) -> str:
    if place.status == "resolved":
        return place.authority_name
    return region.authorities.get(form.borough, WHERE.get(place.status, ""))


def _list(chosen: tuple[str, ...], options: Mapping[str, str]) -> str:
    return ", ".join(text for key, text in options.items() if key in chosen)
