"""QEMU's own control socket: devices plugged and pulled, faults injected, speed changed, the power cut.

Promises: an error of QEMU is raised with QEMU's words; events are kept and can be waited for.
"""

import json
import socket
import threading
from pathlib import Path
from typing import Any

from tests.lab.talk import connected


class Refused(Exception):
    """QEMU refused a command; the message is its own."""


class Monitor:
    """One QMP connection (QEMU, docs/interop/qmp-spec)."""

    def __init__(self, path: Path, deadline: float = 20) -> None:
        """Connect and negotiate; raises `GuestGone` when QEMU does not listen."""
        self._socket = connected(path, deadline)
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._answers: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._closed = False
        threading.Thread(target=self._listen, daemon=True).start()
        self.ask("qmp_capabilities")

    def ask(self, command: str, arguments: dict[str, Any] | None = None, deadline: float = 30) -> Any:
        """Run one command and return what it returns; raises `Refused`."""
        with self._one_at_a_time:
            try:
                self._socket.sendall(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n")
            except OSError as error:
                raise Refused(f"{command}: QEMU cannot be reached ({error})") from error
            with self._changed:
                if not self._changed.wait_for(lambda: self._answers or self._closed, deadline):
                    raise Refused(f"{command}: QEMU did not answer within {deadline:g} s")
                if not self._answers:
                    raise Refused(f"{command}: QEMU has gone")
                answer = self._answers.pop(0)
        if "error" in answer:
            raise Refused(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(self, name: str, deadline: float, **data: Any) -> dict[str, Any]:
        """Wait for an event with these data and take it; raises `Refused` after `deadline` seconds."""

        def found() -> dict[str, Any] | None:
            for event in self._events:
                if event["event"] == name and all(event.get("data", {}).get(k) == v for k, v in data.items()):
                    return event
            return None

        with self._changed:
            if not self._changed.wait_for(lambda: found() is not None, deadline):
                raise Refused(f"no event {name} {data} within {deadline:g} s")
            event = found()
            assert event is not None
            self._events.remove(event)
            return event

    def close(self) -> None:
        """Hang up."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _listen(self) -> None:
        rest = b""
        try:
            while piece := self._socket.recv(1 << 16):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))
        except OSError:
            pass
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _hear(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "event" in message:
                self._events.append(message)
            elif "return" in message or "error" in message:
                self._answers.append(message)
            self._changed.notify_all()
