"""Signing in, in a real Chromium with the authenticator that the browser simulates; by keyboard; axe finds nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from lending import councils, people
from lending.councils import Wish
from tests.lending.screens import ACCOUNTS, PASSWORD, Town

pytestmark = pytest.mark.browser

Start = Callable[..., Page]
NARROW = 320
"""CSS pixels: 1280 at 400% zoom (WCAG 1.4.10)."""


@pytest.fixture
def start(chromium: Browser, address: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that opens a browser at `localhost`, since passkeys need a name. Nothing may complain."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_browser(width: int = 1100, scripts: bool = True) -> Page:
        base = address.replace("127.0.0.1", "localhost")
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, base_url=base, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        return page

    yield open_browser
    for context in contexts:
        context.close()
    assert complaints == []


def authenticator(page: Page, *, verified: bool = True) -> CDPSession:
    """Plug a simulated authenticator in: it has a screen lock, and its owner is verified or not."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": verified, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    return session


def sign_in(page: Page, role: str) -> None:
    page.goto("/sign-in")
    page.fill("#email", f"{ACCOUNTS[role][0]}@example.org")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_load_state()


def check(page: Page, where: str, shots: Path) -> None:
    """Demand no finding of axe and nothing wider than the window; keep a picture for whoever wants to look."""
    page.screenshot(path=str(shots / f"{where.replace(' ', '-')}.png"), full_page=True)
    found = Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{where} is {wide} px wide in a window of {window}"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1, where


def press_until(page: Page, text: str, most: int = 60) -> None:
    """Go on with the tabulator until what has the focus says `text`."""
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement === document.body ? '' : document.activeElement.innerText || ''")
        if text in str(at):
            return
    raise AssertionError(f"no {text!r} within reach of the keyboard")


def test_a_passkey_is_made_and_signs_in_with_nothing_but_the_keyboard(start: Start, tmp_path: Path) -> None:
    page = start()
    authenticator(page)
    sign_in(page, "volunteer")
    press_until(page, "Vic")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('How you sign in')")
    check(page, "security", tmp_path)
    press_until(page, "Add a passkey")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Add a passkey')")
    check(page, "passkey new", tmp_path)
    page.focus("#name")
    page.keyboard.press("Control+A")
    page.keyboard.type("Bench laptop")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The passkey Bench laptop is added")
    check(page, "security with a passkey", tmp_path)
    press_until(page, "Change")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Passkey Bench laptop')")
    check(page, "passkey", tmp_path)
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in')")
    check(page, "sign in", tmp_path)
    press_until(page, "Use a passkey")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('What waits for you')")
    assert page.is_visible("text=Vic")
    page.click("text=Sign out")
    sign_in(page, "volunteer")  # after a password the passkey is the second step
    page.wait_for_selector("h1:has-text('One more step')")
    check(page, "second step with a passkey", tmp_path)
    page.click("text=Use your passkey")
    page.wait_for_selector("h1:has-text('What waits for you')")
    page.goto("/security")
    page.click("text=Change the passkey Bench laptop")
    page.click("text=Remove this passkey")
    page.wait_for_selector("text=The passkey Bench laptop is removed")


def test_an_authenticator_that_did_not_verify_its_owner_makes_no_passkey(start: Start) -> None:
    page = start()
    authenticator(page, verified=False)
    sign_in(page, "volunteer")
    page.goto("/security/passkeys/new")
    page.click("text=Make the passkey")
    page.wait_for_selector("text=No passkey was made")
    page.goto("/security")
    assert not page.is_visible("text=Passkey 1")


def test_without_scripts_passkeys_are_not_offered_and_all_else_works(start: Start) -> None:
    page = start(scripts=False)
    page.goto("/sign-in")
    assert not page.is_visible("text=Use a passkey")
    assert page.is_visible("text=Get a link by e-mail")
    sign_in(page, "desk")
    page.goto("/security/passkeys/new")
    assert page.is_visible("text=Passkeys need JavaScript")
    assert not page.is_visible("text=Make the passkey")


def test_one_time_codes_from_the_picture_to_the_second_step(start: Start, town: Town, tmp_path: Path) -> None:
    page, house = start(), town.house
    sign_in(page, "auditor")
    page.goto("/security")
    page.click("text=Set up one-time codes")
    page.wait_for_selector("h1:has-text('Set up one-time codes')")
    assert page.evaluate("document.querySelector('.kb-qr').naturalWidth") > 0
    page.click("text=The app cannot scan?")
    secret = page.inner_text(".kb-bigcode")
    check(page, "codes", tmp_path)
    page.fill("#code", "000000")
    page.press("#code", "Enter")
    page.wait_for_selector("text=not the code the app shows")
    check(page, "codes wrong", tmp_path)
    page.fill("#code", pyotp.TOTP(secret).at(int(house.now.timestamp())))
    page.press("#code", "Enter")
    page.wait_for_selector("h1:has-text('One-time codes are on')")
    check(page, "recovery codes", tmp_path)
    spare = page.inner_text(".kb-recovery li >> nth=0")
    page.click("text=I have them")
    check(page, "security with codes", tmp_path)
    page.click("text=Sign out")
    sign_in(page, "auditor")
    page.wait_for_selector("h1:has-text('One more step')")
    page.fill("#code", "123456")
    page.press("#code", "Enter")
    page.wait_for_selector("text=That code is wrong, or was used already")
    check(page, "second step wrong", tmp_path)
    page.fill("#code", spare)
    page.press("#code", "Enter")
    page.wait_for_selector("h1:has-text('What waits for you')")
    page.goto("/security")
    assert page.is_visible("text=9 recovery codes left")
    page.click("text=Switch codes off")
    page.wait_for_selector("text=One-time codes are off")


def test_a_partner_signs_in_by_link_and_sees_where_it_is_signed_in(start: Start, tmp_path: Path) -> None:
    page = start()
    page.goto("/sign-in")
    page.click("text=Get a link by e-mail")
    check(page, "link", tmp_path)
    page.fill("#email", "pat@example.org")
    page.press("#email", "Enter")
    page.wait_for_selector("h1:has-text('Look into your mailbox')")
    check(page, "link sent", tmp_path)
    link = page.get_attribute(".govuk-inset-text a", "href")
    assert link is not None
    page.goto("/sign-in/link/" + link.rsplit("/", 1)[1])
    check(page, "link open", tmp_path)
    page.click("main button:has-text('Sign in')")
    page.wait_for_selector("h1:has-text('What waits for you')")
    page.goto("/sign-in/link/" + link.rsplit("/", 1)[1])
    page.wait_for_selector("h1:has-text('no longer works')")
    check(page, "link dead", tmp_path)
    other = start()
    sign_in(other, "partner")
    page.goto("/security")
    check(page, "two sessions", tmp_path)
    page.click("text=Sign out everywhere else")
    page.wait_for_selector("text=signed out in")
    other.goto("/referrals")
    other.wait_for_selector("h1:has-text('Sign in')")


@pytest.mark.parametrize("width", [1100, NARROW])
def test_the_offices_pages_about_access_are_accessible(start: Start, town: Town, tmp_path: Path, width: int) -> None:
    page = start(width)
    with town.house.db.transaction() as tx:
        if not councils.listing(tx):
            wish = Wish("Sefton Council", "https://login.sefton.gov.uk", "", "", ["sefton.gov.uk"], enabled=False)
            councils.add(tx, town.house.administrator, wish, town.house.tick())
        number = next(one.id for one in people.list_accounts(tx) if one.name == "Dee")
    sign_in(page, "administrator")
    for path, name in (
        ("/accounts", "accounts"), (f"/accounts/{number}/roles", "roles"), (f"/accounts/{number}/factors", "factors"),
        ("/councils", "councils"), ("/councils/new", "council new"), ("/councils/1", "council"), ("/prove", "prove"),
        ("/security", "security narrow"), ("/security/address", "address"),
    ):  # fmt: skip
        page.goto(path)
        check(page, f"{name} {width}", tmp_path)
    page.goto("/councils/new")
    page.click("main button:has-text('Go on')")
    check(page, f"council with mistakes {width}", tmp_path)
    page.goto(f"/accounts/{number}/factors")
    page.click("text=Take them away")
    check(page, f"factors with mistakes {width}", tmp_path)
    page.goto("/security/address")
    page.fill("#email", "ada.new@example.org")
    page.press("#email", "Enter")
    page.wait_for_selector("h1:has-text('Look into both mailboxes')")
    check(page, f"address asked {width}", tmp_path)
    link = page.get_attribute(".govuk-inset-text a >> nth=0", "href")
    assert link is not None
    page.goto("/address/" + link.rsplit("/", 1)[1])
    check(page, f"address confirm {width}", tmp_path)
    page.click("text=Yes, change it")
    page.wait_for_selector("h1:has-text('Half done')")
    check(page, f"address half done {width}", tmp_path)
    auditor = start(width)
    sign_in(auditor, "data-protection")
    auditor.goto("/audit")
    check(auditor, f"audit {width}", tmp_path)
    auditor.fill("#from", "nonsense")
    auditor.press("#from", "Enter")
    auditor.wait_for_selector("text=is not a day")
    check(auditor, f"audit with mistakes {width}", tmp_path)
