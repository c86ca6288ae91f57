"""A green tile holds only while work log and journal say so: at every sweep, and after a restart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from station.bays_memory import Memory
from station.bench import Bench
from station.config import Config
from station.devices import accept, check, find_wipe
from station.worklog import Worklog, read
from tests.station.bays_bench import REPOSITORY, Stepped, confirm, make_home, now, stepped
from tests.station.benches import MEBIBYTE, bench_of, practice_file

SIZE = 768 * MEBIBYTE  # long enough for the command line to be caught in mid-pass


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a practice station with one drive in one bay."""
    drive = practice_file(tmp_path / "d.img", serial="GREENDRIVE1A17")
    return make_home(tmp_path, {"Bay 1": f"file:{drive}"})


def drive_of(config: Config) -> Path:
    return Path(config.stalls[0].place.removeprefix("file:"))


def green(bench: Stepped) -> str:
    """Wipe the drive and return the event that makes its tile green."""
    bench.start("Bay 1")
    return bench.until_state("Bay 1", "done").event


def on_the_command_line(config: Config, *words: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "station.cli", *words, "--home", str(config.home)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(argv, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)


def wipe_that_is_killed(config: Config) -> None:
    """Begin a wipe on the command line, and kill it as soon as it has overwritten anything."""
    drive, folder = drive_of(config), config.worklogs
    words = ("wipe", str(drive), "--profile", "overwrite3", "--operator", "v-9", "--confirm", confirm(drive))
    with on_the_command_line(config, *words) as wiping:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            logs = list(folder.glob("*.jsonl"))
            if logs and read(folder, logs[0].stem)[-1]["kind"] in ("issued", "reached"):  # type: ignore[arg-type]
                break
            time.sleep(0.01)
        os.killpg(wiping.pid, signal.SIGKILL)
        wiping.wait(30)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_drive_whose_last_wipe_broke_off_is_not_green(config: Config, restarted: bool) -> None:
    os.truncate(drive_of(config), SIZE)
    bench = Stepped(config)
    try:
        green(bench)
        if restarted:
            bench.close()
        wipe_that_is_killed(config)  # begins and dies between two sweeps: nobody holds the drive when it is looked at
        if restarted:
            bench = Stepped(config)
            assert bench.tile("Bay 1").colour != "green", "not even in the first picture"
        bench.until(lambda: bench.tile("Bay 1").colour != "green", 5)
        assert bench.until_state("Bay 1", "interrupted").code == "E16"
    finally:
        bench.close()
    assert Memory(config.bays_folder / "memory.json").settled == {}


def test_a_job_of_milliseconds_takes_the_green_away_within_a_sweep(config: Config) -> None:
    with stepped(config) as bench:
        green(bench)
        bench.until(lambda: bench.daemon.desk.proofs._logs != {}, 10, "the work log was settled")
        (log,) = config.worklogs.glob("*.jsonl")
        with Worklog(config.worklogs, log.stem, now) as held:  # type: ignore[arg-type]
            held.write("note", text="something was begun")
        took = bench.until(lambda: bench.tile("Bay 1").colour != "green", 5)
        assert took < 2


def disagreeing(bench: Bench, event: str) -> None:
    check(bench, find_wipe(bench, event), False, "looked with another tool", "v-3", "hexdump")


def turning_down(bench: Bench, event: str) -> None:
    accept(bench, find_wipe(bench, event), "recycler", "s-2", accepted=False, note="")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("say", [disagreeing, turning_down])
def test_a_drive_that_somebody_did_not_find_wiped_turns_red_with_its_own_words(
    config: Config, say: Callable[[Bench, str], None], restarted: bool
) -> None:
    bench = Stepped(config)
    try:
        event = green(bench)
        if restarted:
            bench.close()
        with bench_of(config) as opened:
            say(opened, event)
        if restarted:
            bench = Stepped(config)
            assert bench.tile("Bay 1").colour == "red"
        assert bench.until(lambda: bench.tile("Bay 1").colour == "red", 5) < 2
        tile = bench.tile("Bay 1")
        assert (tile.state, tile.code, tile.event, tile.can) == ("unknown", "E33", event, ("resolve",))
        assert {"v-3", "s-2"} & set(" ".join(tile.reasons).split())
    finally:
        bench.close()


def test_a_check_that_agrees_leaves_it_green_and_the_tile_says_in_use_meanwhile(config: Config) -> None:
    os.truncate(drive_of(config), SIZE)
    with stepped(config) as bench:
        green(bench)
        with on_the_command_line(config, "verify", str(drive_of(config)), "--operator", "v-3") as verifying:
            bench.until_state("Bay 1", "busy", seconds=20)
            assert verifying.poll() is None
            bench.until(lambda: verifying.poll() is not None)
            assert verifying.returncode == 0
        bench.until_state("Bay 1", "done", seconds=5)


def test_a_check_that_finds_data_turns_it_red(config: Config) -> None:
    with stepped(config) as bench:
        green(bench)
        with drive_of(config).open("r+b") as out:
            out.seek(5 * MEBIBYTE)
            out.write(b"Somebody's data. ")
        with on_the_command_line(config, "verify", str(drive_of(config)), "--operator", "v-3") as verifying:
            assert verifying.wait(60) == 4
        assert bench.until_state("Bay 1", "unknown", seconds=5).code == "E33"


def test_a_work_log_that_cannot_be_read_makes_nothing_green_and_nothing_is_forgotten(config: Config) -> None:
    with stepped(config) as bench:
        green(bench)
        (log,) = config.worklogs.glob("*.jsonl")
        whole = log.read_bytes()
        log.write_bytes(b'{"kind":"intent"}\n' + whole)
        tile = bench.until_state("Bay 1", "refused", seconds=5)
        assert tile.code == "E11"
        log.write_bytes(whole)
        bench.until_state("Bay 1", "done", seconds=5)


def test_looking_whether_it_is_still_green_is_cheap(config: Config) -> None:
    with stepped(config) as bench:
        green(bench)
        desk = bench.daemon.desk
        bench.until(lambda: desk.proofs._journal[1] != {} and desk.proofs._logs != {}, 10, "both are settled")
        begun = time.process_time()
        for _ in range(100):
            desk.mark_busy()
        assert time.process_time() - begun < 0.5, "a look at files that did not change is two or three calls of stat"


def test_the_last_four_are_on_no_tile_from_which_the_drive_can_be_armed(config: Config) -> None:
    with stepped(config) as bench:
        bench.until_state("Bay 1", "ready")
        medium = bench.daemon.desk.berths[0].medium
        assert medium is not None
        for why, state in (("interrupted", "interrupted"), ("again", "ready"), ("pulled", "interrupted")):
            bench.daemon.desk.keep(medium.identity, "Bay 1", why, "E16", ())
            tile = bench.until_state("Bay 1", state)
            assert "arm" in tile.can
            assert tile.medium is not None
            assert tile.medium.tail == ""
            shown = {**tile.to_json(), "type_what": ""}  # of a practice drive that is said on purpose
            assert medium.confirm not in json.dumps(shown), state
