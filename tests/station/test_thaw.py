"""A frozen drive is thawed by one suspend only where nothing can be harmed by it; else people are told what to do."""

import fcntl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from custody.events import MediumIdentity
from station.errors import NotDone
from station.media import Medium
from station.run import Result, Watch
from station.system import System
from station.thaw import Station, thaw, why_not

SIZE = 8192 * 512


def machine(
    root: Path, *, sleep: str = "s2idle [deep]", states: str = "freeze mem disk", vendor: str = "LENOVO"
) -> Path:
    """Record a machine with one SATA disk, sda."""
    for name, text in {
        "sys/power/state": states,
        "sys/power/mem_sleep": sleep,
        "sys/class/dmi/id/sys_vendor": vendor,
        "proc/self/mountinfo": "22 1 0:20 / / rw - tmpfs tmpfs rw\n",
        "proc/swaps": "Filename Type Size Used Priority\n",
    }.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    plug(root, "sda", "S1")
    return root


def plug(root: Path, name: str, serial: str) -> None:
    """Let a disk appear."""
    folder = root / "sys/devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block" / name
    (folder / "device").mkdir(parents=True)
    (folder / "device/vendor").write_text("ATA")
    (folder / "size").write_text(str(SIZE // 512))
    number = f"8:{16 * (ord(name[-1]) - ord('a'))}"
    (folder / "dev").write_text(number)
    (root / "sys/class/block").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/block" / name).symlink_to(folder)
    data = root / "run/udev/data" / f"b{number}"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(f"E:ID_BUS=ata\nE:ID_MODEL=DISK\nE:ID_SERIAL_SHORT={serial}\nE:ID_WWN=0x5000000000000001\n")


def unplug(root: Path, name: str) -> None:
    """Let it disappear."""
    (root / "sys/class/block" / name).unlink()


def medium(serial: str = "S1") -> Medium:
    identity = MediumIdentity("ata", "DISK", serial, "0x5000000000000001", "", SIZE)
    return Medium(
        "/dev/sda", "hdd", "ata", identity, SIZE, 512, 512, rotational=True, removable=False, read_only=False,
        via_bridge=False, practice=False, firmware="", bay="", number="8:0", sequence=1,
    )  # fmt: skip


def station(root: Path, **changes: object) -> Station:
    made = Station(may_suspend=True, worklogs=root / "logs", system=System(root))
    return replace(made, **changes)  # type: ignore[arg-type]


class Sleeper:
    """Plays rtcwake."""

    def __init__(self, after: object = None, status: int = 0) -> None:
        self.after, self.status = after, status
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        self.asked.append(tuple(argv))
        if callable(self.after):
            self.after()
        return Result(tuple(argv), self.status, b"", b"", 8.0)


def test_where_everything_allows_it_the_machine_sleeps_once_and_the_drive_is_found_again(tmp_path: Path) -> None:
    root, run = machine(tmp_path), Sleeper()
    assert thaw(run, station(root), medium()) == "/dev/sda"
    assert run.asked == [("rtcwake", "-m", "mem", "-s", "8")]


def test_a_drive_that_came_back_under_another_name_is_found_by_who_it_is(tmp_path: Path) -> None:
    root = machine(tmp_path)

    def swap() -> None:
        unplug(root, "sda")
        plug(root, "sdb", "S1")
        plug(root, "sdc", "OTHER")

    assert thaw(Sleeper(swap), station(root), medium()) == "/dev/sdb"


def test_a_drive_that_does_not_come_back_or_comes_back_twice_is_not_guessed(tmp_path: Path) -> None:
    root, times = machine(tmp_path), iter(range(1000))

    def twice() -> None:
        plug(root, "sdb", "S1")
        plug(root, "sdc", "S1")

    for change in (lambda: unplug(root, "sda"), twice):
        with pytest.raises(NotDone, match="did not come back"):
            thaw(Sleeper(change), station(root), medium(), sleep=lambda _: None, clock=lambda: float(next(times)))


@pytest.mark.parametrize(
    ("changes", "made", "words"),
    [
        ({"may_suspend": False}, {}, "may_suspend"),
        ({}, {"states": "freeze"}, "no suspend to memory"),
        ({}, {"sleep": "[s2idle] deep"}, "deep sleep is not chosen"),
        ({}, {"sleep": "[s2idle]"}, "deep sleep is not chosen"),
        ({}, {"vendor": "Apple Inc."}, "Macs"),
    ],
)
def test_every_reason_against_it_is_told_with_the_alternatives_and_nothing_sleeps(
    tmp_path: Path, changes: dict[str, object], made: dict[str, str], words: str
) -> None:
    root, run = machine(tmp_path, **made), Sleeper()
    with pytest.raises(NotDone, match=words) as told:
        thaw(run, station(root, **changes), medium())
    assert "dock" in str(told.value) and run.asked == []


def test_another_drive_at_work_forbids_it_and_a_log_nobody_holds_does_not(tmp_path: Path) -> None:
    root = machine(tmp_path)
    logs = root / "logs"
    logs.mkdir()
    (logs / "other.jsonl").write_text("")
    (logs / f"{medium().identity.id}.jsonl").write_text("")
    assert why_not(station(root), medium()) == []
    with (logs / f"{medium().identity.id}.jsonl").open() as own, (logs / "other.jsonl").open() as other:
        fcntl.flock(own, fcntl.LOCK_EX)
        assert why_not(station(root), medium()) == []
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "being worked on" in " ".join(why_not(station(root), medium()))


def test_a_station_that_lives_on_a_usb_stick_does_not_sleep(tmp_path: Path) -> None:
    root = machine(tmp_path)
    stick = root / "sys/devices/pci0000:00/usb2/2-1/host1/target1:0:0/1:0:0:0/block/sdb"
    stick.mkdir(parents=True)
    for name, text in (("dev", "8:16"), ("size", "100")):
        (stick / name).write_text(text)
    for folder in ("sys/class/block/sdb", "sys/dev/block/8:16"):
        (root / folder).parent.mkdir(parents=True, exist_ok=True)
        (root / folder).symlink_to(stick)
    (root / "proc/self/mountinfo").write_text("22 1 8:16 / / rw - ext4 /dev/sdb rw\n")
    assert "/dev/sdb" in " ".join(why_not(station(root), medium()))


def test_a_machine_that_refuses_to_sleep_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotDone, match="did not sleep"):
        thaw(Sleeper(status=1), station(machine(tmp_path)), medium())
