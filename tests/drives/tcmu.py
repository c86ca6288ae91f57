"""Simulated drives for the real tools: run as root inside the lab's guest.

    python -m tests.drives.tcmu --kind ata --image FILE --sectors 65536 --serial S1 [--lie NAME[=ARG]]... --control SOCK
    python -m tests.drives.tcmu --shelf SHELF.json --control SOCK         # a list of drives, see tests.drives.shop
    python -m tests.drives.tcmu ask SOCK tell lie=shrinks drive=S1        # speak to a running one
    python -m tests.drives.tcmu --shelf SHELF.json --console              # speak over standard input: one JSON a line

It prints `ready` and one line per drive (serial, block device, generic device) once the kernel has them, and takes
them away again at SIGTERM. docs/lab-drives.md has the lies and the verbs of the control socket.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.drives.bay import Bay
from tests.drives.clock import RealClock
from tests.drives.control import Control, ask
from tests.drives.shop import order


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop, or ask a running server."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["ask"]:
        said = dict(word.split("=", 1) for word in words[3:])
        print(json.dumps(ask(Path(words[1]), words[2], **{key: _json(value) for key, value in said.items()}), indent=1))
        return 0
    asked = _parser().parse_args(words)
    wishes: list[dict[str, Any]] = json.loads(asked.shelf.read_text()) if asked.shelf else [_wish(asked)]
    clock = RealClock(asked.speed)
    bays: dict[str, Bay] = {}
    try:
        for number, wish in enumerate(wishes, asked.first):
            drive = order(wish, clock)
            bay = Bay(number, drive, lambda line: print(line, file=sys.stderr, flush=True))
            bays[drive.name().serial] = bay
            bay.open()
            bay.plug()
        control = Control(asked.control, bays)
        if asked.console:
            threading.Thread(target=_console, args=(control,), daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: control.quit.set())
        for serial, bay in bays.items():
            print(f"{serial} {bay.device() or '-'} {bay.generic() or '-'}", flush=True)
        print("ready", flush=True)
        control.quit.wait()
        control.close()
    finally:
        for bay in bays.values():
            bay.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.drives.tcmu", description=__doc__.split("\n")[0])
    parser.add_argument("--control", type=Path, help="socket for commands to the drives")
    parser.add_argument("--console", action="store_true", help="take the same commands from standard input as well")
    parser.add_argument("--shelf", type=Path, help="JSON file with a list of drives")
    parser.add_argument("--first", type=int, default=0, help="number of the first bay, where several servers run")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than the clock drives work")
    parser.add_argument("--kind", choices=("ata", "scsi"), default="ata")
    parser.add_argument("--image", type=Path)
    for name in ("model", "serial", "wwn", "sanitize", "hidden"):
        parser.add_argument(f"--{name}")
    for name in ("sectors", "rotation"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--lie", action="append", default=[], metavar="NAME[=ARG]")
    return parser


def _console(control: Control) -> None:
    """Answer the lines of standard input; its end is the end of the drives."""
    for number, line in enumerate(sys.stdin.buffer):
        print(f"answer {number} {json.dumps(control.answer(line))}", flush=True)
    control.quit.set()


def _wish(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the one drive that the options describe."""
    names = ("model", "serial", "wwn", "sanitize", "hidden", "sectors", "rotation")
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    return {"kind": asked.kind, "image": str(asked.image), "lies": asked.lie, **given}


def _json(text: str) -> Any:
    """Read a word as JSON where it is some, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
