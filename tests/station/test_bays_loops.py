"""Real block devices come, go and hang: tiles follow at once, and one that hangs disturbs no other."""

import os
import time
from pathlib import Path

import pytest

from station.bays_children import Child
from station.bays_slot import states_of
from station.orders import Order
from tests.station.bays_bench import Stepped, confirm, make_home, ordered, started, stepped, wait_for
from tests.station.benches import MEBIBYTE, old_data, wiped_events
from tests.station.loops import blank, loop_at, slowable

pytestmark = pytest.mark.root

FIRST = 40 + os.getpid() % 200  # loop devices that nobody else is likely to use
HOTPLUGS = 20


@pytest.fixture(autouse=True)
def _only_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can attach loop devices")


def bays(count: int) -> dict[str, str]:
    """Return this many bays."""
    return {f"Bay {number}": f"/dev/loop{FIRST + number}" for number in range(1, count + 1)}


def test_a_tile_follows_its_drive_within_a_second(tmp_path: Path) -> None:
    config = make_home(tmp_path, bays(1))
    file = blank(tmp_path / "d.img")
    took: list[float] = []
    with started(config):
        for _ in range(HOTPLUGS):
            wait_for(config, lambda state: state.tiles[0].state == "empty")
            begun = time.monotonic()
            with loop_at(FIRST + 1, file):
                wait_for(config, lambda state: state.tiles[0].medium is not None)
                took.append(time.monotonic() - begun)
                wait_for(config, lambda state: state.tiles[0].state == "ready")
    assert sorted(took)[round(0.95 * HOTPLUGS) - 1] < 1.0, took


def test_a_loop_device_is_wiped_under_the_name_of_its_bay(tmp_path: Path) -> None:
    config = make_home(tmp_path, bays(1))
    file = tmp_path / "d.img"
    file.write_bytes(old_data(32 * MEBIBYTE)[: 32 * MEBIBYTE])
    with loop_at(FIRST + 1, file) as node, started(config):
        wait_for(config, lambda state: state.tiles[0].state == "ready")
        assert ordered(config, Order("arm", bay="Bay 1", typed=confirm(node))).obeyed
        assert ordered(config, Order("start", bay="Bay 1", operator="v-7")).obeyed
        wait_for(config, lambda state: state.tiles[0].state == "done")
    assert file.read_bytes() == bytes(32 * MEBIBYTE)


def hanging(bench: Stepped, bay: str) -> Child:
    """Return the child of a bay once its drive hangs in the kernel."""
    berth = bench.daemon.desk.berth(bay)
    assert berth is not None
    child = bench.daemon.desk.child(berth)
    assert child is not None
    bench.until(lambda: "D" in states_of(child.who.pid), 30, "hanging in the kernel")
    return child


def test_a_drive_that_hangs_is_a_red_tile_and_the_others_go_on(tmp_path: Path) -> None:
    config = make_home(tmp_path, bays(4), stuck_after=5)
    files = [blank(tmp_path / f"d{number}.img", 64 * MEBIBYTE) for number in range(1, 5)]
    with (
        loop_at(FIRST + 1, files[0]) as bad,
        loop_at(FIRST + 2, files[1]),
        loop_at(FIRST + 3, files[2]),
        loop_at(FIRST + 4, files[3]),
        slowable() as limit,
        stepped(config) as bench,
    ):
        for number in range(1, 5):
            bench.until_state(f"Bay {number}", "ready")
        limit(bad, 1)
        assert bench.start("Bay 1").obeyed
        bench.until(lambda: bench.tile("Bay 1").stage != "")
        child = hanging(bench, "Bay 1")
        for number in range(2, 5):
            assert bench.start(f"Bay {number}").obeyed
        for number in range(2, 5):
            bench.until_state(f"Bay {number}", "done", seconds=90)
        tile = bench.until_state("Bay 1", "stuck", seconds=30)
        assert (tile.code, tile.colour, tile.rate, tile.finish_at) == ("E15", "red", 0.0, "")
        assert "Unplug this one" in tile.instruction
        begun = time.monotonic()
        bench.daemon.step(0)
        assert time.monotonic() - begun < 0.5, "the bench itself waits for no drive"
        assert bench.order("cancel", bay="Bay 1", operator="v-7").obeyed
        bench.until_state("Bay 1", "stuck", "stopping")
        limit(bad, 0)
        bench.until_state("Bay 1", "interrupted", seconds=60)
        assert not bench.daemon.desk.children
        assert child.cancelled is not None
    assert sorted(str(body["outcome"]) for body in wiped_events(config))[:3] == ["DONE", "DONE", "DONE"]


def test_a_slow_drive_that_moves_again_is_no_longer_stuck(tmp_path: Path) -> None:
    config = make_home(tmp_path, bays(1), stuck_after=5)
    with (
        loop_at(FIRST + 1, blank(tmp_path / "d.img", 64 * MEBIBYTE)) as node,
        slowable() as limit,
        stepped(config) as bench,
    ):
        bench.until_state("Bay 1", "ready")
        limit(node, 1)
        bench.start("Bay 1")
        bench.until(lambda: bench.tile("Bay 1").stage != "")
        bench.until_state("Bay 1", "stuck", seconds=30)
        limit(node, 0)
        bench.until_state("Bay 1", "done")


def test_a_drive_in_no_configured_bay_gets_no_tile_and_no_order_reaches_it(tmp_path: Path) -> None:
    config = make_home(tmp_path, bays(1))
    with loop_at(FIRST + 2, blank(tmp_path / "d.img")) as node, stepped(config) as bench:
        bench.daemon.step(0.1)
        assert [one.state for one in bench.state().tiles] == ["empty"]
        for bay in (node, "Bay 2"):
            answer = bench.order("arm", bay=bay, typed=confirm(node))
            assert not answer.obeyed
            assert "no bay called" in answer.sentence
