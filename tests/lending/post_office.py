"""A text-message house and GOV.UK Notify on loopback, with moods: they answer, dawdle, refuse and hang up.

What they *accepted* is what counts as sent. `house` speaks as a house that refuses a second message of one key, or
as one that does not and can only be asked.
"""

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MOODS = ("ok", "ok", "ok", "slow", "429", "500", "500-kept", "hang-up", "hang-up-kept")
"""`-kept`: it accepted the message and then did not say so."""


@dataclass
class PostOffice:
    """What was accepted, in order, and what happens next. `moods` are used up one by one, then it is `ok`."""

    url: str = ""
    keyed: bool = True
    moods: list[str] = field(default_factory=list)
    wild: random.Random | None = None
    accepted: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    delay: float = 0.02
    lock: threading.Lock = field(default_factory=threading.Lock)

    def mood(self) -> str:
        """Return what happens to the next message."""
        with self.lock:
            if self.wild is not None:
                return self.wild.choice(MOODS)
            return self.moods.pop(0) if self.moods else "ok"

    def take(self, ref: str, message: dict[str, Any]) -> str:
        """Accept a message, unless this house refuses a second one of a key and has it; return its id."""
        with self.lock:
            if self.keyed:
                for one in self.accepted:
                    if one["ref"] == ref:
                        return str(one["id"])
            message = {**message, "ref": ref, "id": f"id-{len(self.accepted) + 1}", "status": "created"}
            self.accepted.append(message)
            return str(message["id"])

    def named(self, ref: str) -> list[dict[str, Any]]:
        """Return what was accepted under a reference."""
        with self.lock:
            self.asked += 1
            return [one for one in self.accepted if one["ref"] == ref]

    def counted(self) -> Counter[str]:
        """Return how often each reference was accepted."""
        with self.lock:
            return Counter(str(one["ref"]) for one in self.accepted)


class _Counter(ThreadingHTTPServer):
    daemon_threads = True
    office: PostOffice

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller who was killed."""


class _Clerk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Counter

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name in the standard library)
        """Write nothing."""

    def do_POST(self) -> None:
        """Accept a message in the mood of the moment."""
        office, mood = self.server.office, self.server.office.mood()
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/v2/") and not self.headers.get("Authorization", "").startswith("Bearer ey"):
            return self._say(403, {"errors": [{"error": "AuthError"}]})
        if mood == "slow":
            time.sleep(office.delay)
        if mood in ("429", "500"):
            return self._say(int(mood), {"errors": [{"error": mood}]}, {"Retry-After": "1"} if mood == "429" else {})
        if mood == "hang-up":
            return self._hang_up()
        ref = str(data.get("reference") or data.get("ref") or self.headers.get("Idempotency-Key"))
        name = office.take(ref, {**data, "path": self.path})
        if mood == "500-kept":
            return self._say(500, {"errors": [{"error": "after it was kept"}]})
        if mood == "hang-up-kept":
            return self._hang_up()
        return self._say(201, {"id": name})

    def do_GET(self) -> None:
        """Say what was accepted under a reference."""
        parts = urlsplit(self.path)
        found = self.server.office.named(parse_qs(parts.query).get("reference", [""])[0])
        if parts.path.startswith("/v2/notifications"):
            return self._say(200, {"notifications": found, "links": {}})
        return self._say(200, found[0]) if found else self._say(404, {})

    def _say(self, code: int, data: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(data).encode()
        with suppress(OSError):  # who asked may be dead
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_house(*, keyed: bool = True, wild: random.Random | None = None) -> Iterator[PostOffice]:
    """Run a house on loopback while the block runs."""
    server = _Counter(("127.0.0.1", 0), _Clerk)
    server.office = PostOffice(f"http://127.0.0.1:{server.server_port}", keyed, wild=wild)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.office
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
