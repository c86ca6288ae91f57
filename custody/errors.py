"""What can go wrong with history, and whose fault it is.

Roots: `BadEvent` (the other side's statement is wrong), `Refused` (the statement or wish is understood and
not allowed, with *all* its reasons), `JournalError` (our own store), `SyncError` (the road between).
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Reason:
    """One reason, with a stable code for programs, a sentence for people and whom it is about."""

    code: str
    text: str
    subject: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the reason as plain JSON data."""
        return {"code": self.code, "text": self.text, "subject": self.subject}


class CustodyError(Exception):
    """Anything that custody refuses or cannot do."""


class BadEvent(CustodyError):
    """An event is not what it must be; the message says which part and what was expected."""


class BadSignature(BadEvent):
    """The signature does not fit the bytes: the event was altered, or signed by someone else."""


class UnknownKey(BadSignature):
    """Signed by a key that nobody here knows: the origin is not enrolled."""


class Gap(BadEvent):
    """An event came before the one it follows; send from `expected` on."""

    def __init__(self, origin: str, expected: int, got: int) -> None:
        """Say which number was expected."""
        super().__init__(f"{origin}: event {got} came, but {expected} is the next one; send from {expected} on")
        self.origin, self.expected, self.got = origin, expected, got


class Fork(BadEvent):
    """Two different events hold one number of one origin's chain: a copied key, a restored backup or forgery."""

    def __init__(self, origin: str, seq: int, ours: str, theirs: str) -> None:
        """Keep both hashes: both events are kept, and a person decides."""
        super().__init__(
            f"{origin}: event {seq} exists twice ({ours[:12]} here, {theirs[:12]} there); "
            "both are kept and the origin is suspended until an administrator decides"
        )
        self.origin, self.seq, self.ours, self.theirs = origin, seq, ours, theirs


class Refused(CustodyError):
    """A wish that the rules do not allow, with every reason."""

    def __init__(self, reasons: Iterable[Reason]) -> None:
        """Keep all reasons; at least one is needed."""
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reason.text for reason in self.reasons) or "refused")


class JournalError(CustodyError):
    """The local journal cannot do what was asked; nothing was recorded."""


class JournalFull(JournalError):
    """No room left to record; nothing may be started that could not be recorded."""


class JournalDamaged(JournalError):
    """The journal's file does not hold what was written to it."""


class SyncError(CustodyError):
    """Sending or fetching did not work; everything unsent is still in the outbox."""


class RoadDown(SyncError):
    """The other side cannot be reached now; try again later."""


class SyncRefused(SyncError):
    """The other side answered and said no; the message says why."""
