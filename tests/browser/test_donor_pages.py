"""The pages of donors in a real Chromium: axe finds nothing, and nothing needs sideways scrolling at 400 per cent."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from lending import collections, donor_portal, donor_rounds, donors, sign_in_links
from lending.donors import Contact, Offer
from tests.browser.conftest import SignIn
from tests.lending.house import code
from tests.lending.screens import Town

SHOTS = os.environ.get("KITBANK_SHOTS", "")


@pytest.fixture(scope="module")
def offer(town: Town) -> tuple[str, int]:
    """Return a pledge with a visit that is under way, and the number of the visit."""
    house = town.house
    contact = Contact("Gwen Oakes", "gwen@firm.example", "0151 496 0000", "L3 5TF", "5 Dock Road", "Ring")
    with house.db.transaction() as tx:
        made = Offer("Mersey Paper Ltd", contact, {"laptop": 12, "monitor": 3}, "yes", "purge")
        ref = donors.pledge(tx, made, "192.0.2.1", house.tick())
        day = house.tick().date() + timedelta(days=2)
        donor_rounds.open_slots(tx, "North", day, "09:30", "12:00", 3, 1, house.desk, house.now)
        visit = collections.book(tx, ref, donor_rounds.slots(tx, day, day)[0].id, house.desk, house.tick())
        collections.count(tx, visit, {"laptop": 2}, house.volunteer, house.tick())
        collections.scan(tx, visit, code(301), "laptop", house.volunteer, house.tick(), "Dell", "Latitude 7490")
    return ref, visit


def accept(page: Page, name: str) -> None:
    """Demand no finding of axe, and nothing wider than a window of 320 pixels (WCAG 2.2, 1.4.10)."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    found = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in Axe().run(page).response["violations"]]
    assert found == []
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}-narrow.png"), full_page=True)
    if size:
        page.set_viewport_size(size)


def test_the_public_pages_of_donors_are_accessible(
    town: Town, open_page: SignIn, offer: tuple[str, int], complaints: list[str]
) -> None:
    page = open_page("")
    page.goto("/donate")
    accept(page, "offer")
    page.get_by_role("button", name="Check your answers").click()
    assert page.locator(".govuk-error-summary").is_visible()
    accept(page, "offer-wrong")
    page.goto("/donor")
    accept(page, "ask")
    with town.house.db.transaction() as tx:
        link = sign_in_links.issue(tx, donor_portal.AUDIENCE, offer[0], town.house.tick())
    page.goto(f"/donor/open/{link}")
    page.get_by_role("button", name="Show my devices").click()
    assert "1 device" in page.inner_text("main")
    accept(page, "portal")
    assert complaints == []


def test_the_pages_of_the_desk_and_the_van_are_accessible(
    open_page: SignIn, offer: tuple[str, int], complaints: list[str]
) -> None:
    page = open_page("desk")
    ref, visit = offer
    for name, path in (("pledges", "/pledges"), ("pledge", f"/pledges/{ref}"), ("rounds", "/rounds"), ("van", "/van"),
                       ("visit", f"/van/{visit}")):  # fmt: skip
        page.goto(path)
        accept(page, name)
    assert complaints == []
