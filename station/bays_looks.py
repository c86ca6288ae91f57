"""Looks at drives: each in a child of its own, because a dying drive may answer after minutes, or never."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from station.bays_launch import launch, task_config
from station.config import Config
from station.media import Medium

AT_ONCE = 3  # fresh looks: twenty programs that start at once make all of them late
FRESH = 15.0  # seconds after which a look no longer counts as fresh, so that drives that hang keep nobody waiting
WORKING_EVERY = 15.0  # seconds between two looks at a drive that erases itself, until it has finished
PASSING_EVERY = 5.0  # seconds between two looks at one that was kept from us by what passes by itself
PASSING = frozenset({"in-use", "locked", "busy", "working", "holder", "mounted", "swap", "changed"})
LOOK_WITHIN = 180.0  # seconds; smartctl itself retries for a minute or more on a dying drive


@dataclass(frozen=True)
class Looking:
    """A look that is under way: the child, its answer's file, and which drive it looks at."""

    process: subprocess.Popen[bytes]
    out: IO[bytes]
    complaints: Path
    medium: Medium
    since: float


class Looks:
    """All looks that are under way, one per bay. `reap` gets processes that must still be waited for."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        reap: Callable[[subprocess.Popen[bytes]], None],
        monotonic: Callable[[], float],
    ) -> None:
        """Begin without any; `folder` is where children may complain."""
        self._config, self._folder, self._reap, self._monotonic = config, folder, reap, monotonic
        self._looks: dict[str, Looking] = {}
        self._waiting: dict[str, tuple[Medium, str]] = {}

    def __len__(self) -> int:
        """Return how many are under way or wait for their turn."""
        return len(self._looks) + len(self._waiting)

    def busy(self, bay: str) -> bool:
        """Tell whether a look at this bay is under way or waits for its turn."""
        return bay in self._looks or bay in self._waiting

    def begin(self, bay: str, medium: Medium, profile: str) -> None:
        """Have the drive in a bay looked at, as soon as its turn comes; nothing is started before the next `take`."""
        self.drop(bay)
        self._waiting[bay] = medium, profile

    def _go_on(self) -> None:
        """Start those whose turn it is."""
        for bay, (medium, profile) in list(self._waiting.items()):
            fresh = [one for one in self._looks.values() if self._monotonic() - one.since < FRESH]
            if len(fresh) >= AT_ONCE:
                return
            look = self._started(medium, profile)
            if look is not None:  # else it is tried again: what is missing is memory, or room
                self._looks[bay] = look
                del self._waiting[bay]

    def _started(self, medium: Medium, profile: str) -> Looking | None:
        task = {"path": medium.path, "profile": profile, "config": task_config(self._config)}
        complaints = self._folder / f"look-{medium.identity.id}.err"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            out = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the look
            process = launch("look", task, out, complaints)
        except OSError:
            return None
        with suppress(OSError):  # nobody waits for a look; the bench itself and those that wipe go first
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        return Looking(process, out, complaints, medium, self._monotonic())

    def drop(self, bay: str) -> None:
        """End the look at a bay, if there is one; a child stuck in the kernel stays, and holds nothing of ours."""
        self._waiting.pop(bay, None)
        look = self._looks.pop(bay, None)
        if look is None:
            return
        look.process.kill()
        look.out.close()
        self._reap(look.process)
        with suppress(OSError):
            look.complaints.unlink()

    def take(self) -> list[tuple[str, Medium, Mapping[str, Any]]]:
        """Return the answers that have arrived: bay, the drive that was looked at, and what was found."""
        found: list[tuple[str, Medium, Mapping[str, Any]]] = []
        for bay, look in list(self._looks.items()):
            if look.process.poll() is not None:
                found.append((bay, look.medium, _answer(look)))
            elif self._monotonic() - look.since > LOOK_WITHIN:
                found.append((bay, look.medium, {"trouble": f"it did not answer within {LOOK_WITHIN:.0f} seconds"}))
            else:
                continue
            self.drop(bay)
        self._go_on()
        return found


def _answer(look: Looking) -> Mapping[str, Any]:
    look.out.seek(0)
    try:
        answer = json.load(look.out)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"trouble": "looking at it ended without an answer"}


def again_after(look: Mapping[str, Any] | None) -> float | None:
    """Return after how many seconds a drive is looked at again by itself, None when what was found stays so."""
    if look and (look.get("state") or {}).get("phase") == "working":
        return WORKING_EVERY
    passing = look and any(one["code"] in PASSING for one in look.get("reasons", ()))
    return PASSING_EVERY if passing else None


def key(medium: Medium | None) -> tuple[Any, ...] | None:
    """Return what makes a drive in a bay another one, or the same one put in anew."""
    return None if medium is None else (medium.identity, medium.sequence, medium.path, medium.read_only)
