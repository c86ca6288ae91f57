"""A whole kiosk in a folder, with clocks that tests move, and a person who presses its buttons."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from custody.errors import JournalFull
from custody.events import Event, PrivateKey, Role, World
from custody.journal import Journal
from kiosk.config import Config, Home
from kiosk.flow import Known, Recorded, Return
from kiosk.views import create_app
from kiosk.visits import JournalRecorder
from labels import codes

CODE, OTHER = codes.complete("7K3QX9MDA4"), codes.complete("AAAAABBBBB")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FullDisk(JournalRecorder):
    """A recorder whose disk is full while `full` is set: the journal refuses as it does on a real full disk."""

    full = False

    def record(self, wanted: Return) -> Recorded:
        if self.full:
            raise JournalFull("there is no room left on the disk of the journal; nothing was recorded. Make room")
        return super().record(wanted)

    def known(self, code: str) -> Known | None:
        return super().known(code)


@dataclass
class Kit:
    """A kiosk: its home, its keys, its app, and a clock in seconds that only tests move."""

    home: Home
    config: Config = field(default_factory=lambda: Config(host="lend.example.org", name="Central Library"))
    world: World = World.PRACTICE
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    transport: PrivateKey = field(default_factory=PrivateKey.generate)
    seconds: float = 1000.0

    def __post_init__(self) -> None:
        Journal.create(self.home.journal, role=Role.KIOSK, world=self.world, key=self.key).close()
        self.recorder = FullDisk(self.home.journal, self.key, self.now)
        self.app: Flask = create_app(
            self.home, self.config, event_key=self.key, transport_key=self.transport, now=self.now,
            ticks=lambda: self.seconds, recorder=self.recorder,
        )  # fmt: skip

    def now(self) -> datetime:
        return NOW

    def returns(self) -> list[Event]:
        with Journal.open(self.home.journal) as journal:
            return [row.event for row in journal.events(kind="device.returned")]

    def person(self) -> "Person":
        return Person(self.app.test_client())


class Person:
    """Somebody at the screen."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def page(self, path: str = "/") -> str:
        return unescape(self.client.get(path).text)

    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.page(), re.DOTALL)
        return found[1].strip() if found else ""

    def press(self, path: str, **fields: str) -> TestResponse:
        token = re.search(r'data-token="(\w*)"', self.client.get("/").text)
        assert token
        return self.client.post(path, data={"token": token[1], **fields})

    def bring(self, code: str = CODE) -> None:
        """Go through a visit up to the last button."""
        self.press("/scan", text=code)
        self.press("/count", device="1", charger="1", case="0")
        self.press("/answer", condition="fine", agreed="yes")


def kit_in(folder: Path, **changed: object) -> Kit:
    make: Callable[..., Kit] = Kit
    return make(Home(folder), **changed)
