"""How fast several drives are wiped at once, against `fio`; what one costs in CPU time, against `nwipe`, and in memory.

    python -m benchmarks.many_bays [--json] [--mib 1024] [--runs 3] [--drives 1 2 4 8] [--memory /dev/shm]

Needs root (loop devices), fio and nwipe. One process for each drive, as at the bench; each begins at the same word, so
that the start of Python is not counted (nor is that of fio, whose own figure is taken). The throughput is all bytes
over the time from the first byte to the last flush. A whole wipe is the verb that a volunteer uses, with canaries and
full read-back; nwipe gets the same: one zero pass and one verification. Alternated runs, medians, ratios.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.wipe_speed import GIB, loop_over, one_pass
from custody.events import World
from station.home import create
from station.media import medium_at
from station.wipe.blockio import size_of

WANTED = 0.95


def child(node: str, logs: Path) -> None:
    """Be one bay: wait for the word, write one zero pass, and say when it began and ended."""
    sys.stdin.readline()
    begun = time.monotonic()
    one_pass(node, "zero", logs)
    print(json.dumps([begun, time.monotonic()]))


def ours(nodes: Sequence[str], place: Path) -> float:
    """Return bytes per second over all drives at once, by our own writer."""
    words = [sys.executable, "-m", "benchmarks.many_bays", "--child"]
    bays = [
        subprocess.Popen([*words, node, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for node in nodes
    ]
    time.sleep(1.5)  # until all have imported what they need
    for bay in bays:
        assert bay.stdin is not None
        bay.stdin.write("go\n")
        bay.stdin.flush()
    times = [json.loads(bay.communicate()[0]) for bay in bays]
    return float(_bytes(nodes) / (max(end for _, end in times) - min(begun for begun, _ in times)))


def fio(nodes: Sequence[str]) -> float:
    """Return bytes per second over all drives at once, by fio: 4 MiB, past the cache, four in flight, flushed."""
    shared = ["--direct=1", "--bs=4M", "--rw=write", "--ioengine=libaio", "--iodepth=4", "--end_fsync=1"]
    jobs = [word for number, node in enumerate(nodes) for word in (f"--name=bay{number}", f"--filename={node}")]
    words = ["fio", "--output-format=json", *shared, "--group_reporting=0", *jobs]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
    slowest = max(job["write"]["runtime"] for job in found) / 1000  # ms
    return float(sum(int(job["write"]["io_bytes"]) for job in found) / slowest)


def _bytes(nodes: Sequence[str]) -> int:
    total = 0
    for node in nodes:
        fd = os.open(node, os.O_RDONLY)
        try:
            total += size_of(fd)
        finally:
            os.close(fd)
    return total


def spent(words: Sequence[str]) -> tuple[float, float, int]:
    """Run a command; return its seconds, its CPU seconds with all its children, and its largest process in bytes."""
    begun = time.monotonic()
    done = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    _, status, used = os.wait4(done.pid, 0)
    done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with {done.returncode}")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def whole(node: str, place: Path) -> list[str]:
    """Return the command line of a whole wipe at a fresh home."""
    home = create(place / f"home-{time.monotonic_ns()}", World.PRACTICE, allow_loop=True).home
    said = ["--profile", "clear", "--operator", "benchmark", "--confirm", medium_at(node).confirm]
    return [sys.executable, "-m", "station.cli", "wipe", node, *said, "--home", str(home)]


def nwipe(node: str) -> list[str]:
    """Return nwipe's command line for the same work."""
    said = ["--autonuke", "--nogui", "--nowait", "--noblank", "--method=zero", "--verify=last", "--rounds=1"]
    return ["nwipe", *said, node]


def measure(drives: Sequence[int], runs: int, size: int, folder: Path) -> dict[str, object]:
    """Measure everything and return it as JSON data."""
    rows = []
    with ExitStack() as held:
        place = Path(held.enter_context(tempfile.TemporaryDirectory()))
        nodes = [held.enter_context(loop_over(folder, size, direct=False)) for _ in range(max(drives))]
        for count in drives:
            pairs = [(ours(nodes[:count], place), fio(nodes[:count])) for _ in range(runs)]
            rows.append(
                {
                    "drives": count,
                    "mb_per_s": round(statistics.median(mine for mine, _ in pairs) / 1e6),
                    "fio_mb_per_s": round(statistics.median(peer for _, peer in pairs) / 1e6),
                    "ratio": round(statistics.median(mine / peer for mine, peer in pairs), 2),
                }
            )
        mine, peer = [], []
        for _ in range(runs):
            mine.append(spent(whole(nodes[0], place)))
            if shutil.which("nwipe"):
                peer.append(spent(nwipe(nodes[0])))
    return {"throughput": rows, "wipe": _costs(mine, size), "nwipe": _costs(peer, size) if peer else None}


def _costs(found: Sequence[tuple[float, float, int]], size: int) -> dict[str, float]:
    return {
        "seconds": round(statistics.median(one[0] for one in found), 2),
        "cpu_seconds_per_gib": round(statistics.median(one[1] for one in found) / (size / GIB), 2),
        "largest_process_mib": round(statistics.median(one[2] for one in found) / 2**20),
    }


def main() -> int:
    """Measure, print, and exit 1 when a ratio is below what was promised."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser(description="Several drives at once, against fio; CPU time against nwipe.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mib", type=int, default=1024, help="size of each drive")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--drives", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="where the drives' files lie")
    words = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("fio"):
        print("This needs root (loop devices) and fio; nothing was measured.", file=sys.stderr)
        return 2
    found = measure(words.drives, words.runs, words.mib << 20, words.memory)
    rows = found["throughput"]
    assert isinstance(rows, list)
    if words.json:
        print(json.dumps(found, indent=1))
    else:
        for row in rows:
            rates = f"{row['mb_per_s']} MB/s, fio {row['fio_mb_per_s']} MB/s"
            print(f"{row['drives']} drives: {rates}, ratio {row['ratio']}")
        print(f"one whole wipe of {words.mib} MiB: {found['wipe']}\nnwipe for the same: {found['nwipe']}")
    return 0 if all(row["ratio"] >= WANTED for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
