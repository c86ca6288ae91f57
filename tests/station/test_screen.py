"""The volunteer's screen in a real browser over a real bench: keyboard only, 400 %, axe, and with no scripts."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page, Route
from werkzeug.serving import make_server

from station.bays_state import LOOKS, VERSION, BenchState, MediumShown, PlanShown, boot_id, now_beat, publish, tile
from station.orders import Orders
from station.web.app import create_app
from station.web.window import STOPPED, Window
from tests.station.bays_bench import confirm, make_home, started, wait_for
from tests.station.benches import practice_file

SHOTS = os.environ.get("KITBANK_SHOTS")
NASTY = 'Bay <b>"1"</b>/&'


def everybody(environ: Mapping[str, Any]) -> bool:
    """Take whoever asks for a member of the screen group, where a test asks without a connection."""
    return True


@dataclass
class Served:
    """A screen that really listens."""

    app: Flask
    url: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve the screen over a bench's folder on loopback."""
    app = create_app(Window.into(folder))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Served(app, f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def drive(health: str = "good") -> MediumShown:
    words = ("12 sectors cannot be read (pending)",) if health == "bad" else ()
    return MediumShown(
        "m-1", "/dev/sdb", "Western Digital", "WD10EZEX-08WN4A0", "WD-WCC6Y5…", "", 10**12, "hdd", health, words, 41.0
    )  # fmt: skip


def plan(lower: bool) -> PlanShown:
    reaches = "clear" if lower else "purge"
    lines = ("Profile purge", "Passes: random")
    return PlanShown("purge", "overwrite-random", "overwrite", "purge", reaches, lower, lines)


CAN = {
    "ready": ("arm",), "interrupted": ("arm",), "armed": ("start",), "working": ("cancel",), "erasing": ("cancel",),
    "done": ("acknowledge",), "unknown": ("resolve",),
}  # fmt: skip
CODES = {"unknown": "E17", "stuck": "E14", "pulled": "E13", "failing": "E06", "paused": "E23", "refused": "E01"}


def every_state(folder: Path, age: float = 0.0) -> None:
    """Publish a bench with one tile in every state there is."""
    tiles = []
    for number, state in enumerate(LOOKS, 1):
        work = state in ("working", "erasing", "proving")
        tiles.append(
            tile(
                NASTY if number == 1 else f"Dock {number}", number, f"place-{number}", state, code=CODES.get(state, ""),
                medium=None if state == "empty" else drive("bad" if state in ("failing", "armed") else "good"),
                plan=plan(state == "armed"), can=CAN.get(state, ()),
                reasons=("It says so.",) if state == "refused" else (),
                percent=43.0 if work else None, seconds_left=4000.0 if work else None,
                finish_at="2026-11-25T17:40:00" if work else "", claim="purge" if state == "done" else "",
                event="ab" * 32 if state == "done" else "", armed_seconds=41.0 if state == "armed" else None,
                cancel="It cannot be stopped: it goes on inside the drive. Keep it powered." if work else "",
            )
        )  # fmt: skip
    bench = BenchState(
        VERSION, "Bench 1", "practice", "2026-11-25T15:00:00", now_beat() - age, boot_id(), os.getpid(), tuple(tiles),
        (), ("sdz",), (),
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    publish(bench, folder / "bays.json")


@contextmanager
def bench_in_every_state(folder: Path) -> Iterator[Served]:
    """Serve a screen over a bench that goes on publishing, as a running one does."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(1.0):
            every_state(folder)

    every_state(folder)
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        with served(folder) as screen:
            yield screen
    finally:
        over.set()
        thread.join()


def checked(page: Page, where: str) -> None:
    """Demand no finding of axe, nothing wider than the window, one heading, and no complaint."""
    found = Axe().run(page)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{where} is {wide} px wide in a window of {window}"
    assert page.evaluate("document.querySelectorAll('h1').length") == 1, where


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 320])
def test_every_state_is_readable_at_a_glance_and_at_400_percent(chromium: Browser, tmp_path: Path, width: int) -> None:
    with bench_in_every_state(tmp_path / "screen") as screen:
        page = chromium.new_context(viewport={"width": width, "height": 900}).new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(screen.url)
        checked(page, "all bays")
        assert page.locator("li.tile").count() == len(LOOKS)
        assert page.locator("li.tile.green").count() == 1
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/bays-{width}.png", full_page=True)
        for number, state in enumerate(LOOKS, 1):
            if state not in CAN and number != 1:
                continue
            page.goto(screen.url)
            page.get_by_role("link", name=NASTY if number == 1 else f"Dock {number}", exact=True).click()
            checked(page, f"the bay that is {state}")
            if SHOTS:
                page.screenshot(path=f"{SHOTS}/bay-{state}-{width}.png", full_page=True)
        page.context.close()
        assert complaints == []


def test_what_the_bench_said_too_long_ago_is_never_shown_as_green(tmp_path: Path) -> None:
    every_state(tmp_path / "screen", age=30)
    client = create_app(Window.into(tmp_path / "screen"), everybody).test_client()
    for path in ("/", "/tiles"):
        text = client.get(path, headers={"Host": "127.0.0.1"}).text
        assert STOPPED in text
        assert "green" not in text
    assert client.get("/bay/Dock 2", headers={"Host": "127.0.0.1"}).status_code == 503


def test_without_a_bench_the_screen_says_how_to_start_it(tmp_path: Path) -> None:
    client = create_app(Window.into(tmp_path), everybody).test_client()
    assert "kitbank-station bench" in client.get("/", headers={"Host": "localhost"}).text


def test_no_other_name_or_page_can_order_anything(tmp_path: Path) -> None:
    every_state(tmp_path / "screen")
    Orders.create(tmp_path / "screen/orders/orders.sqlite").close()
    app = create_app(Window.into(tmp_path / "screen"), everybody)
    client, here = app.test_client(), {"Host": "127.0.0.1"}
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/", headers=here, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 403
    for token in ("", "guessed"):
        form = {"token": token, "bay": "Dock 6", "here": "Dock 6", "typed": "1234"}
        assert client.post("/order/arm", data=form, headers=here).status_code == 400
    orders = Orders(tmp_path / "screen/orders/orders.sqlite")
    assert orders.waiting() == []
    orders.close()
    headers = client.get("/", headers=here).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def _answered_late(route: Route) -> None:
    answer = route.fetch(max_redirects=0)
    time.sleep(2.5)
    route.fulfill(response=answer)


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False])
def test_a_drive_is_wiped_by_keyboard_alone_over_a_real_bench(chromium: Browser, tmp_path: Path, scripts: bool) -> None:
    path = practice_file(tmp_path / "d.img", serial="SCREENDRIVE77")
    config = make_home(tmp_path, {"Dock A": f"file:{path}"})
    with started(config), served(config.screen) as screen:
        wait_for(config, lambda state: state.tiles[0].state == "ready")
        context = chromium.new_context(viewport={"width": 1100, "height": 800}, java_script_enabled=scripts)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{screen.url}/bay/Dock%20A")
        assert f"type {confirm(path)}." in page.locator("#typed-hint").inner_text()  # a practice drive has no label
        assert "SCREENDRIVE77" not in page.content()
        page.keyboard.type("0000")
        page.keyboard.press("Enter")
        page.wait_for_selector(".answer.no")
        page.locator("#typed").focus()
        page.keyboard.type(confirm(path))
        page.keyboard.press("Enter")
        page.wait_for_selector("h2:has-text('Start the wipe')")
        page.locator("#operator").focus()
        page.keyboard.type("v-12")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Bays')")
        wait_for(config, lambda state: state.tiles[0].state == "done")
        if not scripts:
            page.goto(screen.url)
        page.wait_for_selector("li.tile.green >> text=Wiped")
        if scripts:
            assert "Wiped" in page.locator("#said").inner_text()
        page.goto(f"{screen.url}/bay/Dock%20A")
        page.route("**/order/acknowledge", _answered_late)  # the page looks again meanwhile, and has to wait
        page.get_by_role("button", name="I have taken it out").press("Enter")
        page.wait_for_selector("h1:has-text('Bays')")
        wait_for(config, lambda state: state.tiles[0].state != "done")
        context.close()
    assert not any(path.read_bytes())


@pytest.mark.browser
def test_a_screen_that_loses_its_server_shows_no_tile_any_more(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context()
    with bench_in_every_state(tmp_path / "screen") as screen:
        page = context.new_page()
        page.goto(screen.url)
        assert page.locator("li.tile.green").count() == 1
    page.wait_for_selector("text=This screen has lost the bench", timeout=30_000)
    assert page.locator("li.tile").count() == 0
    context.close()
