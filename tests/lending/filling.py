"""Filling in a referral page by page, as a worker does: without a window, and in a real browser."""

import re
from collections.abc import Mapping
from typing import Any

from tests.lending.screens import Browser

ANSWERS: Mapping[str, Mapping[str, str | list[str]]] = {
    "who": {"route": "telephone", "partner": ""},
    "reference": {"client_reference": "HH-900"},
    "postcode": {"postcode": "l1 8jq"},
    "place": {"borough": "E08000012"},
    "household": {"adults": "2", "children_5-10": "2"},
    "device": {"need": "laptop"},
    "internet": {"internet": "phone-only", "connection": ["mobile-data"], "sim_holder": "contact"},
    "purpose": {"purpose": "school"},
    "fit": {"works_with": ["touch", "google"]},
    "ground": {"ground": "low-income"},
    "contact": {"via_partner": "no", "contact_name": "Nadia Rahman", "contact_phone": "07700 900123"},
    "safe": {"safe_contact": "no-text"},
    "language": {"language": "Arabic"},
    "support": {"support": ["set-up"]},
    "told": {"told_how": "explained"},
}
"""A household that does not exist: what is answered on each page."""

PLACE = re.compile(r"/referrals/drafts/([\w-]+)/(\w+)")


def begun(browser: Browser) -> str:
    """Start a draft and return its name."""
    browser.get("/referrals/new")
    answer = browser.post("/referrals/new", follow=False)
    found = PLACE.search(answer.location)
    assert found is not None, answer.location
    browser.get(answer.location)
    return found.group(1)


def filled(browser: Browser, changed: Mapping[str, Mapping[str, str | list[str]]] | None = None) -> str:
    """Answer every page that is asked, in its order, and return the draft; the check of the answers is open."""
    name, answers = begun(browser), {**ANSWERS, **(changed or {})}
    page = "who" if "/who" in browser.client.get(f"/referrals/drafts/{name}/check").location else "reference"
    for _ in range(len(ANSWERS) + 1):
        given: Mapping[str, Any] = answers[page]
        answer = browser.post(f"/referrals/drafts/{name}/{page}", given, follow=False)
        assert answer.status_code == 303, f"{page}: {answer.get_data(as_text=True)[:2000]}"
        found = PLACE.search(answer.location)
        assert found is not None
        page = found.group(2)
        if page == "check":
            return name
    raise AssertionError(f"the pages do not end: {page}")


def sent(browser: Browser, changed: Mapping[str, Mapping[str, str | list[str]]] | None = None) -> str:
    """Fill in and send a referral; return its reference."""
    name = filled(browser, changed)
    answer = browser.post(f"/referrals/drafts/{name}/send", follow=False)
    found = re.search(r"R-[0-9A-Z]{6}", answer.location or "")
    assert found is not None, answer.get_data(as_text=True)
    return found.group()
