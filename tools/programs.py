"""Start Kitbank's own console scripts and talk to them the way a person at a terminal does."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

SECONDS = 180.0
START_SECONDS = 45.0
STOP_SECONDS = 15.0
SETTINGS = frozenset({"DATABASE_URL", "DATABASE_URL_FILE", "SECRET_KEY", "SECRET_KEY_FILE"})
"""Settings of a server that may be this machine's real one: a practice run takes none of them over."""


class ProgramFailed(Exception):
    """A program ended otherwise than expected; the message has its command line and last words."""


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    argv: tuple[str, ...]
    exit: int
    out: str
    err: str

    def json(self) -> Any:
        """Return what it printed as JSON; raise ProgramFailed when it is none."""
        try:
            return json.loads(self.out)
        except ValueError:
            raise ProgramFailed(f"{' '.join(self.argv)} printed no JSON: {self.out[:400]} {self.err[:400]}") from None


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Programs:
    """Kitbank's console scripts, beside the Python that runs this, in one environment, logging to one folder."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        """Write logs below `home`; give every program these variables on top of the caller's."""
        self.logs = home / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("KITBANK_") and k not in SETTINGS}
        self.environment = {**inherited, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", **environment}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @staticmethod
    def path(name: str) -> str:
        """Return the console script's path; raise ProgramFailed when Kitbank is not installed here."""
        script = Path(sys.executable).parent / name
        if not script.exists():
            raise ProgramFailed(f"{script} is not there: run `make run`, which installs Kitbank first")
        return str(script)

    def run(self, name: str, *arguments: str, expect: tuple[int, ...] = (0,)) -> Ended:
        """Run a program to its end; raise ProgramFailed on an exit code that is not expected."""
        argv = (self.path(name), *arguments)
        done = subprocess.run(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        shown = (name, *arguments)
        with (self.logs / "commands.log").open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(shown)}\n{done.stdout}{done.stderr}[exit {done.returncode}]\n\n")
        if done.returncode not in expect:
            words = (done.stderr.strip() or done.stdout.strip())[-600:]
            raise ProgramFailed(f"{' '.join(shown)} ended with {done.returncode}: {words}")
        return Ended(shown, done.returncode, done.stdout, done.stderr)

    def start(self, label: str, address: str, name: str, *arguments: str) -> None:
        """Start a service and wait until its address answers; raise ProgramFailed when it does not."""
        with (self.logs / f"{label}.log").open("ab") as log:
            process = subprocess.Popen(
                (self.path(name), *arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[label] = process
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                requests.get(address, timeout=2).close()
            except requests.RequestException:
                time.sleep(0.1)
            else:
                return
        last = (self.logs / f"{label}.log").read_text(errors="replace")[-600:]
        self.stop(label)
        raise ProgramFailed(f"{name} {' '.join(arguments)} does not answer at {address}: {last}")

    def stop(self, label: str) -> None:
        """End a service politely, then firmly."""
        process = self.running.pop(label, None)
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, sign)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    continue

    def stop_all(self) -> None:
        """End every service that is still running."""
        for label in list(self.running):
            self.stop(label)
