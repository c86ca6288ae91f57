"""A practice file as the window through which a station sees a simulated NVMe drive.

The station reads and writes the file; the drive keeps its flash elsewhere. Before each command what was written to the
file is written to the drive, and after it the file shows what the drive gives to read. So a drive that only forgets
its mapping shows zeros here as it would to a kernel, and `left` asks the chips what is really still there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import wipe_profiles
from custody.claims import Evidence, Verdict, judge
from station.guard import Target, claim
from station.media import Medium, medium_at
from station.run import Result, Run, Watch
from station.wipe import nvme, plan
from station.wipe.acting import Means, execute
from station.wipe.methods import Act
from station.worklog import Worklog
from tests.drives import nvme_words as words
from tests.drives.nvme import Controller
from tests.drives.nvme_identity import Make
from tests.drives.nvme_tools import NvmeTools
from tests.drives.nvme_words import entry
from tests.station.benches import MEBIBYTE, now, practice_file
from wipe_profiles import Profile

SIZE = 8 * MEBIBYTE
BLOCK = 4096
SERIAL = "TESTDRIVE1234"


class Clock:
    """Time passes only when somebody sleeps, and a little with every question; `pace` makes sleep last longer."""

    def __init__(self) -> None:
        self.now, self.pace = 1000.0, 1.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds * self.pace


class Window:
    """A runner: the file, the drive behind it, and the stand-in for nvme-cli between them."""

    def __init__(self, folder: Path, make: Make | None = None, *, lies: Sequence[str] = (), number: int = 1) -> None:
        self.file = folder / "d.img"
        if not self.file.exists():
            practice_file(self.file, SIZE, SERIAL)
            self.file.write_bytes(letters(SIZE))
        self.clock, self.number = Clock(), number
        images = [folder / f"flash{index}" for index in range(1, number + 1)]
        for image in images:
            if not image.exists():
                image.write_bytes(self.file.read_bytes())
        self.drive = Controller(
            [(image, 512) for image in images], replace(make or Make(), serial=SERIAL), clock=self.clock, lies=lies
        )
        self.tools = NvmeTools({"nvme0": self.drive})
        self._seen = 0
        self.erasing: bytes | None = None  # what the drive held when it was first told to erase

    @property
    def transcript(self) -> tuple[Result, ...]:
        return self.tools.transcript

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        erases, working = argv[1] in ("sanitize", "format"), self.drive.sanitize.working
        if erases or self.file.stat().st_mtime_ns != self._seen:
            self._push()
        if erases and self.erasing is None:
            self.erasing = self.drive.chip_off(self.number, 0, SIZE)
        self.clock.sleep(0.01)
        own = [word.replace(str(self.file), f"/dev/nvme0n{self.number}") for word in argv]
        result = self.tools(own, deadline, watch=watch)
        if erases or working:
            self._pull()
        self._seen = self.file.stat().st_mtime_ns
        return replace(result, argv=tuple(argv))

    def _push(self) -> None:
        space = self.drive.media.namespaces[self.number]
        wanted, there = self.file.read_bytes(), space.flash.read(0, SIZE)
        if wanted == there or self.drive.sanitize.obstacle():
            return
        for at in range(0, SIZE, BLOCK):
            block = wanted[at : at + BLOCK]
            if block != there[at : at + BLOCK]:
                self.drive.io(entry(words.WRITE, self.number, at // 512, 0, BLOCK // 512 - 1), block)
        self.drive.io(entry(words.FLUSH, self.number))

    def _pull(self) -> None:
        if self.drive.sanitize.working:  # nothing can be read now
            return
        seen = self.drive.media.namespaces[self.number].flash.read(0, SIZE)
        if seen != self.file.read_bytes():
            with self.file.open("r+b") as out:  # the same file: it is held open
                out.write(seen)

    @property
    def left(self) -> int:
        """How many blocks of what the drive held before are still in its chips."""
        assert self.erasing is not None
        chips = self.drive.chip_off(self.number, 0, SIZE)
        return sum(chips[at : at + BLOCK] == self.erasing[at : at + BLOCK] for at in range(0, SIZE, BLOCK))


def letters(size: int) -> bytes:
    """Return what files leave: text, no two blocks alike."""
    text = b"".join(b"Dear Mr Smith, about your benefits, letter %d of many. " % number for number in range(size // 48))
    return text[:size]


def only(method: str) -> Profile:
    """Return a profile that knows one method."""
    text = (
        f'title = "Only {method}"\nwants = "clear"\naccepts = "clear"\nbasis = "a test"\n'
        f'[nvme]\nmethods = ["{method}"]\nprove = ["canaries", "read-all"]\n'
    )
    return wipe_profiles.parse(text.encode(), "only", "only.toml")


@contextmanager
def held(window: Window) -> Iterator[tuple[Medium, Target]]:
    """Claim the file, taken for an NVMe drive by whoever plans."""
    medium = medium_at(window.file)
    with claim(medium) as target:
        yield as_nvme(medium), target


def as_nvme(medium: Medium) -> Medium:
    """Return the practice medium as the kernel would describe an NVMe drive."""
    return replace(medium, kind="nvme", transport="nvme", practice=False)


def means(window: Window) -> Means:
    """Return what acting needs, with the window as the only way to run programs."""
    return Means(_entropy, clock=window.clock, run=cast("Run", window), sleep=window.clock.sleep)


def _entropy(count: int) -> bytes:
    return (b"\x5a\xa5kitbank" * (count // 9 + 1))[:count]


@dataclass(frozen=True)
class Wiped:
    """What became of it."""

    evidence: Evidence
    verdict: Verdict


def wiped(window: Window, method: str) -> Wiped:
    """Wipe the drive behind the window by one method; a second call goes on where the first was broken off."""
    profile = only(method)
    with held(window) as (medium, target), Worklog(window.file.parent / "logs", medium.identity.id, now) as log:
        made = plan(profile, medium, nvme.read(window, medium))
        assert made.method == method, made.lines()
        evidence = execute(made, target, log, means(window), engine=nvme)
    return Wiped(evidence, judge(evidence, profile))


def acting(window: Window, medium: Medium, target: Target, method: str) -> Act:
    """Return what the engine is given, with a work log that keeps nothing."""
    chosen = nvme.METHODS[method]
    return Act(
        chosen, medium, target, window, lambda kind, /, **fields: None, clock=window.clock, sleep=window.clock.sleep
    )
