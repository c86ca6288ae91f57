"""The office's pages in a real browser: search, files, tokens, webhooks, many at once, equality."""

import pytest

from tests.browser.conftest import SignIn
from tests.browser.test_pages import NARROW, check, tab_to
from tests.lending.screens import READY, Town

pytestmark = pytest.mark.browser

FILE = b"Asset Tag,Manufacturer,Model,Serial,Wiped\nOLD-1,Dell,Latitude 5490,QX77,yes\n,HP,,,\nOLD-2,HP,G5,QX78,\n"
PAGES = {
    "desk": (
        "/search?q=PF1", "/search?q=nothing-like-it", "/loans?state=out", "/referrals", "/change-many", "/equality",
    ),
    "administrator": ("/tokens", "/webhooks", "/imports"),
}


@pytest.mark.parametrize("width", [1100, NARROW])
def test_every_page_of_the_office_is_accessible_and_fits(town: Town, open_page: SignIn, width: int) -> None:
    for role, paths in PAGES.items():
        page = open_page(role, width=width)
        for path in paths:
            page.goto(path)
            check(page, path)
        if role == "desk":
            page.goto("/change-many")
            page.fill("#refs-loan-due", town.out)
            page.click("text=Look first")
            check(page, "the look at many loans")
            page.goto("/equality")
            page.click("text=Make a card")
            check(page, "the card")
            page.goto(page.locator(".kb-equalitycard p").last.inner_text().replace("http://localhost", ""))
            check(page, "the questions")
        else:
            page.goto("/imports")
            page.set_input_files("#file", {"name": "old.csv", "mimeType": "text/csv", "buffer": FILE})
            page.click("text=Look at it")
            page.wait_for_selector("text=would be added")
            check(page, "the look at a file")
            page.goto("/tokens")
            page.fill("#name", "Report")
            page.click("text=Make the token")
            check(page, "a token with mistakes")


def test_a_serial_is_found_from_any_page_with_the_keyboard_alone(town: Town, open_page: SignIn) -> None:
    page = open_page("desk")
    page.goto("/loans")
    tab_to(page, "find-anything")
    page.keyboard.type("pf1-2x131")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/devices/{READY}")
