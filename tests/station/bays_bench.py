"""A bench of bays to test with: real children, real drives (loop devices or practice files), stepped by the test."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from custody.events import World
from station.bays import Daemon, sensor_of
from station.bays_desk import Sensor
from station.bays_state import BenchState, Tile, read_state
from station.config import Config, at_home
from station.errors import NotDone
from station.home import create
from station.media import medium_at
from station.orders import Answer, Order, Orders

REPOSITORY = Path(__file__).resolve().parents[2]


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def make_home(folder: Path, places: dict[str, str], **bench: float) -> Config:
    """Make a practice home with these bays (name -> place) and bench settings."""
    create(folder / "home", World.PRACTICE, allow_loop=True)
    lines = ["[bench]", *(f"{name} = {value}" for name, value in bench.items())]
    for name, place in places.items():
        lines += ["[[bays]]", f"name = {json.dumps(name)}", f"id_path = {json.dumps(place)}"]
    with (folder / "home/station.toml").open("a", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    return at_home(folder / "home")


class Stepped:
    """The daemon in this process, one step at a time."""

    def __init__(self, config: Config, sensor: Sensor = sensor_of) -> None:
        self.config = config
        self.daemon = Daemon(config, now, sensor)
        self.daemon.begin()
        self.orders = Orders(config.orders)

    def tile(self, bay: str) -> Tile:
        """Return a bay's tile as it was published."""
        return next(one for one in read_state(self.config.bays_state).tiles if one.bay == bay)

    def state(self) -> BenchState:
        """Return what was published."""
        return read_state(self.config.bays_state)

    def until(self, true: Callable[[], bool], seconds: float = 60.0, what: str = "it") -> float:
        """Step until it is true and return how long that took; fails the test when it takes too long."""
        begun = time.monotonic()
        while not true():
            assert time.monotonic() - begun < seconds, f"{what} did not happen; state: {self.told()}"
            self.daemon.step(0.02)
        return time.monotonic() - begun

    def until_state(self, bay: str, *states: str, seconds: float = 60.0) -> Tile:
        """Step until the bay's tile is in one of these states."""
        self.until(lambda: self.tile(bay).state in states, seconds, f"{bay} in state {states}")
        return self.tile(bay)

    def told(self) -> list[tuple[str, str, str, tuple[str, ...]]]:
        """Return the tiles in short."""
        state = self.state()
        return [(one.bay, one.state, one.code, one.reasons) for one in (*state.tiles, *state.aside)]

    def order(self, kind: str, **words: str) -> Answer:
        """Leave an order, and step until it is answered."""
        name = self.orders.leave(Order(kind, **words))
        self.until(lambda: self.orders.answer_to(name) is not None, 15, f"an answer to {kind}")
        answer = self.orders.answer_to(name)
        assert answer is not None
        return answer

    def arm(self, bay: str) -> Answer:
        """Arm a bay with what stands on its drive."""
        medium = next(one.medium for one in self.daemon.desk.berths if one.bay.name == bay)
        assert medium is not None
        return self.order("arm", bay=bay, typed=medium.confirm)

    def start(self, bay: str, **words: str) -> Answer:
        """Arm and start a bay."""
        self.until_state(bay, "ready", "interrupted")
        armed = self.arm(bay)
        assert armed.obeyed, armed
        return self.order("start", bay=bay, operator="v-7", **words)

    def close(self) -> None:
        """Let go, and end the children that this test started."""
        for child in self.daemon.desk.children.values():
            with suppress(ProcessLookupError):
                os.killpg(child.who.pid, signal.SIGKILL)
        self.forsake()
        for process in self.daemon.desk.reap:
            process.wait(30)

    def forsake(self) -> None:
        """Let go as a daemon that dies does: the children go on."""
        for berth in self.daemon.desk.berths:
            self.daemon.desk.looks.drop(berth.bay.name)
        self.orders.close()
        self.daemon.close()


@contextmanager
def stepped(config: Config, sensor: Sensor = sensor_of) -> Iterator[Stepped]:
    """Give a stepped bench and clear up after it."""
    bench = Stepped(config, sensor)
    try:
        yield bench
    finally:
        bench.close()


@contextmanager
def started(config: Config) -> Iterator[subprocess.Popen[bytes]]:
    """Start the daemon as a program of its own; it is killed at the end if it still runs."""
    argv = [sys.executable, "-m", "station.cli", "bench", "--home", str(config.home)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(argv, cwd=REPOSITORY, env=environment, start_new_session=True) as daemon:
        try:
            yield daemon
        finally:
            with suppress(ProcessLookupError):
                daemon.kill()


def wait_for(config: Config, true: Callable[[BenchState], bool], seconds: float = 60.0) -> BenchState:
    """Wait until the published state is so; fails the test when it takes too long."""
    end = time.monotonic() + seconds
    state = None
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            state = read_state(config.bays_state)
            if true(state):
                return state
        time.sleep(0.02)
    raise AssertionError(f"it did not happen; last state: {state}")


def ordered(config: Config, order: Order, seconds: float = 15.0) -> Answer:
    """Leave an order for a daemon of its own and wait for the answer."""
    orders = Orders(config.orders)
    try:
        name = orders.leave(order)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = orders.answer_to(name)
            if answer is not None:
                return answer
            time.sleep(0.02)
    finally:
        orders.close()
    raise NotDone("no answer")


def confirm(path: str | Path) -> str:
    """Return what stands on a drive."""
    return medium_at(path).confirm
