"""Ranges of sectors stay what a plain set of sectors would be, whatever is added and removed."""

from hypothesis import given
from hypothesis import strategies as st

from tests.drives.medium import Ranges

PARTS = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 20)), max_size=30)


@given(PARTS, st.integers(0, 60), st.integers(0, 30))
def test_ranges_are_sets_of_sectors(parts: list[tuple[bool, int, int]], first: int, length: int) -> None:
    ranges, sectors = Ranges(), set[int]()
    for added, start, size in parts:
        (ranges.add if added else ranges.remove)(start, start + size)
        (sectors.update if added else sectors.difference_update)(range(start, start + size))
    found = ranges.within(first, first + length)
    assert {each for start, end in found for each in range(start, end)} == sectors & set(range(first, first + length))
    assert bool(ranges) is bool(sectors)
    assert all(start < end for start, end in ranges.copy().within(0, 1000))
