"""What a scenario of the lab is, and how a row of them is played.

Promises: one line for each as it ends; one that hangs is ended at its deadline and counts as failed; every guest it
booted is off when it is over; what it publishes is what it returned, never something written beforehand.
"""

import contextlib
import multiprocessing
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.lab import drives
from tests.lab.drives import Bus, Drive
from tests.lab.fetch import Kit
from tests.lab.vm import Guest

Tell = Callable[[str], None]
STARVED = 0.2
"""From this share of the wanted processor time on that a guest had to wait for, its times say nothing."""


@dataclass(frozen=True)
class Lab:
    """What a scenario is given: drives to be made, guests to be booted, and how often to do it."""

    kit: Kit
    folder: Path
    """A folder of its own for images and homes; gone when the scenario is over."""
    soak: bool
    tell: Tell

    def make(self, name: str, bus: Bus, size: int, **more: object) -> Drive:
        """Describe a drive over fresh images; see `drives.make`."""
        return drives.make(self.folder, name, bus, size, **more)  # type: ignore[arg-type]

    def guest(self, *plugged: Drive, home: bool = True, memory: int = 1536) -> Guest:
        """Return a guest, to be entered with `with`; its home disk is the same for every guest of a scenario."""
        disk = drives.home_disk(self.folder / "home.img") if home else None
        return Guest(self.kit, plugged, home=disk, memory=memory)

    def rounds(self, usual: int, soak: int) -> int:
        """Return how often to repeat: `usual` times, `soak` times for `--soak`."""
        return soak if self.soak else usual


@dataclass(frozen=True)
class Seen:
    """What a scenario shows when it held: one sentence with figures, and perhaps a table to be published."""

    sentence: str
    page: str = ""
    """Markdown below the scenario's name in the results, such as a matrix."""


@dataclass(frozen=True)
class Scenario:
    """Something that has to hold. `play` raises when it does not; an `AssertionError` says what was seen instead."""

    name: str
    says: str
    play: Callable[[Lab], Seen]
    slice: bool = False
    """Belongs to the short slice that every submission runs."""
    minutes: float = 5
    """When it is given up; ten times as long for `--soak`."""
    timed: bool = False
    """What it says is about time: nothing else is played beside it."""


@dataclass(frozen=True)
class Played:
    """How a scenario went."""

    scenario: Scenario
    held: bool
    seconds: float
    seen: Seen

    def line(self) -> str:
        """Return the line that is printed when it is over."""
        word = "held  " if self.held else "FAILED"
        return f"{word}  {self.scenario.name:<28} {self.seconds:6.1f} s  {self.seen.sentence}"


class Overrun(Exception):
    """A scenario took longer than it may."""


def quiet(guest: Guest) -> bool:
    """Tell whether this machine has time for the guest: an emulated processor that gets a tenth times nothing."""
    return guest.starved() < STARVED


def aside(guest: Guest) -> str:
    """Return what must be said beside figures that were taken on a busy machine."""
    if quiet(guest):
        return ""
    return f"(busy machine, the guest waited for {guest.starved():.0%} of its processor time: times not judged) "


def chosen(all_: Sequence[Scenario], only: Sequence[str], slice_: bool) -> list[Scenario]:
    """Return the scenarios asked for; raises `ValueError` with the names there are for one there is not."""
    strange = sorted(set(only) - {each.name for each in all_})
    if strange:
        raise ValueError(f"no scenario {', '.join(strange)}; there are {', '.join(each.name for each in all_)}")
    return [each for each in all_ if (not only or each.name in only) and (not slice_ or each.slice)]


def play(
    scenarios: Sequence[Scenario], kit: Kit, soak: bool, say: Tell, tell: Tell, *, at_once: int = 1
) -> list[Played]:
    """Play them: `say` gets a line for each as it ends, `tell` what happens meanwhile.

    With `at_once` above 1 those that are not about time are played so many at once, each in a process of its own
    (`tell` is then called there, and must be a function of a module), and the others after them, one by one.
    """
    beside = [scenario for scenario in scenarios if at_once > 1 and not scenario.timed]
    played = []
    if beside:
        with ProcessPoolExecutor(at_once, mp_context=multiprocessing.get_context("fork")) as pool:
            for done in as_completed([pool.submit(_in_folder, scenario, kit, soak, tell) for scenario in beside]):
                played.append(done.result())
                say(played[-1].line())
    for scenario in scenarios:
        if scenario not in beside:
            played.append(_in_folder(scenario, kit, soak, tell))
            say(played[-1].line())
    return sorted(played, key=lambda each: scenarios.index(each.scenario))


def _in_folder(scenario: Scenario, kit: Kit, soak: bool, tell: Tell) -> Played:
    with tempfile.TemporaryDirectory(prefix="kitbank-scene-") as folder:
        return _play(scenario, Lab(kit, Path(folder), soak, tell), tell)


def _play(scenario: Scenario, lab: Lab, tell: Tell) -> Played:
    began = time.monotonic()
    try:
        with _within(scenario.minutes * 60 * (10 if lab.soak else 1)):
            seen, held = scenario.play(lab), True
    except Exception as error:  # noqa: BLE001 - whatever it was, this scenario failed and the next one is played
        tell("".join(traceback.format_exception(error)))
        words = " ".join(str(error).split())
        seen, held = Seen(f"{type(error).__name__}: {words[:300]}"), False
    return Played(scenario, held, time.monotonic() - began, seen)


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `Overrun` in what is inside when it takes longer; only the main thread may use it."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Overrun(f"not over after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    left = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *left)
