"""The guest's first process: starts programs and moves files for whoever talks to it over a virtio-serial port.

Promises: standard library only, because it starts before anything else; one JSON object per line in each direction;
programs on different ports, and several on one port, run at the same time; what nobody reads any more is dropped
instead of stopping a program. It is also PID 1, so it collects the orphans.

Requests (`id` is the caller's, answers carry it back):
    start  argv, environment, folder, stdin, pty
           → started pid | failed text; then out data, err data …; at last exit code, seconds
    in     data (base64; empty means end of input)
    size   rows, columns (of a pty)
    kill   signal (to the whole process group)
    put    path, data, append, mode → done | failed
    get    path, offset, length → done data | failed
    hello  → done
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TERM": "linux",
}
PIECE = 48 << 10
IDLE_SECONDS = 0.2


class Port:
    """One virtio-serial port, with one caller on the host's side, or none."""

    def __init__(self, node: str) -> None:
        self._fd = os.open(node, os.O_RDWR)
        self._lock = threading.Lock()
        self._programs: dict[str, Program] = {}

    def send(self, message: Message) -> None:
        """Send one message, or drop it when nobody is connected."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            sent = 0
            while sent < len(line) and not self._hung_up():
                sent += os.write(self._fd, line[sent : sent + PIECE])

    def serve(self) -> None:
        """Answer requests for ever."""
        rest = b""
        while True:
            if self._hung_up():
                rest = b""
                time.sleep(IDLE_SECONDS)
                continue
            piece = os.read(self._fd, PIECE)
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    self._answer(line)

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, 0)
        return bool(poll.poll(0))

    def _answer(self, line: bytes) -> None:
        """Do what one line asks; a line that is half of something older is ignored."""
        try:
            asked = json.loads(line)
            name, what = asked["id"], asked["op"]
        except (ValueError, KeyError, TypeError):
            return
        try:
            if what == "start":
                self._start(name, asked)
            elif what in {"in", "size", "kill"}:
                if program := self._programs.get(name):
                    program.handle(asked)
            else:
                self.send({"id": name, "event": "done", **FILES[what](asked)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told and the guest lives on
            self.send({"id": name, "event": "failed", "text": f"{type(error).__name__}: {error}"})

    def _start(self, name: str, asked: Message) -> None:
        program = Program(asked, lambda event, **more: self.send({"id": name, "event": event, **more}))
        self._programs[name] = program
        self.send({"id": name, "event": "started", "pid": program.pid})
        program.follow(lambda: self._programs.pop(name, None))


class Program:
    """One running program: its output goes to `tell` as it comes."""

    def __init__(self, asked: Message, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._began = time.monotonic()
        self._terminal = -1
        argv = list(asked["argv"])
        ends: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        if asked.get("pty"):
            self._terminal, end = os.openpty()
            ends = dict.fromkeys(ends, end)
            # The session's terminal has to be taken after the fork and before the program; setsid does both.
            argv = ["setsid", "--ctty", *argv]
        self._running = subprocess.Popen(
            argv, **ends, env={**ENVIRONMENT, **asked.get("environment", {})}, cwd=asked.get("folder") or "/",
            start_new_session=not asked.get("pty"),
        )  # fmt: skip
        self.pid = self._running.pid
        if asked.get("pty"):
            os.close(end)
        elif asked.get("stdin") is not None:
            threading.Thread(target=self._feed, args=(base64.b64decode(asked["stdin"]),), daemon=True).start()

    def follow(self, ended: Callable[[], object]) -> None:
        """Begin to pass on output, and at last the exit."""
        threading.Thread(target=self._follow, args=(ended,), daemon=True).start()

    def handle(self, asked: Message) -> None:
        """Pass on input, a window's size or a signal."""
        if asked["op"] == "kill":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, asked.get("signal", signal.SIGTERM))
        elif asked["op"] == "size":
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", asked["rows"], asked["columns"], 0, 0))
        elif self._terminal >= 0:
            os.write(self._terminal, base64.b64decode(asked["data"]))
        elif self._running.stdin:
            data = base64.b64decode(asked["data"])
            with contextlib.suppress(OSError):
                if data:
                    os.write(self._running.stdin.fileno(), data)
                else:
                    self._running.stdin.close()

    def _feed(self, data: bytes) -> None:
        assert self._running.stdin is not None
        with contextlib.suppress(OSError), self._running.stdin as end:
            end.write(data)

    def _follow(self, ended: Callable[[], object]) -> None:
        streams = {"out": self._terminal} if self._terminal >= 0 else {
            "out": self._running.stdout.fileno(),  # type: ignore[union-attr]
            "err": self._running.stderr.fileno(),  # type: ignore[union-attr]
        }  # fmt: skip
        readers = [threading.Thread(target=self._pass_on, args=each, daemon=True) for each in streams.items()]
        for each in readers:
            each.start()
        code = self._running.wait()
        seconds = time.monotonic() - self._began
        # A program that left a daemon behind keeps its pipes open; what it has said until now must do.
        for each in readers:
            each.join(1.0)
        ended()
        self._tell("exit", code=code, seconds=round(seconds, 3))
        if self._terminal >= 0:
            os.close(self._terminal)

    def _pass_on(self, event: str, fd: int) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(fd, PIECE):
                self._tell(event, data=base64.b64encode(piece).decode())


def _put(asked: Message) -> Message:
    path = Path(asked["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab" if asked.get("append") else "wb") as out:
        out.write(base64.b64decode(asked["data"]))
    path.chmod(asked.get("mode", 0o644))
    return {}


def _get(asked: Message) -> Message:
    with Path(asked["path"]).open("rb") as file:
        file.seek(asked.get("offset", 0))
        return {"data": base64.b64encode(file.read(asked.get("length", PIECE))).decode()}


def _hello(asked: Message) -> Message:
    return {"uptime": float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])}


FILES: dict[str, Callable[[Message], Message]] = {"put": _put, "get": _get, "hello": _hello}


def _collect_orphans() -> None:
    """Wait for children that are not ours: a PID 1 that does not leaves zombies behind.

    `WNOWAIT` looks without taking, so that a program's own `wait` still gets its exit code.
    """
    ours = os.getpid()
    while True:
        time.sleep(5)
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = status.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                pid = int(status.parent.name)
                # Ours lead a session of their own until they are waited for; an orphan's session is another's.
                if fields[0] == "Z" and int(fields[1]) == ours and int(fields[3]) != pid:
                    os.waitpid(pid, os.WNOHANG)


def main() -> None:
    """Serve every port of the bus until the machine is switched off."""
    for name in sorted(Path("/sys/class/virtio-ports").iterdir()):
        threading.Thread(target=Port(f"/dev/{name.name}").serve, daemon=True).start()
    _collect_orphans()


if __name__ == "__main__":
    main()
