"""One webhook request: signed, bounded, and never to a machine of our own network.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0): HMAC-SHA256 over
`id.timestamp.body`, so any of its libraries verifies them. Against requests forged through us (OWASP, SSRF):
https only, the name is resolved here, *every* address it has must be public, and the connection goes to the address
that was checked, not to the name again. Redirections are not followed and no proxy is used.
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError

SECRET_PREFIX = "whsec_"  # noqa: S105 (what every such secret begins with)
SECONDS = 15
LONGEST_ANSWER = 2000
"""Bytes of an answer that are looked at; the rest is not read."""

Resolve = Callable[[str, int], Sequence[str]]


class Blocked(Exception):
    """This address may not be sent to; the message says why and what would be allowed."""


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status (0 when there was none) and words for the log."""

    status: int
    words: str

    @property
    def taken(self) -> bool:
        """Tell whether the other side has it: any 2xx (Standard Webhooks)."""
        return 200 <= self.status < 300


def new_secret() -> str:
    """Return a new signing secret: 32 random bytes as Standard Webhooks writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message: str, at: datetime, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host. Raises `OSError` when it has none."""
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


def checked(url: str, *, private: bool, look_up: Resolve = resolve) -> tuple[SplitResult, str]:
    """Return the address in parts and the network address to connect to. `private` allows our own network and http.

    Raises `Blocked`, and `OSError` when the name does not resolve.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise Blocked("the port is not a number") from error
    allowed = ("https", "http") if private else ("https",)
    if parts.scheme not in allowed or not parts.hostname or parts.username is not None:
        raise Blocked(f"the address must begin with https:// and a host name, without a user; it is {url[:80]!r}")
    if len(url) > 500 or not url.isascii() or any(c.isspace() for c in url):
        raise Blocked("the address must be at most 500 plain characters")
    found = look_up(parts.hostname, port or (443 if parts.scheme == "https" else 80))
    for one in found:
        if not private and not _public(one):
            raise Blocked(f"{parts.hostname} is {one}, an address inside a network; only public ones are sent to")
    if not found:
        raise OSError(f"{parts.hostname} has no address")
    return parts, found[0]


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text.split("%", 1)[0])
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is not None:
        address = inner
    if address in ipaddress.ip_network("64:ff9b::/96") if address.version == 6 else False:
        return False  # NAT64 could lead to any inside address
    return address.is_global and not address.is_multicast


def send(
    url: str, secret: str, message: str, body: bytes, at: datetime, *, private: bool, look_up: Resolve = resolve
) -> Answer:
    """Send one message once and say what came back. Never raises for what the other side does."""
    try:
        parts, address = checked(url, private=private, look_up=look_up)
    except (Blocked, OSError) as error:
        return Answer(0, f"not sent: {error}"[:300])
    host = parts.hostname or ""
    headers = {
        "Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "Kitbank-Webhooks/1",
        "webhook-id": message, "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature(secret, message, at, body),
    }  # fmt: skip
    pool: urllib3.HTTPConnectionPool
    if parts.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, parts.port or 443, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED",
            ca_certs=certifi.where(),
        )  # fmt: skip
    else:
        pool = urllib3.HTTPConnectionPool(address, parts.port or 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with pool:
            answer = pool.urlopen(
                "POST", path, body=body, headers=headers, redirect=False, retries=False, preload_content=False,
                timeout=urllib3.Timeout(total=SECONDS),
            )  # fmt: skip
            # One look only: an answer that comes a byte at a time cannot hold the worker.
            said = answer.read1(LONGEST_ANSWER, decode_content=False).decode("utf-8", "replace")
            answer.close()
            return Answer(answer.status, " ".join(said.split())[:200])
    except (HTTPError, OSError, ValueError) as error:
        return Answer(0, f"no answer: {type(error).__name__}: {error}"[:300])
