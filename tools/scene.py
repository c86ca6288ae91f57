"""Where one run of the line takes place: its folder, its three programs, its people, and what is known so far."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.browser import Browser, Page, Unexpected
from tools.programs import Ended, Programs, free_port

OPERATOR = "practice-volunteer"
ENROLMENT_CODE = r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b"


class StepFailed(Exception):
    """A step did not hold; the message says what was seen and what was expected."""


@dataclass
class Scene:
    """One run. What later steps need is filled in by earlier ones; nothing here is known to the programs."""

    home: Path
    port: int = field(default_factory=free_port)
    kiosk_port: int = field(default_factory=free_port)
    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)
    drives: list[dict[str, Any]] = field(default_factory=list)
    code: str = ""
    referral: str = ""
    loans: list[str] = field(default_factory=list)
    wipes: list[str] = field(default_factory=list)
    reasons: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folder and the environment that every program of this run gets."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.programs = Programs(
            self.home,
            {
                "KITBANK_HOME": str(self.home / "server"),
                "KITBANK_WORLD": "practice",
                "KITBANK_LISTEN": f"127.0.0.1:{self.port}",
                "KITBANK_HOST_ADDRESS": self.address,
            },
        )

    @property
    def address(self) -> str:
        """Where the lending service answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def kiosk_address(self) -> str:
        """Where the kiosk answers."""
        return f"http://127.0.0.1:{self.kiosk_port}"

    @property
    def image(self) -> Path:
        """The practice drive of the device that is lent."""
        return Path(self.drives[0]["path"])

    def lending(self, verb: str, *arguments: str) -> Ended:
        """Run a verb of the lending service."""
        return self.programs.run("kitbank-lending", verb, *arguments)

    def station(self, verb: str, *arguments: str, expect: tuple[int, ...] = (0,)) -> Any:
        """Run a verb of the station with `--json` and return what it printed."""
        home = ("--home", str(self.home / "station"), "--json")
        ended = self.programs.run("kitbank-station", verb, *arguments, *home, expect=expect)
        return ended.json() if ended.out.strip() else None

    def kiosk(self, verb: str, *arguments: str, expect: tuple[int, ...] = (0,)) -> Ended:
        """Run a verb of the kiosk."""
        return self.programs.run("kitbank-kiosk", verb, "--home", str(self.home / "kiosk"), *arguments, expect=expect)

    @contextmanager
    def person(self, role: str) -> Iterator[Browser]:
        """Give a signed-in person's browser; raise StepFailed when there is no such sign-in."""
        if role not in self.accounts:
            raise StepFailed(f"no sign-in for {role}; there are {', '.join(self.accounts) or 'none'}")
        email, password = self.accounts[role]
        browser = Browser(self.address)
        try:
            page = browser.open("/sign-in")
            browser.send(page, page.form("email", "password"), {"email": email, "password": password})
            yield browser
        finally:
            browser.close()

    def one_time_code(self, role: str, name: str) -> str:
        """Have the administrator make an enrolment code on the page for it; return the code as shown."""
        with self.person("administrator") as browser:
            page = browser.open("/machines")
            shown = browser.send(page, page.form("role", "name"), {"role": role, "name": name})
        return found(shown, ENROLMENT_CODE)

    def start_server(self) -> None:
        """Start the lending service and wait until it answers."""
        self.programs.start("lending", f"{self.address}/sign-in", "kitbank-lending", "serve")

    def why_not_lendable(self) -> list[dict[str, str]]:
        """Return the station's reasons against lending the device, by what it knows."""
        reasons: list[dict[str, str]] = self.station("show", self.code)["reasons"]
        return reasons


def expect(holds: object, otherwise: str) -> None:
    """Raise StepFailed with a sentence unless something holds."""
    if not holds:
        raise StepFailed(otherwise)


def wait_for(holds: Callable[[], bool], seconds: float, otherwise: str) -> float:
    """Ask again and again; return the seconds it took, raise StepFailed when it never held."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise StepFailed(f"{otherwise} (waited {seconds:.0f} s)")
        time.sleep(0.3)
    return time.monotonic() - began


def saw(page: Page, words: str) -> None:
    """Raise Unexpected unless a page shows these words; pages set hyphens into codes, so hyphens do not count."""
    if words.replace("-", "").casefold() not in page.text.replace("-", "").casefold():
        raise Unexpected(f"{page.url} does not say {words!r}: {page.gist()}")


def found(page: Page, pattern: str) -> str:
    """Return the first text of a page that looks like this; raise Unexpected."""
    match = re.search(pattern, page.text)
    if match is None:
        raise Unexpected(f"{page.url} shows nothing like {pattern}: {page.gist()}")
    return match.group()
