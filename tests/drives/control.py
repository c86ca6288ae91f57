"""How a test tells a simulated drive what to do while real tools use it: one JSON object per line, over a socket.

    {"do": "tell", "lie": "shrinks", "argument": "1000", "drive": "SIM0000001"}     -> {"ok": true, ...facts}

`drive` is a serial as ordered, and may be left out where there is one drive. Verbs: facts, tell, stop, cut-power
(pulls the drive from the bus as well), power-on, power-cycle, resume (a power cycle after which nothing is frozen),
reset, bad (first, count), attribute (number, raw, value), temperature, test-fails (sector or null), settle, log, quit.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.drives.bay import Bay
from tests.drives.lies import Lie
from tests.drives.sat import SatDrive

Verb = Callable[[Bay, Mapping[str, Any]], dict[str, Any] | None]


class Control:
    """Serves the socket until `close`."""

    def __init__(self, path: Path | None, bays: Mapping[str, Bay]) -> None:
        """Listen at `path`, or nowhere; `bays` by the serial as ordered."""
        self.bays = dict(bays)
        self.quit = threading.Event()
        self._server: socketserver.BaseServer | None = None
        if path is not None:
            path.unlink(missing_ok=True)
            self._listen(path)

    def _listen(self, path: Path) -> None:
        control = self

        class Line(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(json.dumps(control.answer(line)).encode() + b"\n")

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        server = self._server = Server(str(path), Line)
        threading.Thread(target=server.serve_forever, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Do what one line says; a mistake is answered, never raised."""
        try:
            words = json.loads(line)
            if words["do"] == "quit":
                self.quit.set()
                return {"ok": True}
            bay = self.bays[words["drive"]] if "drive" in words else _only(self.bays)
            said = VERBS[words["do"]](bay, words)
        except (KeyError, ValueError, TypeError, OSError) as error:
            return {"ok": False, "error": repr(error)}
        return {"ok": True, **(said if said is not None else facts(bay))}


def ask(path: Path, do: str, **words: Any) -> dict[str, Any]:
    """Say one thing to a control socket; raises `ValueError` with the answer where it was refused."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        line.sendall(json.dumps({"do": do, **words}).encode() + b"\n")
        with line.makefile("rb") as back:
            answer: dict[str, Any] = json.loads(back.readline())
    if not answer.pop("ok"):
        raise ValueError(answer["error"])
    return answer


def facts(bay: Bay) -> dict[str, Any]:
    """Return what the drive really is, and where the kernel has put it."""
    drive = bay.drive
    lies = {str(lie): argument for lie, argument in drive.lies.told.items()}
    return {**drive.facts(), "device": bay.device(), "generic": bay.generic(), "lies": lies}


def cut(bay: Bay) -> None:
    """Pull the plug and let the kernel notice."""
    bay.drive.cut_power()
    bay.pull()


def on(bay: Bay, *, thawed: bool = False) -> None:
    """Switch on and let the kernel find the drive."""
    bay.drive.power_on(thawed=thawed)
    bay.plug()


def _cycle(bay: Bay, *, thawed: bool) -> None:
    cut(bay)
    on(bay, thawed=thawed)


def _only(bays: Mapping[str, Bay]) -> Bay:
    if len(bays) != 1:
        raise ValueError(f"say which drive: {', '.join(bays)}")
    return next(iter(bays.values()))


def _bad(bay: Bay, words: Mapping[str, Any]) -> None:
    first = int(words["first"])
    bay.drive.medium().bad.update(range(first, first + int(words.get("count", 1))))


def _attribute(bay: Bay, words: Mapping[str, Any]) -> None:
    """Set raw or normalised value of a SMART attribute; on a SAS drive set a counter of its health by name."""
    drive = bay.drive
    if isinstance(drive, SatDrive):
        wanted = drive.drive.smart.attribute(int(words["number"]))
        wanted.raw = int(words.get("raw", wanted.raw))
        wanted.value = int(words.get("value", wanted.value))
    elif hasattr(drive.health, str(words["name"])):
        setattr(drive.health, str(words["name"]), words["value"])
    else:
        raise KeyError(f"no such counter: {words['name']}")


def _temperature(bay: Bay, words: Mapping[str, Any]) -> None:
    drive = bay.drive
    if isinstance(drive, SatDrive):
        drive.drive.smart.attribute(194).raw = int(words["celsius"])
    else:
        drive.health.temperature = int(words["celsius"])


def _test_fails(bay: Bay, words: Mapping[str, Any]) -> None:
    drive = bay.drive
    (drive.drive.smart if isinstance(drive, SatDrive) else drive.health).next_test_fails_at = words["sector"]


def _log(bay: Bay, _: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last ATA commands the drive was given."""
    drive = bay.drive
    tasks = drive.drive.log if isinstance(drive, SatDrive) else []
    return {"log": [[each.command, each.features, each.count, each.lba] for each in tasks]}


VERBS: Mapping[str, Verb] = {
    "facts": lambda bay, _: None,
    "settle": lambda bay, _: None,
    "tell": lambda bay, words: bay.drive.tell(Lie(words["lie"]), str(words.get("argument", ""))),
    "stop": lambda bay, words: bay.drive.stop(Lie(words["lie"])),
    "cut-power": lambda bay, _: cut(bay),
    "power-on": lambda bay, _: on(bay),
    "power-cycle": lambda bay, _: _cycle(bay, thawed=False),
    "resume": lambda bay, _: _cycle(bay, thawed=True),
    "reset": lambda bay, _: bay.drive.reset(),
    "bad": _bad,
    "attribute": _attribute,
    "temperature": _temperature,
    "test-fails": _test_fails,
    "log": _log,
}
