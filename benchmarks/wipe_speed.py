"""How fast overwriting and reading back are, against `dd` with direct I/O on the same loop device. Needs root.

    python -m benchmarks.wipe_speed [--json] [--gib 2] [--runs 5] [--memory /dev/shm] [--disk /var/tmp] [--nwipe]

The devices are loop devices with 4 KiB sectors: one over a file in memory (so that the program is the limit), one over
a file on a disk. Runs alternate, medians count. The file is filled with random bytes first and after whatever
discards, because an empty file is faster than a drive. Figures are MB/s (10^6), ratios to dd, and CPU seconds per GiB
of the process that moves the bytes. `nwipe` is shown for orientation only: its fixed waiting times are part of
its figure, and older versions write through the page cache.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from custody.claims import BadRange
from custody.events import MediumId, World
from station.bench import Order
from station.follow import follow
from station.home import create, open_bench
from station.media import medium_at
from station.wipe.blockio import Raw, size_of
from station.wipe.overwrite import interval_for, run_pass
from station.wipe.patterns import pattern
from station.wipe.readback import Task, read_back
from station.wiping import wipe_one
from station.worklog import Worklog, room_for

GIB = 1 << 30
SEED = bytes(range(32))
SECTOR = 4096


@dataclass
class Series:
    """The runs of one thing: seconds each, CPU seconds each, and against what its ratio is taken."""

    name: str
    against: str = ""
    wanted: float = 0.0
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@contextlib.contextmanager
def loop_over(folder: Path, size: int, *, direct: bool) -> Iterator[str]:
    """Give a loop device over a new file filled with random bytes; both are gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="kitbank-speed-") as place:
        backing = Path(place) / "backing"
        words = [
            "losetup",
            "--find",
            "--show",
            "--sector-size",
            str(SECTOR),
            f"--direct-io={'on' if direct else 'off'}",
        ]
        backing.touch()
        os.truncate(backing, size)
        node = subprocess.run([*words, str(backing)], check=True, capture_output=True, text=True).stdout.strip()
        try:
            refill(node)
            yield node
        finally:
            subprocess.run(["losetup", "--detach", node], check=False)


def refill(node: str) -> None:
    """Fill a device with our own random stream, so that every block of the file below it exists."""
    with opened(node) as raw:
        result = run_pass(raw, pattern("random", SEED, 9), mark=lambda upto, bad: None)
        assert not result.stopped, result.stopped


@contextlib.contextmanager
def opened(node: str) -> Iterator[Raw]:
    """Open a device as the engine gets it."""
    fd = os.open(node, os.O_RDWR | os.O_EXCL)
    try:
        yield Raw(fd, size_of(fd), SECTOR)
    finally:
        os.close(fd)


def timed(series: Series, who: int, act: Callable[[], float | None]) -> None:
    """Run once and note wall time (or the seconds that `act` returns) and CPU time."""
    before, begun = resource.getrusage(who), time.perf_counter()
    own = act()
    spent, after = time.perf_counter() - begun, resource.getrusage(who)
    series.seconds.append(spent if own is None else own)
    series.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def dd(*words: str) -> None:
    """Run dd in pieces of 4 MiB; running into the end of the device is no error of ours."""
    subprocess.run(["dd", "bs=4M", *words], check=False, capture_output=True)


def one_pass(node: str, name: str, logs: Path) -> None:
    """Write one pass with the log that a real wipe writes."""
    medium = MediumId(f"speed-{name}-{Path(node).name}")  # each drive its own log: several are written at once
    with opened(node) as raw, Worklog(logs, medium, lambda: datetime.now(UTC)) as log:
        log.reserve(room_for(raw.size, 1, interval_for(raw.size)))

        def mark(upto: int, bad: tuple[BadRange, ...]) -> None:
            log.write("reached", index=0, upto=upto, seconds=0.0)

        result = run_pass(raw, pattern(name, SEED, 0), mark=mark)
        assert result.flushed, result
        assert result.direct, "direct I/O was refused"


def full_read(node: str, expected: str) -> float:
    """Read everything back in the separate process; return its own seconds, without the start of Python."""
    with opened(node) as raw:
        task = Task("full", expected, SEED)
        found = read_back(node, raw.fd, size=raw.size, sector=SECTOR, task=task, follow=follow)
    assert found.readback is not None, found.trouble
    assert found.readback.bytes_wrong == 0
    assert found.readback.bytes_read == found.readback.bytes_total
    return found.readback.seconds


def whole_wipe(node: str, home: Path) -> float:
    """Wipe with the profile `clear` as a person would, and return the seconds that were no pass and no reading."""
    config = create(home / f"home-{time.monotonic_ns()}", World.PRACTICE, allow_loop=True)
    begun = time.perf_counter()
    with open_bench(config, lambda: datetime.now(UTC)) as bench:
        report = wipe_one(bench, node, Order("clear", "benchmark", medium_at(node).confirm))
    spent = time.perf_counter() - begun
    assert report.verdict.outcome == "DONE", report.verdict.reasons
    return spent - report.evidence.passes[0].seconds - report.evidence.readbacks[0].seconds


def nwipe(node: str) -> None:
    """Run Debian's nwipe: one zero pass, no verification, nobody asked."""
    words = ["nwipe", "--autonuke", "--nogui", "--nowait", "--noblank", "--method=zero", "--verify=off", "--rounds=1"]
    done = subprocess.run([*words, node], check=False, capture_output=True, cwd=tempfile.gettempdir())
    if done.returncode:
        raise SystemExit(f"nwipe did not wipe (status {done.returncode}); leave --nwipe out: {done.stderr[-300:]!r}")


def measure(node: str, runs: int, place: Path, *, with_nwipe: bool, wanted: Sequence[float]) -> list[Series]:
    """Run everything `runs` times in turn. `wanted`: least ratios for zero pass, AES pass, reading."""
    zero, aes, read = wanted
    write_dd, read_dd = Series("dd zero, direct"), Series("dd read, direct")
    ours = [Series("zero pass", write_dd.name, zero), Series("AES-256-CTR pass", write_dd.name, aes)]
    back = Series("read back, zero check", read_dd.name, read)
    stream = Series("read back, AES regenerated", read_dd.name)
    rest = Series("whole wipe: seconds besides the I/O")
    other = Series("nwipe zero (orientation)", write_dd.name)
    children, own = resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF
    for _ in range(runs):
        timed(write_dd, children, lambda: dd("if=/dev/zero", f"of={node}", "oflag=direct"))
        timed(ours[1], own, lambda: one_pass(node, "random", place))
        timed(stream, children, lambda: full_read(node, "stream"))
        timed(read_dd, children, lambda: dd(f"if={node}", "of=/dev/null", "iflag=direct"))
        timed(ours[0], own, lambda: one_pass(node, "zero", place))
        timed(back, children, lambda: full_read(node, "zero"))
    timed(rest, own, lambda: whole_wipe(node, place))
    if with_nwipe and shutil.which("nwipe"):
        timed(other, children, lambda: nwipe(node))
        refill(node)
    return [one for one in (write_dd, *ours, read_dd, back, stream, rest, other) if one.seconds]


def figures(found: Sequence[Series], size: int) -> list[dict[str, object]]:
    """Return medians, ratios and CPU seconds per GiB."""
    medians = {one.name: statistics.median(one.seconds) for one in found}
    rows: list[dict[str, object]] = []
    for one in found:
        middle = medians[one.name]
        rate = None if one.name.startswith("whole") else round(size / middle / 1e6)
        ratio = round(medians[one.against] / middle, 2) if one.against else None
        cpu = round(statistics.median(one.cpu) / (size / GIB), 3)
        rows.append(
            {
                "what": one.name,
                "seconds": round(middle, 3),
                "mb_per_s": rate,
                "ratio": ratio,
                "wanted": one.wanted or None,
                "cpu_seconds_per_gib": cpu,
                "runs": asdict(one)["seconds"],
            }
        )
    return rows


def main() -> int:
    """Measure, print the table or JSON, and exit 1 when a ratio is below what was promised."""
    parser = argparse.ArgumentParser(description="Speed of overwriting and reading back, against dd.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="folder in memory; '' leaves it out")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--only", choices=("memory", "disk"))
    parser.add_argument("--nwipe", action="store_true", help="run nwipe once on each, for orientation")
    words = parser.parse_args()
    if os.geteuid() != 0:
        print("Only root can make loop devices; nothing was measured.", file=sys.stderr)
        return 2
    size = int(words.gib * GIB) // (4 << 20) * (4 << 20)
    answer: dict[str, object] = {"bytes": size, "runs": words.runs, "load": os.getloadavg()[0]}
    kept = True
    for name, folder, wanted in (("memory", words.memory, (0.95, 0.85, 0.5)), ("disk", words.disk, (0.95, 0.95, 0.95))):
        if words.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as place, loop_over(folder, size, direct=name == "disk") as node:
            found = measure(node, words.runs, Path(place), with_nwipe=words.nwipe, wanted=wanted)
        rows = figures(found, size)
        answer[name] = rows
        kept = kept and all(
            row["wanted"] is None or float(str(row["ratio"])) >= float(str(row["wanted"])) for row in rows
        )
        if not words.json:
            show(name, rows)
    if words.json:
        print(json.dumps(answer, indent=1))
    return 0 if kept else 1


def show(name: str, rows: Sequence[dict[str, object]]) -> None:
    """Print one table."""
    print(f"\nloop device over {name}\n{'':38}{'s':>8}{'MB/s':>8}{'ratio':>8}{'wanted':>8}{'CPU s/GiB':>11}")
    for row in rows:
        cells = [row["seconds"], row["mb_per_s"], row["ratio"], row["wanted"], row["cpu_seconds_per_gib"]]
        texts = ["" if cell is None else str(cell) for cell in cells]
        print(f"{row['what']!s:38}{texts[0]:>8}{texts[1]:>8}{texts[2]:>8}{texts[3]:>8}{texts[4]:>11}")


if __name__ == "__main__":
    sys.exit(main())
