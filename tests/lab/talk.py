"""The host's side of the wire to the guest's agent: programs started there, their output, files put and got.

Promises: nothing waits for ever (every wait has a deadline or ends when the guest is gone), and a result says what the
program did, never what was hoped: no exit code is invented for one that was cut off.
"""

import base64
import itertools
import json
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIECE = 512 << 10


class GuestGone(Exception):
    """The guest was switched off, or its QEMU died, while somebody waited for it."""


class Overdue(Exception):
    """A program did not end in its time; it was killed, and `said` holds what it had printed."""

    def __init__(self, argv: Sequence[str], deadline: float, said: bytes) -> None:
        super().__init__(f"`{shlex.join(argv)}` did not end within {deadline:g} s; it said {said[-400:]!r}")
        self.said = said


class NotStarted(Exception):
    """The guest could not start a program, or could not read or write a file; the message is the guest's own."""


@dataclass(frozen=True)
class Result:
    """What a program in the guest did."""

    argv: tuple[str, ...]
    exit: int
    """The exit code; negative is the signal that ended it."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """From its start to its end, by the guest's clock."""

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    def checked(self) -> "Result":
        """Return itself; raises `AssertionError` with both outputs unless the program ended with 0."""
        assert self.exit == 0, (
            f"`{shlex.join(self.argv)}` ended with {self.exit}: {self.text}{self.stderr.decode(errors='replace')}"
        )
        return self


class Running:
    """A program in the guest. Its output collects here while it runs."""

    def __init__(self, argv: Sequence[str], wire: "Wire", name: str) -> None:
        self.argv = tuple(argv)
        self.pid = 0
        self._wire, self._name = wire, name
        self._changed = threading.Condition()
        self._said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self._exit: int | None = None
        self._seconds = 0.0
        self._trouble = ""
        self._answer: dict[str, Any] | None = None
        self._gone = False

    @property
    def stdout(self) -> bytes:
        """Standard output until now."""
        with self._changed:
            return bytes(self._said["out"])

    @property
    def stderr(self) -> bytes:
        """Standard error until now."""
        with self._changed:
            return bytes(self._said["err"])

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs; raises `GuestGone` when that can no longer be known."""
        with self._changed:
            if self._exit is None and self._gone:
                raise GuestGone(f"the guest went away while `{shlex.join(self.argv)}` ran")
            return self._exit

    def wait(self, deadline: float) -> Result:
        """Wait until it ends; raises `Overdue` after `deadline` seconds and leaves it running, or `GuestGone`."""
        self._until(lambda: self._exit is not None, deadline)
        code = self.poll()
        if code is None:
            raise Overdue(self.argv, deadline, self.stdout + self.stderr)
        return Result(self.argv, code, self.stdout, self.stderr, self._seconds)

    def wait_for(self, words: str, deadline: float) -> None:
        """Wait until it has said `words` on either stream; raises `Overdue`, also when it ends without them."""
        sought = words.encode()
        self._until(lambda: self._has_said(sought) or self._exit is not None, deadline)
        if not self._has_said(sought):
            self.poll()
            raise Overdue(self.argv, deadline, self.stdout + self.stderr)

    def write(self, data: bytes) -> None:
        """Give it input; empty bytes are the end of input."""
        self._wire.send({"id": self._name, "op": "in", "data": packed(data)})

    def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal how large the window is."""
        self._wire.send({"id": self._name, "op": "size", "rows": rows, "columns": columns})

    def kill(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to its whole process group."""
        self._wire.send({"id": self._name, "op": "kill", "signal": int(number)})

    def take(self, seconds: float) -> tuple[bytes, bool]:
        """Return and forget new standard output, waiting up to `seconds` for some, and whether it has ended."""
        self._until(lambda: bool(self._said["out"]) or self._exit is not None, seconds)
        with self._changed:
            new = bytes(self._said["out"])
            self._said["out"].clear()
            return new, (self._exit is not None or self._gone) and not new

    def answered(self, deadline: float) -> dict[str, Any]:
        """Wait for the agent's first answer; raises `NotStarted`, `Overdue` or `GuestGone`."""
        self._until(lambda: self._answer is not None or bool(self._trouble), deadline)
        self.poll()
        if self._trouble:
            raise NotStarted(f"`{shlex.join(self.argv)}`: {self._trouble}")
        if self._answer is None:
            raise Overdue(self.argv, deadline, b"")
        return self._answer

    def hear(self, message: dict[str, Any]) -> None:
        """Take one message of the agent (the wire's reading thread calls this)."""
        with self._changed:
            event = message.get("event")
            if event in self._said:
                self._said[event] += unpacked(message["data"])
            elif event == "exit":
                self._exit, self._seconds = message["code"], message["seconds"]
            elif event == "failed":
                self._trouble = message["text"]
            else:
                self.pid = message.get("pid", 0)
                self._answer = message
            self._changed.notify_all()

    def lose(self) -> None:
        """Learn that the guest is gone."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _has_said(self, sought: bytes) -> bool:
        return any(sought in stream for stream in self._said.values())

    def _until(self, met: Any, deadline: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: met() or self._gone, deadline)


class Wire:
    """One port of the guest's agent."""

    def __init__(self, path: Path, deadline: float) -> None:
        """Connect and wait for the agent; raises `GuestGone` when it does not answer within `deadline` seconds."""
        self._socket = connected(path, deadline)
        self._lock = threading.Lock()
        self._names = (f"{os.getpid():x}.{time.monotonic_ns():x}.{number}" for number in itertools.count())
        self._open: dict[str, Running] = {}
        self._gone = False
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.ask(["hello"], {"op": "hello"}, deadline)
        except Overdue as error:
            self.close()
            raise GuestGone(f"the guest's agent did not answer within {deadline:g} s") from error

    def start(
        self, argv: Sequence[str], *, stdin: bytes | None = b"", environment: Mapping[str, str] | None = None,
        folder: str = "/", pty: bool = False,
    ) -> Running:  # fmt: skip
        """Start a program; `stdin=None` keeps its input open for `write`. Raises `NotStarted` or `GuestGone`."""
        given = None if stdin is None else packed(stdin)
        return self._begin(argv, {
            "op": "start", "argv": list(argv), "stdin": given, "environment": dict(environment or {}),
            "folder": folder, "pty": pty,
        })  # fmt: skip

    def ask(self, words: Sequence[str], message: dict[str, Any], deadline: float = 30) -> dict[str, Any]:
        """Ask for something that has one answer; `words` name it in messages."""
        running = self._open_for(words, message)
        try:
            return running.answered(deadline)
        finally:
            self._open.pop(running._name, None)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; raises `GuestGone`."""
        try:
            with self._lock:
                self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise GuestGone(f"the guest cannot be reached: {error}") from error

    def close(self) -> None:
        """Hang up; whoever waits learns that the guest is gone."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _begin(self, argv: Sequence[str], message: dict[str, Any]) -> Running:
        running = self._open_for(argv, message)
        running.answered(60)
        return running

    def _open_for(self, words: Sequence[str], message: dict[str, Any]) -> Running:
        if self._gone:
            raise GuestGone("the guest is switched off")
        with self._lock:
            name = next(self._names)
            running = Running(words, self, name)
            self._open[name] = running
        self.send({"id": name, **message})
        return running

    def _listen(self) -> None:
        rest = b""
        try:
            while piece := self._socket.recv(1 << 20):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._hear(line)
        except OSError:
            pass
        self._gone = True
        for running in list(self._open.values()):
            running.lose()

    def _hear(self, line: bytes) -> None:
        """Give one line to the program it is about; half a line of an earlier caller belongs to none."""
        try:
            message = json.loads(line)
            running = self._open.get(message["id"])
        except (ValueError, KeyError, TypeError):
            return
        if running is None:
            return
        if message.get("event") == "exit":
            self._open.pop(message["id"], None)
        running.hear(message)


def packed(data: bytes) -> str:
    """Return bytes as the wire carries them."""
    return base64.b64encode(data).decode()


def unpacked(text: str) -> bytes:
    """Return the bytes of what the wire carried."""
    return base64.b64decode(text)


def connected(path: Path, deadline: float) -> socket.socket:
    """Connect to a unix socket that may not be there yet; raises `GuestGone`."""
    until = time.monotonic() + deadline
    while True:
        wire = socket.socket(socket.AF_UNIX)
        try:
            wire.connect(str(path))
            return wire
        except OSError as error:
            wire.close()
            if time.monotonic() > until:
                raise GuestGone(f"nobody listens at {path.name}: {error}") from error
            time.sleep(0.05)
