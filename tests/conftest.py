"""What every test may ask for: the shared real data, an address to listen on, and what this machine can start."""

import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parent.parent
QUIET_BROWSER = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

# These machines are shared: how long one example takes says nothing about the product.
hypothesis.settings.register_profile("kitbank", deadline=None)
hypothesis.settings.load_profile("kitbank")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was left out and why: a skipped test is not a passed one."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[why.removeprefix("Skipped: ")] += 1
    notes = REPOSITORY / ".kitbank" / "left-out.txt"
    said = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
    if reasons or said:
        terminalreporter.section("LEFT OUT on this machine", sep="!", yellow=True)
        for line in said:
            terminalreporter.line(f"set-up: {line}")
        for why, count in reasons.most_common():
            terminalreporter.line(f"{count:4} not run: {why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no core waits for it at the end; the order is otherwise kept."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real third-party data beside the checkout; skip the test when it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared test data (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """Return the one running Chromium of this test process; skip where the machine has none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium, which this machine does not have (Debian's package chromium)")
    if not (REPOSITORY / "lending/static/vendor/ASSETS.json").exists():
        pytest.skip("the web assets are not laid out; run `python tools/assets.py`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        yield browser
        browser.close()


@pytest.fixture
def free_port() -> int:
    """Return a TCP port on loopback that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    """Return a function that skips the test unless every named program is on this machine."""

    def check(*programs: str) -> None:
        missing = [name for name in programs if shutil.which(name) is None]
        if missing:
            pytest.skip(f"needs {', '.join(missing)}, which this machine does not have")

    return check


@pytest.fixture(scope="session")
def needs_root() -> None:
    """Skip the test unless it runs as root."""
    if os.geteuid() != 0:
        pytest.skip("only root can start this")
