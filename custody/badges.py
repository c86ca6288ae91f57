"""Badges: a printed secret and a PIN that a station checks with no network, against a roster without names. Pure.

Promises:

- a badge's secret has 130 random bits; what a roster keeps of badge and PIN is scrypt over both together, so a
  roster that leaks cannot be searched for PINs by somebody who does not have the badge as well;
- a roster is one document of exact bytes. Who may believe it is decided elsewhere: the server's signed
  `roster.issued` names its SHA-256 (`custody.rosters`);
- nothing here, and nothing in a roster, is a person's name: only the random reference that events carry as well.

Limit: whoever has a photograph of a badge *and* the roster can try all PINs on a computer of their own; a million
tries of `COST` take about four days on one core. `docs/decisions/badges.md` says why that is accepted.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Self

from custody.errors import CustodyError

ROLES = ("volunteer", "verifier", "supervisor")
"""What a badge may say at a station: wipes and tests; checks what others wiped; decides what needs deciding."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECRET_SYMBOLS = 26
"""Symbols of five bits: 130 bits of secret."""

SHORTEST_PIN, LONGEST_PIN = 6, 12
LARGEST_ROSTER = 1 << 20
"""Bytes; some three thousand badges."""

_TEXT = re.compile(r"KB1/([A-Z0-9][A-Z0-9-]{2,19})/([0-9A-HJKMNP-TV-Z]{26})")


class BadBadge(CustodyError):
    """What was scanned is no badge, or what was typed no PIN; the message never repeats it."""


class BadRoster(CustodyError):
    """A document is no roster that can be used here; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What one try of scrypt costs (RFC 7914, section 2): memory is 128 * n * r bytes."""

    n: int = 1 << 16
    r: int = 8
    p: int = 2


COST = Cost()
"""64 MiB and about a third of a second: one of the settings that OWASP's password storage page names as equal."""


@dataclass(frozen=True, repr=False)
class Badge:
    """One badge as it is printed: whose reference it is, and its secret. It never prints itself."""

    ref: str
    secret: str

    @property
    def text(self) -> str:
        """Return what the QR on the card says."""
        return f"KB1/{self.ref}/{self.secret}"

    @property
    def mark(self) -> str:
        """Return what a roster knows a badge by: it tells an old card from a wrong PIN, and makes no card."""
        return hashlib.sha256(b"kitbank badge " + self.text.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        """Show whose it is and nothing of it."""
        return f"Badge(of {self.ref})"


@dataclass(frozen=True, repr=False)
class Entry:
    """One person in a roster: reference, what they may do, and how badge and PIN are recognised."""

    ref: str
    roles: tuple[str, ...]
    mark: str
    salt: str
    verifier: str

    def __repr__(self) -> str:
        """Show who it is and what they may."""
        return f"Entry({self.ref}, {', '.join(self.roles)})"

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON data."""
        return {**vars(self), "roles": list(self.roles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError."""
        roles = data["roles"]
        if not isinstance(roles, list):
            raise TypeError("roles are a list")
        texts = [str(data[name]) for name in ("mark", "salt", "verifier")]
        bytes.fromhex(texts[1]), bytes.fromhex(texts[2])
        return cls(str(data["ref"]), tuple(str(role) for role in roles), *texts)


@dataclass(frozen=True)
class Roster:
    """Who may sign in at a station until `not_after`, and by which seed and share wipes are looked at again.

    `seed` is hexadecimal; `share` is the part of each day's wipes, in per cent, that another person looks at.
    """

    number: int
    not_after: datetime
    entries: tuple[Entry, ...]
    seed: str
    share: int
    cost: Cost = COST

    def entry(self, ref: str) -> Entry | None:
        """Return the person of this reference, None when they are not on the roster."""
        return next((one for one in self.entries if one.ref == ref), None)

    @property
    def roles(self) -> dict[str, list[str]]:
        """Return what the roster says of people, as the event that names it repeats it."""
        return {one.ref: list(one.roles) for one in self.entries}

    def to_bytes(self) -> bytes:
        """Return the document; its SHA-256 is what the server signs."""
        data = {
            "kind": "kitbank-roster",
            "number": self.number,
            "not_after": self.not_after.isoformat(),
            "scrypt": vars(self.cost),
            "seed": self.seed,
            "share": self.share,
            "people": [one.to_json() for one in self.entries],
        }
        return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Read a document. Raises `BadRoster`, also for costs that would stop a small machine."""
        if len(document) > LARGEST_ROSTER:
            raise BadRoster(f"a roster of {len(document)} bytes is too large; {LARGEST_ROSTER} is the limit")
        try:
            data = json.loads(document)
            if data["kind"] != "kitbank-roster":
                raise ValueError(f"it calls itself {str(data['kind'])[:40]!r}")
            cost = Cost(*(int(data["scrypt"][name]) for name in ("n", "r", "p")))
            found = cls(
                int(data["number"]),
                datetime.fromisoformat(data["not_after"]),
                tuple(Entry.from_json(one) for one in data["people"]),
                str(data["seed"]),
                int(data["share"]),
                cost,
            )
            bytes.fromhex(found.seed)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadRoster(f"the roster cannot be read: {error}") from error
        if found.not_after.tzinfo is None or not 0 <= found.share <= 100:
            raise BadRoster("the roster cannot be read: its last day has no time zone, or its share is no per cent")
        if not (2 <= cost.n <= 1 << 18 and cost.n & (cost.n - 1) == 0 and 1 <= cost.r <= 16 and 1 <= cost.p <= 16):
            raise BadRoster(f"the roster asks for {cost}, which this program does not do")
        return found


def new_badge(ref: str, draw: Callable[[int], int]) -> Badge:
    """Return a new badge for a reference; `draw(n)` gives a number below n that nobody can guess."""
    badge = Badge(ref, "".join(ALPHABET[draw(32)] for _ in range(SECRET_SYMBOLS)))
    return read_badge(badge.text)


def read_badge(text: str) -> Badge:
    """Read what a scanner typed. Raises `BadBadge`, which repeats nothing of it."""
    found = _TEXT.fullmatch(text.strip().upper())
    if found is None:
        raise BadBadge("that is no Kitbank badge; scan the square code on your own card")
    return Badge(found.group(1), found.group(2))


def looks_like_a_badge(text: str) -> bool:
    """Tell whether somebody scanned a badge, perhaps into the wrong field: then it must not be shown or kept."""
    return text.strip().upper().startswith("KB1/")


def why_not_pin(pin: str) -> str:
    """Return why this cannot be somebody's PIN, in words for them; "" when it can."""
    if not (pin.isascii() and pin.isdecimal() and SHORTEST_PIN <= len(pin) <= LONGEST_PIN):
        return f"a PIN has {SHORTEST_PIN} to {LONGEST_PIN} digits and nothing else"
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, 9}:
        return "a PIN of one digit, or of digits in a row, is the first that anybody tries"
    halves = {pin[start : start + 2] for start in range(0, len(pin), 2)}
    if len(halves) == 1:
        return "a PIN that repeats two digits is among the first that anybody tries"
    return ""


def entry_for(badge: Badge, pin: str, roles: Sequence[str], salt: bytes, cost: Cost = COST) -> Entry:
    """Return the roster's entry for a badge and the PIN its owner chose; slow on purpose. Raises `BadBadge`."""
    why = why_not_pin(pin)
    unknown = sorted(set(roles) - set(ROLES))
    if why:
        raise BadBadge(why)
    if unknown or not roles:
        raise BadBadge(f"a badge is for one or more of {', '.join(ROLES)}" + (f", not {unknown[0]}" if unknown else ""))
    verifier = _verifier(badge, pin, salt, cost).hex()
    return Entry(badge.ref, tuple(role for role in ROLES if role in roles), badge.mark, salt.hex(), verifier)


def fits(entry: Entry, badge: Badge, pin: str, cost: Cost) -> bool:
    """Tell whether this badge and this PIN are the entry's; as slow for a wrong PIN as for the right one."""
    given = _verifier(badge, pin[:LONGEST_PIN], bytes.fromhex(entry.salt), cost)
    return hmac.compare_digest(given, bytes.fromhex(entry.verifier)) and entry.ref == badge.ref


def _verifier(badge: Badge, pin: str, salt: bytes, cost: Cost) -> bytes:
    """Return scrypt over badge and PIN; the badge text has a fixed end, so the two cannot run into each other."""
    secret = f"{badge.text}\n{pin}".encode()
    memory = 128 * cost.r * (cost.n + cost.p + 2) + (1 << 20)  # bytes, as OpenSSL counts them, and some to spare
    return hashlib.scrypt(secret, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)
