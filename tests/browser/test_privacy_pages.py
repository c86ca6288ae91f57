"""The pages of data protection in a real browser: accessible, narrow, and a name is never in an address."""

from collections.abc import Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import SignIn
from tests.lending.screens import Town

pytestmark = pytest.mark.browser

NARROW = 320
"""CSS pixels: 1280 at 400% zoom (WCAG 1.4.10)."""
PAGES: Mapping[str, tuple[str, ...]] = {
    "": ("/privacy", "/privacy/complain"),
    "data-protection": (
        "/privacy/due", "/privacy/complaints", "/privacy/breaches", "/privacy/agreements", "/privacy/looks",
        "/privacy/access", "/privacy/papers", "/privacy/papers/record", "/privacy/papers/assessment",
    ),
}  # fmt: skip


def check(page: Page, where: str) -> None:
    """Demand no finding of axe, one heading, and nothing wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{where} is {wide} px wide in a window of {window}"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1, where


@pytest.mark.parametrize("role", PAGES)
@pytest.mark.parametrize("width", [1180, NARROW])
def test_every_page_is_accessible_and_fits(role: str, width: int, open_page: SignIn) -> None:
    page = open_page(role, width=width, height=800)
    for path in PAGES[role]:
        page.goto(path)
        check(page, f"{path} at {width}")


def test_a_name_is_shown_for_a_reason_and_stands_in_no_address(town: Town, open_page: SignIn) -> None:
    page, addresses = open_page("desk"), []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"/referrals/{town.waiting}")
    assert "Nadia" not in page.content()
    page.goto(f"/referrals/{town.waiting}/contact")
    check(page, "the reason")
    page.check("[name=reason][value=call]")
    page.click("text=Show name and number")
    page.wait_for_selector("text=Nadia Rahman")
    check(page, "the contact")
    assert addresses
    assert not any("Nadia" in one or "900123" in one for one in addresses)
