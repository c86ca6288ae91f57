"""The bench of bays with real children on practice drives: armed by what is typed, and never green too early."""

import os
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from station.bays import Daemon
from station.bays_berth import masked
from station.bays_child import _still
from station.errors import GuardRefused, NotDone
from station.media import medium_at
from station.orders import Order, Orders
from station.worklog import job_of, read
from tests.station.bays_bench import Stepped, confirm, make_home, now, ordered, started, stepped, wait_for
from tests.station.benches import MEBIBYTE, practice_file, wiped_events

SLOW = 1536 * MEBIBYTE  # long enough to be caught in the middle, with three passes


def drives(folder: Path, count: int = 1, size: int = 16 * MEBIBYTE) -> dict[str, str]:
    """Make practice drives, the rest of large ones empty, and return the bays they sit in."""
    made = [practice_file(folder / f"d{n}.img", serial=f"BAYDRIVE{n}A{n}7") for n in range(1, count + 1)]
    for one in made:
        os.truncate(one, size)
    return {f"Bay {number}": f"file:{path}" for number, path in enumerate(made, 1)}


def file_of(bench: Stepped, bay: str = "Bay 1") -> Path:
    """Return the practice drive in a bay."""
    return Path(next(one.place for one in bench.config.stalls if one.name == bay).removeprefix("file:"))


def medium_id(bench: Stepped, bay: str = "Bay 1") -> str:
    """Return the id of the drive in a bay."""
    medium = bench.tile(bay).medium
    assert medium is not None
    return medium.id


def test_a_drive_is_wiped_only_after_its_last_four_were_typed_and_then_is_green(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    with stepped(config) as bench:
        bench.until_state("Bay 1", "ready")
        refused = bench.order("start", bay="Bay 1", operator="v-7")
        assert not refused.obeyed
        assert "not armed" in refused.sentence
        assert bench.start("Bay 1").obeyed
        tile = bench.until_state("Bay 1", "done")
        assert (tile.colour, tile.claim, tile.code) == ("green", "clear", "")
        (body,) = wiped_events(config)
        assert body["outcome"] == "DONE"
        assert len(tile.event) == 64


def test_wrong_characters_are_refused_and_counted_and_after_five_one_must_wait(tmp_path: Path) -> None:
    with stepped(make_home(tmp_path, drives(tmp_path))) as bench:
        bench.until_state("Bay 1", "ready")
        for number in range(1, 6):
            answer = bench.order("arm", bay="Bay 1", typed="WXYZ")
            assert not answer.obeyed
            assert f"{number} wrong so far" in answer.sentence
        assert (bench.tile("Bay 1").code, bench.tile("Bay 1").wrong) == ("E27", 5)
        assert not bench.arm("Bay 1").obeyed, "not even with the right ones"
        bench.daemon.desk.berths[0].wait_until = 0.0
        assert bench.arm("Bay 1").obeyed
        assert not bench.order("arm", bay="Bay 1", typed="WXYZ").obeyed
        assert not bench.order("start", bay="Bay 1", operator="v-7").obeyed, "a wrong try disarms"


def test_armed_counts_for_sixty_seconds(tmp_path: Path) -> None:
    with stepped(make_home(tmp_path, drives(tmp_path))) as bench:
        bench.until_state("Bay 1", "ready")
        shift = 0.0
        bench.daemon.desk.monotonic = lambda: time.monotonic() + shift
        assert bench.arm("Bay 1").obeyed
        assert 55 < (bench.tile("Bay 1").armed_seconds or 0) <= 60
        shift = 59.0
        bench.until_state("Bay 1", "armed")
        shift = 61.0
        bench.until_state("Bay 1", "ready")
        answer = bench.order("start", bay="Bay 1", operator="v-7")
        assert not answer.obeyed
        assert wiped_events(bench.config) == []


def test_another_drive_in_the_bay_is_not_the_one_that_was_armed(tmp_path: Path) -> None:
    with stepped(make_home(tmp_path, drives(tmp_path))) as bench:
        bench.until_state("Bay 1", "ready")
        assert bench.arm("Bay 1").obeyed
        bench.daemon._swept = time.monotonic() + 3_600  # the bench has not noticed it yet
        other = practice_file(tmp_path / "other.img", serial="OTHERDRIVE99A17")
        drive = file_of(bench)
        os.replace(other, drive)
        os.replace(f"{other}.kitbank.json", f"{drive}.kitbank.json")
        answer = bench.order("start", bay="Bay 1", operator="v-7")
        assert not answer.obeyed, "its last four are even the same"
        assert drive.read_bytes().count(b"Somebody's data. ") > 100


def test_the_child_looks_again_itself_whether_it_is_the_armed_drive(tmp_path: Path) -> None:
    armed = medium_at(practice_file(tmp_path / "d.img"))
    _still(armed)
    for changed in (replace(armed, sequence=8), replace(armed, bay="elsewhere")):
        with pytest.raises(GuardRefused, match="nothing was touched"):
            _still(changed)
    os.truncate(armed.path, 8 * MEBIBYTE)
    with pytest.raises(GuardRefused, match="nothing was touched"):
        _still(armed)


def test_green_is_of_this_start_of_the_machine(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    with stepped(config) as bench:
        bench.start("Bay 1")
        bench.until_state("Bay 1", "done")
        boot = bench.daemon.desk.boot
    memory = config.bays_folder / "memory.json"
    memory.write_text(memory.read_text().replace(boot, "the start before"))
    with stepped(config) as bench:
        bench.until_state("Bay 1", "ready")


def test_green_stays_over_a_restart_and_goes_when_the_drive_goes(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    with stepped(config) as bench:
        bench.start("Bay 1")
        bench.until_state("Bay 1", "done")
    with stepped(config) as bench:
        bench.until_state("Bay 1", "done", seconds=5)
        drive = file_of(bench)
        drive.rename(tmp_path / "out.img")
        bench.until_state("Bay 1", "empty")
        (tmp_path / "out.img").rename(drive)
        bench.until_state("Bay 1", "ready")  # out of our sight: whether it still counts is said by its record


def test_a_green_drive_is_put_away_by_a_person(tmp_path: Path) -> None:
    with stepped(make_home(tmp_path, drives(tmp_path))) as bench:
        bench.start("Bay 1")
        bench.until_state("Bay 1", "done")
        assert bench.order("acknowledge", bay="Bay 1").obeyed
        bench.until_state("Bay 1", "ready")


def test_a_killed_child_leaves_an_amber_tile_and_the_same_wipe_goes_on(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW))
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: (bench.tile("Bay 1").percent or 0) > 5 and bench.tile("Bay 1").stage.startswith("pass"))
        (child,) = bench.daemon.desk.children.values()
        os.killpg(child.who.pid, signal.SIGKILL)
        tile = bench.until_state("Bay 1", "interrupted")
        assert (tile.colour, tile.code) == ("amber", "E16")
        assert wiped_events(config) == []
        bench.until(lambda: bench.tile("Bay 1").can == ("arm",))
        assert bench.start("Bay 1", profile="overwrite3").obeyed
        bench.until_state("Bay 1", "done", seconds=120)
        (body,) = wiped_events(config)
        assert body["outcome"] == "DONE"
        job = job_of(read(config.worklogs, medium_id(bench)))  # type: ignore[arg-type]
        assert job is not None
        assert sum(one.resumed for one in job.done) >= 1


def test_a_killed_bench_kills_no_wipe_and_its_successor_takes_it_in(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW))
    drive = config.stalls[0].place.removeprefix("file:")
    with started(config) as daemon:
        wait_for(config, lambda state: state.tiles[0].state == "ready")
        assert ordered(config, Order("arm", bay="Bay 1", typed=confirm(drive))).obeyed
        assert ordered(config, Order("start", bay="Bay 1", operator="v-7", profile="overwrite3")).obeyed
        wait_for(config, lambda state: (state.tiles[0].percent or 0) > 3)
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait(10)
    with stepped(config) as bench:
        tile = bench.tile("Bay 1")
        assert tile.state in ("working", "proving")
        assert "cancel" in tile.can
        at = tile.percent or 0
        bench.until(lambda: (bench.tile("Bay 1").percent or 0) > at + 5)
        bench.until_state("Bay 1", "done", seconds=120)
        (body,) = wiped_events(config)
        assert body["outcome"] == "DONE"
        assert body["who"]["ref"] == "v-7"  # type: ignore[index]


def test_a_wipe_that_ended_while_there_was_no_bench_is_taken_in(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    bench = Stepped(config)
    bench.start("Bay 1")
    bench.until(lambda: bool(bench.daemon.desk.children))
    bench.forsake()
    for process in bench.daemon.desk.reap:
        process.wait(60)
    assert len(wiped_events(config)) == 1
    with stepped(config) as again:
        again.until_state("Bay 1", "done", seconds=5)


def test_cancelling_an_overwrite_stops_it_and_says_what_that_means(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW))
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        assert "overwriting stops" in bench.tile("Bay 1").cancel
        answer = bench.order("cancel", bay="Bay 1", operator="v-9")
        assert answer.obeyed
        assert "does not count as wiped" in answer.sentence
        tile = bench.until_state("Bay 1", "interrupted")
        assert tile.code == "E24"
        assert "v-9" in " ".join(tile.reasons)
        (body,) = wiped_events(config)
        assert body["outcome"] == "UNKNOWN"
        bench.until(lambda: bench.tile("Bay 1").resumes_at is not None or bench.tile("Bay 1").can == ("arm",))


def test_cancelling_before_the_start_touches_nothing(tmp_path: Path) -> None:
    with stepped(make_home(tmp_path, drives(tmp_path))) as bench:
        bench.until_state("Bay 1", "ready")
        before = file_of(bench).read_bytes()
        bench.arm("Bay 1")
        answer = bench.order("cancel", bay="Bay 1", operator="v-7")
        assert answer.obeyed
        assert "Nothing was touched" in answer.sentence
        assert not bench.order("start", bay="Bay 1", operator="v-7").obeyed
        assert file_of(bench).read_bytes() == before


def spoil_while_it_is_checked(bench: Stepped) -> None:
    """Write into the drive behind the wipe's back, as a drive that does not keep what it is given would."""
    bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass 3") and bench.tile("Bay 1").done > 8 * MEBIBYTE)
    with file_of(bench).open("r+b") as drive:
        drive.seek(4 * MEBIBYTE)
        drive.write(b"Somebody's data. " * 1000)


def test_unknown_is_red_and_stays_until_a_supervisor_says_what_becomes_of_it(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW))
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        spoil_while_it_is_checked(bench)
        tile = bench.until_state("Bay 1", "unknown")
        assert (tile.colour, tile.code) == ("red", "E17")
        assert "Put it in the red box, write E17" in tile.instruction
        assert not bench.order("acknowledge", bay="Bay 1").obeyed
        assert not bench.arm("Bay 1").obeyed
        name = medium_id(bench)
    with stepped(config) as bench:
        assert bench.tile("Bay 1").state == "unknown", "also after a restart"
        drive = file_of(bench)
        drive.rename(tmp_path / "out.img")
        bench.until_state("Bay 1", "empty")
        (aside,) = bench.state().aside
        assert (aside.state, aside.code, aside.colour) == ("unknown", "E17", "red")
        (tmp_path / "out.img").rename(drive)
        bench.until_state("Bay 1", "unknown")
        assert bench.state().aside == ()
        answer = bench.order("resolve", medium=name, operator="s-1", how="again")
        assert answer.obeyed
        bench.start("Bay 1")
        bench.until_state("Bay 1", "done")
    assert [body["outcome"] for body in wiped_events(config)] == ["UNKNOWN", "DONE"]


def test_a_drive_to_be_destroyed_stays_red_until_its_destruction_is_on_record(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW))
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        spoil_while_it_is_checked(bench)
        bench.until_state("Bay 1", "unknown")
        assert bench.order("resolve", medium=medium_id(bench), operator="s-1", how="destroy").obeyed
        tile = bench.until_state("Bay 1", "destroy")
        assert (tile.colour, tile.code) == ("red", "E29")
        assert not bench.arm("Bay 1").obeyed


def test_a_drive_pulled_in_the_middle_is_asked_for_and_goes_on_in_another_bay(tmp_path: Path) -> None:
    places = drives(tmp_path, size=SLOW) | {"Bay 2": f"file:{tmp_path / 'elsewhere.img'}"}
    config = make_home(tmp_path, places)
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass") and bench.tile("Bay 1").done > 64 * MEBIBYTE)
        drive = file_of(bench)
        for end in ("", ".kitbank.json"):
            os.rename(f"{drive}{end}", f"{tmp_path / 'hidden.img'}{end}")
        bench.until_state("Bay 1", "empty")
        bench.until(lambda: len(bench.state().aside) == 1 and not bench.daemon.desk.children)
        (aside,) = bench.state().aside
        assert (aside.state, aside.code, aside.bay) == ("pulled", "E13", "Bay 1")
        for end in ("", ".kitbank.json"):
            os.rename(f"{tmp_path / 'hidden.img'}{end}", f"{tmp_path / 'elsewhere.img'}{end}")
        tile = bench.until_state("Bay 2", "interrupted")
        bench.until(lambda: bench.tile("Bay 2").can == ("arm",))
        tile = bench.tile("Bay 2")
        assert bench.state().aside == ()
        assert tile.resumes_at is not None
        assert tile.resumes_at > 0
        assert f"Interrupted at {tile.resumes_at:.0f} %" in tile.instruction
        assert bench.start("Bay 2").obeyed, "by the profile it was begun with, whatever the default is"
        bench.until_state("Bay 2", "done")
        assert [body["profile"] for body in wiped_events(config)] == ["overwrite3", "overwrite3"]


def test_a_second_drive_of_the_same_name_gets_nothing_of_the_first_ones_wipe(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW) | {"Bay 2": f"file:{tmp_path / 'twin.img'}"})
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        os.truncate(practice_file(tmp_path / "twin.img", serial="BAYDRIVE1A17"), SLOW)
        assert bench.until_state("Bay 2", "refused").code == "E03"
        assert not bench.order("cancel", bay="Bay 2", operator="v-7").obeyed
        bench.until(lambda: bool(wiped_events(config)), 90)
        bench.until(lambda: not bench.daemon.desk.children)
        assert {bench.tile(bay).code for bay in ("Bay 1", "Bay 2")} == {"E03"}, "nobody can tell which one is wiped"
        (tmp_path / "twin.img").unlink()
        bench.until_state("Bay 1", "done")


def test_two_drives_that_give_the_same_serial_are_both_refused(tmp_path: Path) -> None:
    first = practice_file(tmp_path / "a.img", serial="SAMESERIAL77")
    second = practice_file(tmp_path / "b.img", serial="SAMESERIAL77")
    config = make_home(tmp_path, {"Bay 1": f"file:{first}", "Bay 2": f"file:{second}"})
    with stepped(config) as bench:
        for bay in ("Bay 1", "Bay 2"):
            assert bench.until_state(bay, "refused").code == "E03"
            assert not bench.arm(bay).obeyed
        second.unlink()
        bench.until_state("Bay 1", "ready")


def test_too_hot_pauses_and_cool_goes_on_and_neither_the_watchdog_nor_the_finish_time_minds(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path, size=SLOW), stuck_after=5, hot_ssd=50)
    sensor = tmp_path / "temp1_input"
    sensor.write_text("52000\n")  # hot from the start: a quick machine is done before a sensor is looked at again
    with stepped(config, lambda medium: str(sensor)) as bench:
        bench.start("Bay 1", profile="overwrite3")
        tile = bench.until_state("Bay 1", "paused", seconds=15)
        assert (tile.code, tile.seconds_left, tile.finish_at) == ("E23", None, "")
        assert tile.medium is not None
        assert tile.medium.temperature == 52.0
        at, begun = tile.done, time.monotonic()
        bench.until(lambda: time.monotonic() - begun > 7)
        tile = bench.tile("Bay 1")
        assert tile.state == "paused", "a pause is not being stuck"
        assert tile.done == at
        sensor.write_text("47000\n")
        bench.until(lambda: time.monotonic() - begun > 13)
        assert bench.tile("Bay 1").state == "paused", "it goes on five degrees below"
        sensor.write_text("45000\n")
        bench.until_state("Bay 1", "working", "proving", "done", seconds=15)
        bench.until_state("Bay 1", "done")
        job = job_of(read(config.worklogs, medium_id(bench)))  # type: ignore[arg-type]
        assert job is not None
        assert sum(one.seconds for one in job.done) < time.monotonic() - begun - 12, "the pause is no work"


def test_nothing_that_lies_in_the_orders_file_ends_the_bench(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    with stepped(config) as bench:
        bench.until_state("Bay 1", "ready")
        with sqlite3.connect(config.orders) as db:
            odd = ("{", "[]", "null", '{"kind": "start"}', '{"kind": "arm", "bay": "Bay 9"}')
            for number, body in enumerate(odd):
                row = (f"x{number}", body, time.clock_gettime(time.CLOCK_MONOTONIC), "elsewhere")
                db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, -1, '')", row)
        db.close()
        bench.until(lambda: bench.orders.answer_to("x4") is not None)
        config.orders.write_bytes(b"nonsense" * 1000)
        for end in ("-wal", "-shm"):
            config.orders.with_name(config.orders.name + end).unlink(missing_ok=True)
        bench.until(lambda: config.orders.with_name("orders.sqlite.damaged").exists(), 10)
        bench.orders.close()
        bench.daemon.step(0.1)
        bench.daemon.step(0.1)
        bench.orders = Orders(config.orders)
        assert bench.start("Bay 1").obeyed
        bench.until_state("Bay 1", "done")


def test_there_is_one_bench_for_a_home(tmp_path: Path) -> None:
    config = make_home(tmp_path, drives(tmp_path))
    with stepped(config), pytest.raises(NotDone, match="another bench"):
        Daemon(config, now)


def test_what_must_be_typed_is_not_on_the_screen() -> None:
    assert masked("S4EWNX0M812345") == "S4EWNX0M81••••"
    assert masked("WD-WX11A-12-34") == "WD-WX11A-••-••"
    assert masked("AB1") == "•••"
