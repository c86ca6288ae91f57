"""Every page in a real browser: accessible, quiet, self-contained, narrow, usable by keyboard and without scripts."""

import time
from collections.abc import Iterator, Mapping

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import SignIn
from tests.lending.filling import ANSWERS
from tests.lending.screens import ACCOUNTS, LENT, PASSWORD, READY, SWAPPED, UNKNOWN_WIPE, UNWIPED, Town

pytestmark = pytest.mark.browser

NARROW = 320
"""CSS pixels: 1280 at 400% zoom (WCAG 1.4.10)."""


def pages(town: Town) -> Mapping[str, tuple[str, ...]]:
    """Return for each role the pages it works with; "" is a stranger."""
    device = tuple(f"/devices/{code}" for code in (READY, UNWIPED, SWAPPED, LENT, UNKNOWN_WIPE))
    loan = (f"/loans/{town.loan}", f"/loans/{town.out}")
    work = tuple(
        f"/loans/{town.loan}/{page}"
        for page in ("agreement/loan?language=ckb", "booking", "help", "reminders", f"filter/{READY}")
    )
    table = ("/prepare", f"/prepare/{town.loan}", "/slots", "/sims", f"/loans/{town.out}/things/1")
    bench = town.house.bench.id
    return {
        "": (
            "/sign-in", f"/D/{READY}", f"/V/{town.wipe.upper()}", "/V/NOTHING", "/set-password/nothing",
            "/no-such-page",
        ),
        "volunteer": ("/", "/devices", "/devices/find", "/devices/find?code=7K3Q", *device, "/receive"),
        "desk": (
            "/", "/referrals", f"/referrals/{town.waiting}", "/loans", *loan, *work, *table, f"/receive?code={LENT}",
        ),
        "supervisor": (
            f"/loans/{town.out}/close/{LENT}", f"/receive/set-aside/{town.report}", "/machines", "/checks",
            f"/wipes/{town.wipe}/accept",
        ),
        "partner": ("/", "/referrals", "/referrals/new", "/referrals/paper", "/referrals/file", *loan),
        "administrator": (
            "/", "/machines", f"/machines/{bench}/revoke", "/accounts", "/accounts/new", "/badges", "/accounts/2/badge",
            "/system",
        ),
        "auditor": ("/", f"/proof/{town.wipe}", "/system"),
        "data-protection": ("/", "/referrals"),
    }


def answers(page: Page, town: Town, role: str) -> Iterator[str]:
    """Go through the pages that only answer a form, and name each when it is open."""
    if role == "desk":
        page.goto(f"/loans/{town.loan}")
        page.fill("#code", SWAPPED)
        page.click("text=Hand over now")
        yield "the refusal"
        page.goto("/receive")
        page.click("main button:has-text('Receive')")
        yield "receiving with mistakes"
    if role == "partner":
        yield from refer_page_by_page(page)
    if role == "administrator":
        page.goto("/machines")
        page.check("#role")
        page.fill("#name", "Bench 3")
        page.click("text=Make a one-time code")
        yield "the one-time code"
        page.goto("/accounts/2/badge")
        page.click("text=Make the badge")
        yield "the badge with mistakes"
        page.check('[name="roles"][value="supervisor"]')
        page.fill("#pin", "482915")
        page.fill("#again", "482915")
        page.click("text=Make the badge")
        yield "the badge, to be printed once"
        page.goto("/badges")
        yield "the badges"
        page.goto("/accounts/2/badge/end")
        yield "the end of a badge"
    if role == "auditor":
        page.click("text=Check everything now")
        yield "the checked history"


def refer_page_by_page(page: Page, *, mistakes: bool = True) -> Iterator[str]:
    """Refer a household from the first page to the confirmation, and name each page when it is open."""
    page.goto("/referrals/new")
    page.click("main button:has-text('Start')")
    for _ in range(len(ANSWERS)):
        asked = page.url.rsplit("/", 1)[-1]
        if asked == "check":
            break
        yield f"the question {asked}"
        if mistakes and asked not in ("fit", "support"):
            page.click("main button:has-text('Continue')")
            yield f"the question {asked} with mistakes"
        answer_page(page, asked)
        page.click("main button:has-text('Continue')")
    yield "the check of the answers"
    page.click("text=Send referral")
    page.wait_for_selector("text=Referral sent")
    yield "the confirmation"


def answer_page(page: Page, asked: str) -> None:
    """Answer one question page, as a person would: once it is there as a whole."""
    page.wait_for_load_state("load")
    for name, answer in ANSWERS[asked].items():
        for value in [answer] if isinstance(answer, str) else answer:
            options = page.locator(f'[name="{name}"][value="{value}"]')
            if options.count() and options.first.get_attribute("type") in ("radio", "checkbox"):
                options.first.check()
            else:
                page.fill(f'[id="{name}"]', value)


def check(page: Page, where: str) -> None:
    """Demand no finding of axe and nothing wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{where} is {wide} px wide in a window of {window}"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1, where


@pytest.mark.parametrize("role", ["", *ACCOUNTS])
def test_every_page_of_a_role_is_accessible_quiet_and_self_contained(role: str, town: Town, open_page: SignIn) -> None:
    page = open_page(role)
    for path in pages(town)[role]:
        page.goto(path)
        check(page, f"{role or 'a stranger'} on {path}")
    for where in answers(page, town, role):
        check(page, f"{role} on {where}")


@pytest.mark.parametrize("role", ["", *ACCOUNTS])
def test_no_page_needs_sideways_scrolling_at_400_percent(role: str, town: Town, open_page: SignIn) -> None:
    page = open_page(role, width=NARROW, height=640)
    for path in pages(town)[role]:
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= NARROW, f"{path} is {wide} px wide"
        small = page.evaluate(
            """() => [...document.querySelectorAll('main a.govuk-button, main button')]
               .map(e => e.getBoundingClientRect())
               .filter(r => r.width && (r.height < 24 || r.width < 24)).length"""
        )
        assert small == 0, f"{path} has {small} targets under 24 px (WCAG 2.5.8)"


def tab_to(page: Page, text: str, most: int = 60) -> None:
    """Press Tab until the thing with this text, label or id has the focus, and demand that the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => { const e = document.activeElement; const s = getComputedStyle(e);
                return [e.id, (e.innerText || '').replace(/\\s+/g, ' ').trim(),
                        s.boxShadow !== 'none' || s.outlineStyle !== 'none' ||
                        getComputedStyle(e, '::after').outlineStyle !== 'none']; }"""
        )
        assert found[2], f"the focus on {found[:2]} cannot be seen"
        if found[0] == text or found[1].startswith(text):
            return
    raise AssertionError(f"{text!r} was not reached by {most} times Tab")


def test_a_device_is_handed_over_with_the_keyboard_alone(town: Town, open_page: SignIn) -> None:
    page = open_page()
    page.goto("/sign-in")
    tab_to(page, "email")
    page.keyboard.type("dee@example.org")
    tab_to(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('What waits for you')")
    page.keyboard.type(READY)  # the scan field has the focus: a wedge scanner types and presses Enter
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Can be lent")
    tab_to(page, "Loans")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Loans')")
    tab_to(page, town.loan)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Choose a device")
    tab_to(page, "code")
    page.keyboard.type(READY)
    page.keyboard.press("Enter")  # the harmless button is the first: keep it for this loan
    page.wait_for_selector("text=kept for this loan")
    assert page.locator("text=is handed over").count() == 0
    tab_to(page, f"Hand over {READY[:4]}")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=is handed over")


def test_the_first_tab_offers_to_skip_to_the_content(open_page: SignIn) -> None:
    page = open_page("auditor")
    page.goto("/system")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main-content"


def test_a_refusal_is_announced_and_takes_the_focus(town: Town, open_page: SignIn) -> None:
    page = open_page("desk")
    page.goto(f"/loans/{town.loan}")
    page.fill("#code", SWAPPED)
    page.click("text=Hand over now")
    assert page.locator("[role=alert]").inner_text().count("wipe it again") == 1
    assert "must not be handed over" in page.evaluate("document.activeElement.innerText")


def test_every_error_of_a_form_leads_to_its_field(open_page: SignIn) -> None:
    page = open_page("partner")
    page.goto("/referrals/new")
    page.click("main button:has-text('Start')")
    draft = page.url.rsplit("/", 1)[0]
    for asked in ("reference", "postcode", "household", "device", "internet", "contact", "language", "told"):
        page.goto(f"{draft}/{asked}")
        page.click("main button:has-text('Continue')")
        links = page.locator(".govuk-error-summary a")
        assert links.count() > 0, asked
        target = str(links.first.get_attribute("href")).removeprefix("#")
        links.first.click()
        assert page.evaluate("document.activeElement.id") == target, asked


def test_a_referral_is_sent_without_any_script(open_page: SignIn) -> None:
    page = open_page("partner", scripts=False)
    for where in refer_page_by_page(page, mistakes=False):
        if where == "the check of the answers":
            page.click("a:has-text('Change postcode')")
            assert page.input_value("#postcode") == "l1 8jq"
            page.click("main button:has-text('Continue')")
            assert page.url.endswith("/check")
            assert page.locator(".govuk-exit-this-page__button").first.get_attribute("href", timeout=1000)


def test_a_referral_takes_about_two_minutes_and_axe_finds_nothing(
    open_page: SignIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints seconds, pages and findings. A person reads and types; the seconds here are the machine's share."""
    page, seen, findings, spent = open_page("partner"), 0, 0, 0.0
    steps = refer_page_by_page(page, mistakes=False)
    while True:
        begun = time.monotonic()
        where = next(steps, "")
        spent += time.monotonic() - begun
        if not where:
            break
        seen += 1
        findings += Axe().run(page).violations_count
    typed = sum(len(answer) for one in ANSWERS.values() for answer in one.values() if isinstance(answer, str))
    with capsys.disabled():
        print(f"\nreferral: {seen} pages, {spent:.1f} s of machine, axe {findings}, at most {typed} characters typed")
    assert findings == 0
    assert seen <= 16
    assert spent < 60


def test_exit_this_page_leaves_at_once_also_by_three_times_shift(open_page: SignIn, complaints: list[str]) -> None:
    for how in ("click", "keys"):
        page = open_page("partner")
        page.route("https://www.bbc.co.uk/**", lambda route: route.fulfill(body="weather"))
        page.goto("/referrals/new")
        if how == "click":
            page.locator(".govuk-exit-this-page__button").first.click()
        else:
            for _ in range(3):
                page.keyboard.press("Shift")
        page.wait_for_url("https://www.bbc.co.uk/**")
    complaints[:] = [one for one in complaints if "bbc.co.uk" not in one]


def test_the_proof_prints_without_the_furniture(open_page: SignIn) -> None:
    page = open_page("auditor")
    page.goto(f"/devices/{UNKNOWN_WIPE}")
    page.emulate_media(media="print")
    assert page.is_visible("text=Evidence digest")
    assert page.is_visible("text=Printed from Kitbank")
    assert not page.is_visible(".kb-header")
    assert not page.is_visible(".govuk-service-navigation")
    assert page.pdf(format="A4")[:4] == b"%PDF"


def test_pages_stay_readable_in_high_contrast_and_right_to_left(open_page: SignIn) -> None:
    page = open_page("desk")
    page.emulate_media(forced_colors="active")
    page.goto(f"/devices/{SWAPPED}")
    assert page.is_visible("text=Must not be lent")
    page.evaluate("document.documentElement.dir = 'rtl'")
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window
