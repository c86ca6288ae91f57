"""The screens in a real browser: by keyboard alone, right to left, at 400 %, through axe, and left alone."""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from kiosk.config import Config
from labels import codes
from tests.kiosk.kit import CODE, OTHER, Kit, kit_in

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("KITBANK_SHOTS")


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Browser:
    """Return the one browser of this test process: Playwright does not bear a second."""
    return chromium


class Counter:
    """A kiosk that really listens, and its address."""

    def __init__(self, kit: Kit) -> None:
        """Serve it in a thread."""
        self.kit = kit
        self.server = make_server("127.0.0.1", 0, kit.app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    counter = Counter(kit_in(tmp_path))
    yield counter
    counter.close()


def page_of(browser: Browser, counter: Counter, width: int = 1280, height: int = 800) -> Page:
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(15000)
    page.goto(counter.url)
    return page


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/kiosk-{name}.png", full_page=True)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse would."""
    for _ in range(40):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached with the Tab key")


def visit(page: Page) -> Iterator[str]:
    """Go through the five screens, and stop on each."""
    yield "1-idle"
    page.fill("#text", CODE)
    page.keyboard.press("Enter")
    page.wait_for_selector(".item")
    yield "2-seen"
    page.click("button[form=count]")
    page.wait_for_selector(".face")
    yield "3-counted"
    page.click("button[name=agreed][value=yes]")
    page.wait_for_selector(".huge")
    yield "4-agreed"
    page.click(".huge")
    page.wait_for_selector(".big-tick")
    yield "5-thanked"


def test_a_whole_visit_by_keyboard_alone(browser: Browser, counter: Counter) -> None:
    page = page_of(browser, counter)
    page.keyboard.type(codes.pretty(CODE))  # the field has the focus: a scanner needs nobody's hand
    page.keyboard.press("Enter")
    page.wait_for_selector(".item")
    tab_to(page, "input[name=charger]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    tab_to(page, "button[form=count]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".face")
    tab_to(page, "input[name=condition]")
    page.keyboard.press("Space")
    tab_to(page, "button[value=yes]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".huge")
    tab_to(page, ".huge")
    page.keyboard.press("Enter")
    page.wait_for_selector(".big-tick")
    (event,) = counter.kit.returns()
    assert (event.subject, event.body["condition"]) == (CODE, "fine")
    assert event.body["items"] == {"device": 1, "charger": 1}


def test_a_visit_works_without_any_script(browser: Browser, counter: Counter) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(counter.url)
    assert list(visit(page))[-1] == "5-thanked"
    assert len(counter.kit.returns()) == 1


def test_a_scanner_on_any_screen_presses_no_button(browser: Browser, counter: Counter) -> None:
    page = page_of(browser, counter)
    for screen in visit(page):
        if screen in ("2-seen", "3-counted", "4-agreed"):
            page.locator("main button.primary").first.focus()
            page.keyboard.type(codes.address("h.org", OTHER))
            page.keyboard.press("Enter")
            page.wait_for_selector(".note")
            assert "finish this device first" in page.inner_text(".note")
    page.keyboard.type(codes.address("h.org", OTHER))
    page.keyboard.press("Enter")
    page.wait_for_selector(".item")
    assert [event.subject for event in counter.kit.returns()] == [CODE]


@pytest.mark.parametrize("language", ["en", "ar", "pl"])
def test_axe_finds_nothing_on_any_screen(browser: Browser, counter: Counter, language: str) -> None:
    page, axe = page_of(browser, counter), Axe()
    if language != "en":
        page.click(f"button[lang={language}]")
    for screen in visit(page):
        found = axe.run(page)
        assert found.violations_count == 0, f"{screen}: {found.generate_report()}"
        assert page.get_attribute("html", "dir") == ("rtl" if language == "ar" else "ltr")
        shot(page, f"{language}-{screen}")
    for path in ("/slip", "/staff", "/still-there"):
        page.goto(counter.url + path)
        found = axe.run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        shot(page, f"{language}-{path[1:]}")


def test_axe_finds_nothing_on_the_screens_for_trouble(browser: Browser, counter: Counter) -> None:
    page, axe = page_of(browser, counter), Axe()
    page.fill("#text", CODE[:5] + "Z" + CODE[6:])
    page.keyboard.press("Enter")
    page.wait_for_selector("mark")
    assert axe.run(page).violations_count == 0
    shot(page, "en-doubt")
    page.click("text=Yes, that is on the label")
    page.click("button[form=count]")
    page.click("button[name=agreed][value=yes]")
    counter.kit.recorder.full = True
    page.click(".huge")
    page.wait_for_selector(".stop")
    assert axe.run(page).violations_count == 0
    shot(page, "en-not-recorded")


@pytest.mark.parametrize("language", ["en", "ar", "pl"])
def test_at_400_percent_nothing_scrolls_sideways(browser: Browser, counter: Counter, language: str) -> None:
    page = page_of(browser, counter, 320, 256)
    if language != "en":
        page.click(f"button[lang={language}]")
    for screen in visit(page):
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, f"{screen} is {wide} wide"
        shot(page, f"zoom-{language}-{screen}")
    page.goto(f"{counter.url}/staff")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_every_target_is_large_enough_for_a_tired_hand(browser: Browser, counter: Counter) -> None:
    page = page_of(browser, counter)
    for screen in visit(page):
        for target in page.query_selector_all("button:visible, a.button:visible, .numbers label, .face, input#text"):
            box = target.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= 44, f"{screen}: {target.inner_text()} is {box}"


def test_nothing_comes_from_anywhere_else_and_nothing_is_blocked(browser: Browser, counter: Counter) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(counter.url)
    assert len(list(visit(page))) == 5
    assert {re.sub(r"^(http://[^/]+).*", r"\1", url) for url in asked} == {counter.url}
    assert [text for text in said if "Content Security Policy" in text] == []


def test_the_warning_comes_before_the_screen_starts_again_and_gives_more_time(
    browser: Browser, tmp_path: Path
) -> None:
    config = Config(host="lend.example.org", warn_after=1.0, reset_after=20.0)
    counter = Counter(kit_in(tmp_path, config=config))
    try:
        page = page_of(browser, counter)
        page.fill("#text", CODE)
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        shot(page, "en-warning")
        assert 15 <= int(page.inner_text("#waiting-left")) <= 20
        counter.kit.seconds += 15
        with page.expect_response("**/more-time"):
            page.keyboard.press("Enter")
        counter.kit.seconds += 15
        page.wait_for_selector("dialog[open]")
        assert page.inner_text("h1") == "What are you bringing back?"
    finally:
        counter.close()
