"""The road over the network: requests signed by the origin's transport key, and enrolment with a one-time code."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from custody.chain import Writer, check_root, server_writer
from custody.errors import BadEvent, CustodyError, RoadDown, SyncRefused
from custody.events import Digest, OriginId, PrivateKey, PublicKey, Role, World, origin_id
from custody.journal import Journal
from custody.roads import Ack, FeedPage
from custody.signing import ClockWrong, problem_in, sign_request

TIMEOUT = (5.0, 60.0)
"""Seconds to wait for the connection, and between two pieces of an answer."""

PAGE = 200
"""Envelopes to ask for in one request."""


@dataclass(frozen=True)
class Enrolled:
    """What enrolment gave: compare the fingerprint aloud with the one on the administrator's screen."""

    origin: OriginId
    name: str
    server: Writer
    fingerprint: str
    url: str
    root: str
    """The fingerprint of the organisation's root key that vouches for the server, "" where none does."""


class HttpRoad:
    """`custody.roads.Road` over HTTPS. `now` is this machine's clock, with its time zone.

    `clock_offset` becomes 0.0 when the server accepted our time (it tolerates five minutes), or the difference in
    seconds when it did not; then requests are signed with the server's time.
    """

    def __init__(self, url: str, origin: OriginId, transport_key: PrivateKey, now: Callable[[], datetime]) -> None:
        """Prepare to talk to the server at `url`; nothing is sent yet."""
        self.live = True
        self.clock_offset: float | None = None
        self.messages: list[str] = []
        self._url, self._origin, self._key, self._now = url.rstrip("/"), origin, transport_key, now

    def acknowledged(self, origin: OriginId) -> Ack | None:
        """Ask what the server has of us, by sending it no events."""
        return self.push(origin, [])

    def push(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack | None:
        """Send events in chain order. Raises `Gap`, `Fork`, `RoadDown`, `SyncRefused`."""
        body = {"envelopes": [base64.b64encode(one).decode() for one in envelopes]}
        return Ack.from_json(self._ask("POST", "/api/events", json.dumps(body).encode()))

    def put_attachment(self, digest: Digest, data: bytes) -> bool:
        """Send evidence; the server has it when this returns."""
        self._ask("PUT", f"/api/attachments/{digest}", data)
        return True

    def feed(self, after: int) -> FeedPage | None:
        """Fetch a page of the server's history."""
        data = self._ask("GET", f"/api/feed?after={after}&limit={PAGE}", b"")
        server = data.get("server")
        try:
            envelopes = [base64.b64decode(one, validate=True) for one in data["envelopes"]]
            return FeedPage(envelopes, int(data["position"]), bool(data["more"]), OriginId(server) if server else None)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise SyncRefused(f"the server's history cannot be read: {error}") from error

    def checkpoint(self) -> bytes | None:
        """Fetch the newest signed checkpoint, None when the server has signed none yet."""
        data = self._ask("GET", "/api/checkpoint", b"", none_is=(404,))
        envelope = data.get("envelope")
        try:
            return base64.b64decode(envelope, validate=True) if envelope else None
        except (TypeError, ValueError) as error:
            raise SyncRefused(f"the server's checkpoint cannot be read: {error}") from error

    def roster(self) -> bytes | None:
        """Fetch the newest roster, None when the server has none for this machine (or is too old to know of any)."""
        document = self._ask("GET", "/api/roster", b"", none_is=(404,)).get("document")
        try:
            return base64.b64decode(document, validate=True) if document else None
        except (TypeError, ValueError) as error:
            raise SyncRefused(f"the server's roster cannot be read: {error}") from error

    def _ask(self, method: str, path: str, body: bytes, none_is: Sequence[int] = ()) -> Mapping[str, Any]:
        """Send one signed request, a second time when only our clock was wrong."""
        for again in (True, False):
            at = self._now() + timedelta(seconds=self.clock_offset or 0.0)
            headers = sign_request(self._key, self._origin, method, path, body, at)
            try:
                data = _send(method, self._url, path, body, headers, at, none_is)
            except ClockWrong as error:
                self.clock_offset = (error.server_time - self._now()).total_seconds()
                if not again:
                    raise
            else:
                self.clock_offset = self.clock_offset or 0.0
                return data
        raise AssertionError("unreachable")


def enrol(
    journal: Journal,
    url: str,
    code: str,
    *,
    key: PublicKey | PrivateKey,
    transport_key: PublicKey | PrivateKey,
    now: datetime,
    fingerprint: str | None = None,
    root: PublicKey | None = None,
) -> Enrolled:
    """Enrol this origin with a one-time code and trust the server that answers from then on.

    With `fingerprint` (as the administrator's screen shows it) any other server is refused; with `root` any that this
    organisation's root key does not vouch for. What a root key says is checked in any case. Raises `RoadDown`,
    `SyncRefused` (wrong, used or expired code; another world; not that server), `Refused` when the journal
    already belongs to another server.
    """
    request = {
        "code": code,
        "role": str(journal.role),
        "key": _public(key).hex,
        "transport_key": _public(transport_key).hex,
        "world": str(journal.world),
    }
    data = _send("POST", url.rstrip("/"), "/api/enrol", json.dumps(request).encode(), {}, now, ())
    try:
        about = data["server"]
        server_key = PublicKey.from_hex(about["key"])
        server = server_writer(OriginId(about["origin"]), server_key, str(about["name"]))
        name, given = str(data["name"]), OriginId(data["origin"])
    except (KeyError, TypeError, BadEvent) as error:
        raise SyncRefused(f"the server's answer to the enrolment cannot be read: {error}") from error
    if server.id != origin_id(Role.SERVER, server_key):
        raise SyncRefused(f"the server calls itself {server.id}, which is not the name its key gives it; not trusted")
    if given != journal.origin:
        raise SyncRefused(f"the server enrolled {given}, but this machine is {journal.origin}; tell an administrator")
    if fingerprint is not None and _plain(fingerprint) != _plain(server_key.fingerprint):
        raise SyncRefused(
            f"the server that answered has the fingerprint {server_key.fingerprint}, not {fingerprint}; do not go on, "
            "and tell an administrator"
        )
    vouched = _vouched(journal.world, server_key, about.get("root"), root)
    journal.enrol(server, url)  # the address that just worked; what the labels say may not be reachable from here
    return Enrolled(given, name, server, server_key.fingerprint, url, vouched)


def _vouched(world: World, server_key: PublicKey, given: object, wanted: PublicKey | None) -> str:
    """Return the fingerprint of the root key that vouches for this server; refuse a false or missing word."""
    if given is None:
        if wanted is None:
            return ""
        raise SyncRefused("no root key vouches for the server that answered; do not go on, tell an administrator")
    try:
        root = check_root(world, server_key, given if isinstance(given, Mapping) else {})
    except BadEvent as error:
        raise SyncRefused(f"the root key's word for this server is false ({error}); do not go on") from error
    if wanted is not None and root != wanted:
        raise SyncRefused(f"another root key ({root.fingerprint}) vouches for this server than yours; do not go on")
    return root.fingerprint


def _send(
    method: str, url: str, path: str, body: bytes, headers: Mapping[str, str], at: datetime, none_is: Sequence[int]
) -> Mapping[str, Any]:
    """Send one request and return the JSON it was answered with; raise what the answer says otherwise."""
    kind = "application/json" if method == "POST" else "application/octet-stream"
    try:
        response = requests.request(
            method,
            url + path,
            data=body,
            headers={**headers, "Content-Type": kind, "Accept": "application/json"},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
    except requests.exceptions.SSLError as error:
        raise RoadDown(
            f"the server at {url} does not prove who it is (its certificate: {error}); tell an administrator"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise RoadDown(f"the server at {url} cannot be reached ({_short(error)}); try again later") from error
    status = response.status_code
    if status in none_is or status == 204:
        return {}
    if status >= 500 or status == 429:
        raise RoadDown(f"the server at {url} answers, but not now (status {status}); try again later")
    try:
        data = response.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise SyncRefused(
            f"what answers at {url} does not speak as a Kitbank server does (status {status}); is the address right, "
            "and does this network ask for a sign-in first?"
        )
    if status >= 300:
        problem: CustodyError = problem_in(status, data, at)
        raise problem
    return data


def _public(key: PublicKey | PrivateKey) -> PublicKey:
    return key.public if isinstance(key, PrivateKey) else key


def _plain(fingerprint: str) -> str:
    return "".join(fingerprint.split()).upper()


def _short(error: Exception) -> str:
    return type(error).__name__ + ": " + str(error).splitlines()[0][:160] if str(error) else type(error).__name__
