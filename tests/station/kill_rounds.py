"""Kill the wiping process at random moments and go on: what must hold at every one of them.

    python -m tests.station.kill_rounds --rounds 100

After each kill, before the resume: nothing is called wiped, and at most 64 MiB lie on the drive beyond what the work
log vouches for. In the end: DONE, every block wiped, and never more than 64 MiB written twice by one kill.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from custody.events import World
from custody.journal import Journal
from station.config import Config
from station.home import create
from station.media import medium_at
from station.wipe.overwrite import WINDOW
from station.wipe.patterns import pattern
from station.worklog import Job, job_of, read
from tests.station.benches import MEBIBYTE, practice_file

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Figures:
    """What the rounds showed. Sizes in bytes."""

    rounds: int = 0
    kills: int = 0
    kills_while_writing: int = 0
    resumes: int = 0
    done_too_early: int = 0
    blocks_left: int = 0
    most_written_twice: int = 0
    finished_drives: int = 0
    wrong_ends: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether every promise held."""
        broken = self.done_too_early or self.blocks_left or self.wrong_ends or self.most_written_twice > WINDOW
        return not broken


def start(config: Config, drive: Path, profile: str) -> subprocess.Popen[str]:
    """Start a wipe as a person would, in a process of its own."""
    argv = [
        sys.executable, "-m", "station.cli", "wipe", str(drive), "--profile", profile, "--operator", "v-1",
        "--confirm", medium_at(drive).confirm, "--home", str(config.home), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(argv, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, start_new_session=True)  # fmt: skip


def ahead(drive: Path, job: Job) -> int:
    """Return how many bytes of the running pass lie on the drive beyond what the log vouches for."""
    index = len(job.done)
    if index >= len(job.passes):
        return 0
    what, furthest, step = pattern(job.passes[index], job.seed, index), job.reached.upto, 4096
    with drive.open("rb") as data:
        data.seek(furthest)
        at = furthest
        while block := data.read(step):
            if block == what.block(at, len(block)):
                furthest = at + len(block)
            at += len(block)
            if at - furthest > 8 * MEBIBYTE:
                break
    return furthest - job.reached.upto


def wiped_events(config: Config) -> list[str]:
    """Return the outcomes on record."""
    with Journal.open(config.journal, readonly=True) as journal:
        return [str(row.event.body["outcome"]) for row in journal.events(kind="medium.wiped")]


def rounds(count: int, size: int, folder: Path, rng: random.Random, profiles: Sequence[str]) -> Figures:
    """Kill `count` times, on as many drives of `size` bytes as that takes, and return what was seen."""
    figures = Figures(rounds=count)
    config = create(folder / "home", World.PRACTICE)
    number, longest = 0, 3.0
    while figures.kills < count:
        profile = profiles[number % len(profiles)]
        drive = practice_file(folder / f"d{number}.img", size, serial=f"KILL{number:08}")
        limit = count
        while True:
            before = len(wiped_events(config))  # a run killed after it had recorded its end is no part of the next one
            begun = time.monotonic()
            child = start(config, drive, profile)
            killed = False
            if figures.kills < limit:
                killed = _kill_at_some_point(child, config, drive, rng, longest)
            out, _ = child.communicate(timeout=600)
            if not killed:
                longest = time.monotonic() - begun
                break
            figures.kills += 1
            _look(figures, config, drive, before)
        _finish(figures, config, drive, out, child.returncode, profile)
        drive.unlink()
        number += 1
    return figures


def _kill_at_some_point(
    child: subprocess.Popen[str], config: Config, drive: Path, rng: random.Random, longest: float
) -> bool:
    """Kill after a random time; half of the time only count from when overwriting was seen to begin."""
    medium = medium_at(drive).identity.id
    if rng.random() < 0.7:
        before = _begun(_job(config, medium))
        while child.poll() is None and _begun(_job(config, medium)) in (before, None):
            time.sleep(0.005)
        time.sleep(rng.random() * min(longest, 1.0) * 0.5)
    else:
        time.sleep(rng.random() * longest)
    if child.poll() is not None:
        return False
    os.killpg(child.pid, signal.SIGKILL)
    return True


def _begun(job: Job | None) -> tuple[str, int, int] | None:
    """Tell one start of a pass from another."""
    return (job.run, len(job.done), job.reached.begun) if job and job.begun else None


def _job(config: Config, medium: str) -> Job | None:
    try:
        return job_of(read(config.worklogs, medium))  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  # read while it is being written: only a hint when to kill
        return None


def _look(figures: Figures, config: Config, drive: Path, before: int) -> None:
    job = job_of(read(config.worklogs, medium_at(drive).identity.id))
    recorded = wiped_events(config)[before:]
    finished = job is not None and len(job.done) == len(job.passes)
    if "DONE" in recorded and not finished:
        figures.done_too_early += 1
    if job is not None and not finished and job.reached.begun:
        figures.kills_while_writing += 1
        figures.most_written_twice = max(figures.most_written_twice, ahead(drive, job))


def _finish(figures: Figures, config: Config, drive: Path, out: str, status: int, profile: str) -> None:
    """Look at a drive whose wipe was let run to its end."""
    job = job_of(read(config.worklogs, medium_at(drive).identity.id))
    assert job is not None
    figures.finished_drives += 1
    figures.resumes += sum(one.resumed for one in job.done)
    answer = json.loads(out)
    if status != 0 or answer["outcome"] != "DONE":
        figures.wrong_ends += 1
    last = len(job.passes) - 1
    what = pattern(job.passes[last], job.seed, last)
    with drive.open("rb") as data:
        at = 0
        while block := data.read(MEBIBYTE):
            if block != what.block(at, len(block)):
                figures.blocks_left += 1
            at += len(block)


def main() -> int:
    """Run the rounds and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--mib", type=int, default=512, help="size of each drive in MiB")
    parser.add_argument("--folder", type=Path, help="where the drives go; default: a temporary folder")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        rng = random.Random(words.seed or None)
        figures = rounds(words.rounds, words.mib * MEBIBYTE, Path(folder), rng, ("clear", "overwrite3"))
    print(json.dumps({**asdict(figures), "ok": figures.ok}, indent=1))
    return 0 if figures.ok else 1


if __name__ == "__main__":
    sys.exit(main())
