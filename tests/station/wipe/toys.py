"""A toy drive with a command of its own, to test what surrounds the engines: it works, fails, stalls and lies."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import wipe_profiles
from custody.claims import Claim, Evidence, Firmware, Verdict, judge
from station.guard import Target, claim
from station.media import Medium, medium_at
from station.run import Runner
from station.wipe import Capabilities, Plan, plan
from station.wipe.acting import Means, execute
from station.wipe.firmware import Attempt, attend
from station.wipe.methods import Act, DriveState, Method, Unhidden
from station.worklog import Worklog
from tests.station.benches import MEBIBYTE, now, practice_file
from wipe_profiles import Profile

BLOCK = Method("sanitize-block", "sanitize-block", (), Claim.PURGE, stoppable=False, cancel="It cannot be stopped.")
SIZE = 16 * MEBIBYTE
Look = tuple[str, float | None, str]
"""What one look at the drive's status shows: phase, progress, raw bytes in hex."""


def put(path: Path, content: bytes, at: int = 0) -> None:
    """Change what is on the drive from behind, as firmware does."""
    with path.open("r+b") as out:
        out.seek(at)
        out.write(content)


def wipe_everything(path: Path) -> None:
    """Erase as an honest drive does."""
    put(path, bytes(SIZE))


def keep(path: Path) -> None:
    """Erase nothing."""


@dataclass
class Toy:
    """One toy drive and its engine. Each look at it takes one of `looks`; the last one stays for ever."""

    erase: Callable[[Path], None] = wipe_everything
    looks: tuple[Look, ...] = (("working", 0.2, "02"), ("working", 0.7, "02"), ("succeeded", 1.0, "01"))
    before: Look = ("idle", None, "00")
    command: tuple[str, ...] = ("true",)
    sent: int = 0
    asked: int = 0
    METHODS: Mapping[str, Method] = field(default_factory=lambda: {"sanitize-block": BLOCK})

    def read(self, run: Runner, medium: Medium) -> Capabilities:
        return Capabilities(self.METHODS, "none")

    def ready(self, act: Act) -> tuple[str, ...]:
        return ()

    def unhide(self, act: Act) -> Unhidden:
        return Unhidden("none", act.medium.size)

    def state(self, run: Runner, medium: Medium) -> DriveState:
        if not self.sent:
            return self._said(self.before)
        self.asked += 1
        return self._said(self.looks[min(self.asked, len(self.looks)) - 1])

    @staticmethod
    def _said(look: Look) -> DriveState:
        phase, progress, raw = look
        return DriveState(phase, f"the toy says {phase}", progress, raw)

    def act(self, act: Act) -> Firmware:
        before = self.state(act.run, act.medium)
        if act.issued is not None:
            before = replace(before, raw=act.issued["raw_before"])

        def run(argv: tuple[str, ...], deadline: float) -> object:
            self.sent += 1
            self.erase(Path(act.target.path))
            return act.run(argv, deadline)

        names_it = Attempt(self.command, before, lambda state: state.phase == "succeeded")
        return attend(replace(act, run=run), names_it, lambda: self.state(act.run, act.medium))  # type: ignore[arg-type]


@contextmanager
def held(path: Path) -> Iterator[tuple[Medium, Target]]:
    """Claim a practice file, taken for a SATA SSD by whoever plans."""
    medium = medium_at(path)
    with claim(medium) as target:
        yield replace(medium, kind="ssd", transport="ata", practice=False), target


def planned(medium: Medium, toy: Toy, profile: Profile | None = None) -> Plan:
    """Plan the toy's own erase."""
    return plan(profile or wipe_profiles.load("purge"), medium, Capabilities(toy.METHODS, "none"))


def worked(
    folder: Path,
    toy: Toy,
    profile: Profile | None = None,
    means: Means | None = None,
    *,
    after: str | None = None,
) -> tuple[Evidence, Verdict]:
    """Wipe a practice file by the toy's own erase; a second call in the same folder goes on where the first ended."""
    path = folder / "d.img"
    if not path.exists():
        practice_file(path, SIZE)
    with held(path) as (medium, target), Worklog(folder / "logs", medium.identity.id, now) as log:
        made = planned(medium, toy, profile)
        chosen = means or Means(os.urandom, sleep=lambda seconds: None)
        evidence = execute(made, target, log, chosen, engine=toy, after=after)
    return evidence, judge(evidence, profile or wipe_profiles.load("purge"))
