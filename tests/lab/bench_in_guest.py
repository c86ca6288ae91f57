"""A real station inside a guest: its home on the disk that survives power cuts, wiping by the verb that people use."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.lab.drives import Drive
from tests.lab.talk import Running
from tests.lab.vm import HOME, PYTHON, Guest

STATION = f"{HOME}/station"
CLI = (PYTHON, "-m", "station.cli")
NONZERO = (
    "import os,sys\nfd=os.open(sys.argv[1],os.O_RDONLY|os.O_DIRECT)\nimport mmap\np=mmap.mmap(-1,1<<20)\nn=left=0\n"
    "while True:\n got=os.preadv(fd,[p],n)\n if not got: break\n left+=got-p[:got].count(0)\n n+=got\nprint(n,left)\n"
)
"""Counts, past the cache, how many bytes of a drive are not zero."""


@dataclass
class Wipe:
    """One wipe that was started in the guest."""

    drive: Drive
    running: Running

    @property
    def at_work(self) -> bool:
        """Tell whether it is in the middle of a pass or of the drive's own erase: begun, and not ended."""
        said = self.running.stderr
        return self.running.poll() is None and (b"pass 1" in said or b"erases itself" in said)


class BenchInGuest:
    """The station's verbs, run as root in a guest."""

    def __init__(self, guest: Guest, *, practice: bool = False) -> None:
        self.guest = guest
        self.home = ("--home", STATION)
        if guest.run(["test", "-e", f"{STATION}/journal.sqlite"]).exit:
            guest.run([*CLI, "init", *self.home, *(["--practice"] if practice else [])], 120).checked()

    def ask(self, *words: str, deadline: float = 180) -> Any:
        """Run a verb with --json and return its answer, whatever its exit status."""
        done = self.guest.run([*CLI, *words, "--json", *self.home], deadline)
        try:
            return json.loads(done.text)
        except ValueError as error:
            raise AssertionError(f"{' '.join(words)} answered {done.exit}: {done}") from error

    def wipe(self, drive: Drive, profile: str, *more: str, number: int = 0) -> Wipe:
        """Start a wipe by a profile, confirmed as a person would, and return at once."""
        node = self.guest.device(drive, number)
        confirm = "".join(letter for letter in drive.serial if letter.isalnum())[-4:].upper()  # read off the drive
        said = ("--profile", profile, "--operator", "v-lab", "--confirm", confirm, *more)
        return Wipe(drive, self.guest.start([*CLI, "wipe", node, *said, "--json", *self.home]))

    def done(self) -> Counter[str]:
        """Return how many wipes the journal calls DONE, by the serial number of the drive."""
        events = self.ask("journal", "--kind", "medium.wiped")["events"]
        return Counter(e["body"]["medium"]["serial"] for e in events if e["body"]["outcome"] == "DONE")

    def bytes_left(self, drive: Drive) -> int:
        """Return how many bytes of a drive are not zero, read past the cache by a program that is not ours."""
        total, left = self.guest.run([PYTHON, "-c", NONZERO, self.guest.device(drive)], 300).checked().text.split()
        assert int(total) > 0
        return int(left)


def wait_until_at_work(wipes: Sequence[Wipe], seconds: float) -> None:
    """Return when every wipe is in the middle of its work or has ended; raises AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while any(not wipe.at_work and wipe.running.poll() is None for wipe in wipes):
        assert time.monotonic() < until, [wipe.running.stderr[-300:] for wipe in wipes]
        time.sleep(0.1)


def answer(wipe: Wipe, deadline: float) -> dict[str, Any]:
    """Wait for a wipe's end and return its report, or {"error": …}."""
    done = wipe.running.wait(deadline)
    try:
        report: dict[str, Any] = json.loads(done.text)
    except ValueError as error:
        raise AssertionError(f"{wipe.drive.name}: no report: {done}") from error
    return {**report, "exit": done.exit}


def ask(guest: Guest, *words: str, deadline: float = 300) -> dict[str, Any]:
    """Run a verb of the station in the guest; return its answer with its exit status, and what it said."""
    done = guest.run([*CLI, *words, "--json", "--home", STATION], deadline)
    said = {"exit": done.exit, "stderr": done.stderr.decode()}
    return {**(json.loads(done.text) if done.text.strip() else {}), **said}


def wipe_words(node: str, serial: str, *more: str) -> list[str]:
    """Return the words of a purge as a person gives them."""
    return ["wipe", node, "--profile", "purge", "--operator", "v-lab", "--confirm", serial[-4:], *more]
