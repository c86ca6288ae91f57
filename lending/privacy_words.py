"""The words of the table of personal data: bases, clocks, groups of people. Each outside rule with its source."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Basis:
    """A lawful basis: its article, its name, and why it is the right one here."""

    article: str
    name: str
    why: str


@dataclass(frozen=True)
class Clock:
    """When a field ends: so many days after an event. `days` is None where a person decides, and `words` says so."""

    days: int | None
    event: str
    words: str
    nightly: bool = True


@dataclass(frozen=True)
class Field:
    """One thing that is kept about people, in one or more columns (`table.column`)."""

    columns: tuple[str, ...]
    what: str
    about: str
    purpose: str
    basis: str
    seen_by: str
    clock: str
    end: str
    source: str
    sealed: bool = False


BASES: Mapping[str, Basis] = {
    "interests": Basis(
        "UK GDPR Article 6(1)(f)", "Legitimate interests",
        "We lend devices to households that need one. Without this we could not, and people expect it.",
    ),
    "contract": Basis(
        "UK GDPR Article 6(1)(b)", "Contract", "The loan is an agreement with an adult of the household.",
    ),
    "law": Basis(
        "UK GDPR Article 6(1)(c)", "Legal obligation", "The law asks us to record and to answer it.",
    ),
    "safeguarding": Basis(
        "UK GDPR Article 6(1)(ea) and Annex 1", "Recognised legitimate interest: safeguarding",
        "To keep somebody safe. Added by the Data (Use and Access) Act 2025; no balancing test is asked for.",
    ),
}  # fmt: skip
"""Consent is not here on purpose: nobody should have to agree to be kept safe or to borrow a device."""

CLOCKS: Mapping[str, Clock] = {
    "contact": Clock(90, "closed", "90 days after the loan is closed, or after the referral is declined or withdrawn"),
    "case": Clock(365, "closed", "12 months after the loan is closed, or after the referral is declined or withdrawn"),
    "draft": Clock(30, "saved", "30 days after it was last saved, if it is never sent"),
    "intake": Clock(7, "uploaded", "7 days after the file was uploaded, if it is never taken in"),
    "message": Clock(90, "sent", "90 days after it was sent or given up"),
    "look": Clock(730, "looked", "2 years after somebody looked"),
    "complaint": Clock(730, "answered", "2 years after the complaint was answered"),
    "import": Clock(90, "ended", "90 days after the file was read in or given up"),
    "technical": Clock(30, "expired", "30 days after it stops working"),
    "account": Clock(None, "left", "as long as the person works with us; then an administrator closes it", False),
    "partner": Clock(None, "ended", "6 years after the partnership ends, by the data-protection lead", False),
    "donor": Clock(None, "answered", "as long as we must be able to prove what became of a donated device", False),
    "stop": Clock(None, "started", "until somebody says START from the same number", False),
    "kept": Clock(None, "never", "for good: the law asks for a record, and nothing in it names a household", False),
}
"""Periods are one decision of the charity. `event` names the moment from which `lending.retention` counts."""

GROUPS: Mapping[str, str] = {
    "household": "People in households that are referred to us",
    "complainant": "People who complain or ask about their data",
    "worker": "Staff, volunteers and partners' workers",
    "donor": "People at organisations that give devices",
}
