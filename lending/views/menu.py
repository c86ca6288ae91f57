"""Where everything is: the sections of the service, and the pages of each. A page that people look for is a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import current_app, request, url_for

from lending import auth

SECTIONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "Home": (("home.home", "Home"),),
    "Devices": (("devices.listing", "Devices"), ("checks.listing", "Checks")),
    "Referrals": (
        ("partners.listing", "Referrals"), ("refer.start", "Refer"), ("organisations.listing", "Partners"),
        ("organisations.pools", "Pools"), ("organisations.team", "Your people"),
    ),
    "Loans": (
        ("desk.listing", "Loans"), ("desk.receive", "Receive"), ("preparation.day", "Packing"),
        ("slots.listing", "Calendar"), ("sims.listing", "SIMs"),
        ("armed.page", "Scan"), ("recalls.listing", "Recalls"),
        ("bulk.listing", "Change many"), ("equality.results", "Equality"),
    ),
    "Donors": (("collections.listing", "Pledges"), ("collections.rounds", "Rounds"), ("collections.van", "Van")),
    "Messages": (
        ("messages.listing", "Messages"), ("messages.answers", "Answers"), ("message_rules.tomorrow", "Tomorrow"),
        ("message_rules.rules", "Rules"),
    ),
    "Privacy": (
        ("registers.overview", "What is due"),
        ("registers.complaint_list", "Complaints"),
        ("registers.breach_list", "Breaches"),
        ("registers.agreements", "Agreements"),
        ("privacy.looks", "Who looked"),
        ("registers.access", "Subject access"),
        ("papers.listing", "Papers"),
        ("audit.listing", "Audit of access"),
    ),
    "People": (
        ("people.listing", "Accounts"), ("badges.listing", "Badges"), ("tokens.listing", "Tokens"),
        ("councils.listing", "Councils"),
    ),
    "System": (
        ("office.machines", "Stations and kiosks"), ("office.system", "History check"),
        ("imports.listing", "Read in files"), ("webhooks.listing", "Webhooks"),
    ),
}  # fmt: skip
"""Section -> its pages, as endpoint and title. Each person sees the pages that their role may open."""


@dataclass(frozen=True)
class Place:
    """One link: a section or a page. `here`: it is this very page; `within`: this page belongs to it."""

    title: str
    href: str
    here: bool
    within: bool


def sections() -> list[Place]:
    """Return the sections that whoever asks may open, each leading to its first page."""
    found = []
    for title, pages in SECTIONS.items():
        allowed = [endpoint for endpoint, _ in pages if _may(endpoint)]
        if allowed:
            here = request.endpoint == allowed[0]
            found.append(Place(title, url_for(allowed[0]), here, not here and _current(title)))
    return found


def pages() -> list[Place]:
    """Return the pages of the section in which we are, none where there is only one."""
    for title, wanted in SECTIONS.items():
        if _current(title):
            allowed = [
                Place(name, url_for(endpoint), request.endpoint == endpoint, _within(endpoint))
                for endpoint, name in wanted
                if _may(endpoint)
            ]  # fmt: skip
            return allowed if len(allowed) > 1 else []
    return []


def _may(endpoint: str) -> bool:
    return endpoint in current_app.view_functions and auth.may(endpoint)


def _current(title: str) -> bool:
    return any(_within(endpoint) for endpoint, _ in SECTIONS[title])


def _within(endpoint: str) -> bool:
    """Tell whether the page that is shown has the same blueprint as this one, or an address below it."""
    if endpoint not in current_app.view_functions or not _may(endpoint):
        return False
    area = url_for(endpoint)
    return request.endpoint == endpoint or (area != "/" and (request.path + "/").startswith(area.rstrip("/") + "/"))
