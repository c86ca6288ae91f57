"""Tell a simulated NVMe drive what to do while a host uses it, over a unix socket of its own.

    python -m tests.drives.nvme_control SOCKET VERB [WORD…]

One line in, one line of JSON out: `{"ok": …}` or `{"error": sentence}`. Verbs: `lie NAME[=ARGUMENT]`, `honest NAME`,
`power-cut` (with surprise: connections end without a word), `plug` (it may be connected again; power returns when it
is), `bad NSID LBA`, `health FIELD NUMBER`, `self-test-outcome NUMBER`, `fail-at FRACTION|never`,
`sanitize-seconds SECONDS`, `chip-off NSID OFFSET LENGTH` (SHA-256 of what lies in the flash, and how much of it is
not zero), `status`, `stop`.
"""

import hashlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.drives.nvme_tcp import Target

_PIECE = 1 << 20


class Control:
    """Listens for orders in a thread of its own."""

    def __init__(self, target: "Target", path: Path) -> None:
        self._target = target
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen(8)

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            with sock, sock.makefile("rw", encoding="utf-8") as file:
                for line in file:
                    file.write(json.dumps(self._obey(line.split())) + "\n")
                    file.flush()

    def _obey(self, order: list[str]) -> dict[str, Any]:
        verbs: dict[str, Callable[..., Any]] = {
            "lie": self._target.drive.lie,
            "honest": self._target.drive.honest,
            "plug": self._plug,
            "bad": lambda nsid, lba: self._target.drive.media.bad.add((int(nsid), int(lba, 0))),
            "health": self._health,
            "self-test-outcome": lambda n: setattr(self._target.drive.self_test, "outcome", int(n)),
            "fail-at": lambda at: setattr(self._target.drive.sanitize, "fail_at", None if at == "never" else float(at)),
            "sanitize-seconds": lambda n: setattr(self._target.drive.sanitize, "seconds", float(n)),
            "chip-off": self._chip_off,
            "status": self._status,
            "power-cut": self._power_cut,
            "stop": lambda: os._exit(0),
        }
        try:
            with self._target.lock:
                said = verbs[order[0]](*order[1:])
        except (KeyError, IndexError):
            return {"error": f"no such order: {' '.join(order)!r}; there are {', '.join(sorted(verbs))}"}
        except (ValueError, TypeError) as error:
            return {"error": str(error)}
        if order[0] == "power-cut":
            self._target.hang_up()
        return {"ok": said}

    def _power_cut(self) -> None:
        self._target.plugged = False
        self._target.drive.power_cut()

    def _plug(self) -> None:
        self._target.plugged = True

    def _health(self, name: str, number: str) -> None:
        if name not in asdict(self._target.drive.health):
            raise ValueError(f"health has no field {name!r}")
        setattr(self._target.drive.health, name, int(number))

    def _chip_off(self, nsid: str, offset: str, length: str) -> dict[str, Any]:
        digest, left, at, something = hashlib.sha256(), int(length, 0), int(offset, 0), 0
        while left > 0:
            piece = self._target.drive.chip_off(int(nsid), at, min(_PIECE, left))
            digest.update(piece)
            something += len(piece) - piece.count(0)
            at, left = at + _PIECE, left - _PIECE
        return {"sha256": digest.hexdigest(), "not_zero": something}

    def _status(self) -> dict[str, Any]:
        drive = self._target.drive
        return drive.to_json() | {"powered": drive.powered, "serial": drive.serial, "lies": sorted(drive.lies)}


def tell(path: Path, *order: str) -> Any:
    """Give one order; return what was answered, raises `ValueError` with the sentence of a refusal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(path))
        with sock.makefile("rw", encoding="utf-8") as file:
            file.write(" ".join(order) + "\n")
            file.flush()
            line = file.readline()
    if order[0] == "stop":
        return None
    answer = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["ok"]


def main(argv: Sequence[str]) -> int:
    """Give the order of the command line and print the answer."""
    if len(argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(json.dumps(tell(Path(argv[0]), *argv[1:])))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
