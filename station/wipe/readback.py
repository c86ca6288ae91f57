"""Have a drive read back by the separate reader (`proof.py`) and take down what it found.

The reader is started as a program of its own, by its file, with nothing inherited but a task: which device it
must be, what must be there, where canaries were. Here nothing is judged and nothing is improved: a reader that
cannot look, dies or falls silent gives no read-back at all.
"""

import json
import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.claims import BadRange, Content, ReadBack
from station.follow import Follow
from station.wipe.blockio import merge

READER = Path(__file__).with_name("proof.py")
PATIENCE = 300.0  # seconds of silence; a drive retries one sector for up to a minute, and pieces are narrowed


READER_ENDED = "the separate reader did not finish"
SILENT = "it fell silent"


@dataclass(frozen=True)
class Task:
    """What to read back: `kind` full or sampled; `expected` zero, stream or changed; `last_pass` counted from 0."""

    kind: str
    expected: str
    seed: bytes
    last_pass: int = 0
    canaries: tuple[int, ...] = ()


@dataclass(frozen=True)
class Found:
    """What the reader found; `readback` is None when it could not look, and `trouble` says why or why it stopped."""

    readback: ReadBack | None
    surviving: int
    unreadable: int
    trouble: str


def read_back(
    path: str,
    fd: int,
    *,
    size: int,
    sector: int,
    task: Task,
    follow: Follow,
    tick: Callable[[int], None] = lambda moved: None,
) -> Found:
    """Have `path` read by a separate read-only process, which must find the very device open here as `fd`.

    `size` and `sector` in bytes; `tick` hears how many bytes were read since it was last called.
    """
    said: list[Mapping[str, Any]] = []
    told = 0

    def hear(line: Mapping[str, Any]) -> None:
        nonlocal told
        if isinstance(line.get("read"), int):
            tick(line["read"] - told)
            told = line["read"]
        else:
            said.append(line)

    argv = (sys.executable, "-I", str(READER), path)
    given = json.dumps(_spec(fd, size, sector, task)).encode()
    done = follow(argv, given, PATIENCE, hear)
    answer = said[-1] if said else {}
    if "error" in answer:
        return Found(None, 0, 0, f"the drive could not be read back: {answer['error']}")
    if done.exit != 0 or done.timed_out or "result" not in answer:
        why = SILENT if done.timed_out else done.trouble or "it gave no answer"
        return Found(None, 0, 0, f"{READER_ENDED}: {why}")
    return _found(answer["result"], task)


def _spec(fd: int, size: int, sector: int, task: Task) -> dict[str, Any]:
    status = os.fstat(fd)
    return {
        "block": stat.S_ISBLK(status.st_mode),
        "rdev": status.st_rdev,
        "dev": status.st_dev,
        "ino": status.st_ino,
        "size": size,
        "sector": sector,
        "kind": task.kind,
        "expected": task.expected,
        "seed": task.seed.hex(),
        "pass": task.last_pass,
        "canaries": list(task.canaries),
    }


def _ranges(pairs: Sequence[Sequence[int]]) -> tuple[BadRange, ...]:
    return merge(BadRange(start, length) for start, length in pairs)


def _content(seen: Mapping[str, Any] | None) -> Content | None:
    return Content(**{**seen, "patterns": tuple(seen["patterns"])}) if seen else None


def _found(result: Mapping[str, Any], task: Task) -> Found:
    readback = ReadBack(
        kind=result["kind"],
        expected=result["expected"],
        bytes_total=result["bytes_total"],
        bytes_read=result["bytes_read"],
        bytes_wrong=result["bytes_wrong"],
        first_wrong=result["first_wrong"],
        unreadable=_ranges(result["unreadable"]),
        separate_process=result["pid"] != os.getpid(),
        read_only=result["read_only"],
        direct=result["direct"],
        seconds=result["seconds"],
        seed=task.seed.hex(),
        content=_content(result.get("content")),
    )
    return Found(readback, result["canaries_surviving"], result["canaries_unreadable"], result["stopped"])
