"""A real Chromium in front of a real server on loopback; skipped, saying why, where there is none."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
from werkzeug.serving import WSGIRequestHandler, make_server

from custody.events import PrivateKey, World
from lending import installation, vault
from lending.db import connect
from tests.factories import NOON
from tests.lending.house import build
from tests.lending.screens import ACCOUNTS, PASSWORD, Town, populate

SignIn = Callable[..., Page]


class Quiet(WSGIRequestHandler):
    """Writes no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Return a practice charity with something on every screen."""
    folder = tmp_path_factory.mktemp("town")
    engine = connect(f"sqlite:///{folder / 'lending.sqlite'}")
    key = PrivateKey(random.Random("server").randbytes(32))
    found = installation.found(engine, world=World.PRACTICE, name="Kitbank", key=key, now=NOON)
    db = replace(found.db, vault=vault.in_memory(vault.new_keys(NOON)))
    yield populate(build(db), folder)
    engine.dispose()


@pytest.fixture(scope="session")
def address(town: Town) -> Iterator[str]:
    """Serve the charity on loopback and return the address."""
    server = make_server("127.0.0.1", 0, town.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def complaints() -> list[str]:
    """Collect what a page complains of: script errors, blocked content, requests to other hosts."""
    return []


@pytest.fixture
def open_page(chromium: Browser, address: str, complaints: list[str]) -> Iterator[SignIn]:
    """Return a function that opens a window, signed in as a role if one is given. Nothing may complain."""
    contexts: list[BrowserContext] = []

    def listen(page: Page) -> None:
        def said(message: ConsoleMessage) -> None:
            # Chromium reports every answer of 400 and more; those are what some tests are after.
            if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
                complaints.append(message.text)

        def asked(request: Request) -> None:
            if not request.url.startswith((address, "data:")):
                complaints.append(f"asked {request.url}")

        page.on("console", said)
        page.on("request", asked)
        page.on("pageerror", lambda error: complaints.append(str(error)))

    def start(role: str = "", width: int = 1100, height: int = 800, scripts: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, base_url=address, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        listen(page)
        if role:
            page.goto("/sign-in")
            page.fill("#email", f"{ACCOUNTS[role][0]}@example.org")
            page.fill("#password", PASSWORD)
            page.press("#password", "Enter")
            page.wait_for_selector("h1:has-text('What waits for you')")
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
