"""`kitbank-station bench`: the daemon that minds the bays. Root, and it opens no socket but the kernel's own netlink.

It waits for drives to come and go, for orders, and for its children to tell something; it publishes tiles. It never
opens a drive and never waits for one: whatever may hang is a child of its own, so that one stuck drive is a red tile
and the others go on. When it dies its children go on, and its successor takes them in.
"""

import fcntl
import grp
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType

from custody.errors import CustodyError
from custody.journal import Journal
from station.bays_children import Child
from station.bays_desk import Desk, Sensor
from station.bays_orders import obey
from station.bays_state import VERSION, BenchState, beat, boot_id, now_beat, publish
from station.bays_watch import Seen, Watch
from station.config import Config
from station.errors import ConfigError, NotDone
from station.media import Medium
from station.orders import Answer, Orders, Waiting

TICK = 0.2  # seconds between two looks at orders and children
SWEEP = 1.0  # seconds between two looks at everything, for events that were missed
BEAT = 1.0  # seconds; the state is written at least so often
RETIRED_EVERY = 30.0  # seconds between two looks into the journal for drives that were destroyed
REMEMBERED = 500  # ids of orders that were taken


def sensor_of(medium: Medium) -> str:
    """Return the file with a drive's temperature, "" when the kernel offers none; nothing is read from the drive.

    Source: Documentation/hwmon/drivetemp.rst (below the SCSI device) and drivers/nvme/host/hwmon.c (below the
    controller, in newer kernels without the folder `hwmon`).
    """
    folder = Path("/sys/class/block") / Path(medium.path).name / "device"
    for pattern in ("hwmon/hwmon*/temp1_input", "hwmon*/temp1_input"):
        with suppress(OSError):
            for file in sorted(folder.glob(pattern)):
                return str(file)
    return ""


class Daemon:
    """The bench at work."""

    def __init__(self, config: Config, now: Callable[[], datetime], sensor: Sensor = sensor_of) -> None:
        """Take the bench; raises ConfigError, NotDone when another one has it, OSError."""
        self._config, self._now = config, now
        self._group = _group(config.bench.screen_group)
        self._trouble: dict[str, str] = {}
        _folders(config, self._group)
        self._lock = _only_one(config.bays_folder / "bench.lock")
        self.desk = Desk(config, now, sensor)
        self._watch = Watch(config.stalls)
        self._orders: Orders | None = None
        self._taken: dict[str, Answer] = {}
        self._wait = selectors.DefaultSelector()
        self._wait.register(self._watch.fileno(), selectors.EVENT_READ)
        self._handles: dict[str, int] = {}
        self._published, self._beat, self._swept = "", 0.0, float("-inf")
        self._looked_retired = float("-inf")
        self._seen = Seen({}, ())
        self._end = False

    def begin(self) -> None:
        """Take in what a former bench left, before anything else; then look who is there."""
        self.desk.take_in_former()
        if not self._config.stalls:
            self._trouble["bays"] = "No bays are configured, so no drive is offered: name them in station.toml."
        self._sweep()
        self._open_orders()
        self.publish()

    def run(self) -> None:
        """Go on until told to end (SIGTERM, SIGINT); the children go on by themselves."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_end)
        self.begin()
        while not self._end:
            self.step(TICK)

    def step(self, patience: float) -> None:
        """Wait at most `patience` seconds for anything to happen, and deal with it. Never waits for a drive."""
        self._wait.select(patience)
        if self._watch.drain() or time.monotonic() - self._swept >= SWEEP:
            self._sweep()
            self.publish()  # before anything is started: whoever put a drive in looks at its tile now
        self.desk.settle(self._ended)
        self.desk.take_looks()
        self._obey()
        self.desk.start_queued()
        self._follow_children()
        self._reap()
        self.publish()

    def until_looked(self, seconds: float) -> None:
        """Go on until every drive was looked at, for `--once`."""
        end = time.monotonic() + seconds
        while (len(self.desk.looks) or not self._published) and time.monotonic() < end:
            self.step(TICK)
        self.publish()

    def close(self) -> None:
        """Let go of everything but the children."""
        if self._orders:
            self._orders.close()
        self._wait.close()
        os.close(self._lock)

    def _told_to_end(self, number: int, frame: FrameType | None) -> None:
        self._end = True

    def _sweep(self) -> None:
        self._swept = time.monotonic()
        self._seen = self._watch.see()
        self.desk.place(self._seen)
        self.desk.mark_busy()
        self._forget_retired()
        if self._orders is not None and not self._orders.intact():
            self._orders.close()
            self._orders = None

    def _forget_retired(self) -> None:
        """Take away the tiles of drives whose destruction is on record."""
        waiting = [name for name, entry in self.desk.memory.unsettled.items() if entry.why != "running"]
        if not waiting or time.monotonic() - self._looked_retired < RETIRED_EVERY:
            return
        self._looked_retired = time.monotonic()
        with suppress(CustodyError, NotDone), Journal.open(self._config.journal, readonly=True) as journal:
            for name in waiting:
                rows = journal.events(about=name, kind="medium.retired")
                if any(not row.refused for row in rows):
                    self.desk.memory.forget(name)

    # -- children --------------------------------------------------------------------------------------------

    def _ended(self, child: Child) -> bool:
        """Tell whether a child has ended; its handle is readable then, whoever started it (pidfd_open(2))."""
        with selectors.PollSelector() as one:
            one.register(child.handle, selectors.EVENT_READ)
            return bool(one.select(0))

    def _follow_children(self) -> None:
        """Wake up when a child ends."""
        now = {name: child.handle for name, child in self.desk.children.items()}
        for name, handle in list(self._handles.items()):
            if now.get(name) != handle:
                with suppress(KeyError, ValueError, OSError):
                    self._wait.unregister(handle)
                del self._handles[name]
        for name, handle in now.items():
            if name not in self._handles:
                self._wait.register(handle, selectors.EVENT_READ)
                self._handles[name] = handle

    def _reap(self) -> None:
        """Wait for what has ended, so that no corpse is left."""
        self.desk.reap[:] = [process for process in self.desk.reap if process.poll() is None]

    # -- orders ----------------------------------------------------------------------------------------------

    def _open_orders(self) -> None:
        try:
            self._orders = Orders.create(self._config.orders, self._group)
            self._trouble.pop("orders", None)
        except NotDone as error:
            self._trouble["orders"] = f"Orders cannot be taken: {error}"

    def _obey(self) -> None:
        """Take each order once and answer it; a file that refuses now is tried again, and made anew if it is broken."""
        if self._orders is None:
            self._open_orders()
            return
        try:
            for waiting in self._orders.waiting():
                answer = self._taken.get(waiting.id) or self._answer(waiting)
                self._taken[waiting.id] = answer
                self._orders.answer(waiting.id, answer)
            self._trouble.pop("orders", None)
        except NotDone as error:
            self._trouble["orders"] = f"Orders cannot be taken: {error}"
            if "locked" not in str(error):
                self._orders.close()
                self._orders = None
        while len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _answer(self, waiting: Waiting) -> Answer:
        if waiting.order is None:
            return Answer(False, waiting.why_not)
        return obey(self.desk, waiting.order)

    # -- state -----------------------------------------------------------------------------------------------

    def state(self) -> BenchState:
        """Return what a screen shows now."""
        return BenchState(
            version=VERSION,
            station=self._config.name,
            world=self._config.world.value,
            at=self._now().isoformat(timespec="milliseconds"),
            beat=now_beat(),
            boot=boot_id(),
            pid=os.getpid(),
            tiles=tuple(self.desk.tile(berth) for berth in self.desk.berths),
            aside=self.desk.aside(),
            outside=self._seen.outside,
            trouble=tuple(self._trouble.values()),
        )

    def publish(self) -> None:
        """Write the state when it changed, and once a second so that a screen knows that we are there."""
        state = self.state()
        print_ = repr((state.tiles, state.aside, state.outside, state.trouble))
        if print_ == self._published and time.monotonic() - self._beat < BEAT:
            return
        with suppress(OSError):
            beat(self._config.bays_state, self._group)
        try:
            publish(state, self._config.bays_state, self._group)
            self._trouble.pop("state", None)
        except OSError as error:  # a full disk stops no wipe
            self._trouble["state"] = f"The state cannot be written ({error.strerror})."
        self._published, self._beat = print_, time.monotonic()


def _folders(config: Config, group: int | None) -> None:
    """Make the bench's own folder and the one that screens may look into; raises NotDone."""
    try:
        config.bays_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config.screen.mkdir(mode=0o750, parents=True, exist_ok=True)
        if group is not None:
            os.chown(config.screen, -1, group)
            os.chmod(config.screen, 0o750)  # noqa: S103 - its group may look, nobody else
    except OSError as error:
        raise NotDone(f"the bench's folders cannot be made: {error}") from error


def _only_one(file: Path) -> int:
    """Return the lock that one bench holds; raises NotDone when another one does."""
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise NotDone("another bench is at work with this home; there can be only one") from error
    return fd


def _group(name: str) -> int | None:
    """Return the number of the group of screens; raises ConfigError when there is none of that name."""
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigError(f"bench.screen_group = {name!r}: there is no such group on this system") from error
