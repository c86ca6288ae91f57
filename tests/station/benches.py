"""A practice bench to test with: a home, drives full of somebody's data, and a lying or dying reader when wanted."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from custody.events import World
from station.bench import Bench, Order, Report
from station.config import Config
from station.home import create, open_bench
from station.media import Sidecar, medium_at, write_sidecar
from station.wipe.acting import Means
from station.wiping import wipe_one

MEBIBYTE = 1024 * 1024
OLD = b"Somebody's data. "


def now() -> datetime:
    """Return a fixed time."""
    return datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def old_data(size: int, seed: int = 1) -> bytes:
    """Return bytes without a single zero that a recovery tool could find."""
    block = random.Random(seed).randbytes(1 << 16).translate(bytes([1, *range(1, 256)]))
    return (OLD + block) * (size // (len(OLD) + len(block)) + 1)


def practice_file(path: Path, size: int = 16 * MEBIBYTE, serial: str = "TESTDRIVE1234") -> Path:
    """Make a practice drive full of old data."""
    path.write_bytes(old_data(size)[:size])
    write_sidecar(path, Sidecar(serial, "Test drive", "2026-11-22"))
    return path


def home(folder: Path, *, world: World = World.PRACTICE, allow_loop: bool = False) -> Config:
    """Make a station's home."""
    return create(folder / "home", world, allow_loop=allow_loop)


@contextmanager
def bench_of(config: Config, means: Means | None = None) -> Iterator[Bench]:
    """Open the bench of a home."""
    with open_bench(config, now, means or Means(os.urandom)) as bench:
        yield bench


def order_for(target: Path | str, profile: str = "clear", **changes: object) -> Order:
    """Return an order that confirms properly."""
    order = Order(profile, operator="v-7", confirm=medium_at(target).confirm)
    return replace(order, **changes)  # type: ignore[arg-type]


def wipe(config: Config, target: Path | str, means: Means | None = None, profile: str = "clear") -> Report:
    """Wipe one drive in one go."""
    with bench_of(config, means) as bench:
        return wipe_one(bench, target, order_for(target, profile))


def wiped_events(config: Config) -> list[dict[str, object]]:
    """Return the bodies of all recorded wipes."""
    with bench_of(config) as bench:
        return [dict(row.event.body) for row in bench.journal.events(kind="medium.wiped")]
