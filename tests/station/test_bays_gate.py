"""Inside a child: what a pause and a stop do, and a finish time that a disk with slower inner tracks keeps."""

import os
import time
from pathlib import Path

import pytest

from station.bays_gate import Gate, Stopped, inner_tracks, percent, read_sensor
from station.bays_slot import PAGE, Said, Slot, Told, Who, Wish, alive, who_is
from station.wipe.progress import DRIVE_WORKS, Meter, Progress

WHO = Who(1, 2, "boot")
SAID = Said(WHO, "m-1", "Bay 1", "", "/dev/x", 7, "v-7", "clear")


def moment(done: int, *, stage: str = "pass 1: zero", total: int = 100, left: float | None = None) -> Progress:
    return Progress(stage, done, total, 1.0, left)


def gate_of(folder: Path, **more: object) -> tuple[Gate, Slot]:
    slot = Slot.make(folder / "x.slot")
    return Gate(slot, SAID, passes=1, limit=60.0, **more), slot  # type: ignore[arg-type]


def told(slot: Slot) -> Told:
    said = slot.said()
    assert said is not None
    return said.told


def test_what_the_child_says_is_what_the_bench_hears_and_the_other_way_round(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    gate.show(moment(40, left=3.0))
    heard = told(Slot(tmp_path / "x.slot"))
    assert (heard.phase, heard.done, heard.percent) == ("working", 40, 20.0)
    assert (heard.seconds_left, heard.touched) == (3.0, True)
    Slot(tmp_path / "x.slot").wish(Wish("stop", "v-9"))
    assert slot.wished() == Wish("stop", "v-9")


def test_a_torn_or_foreign_page_is_nothing_heard_and_means_to_go_on(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    gate.show(moment(40))
    with slot.file.open("r+b") as out:
        out.seek(30)
        out.write(b"torn")
        out.seek(PAGE)
        out.write(b"\xff" * 100)
    assert slot.said() is None
    assert slot.wished() == Wish("run")


def test_a_long_complaint_is_shortened_and_still_heard(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    gate.tell(sentences=tuple("x" * 2_000 for _ in range(50)), codes=tuple(f"c{n}" for n in range(99)))
    assert len(told(slot).sentences) == 8


def test_told_to_stop_it_stops_between_two_pieces_of_an_overwrite(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    gate.show(moment(10))
    slot.wish(Wish("stop", "v-9"))
    with pytest.raises(Stopped, match="v-9"):
        gate.show(moment(11))


def test_a_command_of_the_drives_own_is_neither_stopped_nor_paused(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    slot.wish(Wish("stop", "v-9"))
    gate.warm(99.0)
    gate.show(moment(10, stage=DRIVE_WORKS))
    assert told(slot).phase == "working"
    assert told(slot).hot
    assert told(slot).by_firmware


def test_a_pause_stops_the_clock_of_the_work_and_ends_five_degrees_below(tmp_path: Path) -> None:
    phases: list[str] = []

    def sleep(seconds: float) -> None:
        phases.append(told(slot).phase)
        time.sleep(0.02)
        gate.warm(57.0 if len(phases) < 10 else 55.0)

    gate, slot = gate_of(tmp_path, sleep=sleep)
    gate.show(moment(1))
    before, wall = gate.clock(), time.monotonic()
    gate.warm(60.0)
    gate.show(moment(2))
    assert set(phases) == {"paused"}
    assert len(phases) == 10, "57 degrees are not cool enough"
    assert time.monotonic() - wall > 0.2
    assert gate.clock() - before < 0.1
    assert told(slot).phase == "working"


def test_standing_still_is_told_apart_from_moving(tmp_path: Path) -> None:
    gate, slot = gate_of(tmp_path)
    gate.show(moment(10))
    first = told(slot).moved
    time.sleep(0.01)
    gate.show(moment(10))
    assert told(slot).moved == first
    gate.show(moment(11))
    assert told(slot).moved > first


def test_the_last_look_before_the_first_byte_can_say_no(tmp_path: Path) -> None:
    def no() -> None:
        raise Stopped("another drive")

    gate, slot = gate_of(tmp_path, first=no)
    with pytest.raises(Stopped):
        gate.show(moment(0))
    assert not gate.touched
    assert not told(slot).touched


def test_every_pass_and_the_reading_count_alike() -> None:
    assert percent(moment(50, stage="pass 2: ones"), 3) == pytest.approx(37.5)
    assert percent(moment(50, stage="read back"), 3) == pytest.approx(87.5)
    assert percent(moment(50, stage=DRIVE_WORKS), 0) == pytest.approx(25.0)
    assert percent(moment(0, stage=DRIVE_WORKS, total=0), 0) is None


class Disk:
    """A disk whose speed falls from 100 to 50 units a second from its first track to its last."""

    size = 10_000

    def __init__(self) -> None:
        self.now = 0.0

    def move(self, at: int, step: int) -> None:
        self.now += step / (100 * (1 - at / self.size / 2))


@pytest.mark.parametrize("at", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_the_finish_time_of_a_disk_that_spins_is_kept_from_the_start(at: float) -> None:
    disk, heard = Disk(), list[Progress]()
    meter = Meter([("pass 1: zero", disk.size), ("read back", disk.size)], heard.append, lambda: disk.now)
    meter.enter()
    said: tuple[float, float, float] | None = None
    for done in range(0, disk.size, 10):
        disk.move(done, 10)
        meter.tick(10)
        if said is None and heard[-1].seconds_left is not None and heard[-1].done >= at * disk.size:
            honest = inner_tracks(heard[-1], 0)
            assert honest is not None
            said = (disk.now, honest, heard[-1].seconds_left or 0.0)
    for done in range(0, disk.size, 10):
        disk.move(done, 10)
    assert said is not None
    then, honest, straight = said
    really = disk.now - then
    assert honest == pytest.approx(really, rel=0.02)
    if at < 0.3:
        assert straight < 0.9 * really, "a straight line promises too much"


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    me = who_is(os.getpid())
    assert me is not None
    assert alive(me)
    assert not alive(Who(me.pid, me.ticks + 1, me.boot))
    assert not alive(Who(me.pid, me.ticks, "another start of the machine"))
    assert who_is(2**22 + 1) is None


def test_a_sensor_gives_degrees_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("41850\n")
    assert read_sensor(str(tmp_path / "t")) == 41.85
    (tmp_path / "t").write_text("\n")
    assert read_sensor(str(tmp_path / "t")) is None
    assert read_sensor(str(tmp_path / "nowhere")) is None
