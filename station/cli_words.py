"""What the verbs share: where to print, how a wipe's progress looks, small readers of what was typed."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from getpass import getpass
from typing import Any, Protocol, TextIO

from custody.journal import Journal
from station.bench import Bench
from station.config import Config
from station.errors import UsageError
from station.home import open_bench, open_journal
from station.wipe.acting import Means
from station.wipe.progress import DRIVE_WORKS, Progress, Show

_BAR = 30
_LINE_EVERY = 10.0  # seconds between plain lines


class AddVerb(Protocol):
    """Adds one verb with what it does and its one-line help."""

    def __call__(
        self, name: str, does: Callable[["Session", argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        """Return the verb's parser, to which arguments are added."""
        ...


@dataclass(frozen=True)
class Session:
    """One run of the program: how to find its configuration, its clock, where it prints, and whether in JSON.

    `ask` asks a person for something that is not shown while they type it.
    """

    config: Callable[[], Config]
    now: Callable[[], datetime]
    out: TextIO
    err: TextIO
    json: bool
    ask: Callable[[str], str] = getpass
    input: TextIO = sys.stdin

    def answer(self, data: Any, lines: list[str]) -> None:
        """Print the answer to a question: as JSON, or as lines for people."""
        text = json.dumps(data, indent=1) if self.json else "\n".join(lines)
        if text:
            print(text, file=self.out, flush=True)

    def say(self, sentence: str) -> None:
        """Print something for people, beside the answer."""
        print(sentence, file=self.err, flush=True)

    def bench(self, means: Means | None = None) -> AbstractContextManager[Bench]:
        """Open the bench of this home."""
        return open_bench(self.config(), self.now, means)

    def journal(self) -> AbstractContextManager[Journal]:
        """Open the journal of this home for reading."""
        return open_journal(self.config())


def mebibytes(count: float) -> str:
    """Return bytes as people read them."""
    return f"{count / 1024**2:,.0f} MiB" if count < 10 * 1024**3 else f"{count / 1024**3:,.1f} GiB"


def shown_on(err: TextIO, now: Callable[[], datetime]) -> Show:
    """Return what shows progress: a bar on a terminal, a plain line now and then elsewhere."""
    return _Bar(err, now).show if err.isatty() else _Lines(err, now).show


def sentence(moment: Progress, now: datetime) -> str:
    """Return one moment of a job in words; without measurements there is no finish time."""
    if moment.stage == DRIVE_WORKS:  # nobody but the drive knows how far it is
        told = f"{100 * moment.done // moment.total} %" if moment.total else moment.words or "it does not say how far"
        return f"{moment.stage}: {told}; keep it powered"
    share = 100 * moment.done // moment.total if moment.total else 100
    done = f"{moment.stage}: {share} %, {mebibytes(moment.done)} of {mebibytes(moment.total)}"
    rate = f", {mebibytes(moment.rate)}/s" if moment.rate else ""
    if moment.seconds_left is None:
        return done + rate
    end = (now + timedelta(seconds=moment.seconds_left)).astimezone().strftime("%H:%M:%S")
    return f"{done}{rate}, all finished at about {end}"


class _Bar:
    def __init__(self, err: TextIO, now: Callable[[], datetime]) -> None:
        self._err, self._now, self._stage = err, now, ""

    def show(self, moment: Progress) -> None:
        if not moment.total and moment.stage != DRIVE_WORKS:
            return
        if self._stage and self._stage != moment.stage:
            print(file=self._err)
        self._stage = moment.stage
        filled = _BAR * moment.done // moment.total if moment.total else 0
        bar = "#" * filled + "." * (_BAR - filled)
        print(f"\r[{bar}] {sentence(moment, self._now())}\x1b[K", end="", file=self._err, flush=True)
        if moment.total and moment.done >= moment.total:
            print(file=self._err)
            self._stage = ""


class _Lines:
    def __init__(self, err: TextIO, now: Callable[[], datetime]) -> None:
        self._err, self._now, self._last, self._stage = err, now, time.monotonic(), ""

    def show(self, moment: Progress) -> None:
        changed = moment.stage != self._stage
        nothing_yet = not moment.total and moment.stage != DRIVE_WORKS
        if nothing_yet or not (changed or time.monotonic() - self._last >= _LINE_EVERY):
            return
        self._stage, self._last = moment.stage, time.monotonic()
        print(sentence(moment, self._now()), file=self._err, flush=True)


def table(texts: list[str], what: str) -> dict[str, str]:
    """Read NAME=VALUE words; raises UsageError."""
    pairs = [text.partition("=") for text in texts]
    for name, sign, value in pairs:
        if not (name and sign and value):
            raise UsageError(f"{name or '(nothing)'}: write {what} as NAME=VALUE")
    return {name: value for name, _, value in pairs}


def counts(texts: list[str]) -> dict[str, int]:
    """Read NAME=NUMBER words; raises UsageError."""
    read = table(texts, "counted items")
    wrong = [f"{name}={value}" for name, value in read.items() if not value.isdigit()]
    if wrong:
        raise UsageError(f"{wrong[0]}: the number of things is a whole number")
    return {name: int(value) for name, value in read.items()}
