"""A process that has imported the program once and forks a child for each start: real processes, started quickly.

    python -m tests.lending.nursery        one line of JSON in ({"env": …, "argv": […]}), one process id out

Each child is `kitbank-lending` as it is, in a process of its own that can be killed like any other.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, NoReturn

from lending import cli
from tests.conftest import REPOSITORY


@dataclass
class Nursery:
    """The way to the process that forks."""

    asks: IO[str]
    hears: IO[str]

    def start(self, environment: Mapping[str, str], *argv: str) -> int:
        """Start `kitbank-lending` with these arguments and return its process id."""
        self.asks.write(json.dumps({"env": dict(environment), "argv": argv}) + "\n")
        self.asks.flush()
        return int(self.hears.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run the process that forks while the block runs."""
    command = [sys.executable, "-m", "tests.lending.nursery"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin and process.stdout
        try:
            yield Nursery(process.stdin, process.stdout)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def killed(pid: int) -> None:
    """Kill a child and all that it started, and wait until nothing of it is left."""
    os.killpg(pid, signal.SIGKILL)
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} does not end")


def gone(pid: int, seconds: float = 60.0) -> None:
    """Wait until a process is no more."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} does not end")


def _grow_up(line: str) -> None:
    data = json.loads(line)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.execv = _without_reading_it_all_again  # type: ignore[assignment]
    quiet = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1):
        os.dup2(quiet, handle)
    os.environ.clear()
    os.environ.update(data["env"])
    code = 1
    with suppress(BaseException):
        code = cli.main(data["argv"])
    os._exit(code)


def _without_reading_it_all_again(_path: str, command: Sequence[str]) -> NoReturn:
    """Become gunicorn, as `serve` does, but with what is imported already."""
    from gunicorn.app.wsgiapp import run

    sys.argv = ["gunicorn", *command[3:]]
    run()
    os._exit(0)


def main() -> None:
    """Fork for each line; children are not waited for, whoever asked watches them."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _grow_up(line)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
