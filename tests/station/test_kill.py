"""Killed at random moments, a wipe is never called done early, leaves no block, and writes little twice."""

import random
from pathlib import Path

import pytest

from tests.station.benches import MEBIBYTE
from tests.station.kill_rounds import rounds


@pytest.mark.slow
def test_ten_kills_at_random_moments_break_no_promise(tmp_path: Path) -> None:
    figures = rounds(10, 192 * MEBIBYTE, tmp_path, random.Random(20261122), ("clear", "overwrite3"))
    assert figures.kills == 10
    assert figures.ok, figures
