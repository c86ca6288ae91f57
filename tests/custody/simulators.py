"""A server with behaviour, in memory and over real HTTP: it admits, forgets, forks, hangs up and lies on request."""

import base64
import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from custody.badges import Roster
from custody.chain import Ledger, Writer, checkpoint_body, server_writer
from custody.errors import BadEvent, CustodyError, Fork
from custody.events import Digest, Event, OriginId, PrivateKey, PublicKey, Role, World, origin_id, seal
from custody.journal import Journal
from custody.roads import Ack, FeedPage, RefusedEvent
from custody.signing import UnknownOrigin, answer_for, check_request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SimulatedServer:
    """Keeps history as the lending service does, in a list. Its faults are plain attributes."""

    def __init__(self, world: World = World.PRACTICE) -> None:
        self.world = world
        self.key = PrivateKey.generate()
        self.origin = origin_id(Role.SERVER, self.key.public)
        self.now = NOW
        self.writer: Writer = server_writer(self.origin, self.key.public, "the server")
        self.attachments: dict[Digest, bytes] = {}
        self.quarantine: list[bytes] = []
        self.newest_checkpoint: bytes | None = None
        self.document: bytes | None = None
        self.takes_at_most: int | None = None
        self.withholds: set[str] = set()
        self.log: list[str] = []
        self.restore([])

    def restore(self, arrivals: Sequence[bytes]) -> None:
        """Go back to this history, as after a restored backup."""
        self.ledger = Ledger(self.world, [self.writer])
        self.arrivals: list[bytes] = []
        for envelope in arrivals:
            self.ledger.take(envelope)
            self.arrivals.append(envelope)

    def say(self, kind: str, subject: str, body: dict[str, Any]) -> Event:
        """Append one event of the server's own."""
        head = self.ledger.head(self.origin)
        envelope, event = seal(
            origin=self.origin, seq=head.seq + 1, prev=head.hash, kind=kind, subject=subject, at=self.now,
            body=body, key=self.key, world=self.world,
        )  # fmt: skip
        self.ledger.take(envelope)
        self.arrivals.append(envelope)
        return event

    def enrol(self, origin: OriginId, role: Role, key: PublicKey, transport: PublicKey | None = None) -> None:
        """Let an origin write."""
        body = {
            "origin": origin, "role": str(role), "name": f"the {role}", "key": key.hex,
            "transport_key": transport.hex if transport else None, "world": str(self.world),
        }  # fmt: skip
        self.say("origin.enrolled", origin, body)

    def revoke(self, origin: OriginId) -> None:
        """Let nothing of this origin count from now on."""
        head = self.ledger.head(origin)
        body = {"origin": origin, "through": head.seq, "head": head.hash, "reason": "lost"}
        self.say("origin.revoked", origin, body)

    def sign_checkpoint(self) -> None:
        """List all heads, signed."""
        self.say("checkpoint", self.origin, checkpoint_body(self.ledger.heads()))
        self.newest_checkpoint = self.arrivals[-1]

    # --- what custody.roads.ServerSide asks for ---

    def receive(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack:
        """Admit in order; stop where the chain breaks."""
        if self.ledger.writer(origin) is None:
            raise UnknownOrigin(f"{origin} is not enrolled here")
        refused = []
        for envelope in envelopes[: self.takes_at_most]:
            try:
                admission = self.ledger.take(envelope)
            except Fork:
                self.quarantine.append(envelope)
                raise
            if admission.duplicate:
                continue
            self.arrivals.append(envelope)
            if admission.reasons:
                event = admission.event
                refused.append(RefusedEvent(event.seq, event.hash, admission.reasons))
        head = self.ledger.head(origin)
        return Ack(head.seq, head.hash, refused)

    def feed(self, after: int, limit: int) -> FeedPage:
        """Return a page in order of arrival."""
        page = self.arrivals[after : after + limit]
        return FeedPage(page, after + len(page), after + len(page) < len(self.arrivals), self.origin)

    def has_attachment(self, digest: Digest) -> bool:
        """Tell whether it is here."""
        return digest in self.attachments

    def put_attachment(self, digest: Digest, data: bytes) -> None:
        """Keep it if it is what it says."""
        if hashlib.sha256(data).hexdigest() != digest:
            raise BadEvent("those bytes do not have that digest")
        self.log.append(f"attachment {digest[:8]}")
        self.attachments[digest] = data

    def checkpoint(self) -> bytes | None:
        """Return the newest one."""
        return self.newest_checkpoint

    def roster(self, origin: OriginId) -> bytes | None:
        """Return the newest document, to stations."""
        return self.document if origin.startswith("station-") else None

    def issue(self, roster: Roster) -> None:
        """Issue a roster: its document, and the event that names it."""
        self.document = roster.to_bytes()
        body = {
            "number": roster.number, "digest": hashlib.sha256(self.document).hexdigest(),
            "not_after": roster.not_after.isoformat(), "roles": roster.roles,
        }  # fmt: skip
        self.say("roster.issued", f"roster:{roster.number}", body)

    def transport_key(self, origin: OriginId) -> PublicKey | None:
        """Return the key that authorises an origin's requests."""
        writer = self.ledger.writer(origin)
        if writer is None:
            return None
        return writer.transport or writer.keys[-1].key


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""

    @property
    def site(self) -> "Site":
        assert isinstance(self.server, Site)
        return self.server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.site.asked.append(f"{self.command} {self.path}")
        if self.site.hang_up_after is not None:
            self.site.hang_up_after -= 1
            if self.site.hang_up_after < 0:
                self.close_connection = True
                return
        if self.site.broken:
            self._answer(502, b"<html>bad gateway</html>", "text/html")
            return
        try:
            status, data = self.site.handle(self.command, self.path, body, dict(self.headers))
        except CustodyError as error:
            status, data = answer_for(error)
        self._answer(status, json.dumps(data).encode() if data is not None else b"", "application/json")

    def _answer(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Site(ThreadingHTTPServer):
    """The simulated server's HTTP face on loopback, with a clock that may differ from the client's."""

    daemon_threads = True

    def __init__(self, server: SimulatedServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world_server = server
        self.ahead = timedelta()
        self.jumps = timedelta()
        self.broken = False
        self.hang_up_after: int | None = None
        self.asked: list[str] = []
        self.codes: dict[str, str] = {}
        self.root: dict[str, str] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        """Answer one request as the service does."""
        server, parts = self.world_server, urlsplit(path)
        with self.lock:
            self.ahead += self.jumps
            if parts.path == "/api/enrol":
                return self._enrol(json.loads(body))
            origin = check_request(headers, method, path, body, server.transport_key, server.now + self.ahead)
            if method == "POST" and parts.path == "/api/events":
                envelopes = [base64.b64decode(one) for one in json.loads(body)["envelopes"]]
                return 200, server.receive(origin, envelopes).to_json()
            if method == "PUT":
                digest = Digest(parts.path.rsplit("/", 1)[1])
                if server.has_attachment(digest):
                    return 204, None
                server.put_attachment(digest, body)
                return 200, {}
            if parts.path == "/api/feed":
                asked = parse_qs(parts.query)
                page = server.feed(int(asked["after"][0]), int(asked["limit"][0]))
                envelopes_text = [base64.b64encode(one).decode() for one in page.envelopes]
                return 200, {"envelopes": envelopes_text, "position": page.position, "more": page.more}
            if parts.path == "/api/roster":
                document = server.roster(origin)
                return 200, {"document": base64.b64encode(document).decode() if document else None}
            newest = server.checkpoint()
            return (200, {"envelope": base64.b64encode(newest).decode()}) if newest else (404, {"error": "none"})

    def _enrol(self, data: dict[str, Any]) -> tuple[int, Any]:
        if self.codes.get(data["code"]) != data["role"]:
            return 403, {"error": "code", "message": "this code is wrong, used or for another role"}
        if data["world"] != self.world_server.world:
            return 403, {"error": "world", "message": f"this server is {self.world_server.world}"}
        key, transport = PublicKey.from_hex(data["key"]), PublicKey.from_hex(data["transport_key"])
        origin = origin_id(Role(data["role"]), key)
        self.world_server.enrol(origin, Role(data["role"]), key, transport)
        writer = self.world_server.writer
        about = {
            "origin": writer.id, "key": writer.keys[0].key.hex, "name": writer.name,
            "fingerprint": writer.keys[0].key.fingerprint,
            **({"root": self.root} if self.root else {}),
        }  # fmt: skip
        return 200, {"origin": origin, "name": f"the {data['role']}", "server": about, "url": "HTTPS://LABELS.INVALID"}


@contextmanager
def served(server: SimulatedServer) -> Iterator[Site]:
    """Run the server's HTTP face in a thread for as long as the block lasts."""
    with Site(server) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


class Bench:
    """A station or kiosk with its key and journal in a folder, as a program on that machine would use them."""

    def __init__(self, folder: Path, role: Role = Role.STATION, key: PrivateKey | None = None) -> None:
        self.folder = folder
        self.role = role
        self.key = key or PrivateKey.generate()
        self.transport = PrivateKey.generate()
        self.origin = origin_id(role, self.key.public)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "journal.sqlite"
        self.journal = Journal.create(self.path, role=role, world=World.PRACTICE, key=self.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def meet(self, server: SimulatedServer, url: str = "https://server.invalid") -> "Bench":
        """Be enrolled there, and trust it."""
        server.enrol(self.origin, self.role, self.key.public, self.transport.public)
        self.journal.enrol(server.writer, url)
        return self

    def say(self, what: str = "a lock") -> Event:
        """Record one small event."""
        kind = "device.returned" if self.role is Role.KIOSK else "device.locked"
        body = returned(visit=what) if self.role is Role.KIOSK else locked(what)
        return self.journal.append(kind, CODE, body, key=self.key, at=NOW)

    def crash(self) -> None:
        """Come back as after a crash: a new process on the same file."""
        self.journal.close()
        self.journal = Journal.open(self.path)


CODE = "7K3QX9MDA4TP"


def returned(code: str = CODE, visit: str = "v1") -> dict[str, Any]:
    """Return the body of a `device.returned`."""
    return {
        "code": code, "loan": None, "exit": None, "items": {"charger": 1}, "condition": "", "call_staff": False,
        "visit": visit,
    }  # fmt: skip


def locked(seen: str = "asked for an account", code: str = CODE) -> dict[str, Any]:
    """Return the body of a `device.locked`."""
    return {"device": code, "lock": "activation", "seen": seen}


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size in memory; needs root."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", folder], check=False)
    if made.returncode:
        pytest.skip("this machine does not let root mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
