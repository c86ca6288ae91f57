"""Signed requests: an origin's transport key vouches for method, path, body and time. No shared secrets; pure.

The signature covers, one per line: the words `kitbank-request-1`, the method, the path with its query, the
SHA-256 of the body, the origin and the time. The same request sent twice is harmless, so nothing is remembered;
beyond the tolerance either way the time is refused and the answer tells the right one.

`answer_for` turns what a server raises into status and JSON; `problem_in` turns these back into the same error.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from custody.errors import BadEvent, BadSignature, CustodyError, Fork, Gap, SyncRefused, UnknownKey
from custody.events import OriginId, PrivateKey, PublicKey

TOLERANCE = 300.0
"""Seconds by which a request's time may differ from the server's clock."""

ORIGIN, TIME, SIGNATURE = "Kitbank-Origin", "Kitbank-Time", "Kitbank-Signature"


class ClockWrong(SyncRefused):
    """A request's time is too far from the server's; `server_time` is the server's."""

    def __init__(self, asked: datetime, server_time: datetime) -> None:
        """Say how far apart the clocks are."""
        self.server_time = server_time
        super().__init__(
            f"the clock that signed this request ({asked.astimezone(UTC):%Y-%m-%d %H:%M} UTC) and the server's "
            f"({server_time.astimezone(UTC):%Y-%m-%d %H:%M} UTC) differ by {spoken(server_time - asked)}; "
            "set the clock"
        )


class UnknownOrigin(SyncRefused):
    """The server knows no such origin, or no longer lets it in."""


def sign_request(
    key: PrivateKey, origin: OriginId, method: str, path: str, body: bytes, at: datetime
) -> dict[str, str]:
    """Return the headers that authorise one request; `path` includes the query, `at` has a time zone."""
    time = at.astimezone(UTC).isoformat(timespec="seconds")
    signature = key.sign(_to_be_signed(method, path, body, origin, time))
    return {ORIGIN: origin, TIME: time, SIGNATURE: base64.b64encode(signature).decode()}


def check_request(
    headers: Mapping[str, str],
    method: str,
    path: str,
    body: bytes,
    key_of: Callable[[OriginId], PublicKey | None],
    now: datetime,
    tolerance: float = TOLERANCE,
) -> OriginId:
    """Return who made the request. `key_of` gives an origin's transport key, None when it may not come in.

    Raises `UnknownOrigin`, `SyncRefused` (signature) or `ClockWrong`; the signature is checked before the time, so
    a stranger learns nothing from a refusal.
    """
    origin, time = OriginId(headers.get(ORIGIN, "")), headers.get(TIME, "")
    if not origin or not time:
        raise SyncRefused(f"the request is not signed: the headers {ORIGIN}, {TIME} and {SIGNATURE} are needed")
    key = key_of(origin)
    if key is None:
        raise UnknownOrigin(
            f"{origin[:60]} is not enrolled here, or was revoked; ask an administrator for a code and enrol it"
        )
    try:
        signature = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
        key.verify(signature, _to_be_signed(method, path, body, origin, time))
        asked = datetime.fromisoformat(time)
    except (BadSignature, binascii.Error, ValueError) as error:
        raise SyncRefused(
            f"the request's signature is not that of {origin[:60]}; is the transport key the one it enrolled with?"
        ) from error
    if asked.tzinfo is None or abs((now - asked).total_seconds()) > tolerance:
        raise ClockWrong(asked.astimezone(UTC), now)
    return origin


def answer_for(error: CustodyError) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and JSON for what receiving raised."""
    said: dict[str, Any] = {"message": str(error)}
    if isinstance(error, Gap):
        return 409, said | {
            "error": "gap",
            "origin": error.origin,
            "expected": error.expected,
            "got": error.got,
        }
    if isinstance(error, Fork):
        names = {"origin": error.origin, "seq": error.seq, "ours": error.ours, "theirs": error.theirs}
        return 409, said | {"error": "fork"} | names
    if isinstance(error, ClockWrong):
        return 401, said | {"error": "clock", "server_time": error.server_time.astimezone(UTC).isoformat()}
    if isinstance(error, UnknownKey | UnknownOrigin):
        return 403, said | {"error": "unknown-origin"}
    if isinstance(error, BadSignature):
        return 403, said | {"error": "signature"}
    if isinstance(error, BadEvent):
        return 400, said | {"error": "bad-event"}
    return 403, said | {"error": "refused"}


def problem_in(status: int, data: Mapping[str, Any], asked: datetime) -> CustodyError:
    """Return the error that an answer speaks of; `asked` is the time the request was signed with."""
    error = data.get("error")
    told = str(data.get("message") or data.get("reason") or error or f"status {status}")[:400]
    try:
        if error == "gap":
            return Gap(str(data.get("origin", "this origin")), int(data["expected"]), int(data.get("got") or 0))
        if error == "fork":
            ours, theirs = str(data.get("ours", "")), str(data.get("theirs", ""))
            return Fork(str(data.get("origin", "this origin")), int(data.get("seq") or 0), ours, theirs)
        if error == "clock":
            return ClockWrong(asked, _time(data["server_time"]))
    except (KeyError, TypeError, ValueError) as wrong:
        return SyncRefused(f"the server's answer ({status}, {told}) cannot be read: {wrong}")
    if error == "unknown-origin":
        return UnknownOrigin(
            f"the server does not know this machine: {told}; enrol it with a new code, its events wait here until then"
        )
    return SyncRefused(f"the server said no (status {status}): {told}")


def spoken(difference: timedelta | float) -> str:
    """Return a time difference (a timedelta, or seconds) as people say it."""
    seconds = abs(difference.total_seconds() if isinstance(difference, timedelta) else difference)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{round(seconds)} seconds"


def _time(value: object) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    time = datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _to_be_signed(method: str, path: str, body: bytes, origin: OriginId, time: str) -> bytes:
    lines = ("kitbank-request-1", method.upper(), path, hashlib.sha256(body).hexdigest(), origin, time)
    return "\n".join(lines).encode()
