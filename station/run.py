"""The only place where a station starts a program.

Every program gets an argument list (never a shell), a deadline in seconds, the C locale, a fixed `PATH`,
no standard input and a process group of its own, which is killed as a whole at the deadline: except a *watched* one,
which carries a command that a drive must not be interrupted in, and is left to itself. A tool that is
missing is a `Result`, not an exception: looking may shrug. Each `Run` keeps what it ran (`transcript`), and
`Replay` answers from such a record, so that a recorded machine can be replayed through the whole bench.
"""

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MISSING = 127  # what a shell answers for a command that does not exist
Watch = Callable[[float], None]
"""Hears about every second how many seconds a program has been running."""

_WATCH_EVERY = 0.5  # seconds
_LAST_WAIT = 5.0  # seconds given to a killed program; one stuck in the kernel (state D) does not die


@dataclass(frozen=True)
class Result:
    """What one program did. `exit` is its exit status, negative for the signal that ended it."""

    argv: tuple[str, ...]
    exit: int
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False
    missing: bool = False

    @property
    def ok(self) -> bool:
        """Tell whether it ran to its end and exited 0; what that proves depends on the tool."""
        return self.exit == 0 and not self.timed_out and not self.missing

    @property
    def text(self) -> str:
        """Return standard output as text; bytes that are no UTF-8 become U+FFFD."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def trouble(self) -> str:
        """Say in a few words why there is no answer, or "" when the program ran and exited 0."""
        name = self.argv[0] if self.argv else "the program"
        if self.missing:
            return f"{name} is not installed or may not be started here"
        if self.timed_out:
            return f"{name} did not answer within its deadline and was stopped after {self.seconds:.0f} s"
        if self.exit:
            words = self.stderr.decode("utf-8", "replace").strip().splitlines()
            return f"{name} ended with status {self.exit}" + (f": {words[-1][:200]}" if words else "")
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data; output that is not text is kept in base 64."""
        return {
            "argv": list(self.argv),
            "exit": self.exit,
            "stdout": _pack(self.stdout),
            "stderr": _pack(self.stderr),
            "seconds": self.seconds,
            "timed_out": self.timed_out,
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Result":
        """Read what `to_json` wrote; everything but `argv` may be left out of a hand-made capture."""
        return cls(
            argv=tuple(str(word) for word in data["argv"]),
            exit=int(data.get("exit", 0)),
            stdout=_unpack(data.get("stdout", "")),
            stderr=_unpack(data.get("stderr", "")),
            seconds=float(data.get("seconds", 0.0)),
            timed_out=bool(data.get("timed_out", False)),
            missing=bool(data.get("missing", False)),
        )


class Runner(Protocol):
    """Whatever can run a program: the real thing or a recording."""

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Run `argv` and return within about `deadline` seconds; raises nothing for a missing tool.

        With `watch` the program is never killed: it holds a drive in a command that must not be broken off
        (STATION.md section 5: an erase takes hours and must not be killed); at the deadline it is left to itself.
        """
        ...


class Run:
    """Run programs for real and keep the transcript."""

    def __init__(self) -> None:
        """Start with an empty transcript."""
        self._done: list[Result] = []

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was run through this runner, in order."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Run `argv` with a deadline in seconds; raises `ValueError` for an empty list or no deadline."""
        if isinstance(argv, str) or not argv:
            raise ValueError("a command is a list of words with at least the program's name")
        if not deadline > 0:
            raise ValueError(f"a program needs a deadline above 0 seconds, not {deadline}")
        result = _run(tuple(argv), deadline, watch)
        self._done.append(result)
        return result


class Replay:
    """Answer from a capture: the same words get the recorded answers in turn, the last one for ever after."""

    def __init__(self, results: Iterable[Result]) -> None:
        """Take the recorded results; a command that was not recorded counts as a missing tool."""
        self._answers: dict[tuple[str, ...], list[Result]] = {}
        self._done: list[Result] = []
        for result in results:
            self._answers.setdefault(_key(result.argv), []).append(result)

    @classmethod
    def from_file(cls, path: Path) -> "Replay":
        """Read a capture: a JSON list of results as `save` writes it."""
        return cls(Result.from_json(entry) for entry in json.loads(path.read_text("utf-8")))

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was asked of this runner, in order."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Return the recorded answer to `argv`."""
        words = tuple(argv)
        answers = self._answers.get(_key(words))
        if not answers:
            result = Result(words, MISSING, b"", b"not in the capture", 0.0, missing=True)
        else:
            result = answers.pop(0) if len(answers) > 1 else answers[0]
        self._done.append(result)
        return result


def save(results: Iterable[Result], path: Path) -> None:
    """Write a capture that `Replay.from_file` reads."""
    path.write_text(json.dumps([result.to_json() for result in results], indent=1) + "\n", "utf-8")


def _key(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a capture is looked up by: where Python and its program files lie differs by machine."""
    if not argv or not Path(argv[0]).name.startswith("python"):
        return argv
    return ("python", *(Path(word).name if word.endswith(".py") else word for word in argv[1:]))


def _run(argv: tuple[str, ...], deadline: float, watch: Watch | None) -> Result:
    """Start one program and wait for it, or for its deadline."""
    begun = time.monotonic()
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": PATH, "LC_ALL": "C", "LANG": "C", "HOME": "/"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:  # no such program, not executable, too many processes
        return Result(argv, MISSING, b"", str(error).encode(), time.monotonic() - begun, missing=True)
    timed_out = False
    try:
        out, err = _wait(child, deadline, watch)
    except subprocess.TimeoutExpired as late:
        timed_out = True
        out, err = _stop(child) if watch is None else _left(child, late)
    except BaseException:  # Ctrl-C: leave no program behind that nobody watches, unless a drive must not be broken off
        if watch is None:
            _stop(child)
        raise
    status = child.returncode if child.returncode is not None else -signal.SIGKILL
    return Result(argv, status, out, err, time.monotonic() - begun, timed_out=timed_out)


def _wait(child: subprocess.Popen[bytes], deadline: float, watch: Watch | None) -> tuple[bytes, bytes]:
    """Wait for the end; raises TimeoutExpired at the deadline."""
    if watch is None:
        return child.communicate(timeout=deadline)
    begun = time.monotonic()
    while True:
        passed = time.monotonic() - begun
        try:
            return child.communicate(timeout=max(0.01, min(_WATCH_EVERY, deadline - passed)))
        except subprocess.TimeoutExpired:  # asking again loses nothing that was read so far
            passed = time.monotonic() - begun
            if passed >= deadline:
                raise
            watch(passed)


def _left(child: subprocess.Popen[bytes], late: subprocess.TimeoutExpired) -> tuple[bytes, bytes]:
    """Leave a watched program running, and return what it had written."""
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    child.returncode = child.returncode if child.returncode is not None else -signal.SIGALRM  # nobody waits for it
    return late.output or b"", late.stderr or b""


def _stop(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Kill the whole process group; return what it had written."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    try:
        return child.communicate(timeout=_LAST_WAIT)
    except subprocess.TimeoutExpired as stuck:
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
        return stuck.output or b"", stuck.stderr or b""


def _pack(data: bytes) -> str | dict[str, str]:
    """Return bytes as text where that loses nothing, else in base 64."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _unpack(data: object) -> bytes:
    """Undo `_pack`."""
    if isinstance(data, Mapping):
        return base64.b64decode(str(data["base64"]), validate=True)
    return str(data).encode("utf-8")
