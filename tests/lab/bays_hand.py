"""Runs in the guest beside the bench: says when udev announces a drive and when a tile changes, and leaves orders.

    python -m tests.lab.bays_hand HOME

Prints JSON lines with the guest's monotonic seconds: {"event": …} from udev, {"tile": …} whenever one changed its
state, {"answer": …}. Reads orders as JSON lines; {"typed": "?"} in an `arm` is filled in with what stands on the drive.
"""

import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyudev

from station.bays_state import BenchState, Tile, read_state
from station.config import Config, at_home
from station.media import medium_at
from station.orders import Order, Orders

EVERY = 0.01  # seconds


def say(lock: threading.Lock, **words: Any) -> None:
    """Print one line."""
    with lock:
        print(json.dumps(words), flush=True)


def listen(lock: threading.Lock) -> None:
    """Say what udev announces of whole disks, with when it was heard."""
    monitor = pyudev.Monitor.from_netlink(pyudev.Context())
    monitor.filter_by("block", "disk")
    monitor.start()
    say(lock, listening=True)
    while True:
        event = monitor.poll()
        if event is not None:
            at = time.monotonic()
            place = event.properties.get("ID_PATH", "")
            say(lock, event=event.action, place=place, node=event.device_node, at=at)


def tiles(state: BenchState) -> list[Tile]:
    """Return all tiles, those of drives in no bay last."""
    return [*state.tiles, *state.aside]


def watch(config: Config, lock: threading.Lock) -> None:
    """Say each tile whenever its state, code or drive changed."""
    before: dict[str, tuple[object, ...]] = {}
    last = (0, 0)
    while True:
        time.sleep(EVERY)
        with suppress(OSError, ValueError):
            status = os.stat(config.bays_state)
            if (status.st_ino, status.st_mtime_ns) == last:
                continue
            last = status.st_ino, status.st_mtime_ns
            state = read_state(config.bays_state)
            at = time.monotonic()
            now: dict[str, tuple[object, ...]] = {}
            for tile in tiles(state):
                where = tile.bay if tile.place else f"aside {tile.medium.id if tile.medium else ''}"
                now[where] = (tile.state, tile.code, tile.medium.id if tile.medium else "", tile.resumes_at is not None)
                if before.get(where) != now[where]:
                    say(lock, tile=where, at=at, place=tile.place, state=tile.state, code=tile.code,
                        drive=tile.medium is not None, resumes_at=tile.resumes_at, can=list(tile.can),
                        reasons=list(tile.reasons), trouble=list(state.trouble))  # fmt: skip
            for where in set(before) - set(now):
                say(lock, tile=where, at=at, state="gone", place="")
            before = now


def obey(config: Config, lock: threading.Lock) -> None:
    """Leave what is read from standard input, and say each answer."""
    orders = Orders(config.orders)
    for line in sys.stdin:
        words = json.loads(line)
        if words.get("typed") == "?":
            named = next(one for one in read_state(config.bays_state).tiles if one.bay == words["bay"])
            assert named.medium is not None
            words["typed"] = medium_at(named.medium.path).confirm
        name = orders.leave(Order.from_json(words))
        while (answer := orders.answer_to(name)) is None:
            time.sleep(0.01)
        say(lock, answer=answer.sentence, obeyed=answer.obeyed, kind=words["kind"], bay=words.get("bay", ""))


def main() -> None:
    """Do all three until the input ends."""
    config, lock = at_home(Path(sys.argv[1])), threading.Lock()
    threading.Thread(target=listen, args=(lock,), daemon=True).start()
    threading.Thread(target=watch, args=(config, lock), daemon=True).start()
    while not config.orders.exists():
        time.sleep(0.05)
    obey(config, lock)


if __name__ == "__main__":
    main()
