"""Passes: complete, in order, flushed before they are logged, never further ahead than the window."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from custody.claims import BadRange
from station.wipe.blockio import Raw
from station.wipe.overwrite import METHODS, WINDOW, interval_for, run_pass
from station.wipe.patterns import pattern
from station.worklog import WorklogFull
from tests.station.benches import MEBIBYTE, old_data
from tests.station.wipe.test_blockio import Failing

SEED = bytes(32)


@contextmanager
def opened(path: Path, size: int, sector: int = 512, kind: type[Raw] = Raw) -> Iterator[Raw]:
    path.write_bytes(old_data(size)[:size])
    fd = os.open(path, os.O_RDWR)
    try:
        yield kind(fd, size, sector)
    finally:
        os.close(fd)


def no_mark(upto: int, bad: tuple[BadRange, ...]) -> None:
    """Believe everything."""


@pytest.mark.parametrize("name", ["zero", "byte:ff", "random"])
@pytest.mark.parametrize("size", [512, 4096, 5 * MEBIBYTE + 512, 5 * MEBIBYTE + 300, 9 * MEBIBYTE - 4096])
def test_every_byte_is_written_whatever_the_size(tmp_path: Path, name: str, size: int) -> None:
    what = pattern(name, SEED, 0)
    marks: list[int] = []
    with opened(tmp_path / "d", size) as raw:
        result = run_pass(raw, what, mark=lambda upto, bad: marks.append(upto))
    assert (result.reached, result.flushed, result.stopped, result.bad) == (size, True, "", ())
    assert (tmp_path / "d").read_bytes() == what.block(0, size)
    assert marks == sorted(set(marks))
    assert marks[-1] == size


def test_a_resume_writes_only_the_rest(tmp_path: Path) -> None:
    size, start = 6 * MEBIBYTE, 2 * MEBIBYTE
    what = pattern("random", SEED, 0)
    with opened(tmp_path / "d", size) as raw:
        result = run_pass(raw, what, start=start, mark=no_mark)
    data = (tmp_path / "d").read_bytes()
    assert result.reached == size
    assert data[:start] == old_data(size)[:start]
    assert data[start:] == what.block(start, size - start)


class Watching(Raw):
    """A drive that notes what was flushed and how far writing ran ahead of the log."""

    written = flushed = furthest_ahead = logged = 0

    def write(self, offset: int, view: memoryview) -> None:
        super().write(offset, view)
        self.written = max(self.written, offset + len(view))
        self.furthest_ahead = max(self.furthest_ahead, self.written - self.logged)

    def flush(self) -> None:
        sure = self.written
        super().flush()
        self.flushed = max(self.flushed, sure)


@pytest.mark.parametrize("name", ["zero", "random"])
def test_only_what_was_flushed_is_logged_and_writing_stays_within_the_window(tmp_path: Path, name: str) -> None:
    size = 160 * MEBIBYTE
    with opened(tmp_path / "d", size, kind=Watching) as raw:
        assert isinstance(raw, Watching)

        def mark(upto: int, bad: tuple[BadRange, ...]) -> None:
            assert upto <= raw.flushed
            raw.logged = upto

        result = run_pass(raw, pattern(name, SEED, 0), mark=mark)
        assert result.flushed
        assert raw.furthest_ahead <= min(WINDOW, 2 * interval_for(size))


@given(some.integers(0, 2**45))
def test_two_intervals_never_exceed_the_window_of_64_mib(size: int) -> None:
    assert interval_for(size) >= MEBIBYTE
    assert 2 * interval_for(size) <= WINDOW == 64 * MEBIBYTE


class Forgetful(Raw):
    """A drive that does not confirm its third flush."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        if self.flushes == 3:
            raise OSError(errno.EIO, "Input/output error")
        super().flush()


def test_a_flush_that_fails_stops_the_pass_at_the_last_one_that_did_not(tmp_path: Path) -> None:
    marks: list[int] = []
    with opened(tmp_path / "d", 64 * MEBIBYTE, kind=Forgetful) as raw:
        result = run_pass(raw, pattern("zero", SEED, 0), mark=lambda upto, bad: marks.append(upto))
    assert not result.flushed
    assert "did not confirm" in result.stopped
    assert result.reached == marks[-1] < 64 * MEBIBYTE
    assert len(marks) == 2


def test_a_log_that_is_full_stops_the_pass(tmp_path: Path) -> None:
    def full(upto: int, bad: tuple[BadRange, ...]) -> None:
        raise WorklogFull("no room")

    with opened(tmp_path / "d", 32 * MEBIBYTE) as raw:
        result = run_pass(raw, pattern("zero", SEED, 0), mark=full)
    assert (result.reached, result.flushed, result.stopped) == (0, False, "no room")


def test_a_drive_that_shrinks_under_way_is_noticed(tmp_path: Path) -> None:
    with opened(tmp_path / "d", 64 * MEBIBYTE) as raw:

        def shrink(upto: int, bad: tuple[BadRange, ...]) -> None:
            os.ftruncate(raw.fd, 60 * MEBIBYTE)

        result = run_pass(raw, pattern("zero", SEED, 0), mark=shrink)
    assert not result.flushed
    assert "changed its size" in result.stopped


def test_a_drive_that_refuses_everything_is_given_up_and_not_ground_through(tmp_path: Path) -> None:
    with opened(tmp_path / "d", 64 * MEBIBYTE, kind=Failing) as raw:
        assert isinstance(raw, Failing)
        raw.bad_sectors = frozenset(range(8 * MEBIBYTE // 512, 64 * MEBIBYTE // 512))
        result = run_pass(raw, pattern("zero", SEED, 0), mark=no_mark)
    assert not result.flushed
    assert "refuses every write" in result.stopped
    assert result.reached <= 8 * MEBIBYTE + 8 * 4 * MEBIBYTE


@settings(max_examples=15, deadline=None)
@given(bad=some.sets(some.integers(0, 8 * MEBIBYTE // 4096 - 1), max_size=8), stop=some.integers(0, 7))
def test_bad_ranges_survive_a_resume_exactly(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], stop: int
) -> None:
    path = tmp_path_factory.mktemp("drive") / "d"
    marks: list[tuple[int, tuple[BadRange, ...]]] = [(0, ())]
    with opened(path, 8 * MEBIBYTE, sector=4096, kind=Failing) as raw:
        assert isinstance(raw, Failing)
        raw.bad_sectors = frozenset(bad)
        run_pass(raw, pattern("zero", SEED, 0), mark=lambda upto, found: marks.append((upto, found)))
        upto, known = marks[min(stop, len(marks) - 1)]
        kept = tuple(one for one in known if one.start < upto)
        result = run_pass(raw, pattern("zero", SEED, 0), start=upto, bad=kept, mark=no_mark)
    covered = {one.start // 4096 + step for one in result.bad for step in range(one.length // 4096)}
    assert covered == bad


def test_overwrite3_ends_with_the_random_pass_that_can_be_read_back() -> None:
    assert METHODS["overwrite3"].passes == ("zero", "byte:ff", "random")
