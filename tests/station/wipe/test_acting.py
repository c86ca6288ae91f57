"""Whole wipes on practice drives and loop devices that vanish, shrink, refuse, fill up or lie: none ends DONE."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.claims import Claim, Outcome
from station.follow import Follow, Hear, follow
from station.media import medium_at
from station.run import Result
from station.wipe.acting import Means
from station.wipe.progress import Progress
from station.worklog import job_of, read
from tests.station import loops
from tests.station.benches import MEBIBYTE, OLD, home, old_data, order_for, practice_file, wipe

SIZE = 48 * MEBIBYTE


class Once:
    """Does something once, when a stage of a wipe has come at least so far."""

    def __init__(self, stage: str, share: float, act: Callable[[], object]) -> None:
        self.stage, self.share, self.act, self.done = stage, share, act, False

    def __call__(self, moment: Progress) -> None:
        if not self.done and moment.stage.startswith(self.stage) and moment.done >= self.share * moment.total:
            self.done = True
            self.act()


def means(stage: str, share: float, act: Callable[[], object]) -> Means:
    return Means(os.urandom, show=Once(stage, share, act))


class Before:
    """Does something just before the separate reader is started."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        self.act()
        return follow(argv, given, patience, hear)


def test_a_wiped_practice_drive_holds_nothing_but_zeros_and_is_done(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    report = wipe(home(tmp_path), drive)
    assert (report.verdict.outcome, report.verdict.claim) == (Outcome.DONE, Claim.CLEAR)
    assert drive.read_bytes() == bytes(SIZE)
    assert report.evidence.canaries is not None
    assert 64 <= report.evidence.canaries.planted == report.evidence.canaries.seen_before
    assert report.evidence.readbacks[0].bytes_read == SIZE
    assert report.evidence.smoke is True


def test_three_passes_end_in_a_stream_that_is_checked_byte_by_byte(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    report = wipe(home(tmp_path), drive, profile="overwrite3")
    assert report.verdict.outcome is Outcome.DONE
    assert [one.pattern for one in report.evidence.passes] == ["zero", "byte:ff", "random"]
    assert report.evidence.readbacks[0].expected == "stream"
    assert OLD not in drive.read_bytes()


@pytest.mark.parametrize("size", [SIZE + 512, SIZE + 300, 12345, 4096])
def test_odd_sizes_are_wiped_to_the_last_byte(tmp_path: Path, size: int) -> None:
    drive = practice_file(tmp_path / "d.img", size)
    report = wipe(home(tmp_path), drive)
    assert report.verdict.outcome is Outcome.DONE, report.verdict.reasons
    assert drive.read_bytes() == bytes(size)


def test_a_drive_that_puts_everything_back_is_found_out(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    before = drive.read_bytes()
    liar = Means(os.urandom, follow=Before(lambda: drive.write_bytes(before)))
    report = wipe(home(tmp_path), drive, liar)
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert "wrong-bytes" in {reason.code for reason in report.verdict.reasons}


@pytest.mark.parametrize("place", [0, SIZE // 3 + 7, SIZE - 1])
def test_a_single_old_byte_anywhere_is_found(tmp_path: Path, place: int) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)

    def put_back() -> None:
        with drive.open("r+b") as out:
            out.seek(place)
            out.write(b"s")

    report = wipe(home(tmp_path), drive, Means(os.urandom, follow=Before(put_back)))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.readbacks[0].bytes_wrong == 1
    assert report.evidence.readbacks[0].first_wrong == place


def test_a_drive_that_keeps_what_it_held_when_it_was_claimed_shows_its_canaries(tmp_path: Path) -> None:
    # a cache that is thrown away: the writes of the passes never reach the medium, those of the canaries did
    drive = practice_file(tmp_path / "d.img", SIZE)
    kept: list[bytes] = []
    config = home(tmp_path)

    def throw_away() -> None:
        drive.write_bytes(kept[0])

    class Tape:
        def __call__(self, moment: Progress) -> None:
            if moment.stage.startswith("pass") and not kept:
                kept.append(drive.read_bytes())

    report = wipe(config, drive, Means(os.urandom, show=Tape(), follow=Before(throw_away)))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.canaries is not None
    assert report.evidence.canaries.surviving == report.evidence.canaries.planted >= 64


def swap(old: Path, new: Path) -> None:
    """Put another drive where the first one was."""
    os.replace(new, old)


def test_another_drive_in_its_place_is_not_read_back_for_it(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    empty = tmp_path / "e.img"
    empty.write_bytes(bytes(SIZE))
    report = wipe(home(tmp_path), drive, Means(os.urandom, follow=Before(lambda: swap(drive, empty))))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.readbacks == ()


def silent_reader(argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
    return follow((sys.executable, "-c", "import time; time.sleep(60)"), given, 0.3, hear)


def dying_reader(argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
    return follow((sys.executable, "-c", "raise SystemExit(9)"), given, patience, hear)


def boasting_reader(argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
    script = "print('{\"result\": {}}'); raise SystemExit(1)"
    return follow((sys.executable, "-c", script), given, patience, hear)


@pytest.mark.parametrize("reader", [silent_reader, dying_reader, boasting_reader])
def test_a_reader_that_hangs_dies_or_boasts_proves_nothing(tmp_path: Path, reader: Follow) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    config = home(tmp_path)
    report = wipe(config, drive, Means(os.urandom, follow=reader))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.readbacks == ()
    again = wipe(config, drive)  # only the proof is made again
    assert again.verdict.outcome is Outcome.DONE
    assert again.resumed_at == SIZE
    assert again.evidence.passes[0].resumed == 0


class InProcess:
    """A reader that is no separate process."""

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        def own(line: Mapping[str, Any]) -> None:
            hear({"result": {**line["result"], "pid": os.getpid()}} if "result" in line else line)

        return follow(argv, given, patience, own)


def test_a_reader_inside_the_writing_process_does_not_count(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    report = wipe(home(tmp_path), drive, Means(os.urandom, follow=InProcess()))
    assert "not-independent" in {reason.code for reason in report.verdict.reasons}
    assert report.verdict.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("left", [0, SIZE // 2])
@pytest.mark.parametrize("stage", ["pass 1", "read back"])
def test_a_practice_drive_that_shrinks_or_vanishes_is_unknown(tmp_path: Path, stage: str, left: int) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    config = home(tmp_path)
    report = wipe(config, drive, means(stage, 0.3 if "pass" in stage else 0.0, lambda: os.truncate(drive, left)))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.stopped


def test_after_a_break_the_same_drive_goes_on_where_the_log_ends_and_is_read_in_full(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    config = home(tmp_path)

    def pull() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wipe(config, drive, means("pass 1", 0.6, pull))
    job = job_of(read(config.worklogs, medium_at(drive).identity.id))
    assert job is not None
    assert 0 < job.reached.upto < SIZE
    report = wipe(config, drive)
    assert report.resumed_at == job.reached.upto
    assert report.verdict.outcome is Outcome.DONE
    done = report.evidence.passes[0]
    assert (done.resumed, done.bytes_written) == (1, SIZE)
    assert 0 < done.rewritten_bytes <= 64 * MEBIBYTE
    assert report.evidence.canaries is not None
    assert report.evidence.canaries.planted >= 64
    assert report.evidence.readbacks[0].kind == "full"
    assert drive.read_bytes() == bytes(SIZE)


def test_a_power_cut_that_loses_what_was_not_flushed_leaves_no_block_unwritten(tmp_path: Path) -> None:
    # a volatile cache: only what was flushed is on the medium afterwards (LAB: 0 of 60 MiB without a flush)
    drive = practice_file(tmp_path / "d.img", SIZE)
    before, config = drive.read_bytes(), home(tmp_path)

    def cut() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wipe(config, drive, means("pass 1", 0.6, cut))
    job = job_of(read(config.worklogs, medium_at(drive).identity.id))
    assert job is not None
    with drive.open("r+b") as medium:
        medium.seek(job.reached.upto)
        medium.write(before[job.reached.upto :])
    report = wipe(config, drive)
    assert report.resumed_at == job.reached.upto
    assert report.verdict.outcome is Outcome.DONE
    assert report.verdict.exceptions == ()  # it did not have to begin anew
    assert drive.read_bytes() == bytes(SIZE)


def test_what_changed_on_the_drive_during_the_break_is_written_again(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    config = home(tmp_path)

    def pull() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wipe(config, drive, means("pass 1", 0.6, pull))
    drive.write_bytes(old_data(SIZE)[:SIZE])  # somebody installed a system meanwhile
    report = wipe(config, drive)
    assert report.verdict.outcome is Outcome.DONE
    assert any("began anew" in text for text in report.verdict.exceptions)
    assert drive.read_bytes() == bytes(SIZE)


def test_another_profile_starts_from_the_beginning_with_new_canaries(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", SIZE)
    config = home(tmp_path)

    def pull() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wipe(config, drive, means("pass 1", 0.6, pull))
    report = wipe(config, drive, profile="overwrite3")
    assert report.resumed_at is None
    assert report.verdict.outcome is Outcome.DONE
    assert report.evidence.passes[0].resumed == 0


# --- real block devices ---


@pytest.mark.root
def test_a_loop_device_with_4_kib_sectors_is_wiped_directly_and_done(tmp_path: Path, needs_root: None) -> None:
    backing = tmp_path / "backing"
    backing.write_bytes(old_data(SIZE)[:SIZE])
    config = home(tmp_path, allow_loop=True)
    with loops.loop_device(backing, "-b", "4096") as node:
        report = wipe(config, node)
    assert report.verdict.outcome is Outcome.DONE, report.verdict.reasons
    assert all(one.direct for one in report.evidence.passes)
    assert report.evidence.readbacks[0].direct
    assert backing.read_bytes() == bytes(SIZE)


@pytest.mark.root
@pytest.mark.parametrize("stage", ["pass 1", "read back"])
def test_a_loop_device_that_shrinks_is_unknown(tmp_path: Path, needs_root: None, stage: str) -> None:
    backing = tmp_path / "backing"
    backing.write_bytes(old_data(SIZE)[:SIZE])
    config = home(tmp_path, allow_loop=True)
    with loops.loop_device(backing) as node:

        def shrink() -> None:
            os.truncate(backing, SIZE // 2)
            loops.losetup("--set-capacity", node)

        report = wipe(config, node, means(stage, 0.2 if "pass" in stage else 0.0, shrink))
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.stopped


@pytest.mark.root
def test_a_loop_device_made_read_only_under_way_is_unknown(tmp_path: Path, needs_root: None) -> None:
    backing = tmp_path / "backing"
    backing.write_bytes(old_data(SIZE)[:SIZE])
    config = home(tmp_path, allow_loop=True)
    with loops.loop_device(backing) as node:
        lock = means("pass 1", 0.2, lambda: subprocess.run(["blockdev", "--setro", node], check=True))
        report = wipe(config, node, lock)
        subprocess.run(["blockdev", "--setrw", node], check=True)
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.stopped or report.evidence.smoke is False  # the lock may fall behind the last write


@pytest.mark.root
def test_a_drive_whose_storage_is_full_has_bad_ranges_and_is_unknown(tmp_path: Path, needs_root: None) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(small)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        backing = loops.blank(small / "backing", SIZE)
        config = home(tmp_path, allow_loop=True)
        with loops.loop_device(backing) as node:
            report = wipe(config, node)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
    assert report.verdict.outcome is Outcome.UNKNOWN
    assert report.evidence.stopped or report.evidence.passes[0].bad


def test_a_wrong_order_leaves_the_drive_as_it_was(tmp_path: Path) -> None:
    from station.errors import UsageError
    from station.wiping import wipe_one
    from tests.station.benches import bench_of

    drive = practice_file(tmp_path / "d.img", SIZE)
    before = drive.read_bytes()
    with bench_of(home(tmp_path)) as bench, pytest.raises(UsageError, match="last four") as raised:
        wipe_one(bench, drive, replace(order_for(drive), confirm="0000"))
    assert medium_at(drive).confirm not in str(raised.value)
    assert drive.read_bytes() == before
