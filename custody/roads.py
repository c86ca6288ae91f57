"""What travels between an origin and its server, and what each side must be able to do; no I/O here.

Two roads exist, the network (`custody.sync.HttpRoad`) and a stick (`custody.stick.StickRoad`); one piece of code
(`custody.sync.exchange`) uses either. On the other side stands a `ServerSide`, however the bytes came.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from custody.errors import Reason, SyncRefused
from custody.events import Digest, EventHash, OriginId


@dataclass(frozen=True)
class RefusedEvent:
    """An event that the server stored as refused: it has its place in the chain and does not count."""

    seq: int
    hash: EventHash
    reasons: tuple[Reason, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"seq": self.seq, "hash": self.hash, "reasons": [reason.to_json() for reason in self.reasons]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raise `SyncRefused` for anything else."""
        try:
            reasons = tuple(
                Reason(str(one["code"]), str(one["text"]), str(one.get("subject", ""))) for one in data["reasons"]
            )
            return cls(int(data["seq"]), EventHash(str(data["hash"])), reasons)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SyncRefused(f"the server's answer cannot be read: a refused event lacks {error}") from error


@dataclass(frozen=True)
class Ack:
    """What the server has of one origin: everything through this number, whose hash it names.

    `refused` tells which of the events it was just given it stored as refused; `attachments` which evidence it
    holds; `position` how long its history was when it said so (None: now).
    """

    through: int
    hash: EventHash
    refused: Sequence[RefusedEvent] = ()
    attachments: Sequence[Digest] = ()
    position: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "through": self.through,
            "hash": self.hash,
            "refused": [one.to_json() for one in self.refused],
            "attachments": list(self.attachments),
            "position": self.position,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raise `SyncRefused` for anything else."""
        try:
            position = data.get("position")
            return cls(
                int(data["through"]),
                EventHash(str(data["hash"])),
                tuple(RefusedEvent.from_json(one) for one in data.get("refused", ())),
                tuple(Digest(str(one)) for one in data.get("attachments", ())),
                None if position is None else int(position),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SyncRefused(f"the server's answer cannot be read: an acknowledgement lacks {error}") from error


@dataclass(frozen=True)
class FeedPage:
    """A stretch of the server's history in its order of arrival; `position` is the number to ask after next.

    `server` names whose history it is, where the road knows it.
    """

    envelopes: Sequence[bytes]
    position: int
    more: bool
    server: OriginId | None = None


class Road(Protocol):
    """A way to the server. Every method raises `RoadDown` when the road itself fails, `SyncRefused` for a no."""

    live: bool
    """Whether the answers are the server's of this moment; a stick brings old ones."""

    clock_offset: float | None
    """Seconds by which the server's clock is ahead of ours, None while unknown."""

    messages: list[str]
    """Sentences about the road itself that a person should read."""

    def acknowledged(self, origin: OriginId) -> Ack | None:
        """Return what the server has of this origin, None when this road cannot tell; raises `Gap`, `Fork`."""

    def push(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack | None:
        """Hand over events in chain order; None when the answer comes later. Raises `Gap`, `Fork`."""

    def put_attachment(self, digest: Digest, data: bytes) -> bool:
        """Hand over evidence; tell whether the server has it now (on a stick it is only under way)."""

    def feed(self, after: int) -> FeedPage | None:
        """Return the server's history after this position, None when this road has none."""

    def checkpoint(self) -> bytes | None:
        """Return the server's newest signed checkpoint, None when there is none."""

    def roster(self) -> bytes | None:
        """Return the newest roster document, None when this road has none. It is believed by its digest only."""


class ServerSide(Protocol):
    """What a server can do for an origin, whichever road the bytes came by."""

    def receive(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack:
        """Store events and say what is now held; with no envelopes only say it.

        Raises `UnknownKey` or `BadSignature` (nobody here knows the origin, or not its signature), `Gap`, `Fork`.
        Events before the offending one are kept.
        """

    def has_attachment(self, digest: Digest) -> bool:
        """Tell whether this evidence is here."""

    def put_attachment(self, digest: Digest, data: bytes) -> None:
        """Keep evidence; raises `BadEvent` when the bytes do not have this SHA-256."""

    def feed(self, after: int, limit: int) -> FeedPage:
        """Return at most `limit` envelopes that arrived after this position."""

    def checkpoint(self) -> bytes | None:
        """Return the newest signed checkpoint."""

    def roster(self, origin: OriginId) -> bytes | None:
        """Return the newest roster document for a station that may have it, None for anybody else."""


def number_of(envelope: bytes) -> int:
    """Return the number an envelope of our own says it has; nothing is verified, it only names a file.

    Raises `SyncRefused` for what is no envelope.
    """
    try:
        return int(json.loads(base64.b64decode(json.loads(envelope)["payload"]))["seq"])
    except (ValueError, KeyError, TypeError) as error:
        raise SyncRefused(f"what should be sent is not an event: {error}") from error
