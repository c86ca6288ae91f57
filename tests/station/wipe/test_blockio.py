"""Ranges are kept truthfully, and no fault of a drive is taken for its end."""

import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from custody.claims import BadRange
from station.wipe.blockio import DriveStopped, Raw, before, buffer, merge, total, write_narrowing

ranges = some.lists(some.builds(BadRange, some.integers(0, 400), some.integers(0, 60)), max_size=12)


def covered(bad: list[BadRange] | tuple[BadRange, ...]) -> set[int]:
    return {at for one in bad for at in range(one.start, one.start + one.length)}


@given(ranges)
def test_merging_loses_no_byte_and_adds_none(bad: list[BadRange]) -> None:
    merged = merge(bad)
    assert covered(merged) == covered(bad)
    assert total(bad) == len(covered(bad))
    assert all(a.start + a.length < b.start for a, b in itertools.pairwise(merged))


@given(ranges, some.integers(0, 450))
def test_a_resume_keeps_exactly_what_lies_below_it(bad: list[BadRange], end: int) -> None:
    assert covered(before(bad, end)) == {at for at in covered(bad) if at < end}


class Failing(Raw):
    """A drive with sectors that cannot be written."""

    bad_sectors: frozenset[int] = frozenset()
    error: int = errno.EIO

    def write(self, offset: int, view: memoryview) -> None:
        touched = range(offset // self.sector, (offset + len(view) + self.sector - 1) // self.sector)
        hit = next((sector for sector in touched if sector in self.bad_sectors), None)
        if hit is None:
            super().write(offset, view)
            return
        landed = hit * self.sector - offset  # a failed write may have landed in part
        if landed > 0:
            super().write(offset, view[:landed])
        raise OSError(self.error, os.strerror(self.error))


def drive(path: Path, sectors: int, bad: set[int], error: int = errno.EIO) -> Failing:
    path.write_bytes(b"\xee" * sectors * 512)
    raw = Failing(os.open(path, os.O_RDWR), sectors * 512, 512)
    raw.bad_sectors, raw.error = frozenset(bad), error
    return raw


@given(bad=some.sets(some.integers(0, 63), max_size=20), error=some.sampled_from([5, 28, 61, 121]))
def test_bad_sectors_are_mapped_exactly_and_all_others_written(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], error: int
) -> None:
    path = tmp_path_factory.mktemp("drive") / "d"
    raw = drive(path, 64, bad, error)
    try:
        found = write_narrowing(raw, 0, buffer(64 * 512))
    finally:
        os.close(raw.fd)
    assert covered(found) == {at for sector in bad for at in range(sector * 512, sector * 512 + 512)}
    data = path.read_bytes()
    for sector in range(64):
        assert data[sector * 512 : sector * 512 + 512] == (b"\xee" if sector in bad else b"\0") * 512


def test_when_time_runs_out_the_rest_of_the_piece_counts_as_bad(tmp_path: Path) -> None:
    raw = drive(tmp_path / "d", 64, {3})
    ticks = iter(range(0, 10_000, 25))
    found = write_narrowing(raw, 0, buffer(64 * 512), clock=lambda: float(next(ticks)))
    os.close(raw.fd)
    assert 3 * 512 in covered(found)
    assert total(found) > 512


def test_a_pulled_drive_is_no_bad_range(tmp_path: Path) -> None:
    raw = drive(tmp_path / "d", 64, {3}, errno.ENODEV)
    with pytest.raises(DriveStopped, match="gone"):
        write_narrowing(raw, 0, buffer(64 * 512))
    os.close(raw.fd)


def test_no_space_left_on_a_drive_whose_size_became_zero_is_a_drive_that_is_gone(tmp_path: Path) -> None:
    raw = drive(tmp_path / "d", 64, {3}, errno.ENOSPC)
    os.ftruncate(raw.fd, 0)
    with pytest.raises(DriveStopped, match="gone"):
        write_narrowing(raw, 3 * 512, buffer(512))
    os.close(raw.fd)


def test_a_drive_that_forbids_writing_is_no_map_of_bad_ranges(tmp_path: Path) -> None:
    raw = drive(tmp_path / "d", 64, {3}, errno.EPERM)
    with pytest.raises(DriveStopped, match="cannot be written"):
        write_narrowing(raw, 0, buffer(64 * 512))
    os.close(raw.fd)
