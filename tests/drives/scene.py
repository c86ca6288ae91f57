"""A scene to be recorded: one simulated drive in its bay, and a note of everything that was run on it.

`tests.drives.capture` plays those of `scenes_ata` and `scenes_scsi`; the stories common to both are here.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from station.run import Run
from tests.drives.bay import Bay
from tests.drives.clock import RealClock
from tests.drives.control import cut, on
from tests.drives.sat import SatDrive
from tests.drives.shop import SimulatedDrive, order

SURE = "--yes-i-know-what-i-am-doing"
SECTORS = 131_072


class Scene:
    """One drive in its bay, and a note of all that was run."""

    def __init__(self, kind: str, folder: Path, **wish: Any) -> None:
        image = folder / "scene.img"
        image.unlink(missing_ok=True)
        wish.setdefault("serial", "SIM0000001" if kind == "ata" else "SAS0000001")
        self.drive: SimulatedDrive = order(
            {"kind": kind, "image": str(image), "sectors": SECTORS, **wish}, RealClock()
        )
        self.bay = Bay(0, self.drive, lambda line: print(line, file=sys.stderr))
        self.run = Run()
        self.bay.open()
        self.bay.plug()
        _settle()

    def __call__(self, *words: str, deadline: float = 60) -> None:
        """Run a tool; `DEV` and `SG` in its words are this drive."""
        names = {"DEV": self.bay.device(), "SG": self.bay.generic()}
        self.run([names.get(word, word) for word in words], deadline)

    def cycle(self, *, thawed: bool = False) -> None:
        """Switch off and on."""
        _settle()
        cut(self.bay)
        on(self.bay, thawed=thawed)
        _settle()

    def rescan(self) -> None:
        """Let the kernel read the capacity again."""
        name = Path(self.bay.device()).name
        Path(f"/sys/block/{name}/device/rescan").write_text("1")
        _settle()

    def look(self, *more: str) -> None:
        """What every scene shows: identity, security, sizes."""
        for words in (["hdparm", "-I", "DEV"], ["hdparm", "--Istdout", "DEV"], ["smartctl", "-x", "-j", "DEV"]):
            self(*words)
        for each in more:
            self("hdparm", *each.split(), "DEV")


Story = Callable[[Scene], None]
Scenes = Mapping[str, tuple[Story, Mapping[str, Any]]]


def _settle() -> None:
    """Wait until udev has read what it wants: a read between READ NATIVE MAX and SET MAX makes the drive refuse."""
    subprocess.run(["udevadm", "settle", "--timeout=20"], check=False)


def self_test(s: Scene) -> None:
    s("smartctl", "-t", "short", "-j", "DEV")
    for _ in range(9):
        s("smartctl", "-x", "-j", "DEV")
        time.sleep(1)
    s("smartctl", "-l", "selftest", "-j", "DEV")
    s("smartctl", "-l", "selftest", "DEV")
    s("smartctl", "-x", "DEV")
    s("smartctl", "-t", "long", "-j", "DEV")
    s("smartctl", "-X", "-j", "DEV")
    s("smartctl", "-l", "selftest", "-j", "DEV")


def ill(s: Scene) -> None:
    s("smartctl", "-x", "-j", "DEV")
    if isinstance(s.drive, SatDrive):
        smart = s.drive.drive.smart
        smart.attribute(5).raw, smart.attribute(5).value = 1904, 8
        smart.attribute(198).raw = 3
        s.drive.drive.medium.bad.update({4096, 4097, 90_000})
        smart.next_test_fails_at = 4096
        smart.attribute(194).raw = 61
    else:
        health = s.drive.health
        health.failing, health.grown, health.read_uncorrected, health.temperature = True, 412, 19, 61
        health.next_test_fails_at = 4096
        s.drive.medium().bad.update({4096, 4097, 90_000})
    self_test(s)
    s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "skip=512", "iflag=direct")
