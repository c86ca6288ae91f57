"""Simulated ATA and SAS drives in a guest (docs/lab-drives.md), plugged in behind the kernel for the real tools.

    with Shelf(guest, [{"kind": "ata", "serial": "S1", "sectors": 131_072, "lies": ["frozen"]}]) as shelf:
        node = shelf.device("S1")
        shelf.ask("S1", "tell", lie="shrinks")
"""

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tests.lab.vm import PYTHON, Guest

START_SECONDS = 120
IMAGES = "/dev/shm"


class Shelf:
    """A process in the guest with one or more drives. Entering starts it, leaving takes the drives away."""

    def __init__(
        self, guest: Guest, wishes: Sequence[Mapping[str, Any]], *, name: str = "shelf", first: int = 0
    ) -> None:
        """Describe drives as `tests.drives.shop.order` takes them; `image` may be left out, `serial` may not.

        Several shelves in one guest need names and a `first` bay of their own.
        """
        self._guest, self._name, self._first = guest, name, first
        self._wishes = [{"image": self._place(str(wish["serial"])), **wish} for wish in wishes]
        self._asked = 0

    def __enter__(self) -> Self:
        self._guest.put(json.dumps(self._wishes).encode(), f"/run/{self._name}.json")
        words = ["--shelf", f"/run/{self._name}.json", "--first", str(self._first), "--console"]
        self._server = self._guest.start([PYTHON, "-m", "tests.drives.tcmu", *words], stdin=None)
        self._server.wait_for("ready", START_SECONDS)
        self._guest.settle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._server.write(b"")
            self._server.wait(60)

    def ask(self, serial: str, do: str, **words: Any) -> dict[str, Any]:
        """Say one thing to a drive; returns its facts. Raises `ValueError` with the answer where it was refused."""
        number, self._asked = self._asked, self._asked + 1
        self._server.write(json.dumps({"do": do, "drive": serial, **words}).encode() + b"\n")
        self._server.wait_for(f"answer {number} ", 90)
        while True:
            _, _, after = self._server.stdout.partition(f"answer {number} ".encode())
            line, ended, _ = after.partition(b"\n")
            if ended:
                break
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise ValueError(answer["error"])
        return answer

    def device(self, serial: str) -> str:
        """Return the block device of a drive, by the serial as ordered; "" while it is off."""
        return str(self.ask(serial, "facts")["device"])

    def image(self, serial: str) -> str:
        """Return the path of the drive's image: what its chips hold, once `ask(serial, "settle")` was said."""
        return next(str(wish["image"]) for wish in self._wishes if wish["serial"] == serial)

    def _place(self, serial: str) -> str:
        return f"{IMAGES}/{self._name}-{serial}.img"
