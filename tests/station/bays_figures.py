"""Figures of the bench of bays on this machine: how soon a tile follows, how little drives disturb one another, memory.

    python -m tests.station.bays_figures            # as root; needs loop devices and blkio cgroups

Every drive is slowed to the same speed, so that the processor is not what limits and "undisturbed" means something.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from station.bays_state import read_state
from station.config import Config
from station.orders import Order
from tests.station.bays_bench import confirm, make_home, ordered, started, wait_for
from tests.station.benches import MEBIBYTE
from tests.station.loops import blank, loop_at, slowable

FIRST = 300 + os.getpid() % 200
SPEED = 24 * MEBIBYTE  # bytes per second of each drive
SIZE = 144 * MEBIBYTE


def bays(count: int) -> dict[str, str]:
    """Return this many bays on loop devices."""
    return {f"Bay {number}": f"/dev/loop{FIRST + number}" for number in range(1, count + 1)}


def event_to_tile(folder: Path, rounds: int) -> list[float]:
    """Return the seconds from attaching a device to its tile."""
    config, file, took = make_home(folder, bays(1)), blank(folder / "d.img"), []
    with started(config):
        for _ in range(rounds):
            wait_for(config, lambda state: state.tiles[0].state == "empty")
            with ExitStack() as attached:
                begun = time.monotonic()
                attached.enter_context(loop_at(FIRST + 1, file))
                wait_for(config, lambda state: state.tiles[0].medium is not None)
                took.append(time.monotonic() - begun)
                wait_for(config, lambda state: state.tiles[0].state == "ready")
    return took


def wipe(config: Config, number: int) -> None:
    """Arm and start a bay."""
    wait_for(config, lambda state: state.tiles[number - 1].state in ("ready", "interrupted"))
    bay = f"Bay {number}"
    assert ordered(config, Order("arm", bay=bay, typed=confirm(f"/dev/loop{FIRST + number}"))).obeyed
    assert ordered(config, Order("start", bay=bay, operator="v-7")).obeyed


def together(config: Config, numbers: list[int]) -> list[float]:
    """Wipe these bays at once; return the seconds each took from its first progress to green."""
    for number in numbers:
        wipe(config, number)
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    while len(ended) < len(numbers):
        tiles = read_state(config.bays_state).tiles
        for number in numbers:
            state = tiles[number - 1].state
            if state in ("working", "proving"):
                begun.setdefault(number, time.monotonic())
            if state == "done" and number in begun:
                ended.setdefault(number, time.monotonic())
        time.sleep(0.02)
    for number in numbers:
        assert ordered(config, Order("acknowledge", bay=f"Bay {number}")).obeyed
    return [ended[number] - begun[number] for number in numbers]


def memory(pid: int) -> dict[str, float]:
    """Return resident and proportional memory in MiB (proc_pid_smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:]}
    return {"rss": round(found["Rss"], 1), "pss": round(found["Pss"], 1)}


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        words = stat.read_text().rpartition(")")[2].split()
        if int(words[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _wiping(daemon: int) -> list[int]:
    """Return the children of a daemon that wipe; others only look."""
    return [pid for pid in children_of(daemon) if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0wipe\0")]


def processor(pid: int) -> float:
    """Return the processor seconds a process has used (proc_pid_stat, utime and stime)."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def disturbed(folder: Path, rounds: int) -> dict[str, object]:
    """Wipe three drives alone, and three while a fourth hangs; return the ratios, and what the processes cost."""
    config = make_home(folder, bays(4), stuck_after=10)
    with ExitStack() as stack:
        files = [blank(folder / f"d{number}.img", SIZE) for number in range(1, 5)]
        nodes = [stack.enter_context(loop_at(FIRST + number, file)) for number, file in enumerate(files, 1)]
        limit = stack.enter_context(slowable())
        for node in nodes:
            limit(node, SPEED)
        daemon = stack.enter_context(started(config))
        wait_for(config, lambda state: state.tiles[3].state == "ready")
        idle, at = processor(daemon.pid), time.monotonic()
        time.sleep(5)
        idle = (processor(daemon.pid) - idle) / (time.monotonic() - at)
        alone, beside = list[float](), list[float]()
        busy, costs = list[float](), dict[str, object]()
        for _ in range(rounds):  # in turn, so that whatever else this machine does hits both alike
            alone += together(config, [1, 2, 3])
            limit(nodes[3], 1)
            wipe(config, 4)
            wait_for(config, lambda state: state.tiles[3].state == "stuck", 200)
            used, at = processor(daemon.pid), time.monotonic()
            beside += together(config, [1, 2, 3])
            busy.append((processor(daemon.pid) - used) / (time.monotonic() - at))
            costs = {"daemon": memory(daemon.pid), "child": memory(_wiping(daemon.pid)[0])}
            limit(nodes[3], 0)
            wait_for(config, lambda state: state.tiles[3].state == "done")
            assert ordered(config, Order("acknowledge", bay="Bay 4")).obeyed
        wipe(config, 1)
        wait_for(config, lambda state: state.tiles[0].state == "proving")
        (child,) = _wiping(daemon.pid)
        costs["child while proving"] = memory(child)
        for reader in children_of(child):
            costs["its reader"] = memory(reader)
        wait_for(config, lambda state: state.tiles[0].state == "done")
    middle = statistics.median(alone), statistics.median(beside)
    return {
        "seconds alone": [round(min(alone), 2), round(middle[0], 2), round(max(alone), 2)],
        "seconds beside a drive that hangs": [round(min(beside), 2), round(middle[1], 2), round(max(beside), 2)],
        "ratio of the medians": round(middle[1] / middle[0], 4),
        "memory in MiB": costs,
        "processor share of the daemon": {"idle": round(idle, 4), "four bays": round(statistics.median(busy), 4)},
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugs", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        took = sorted(event_to_tile(Path(one), words.plugs))
        figures = {
            "event to tile, seconds": {
                "of": len(took),
                "p50": round(statistics.median(took), 3),
                "p95": round(took[round(0.95 * len(took)) - 1], 3),
                "most": round(took[-1], 3),
            },
            **disturbed(Path(other), words.rounds),
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
