"""Makers of test data: writers that seal real signed events, media, evidence of a wipe that went well."""

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from custody.chain import START, Head, Ledger, Writer, server_writer
from custody.claims import CanaryFigures, Evidence, PassDone, ReadBack
from custody.events import Event, EventHash, MediumIdentity, OriginId, PrivateKey, Role, World, open_, origin_id, seal

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ALICE = {"ref": "p-alice", "authenticated": True}
BOB = {"ref": "p-bob", "authenticated": True}
NOBODY: dict[str, Any] = {"ref": None, "authenticated": False}
WIPER = {**ALICE, "roster": 1}
CHECKER = {**BOB, "roster": 1}
DIGEST = "d" * 64


class Scribe:
    """One origin with its key and chain; `say` seals the next event and remembers the envelope."""

    def __init__(self, role: Role, *, world: World = World.REAL, seed: int = 0, name: str = "") -> None:
        """Make the key from the seed, so that histories can be repeated."""
        self.key = PrivateKey(random.Random(f"{role}{seed}").randbytes(32))
        self.role, self.world, self.name = role, world, name or f"{role} {seed}"
        self.id: OriginId = origin_id(role, self.key.public)
        self.head: Head = START
        self.clock = NOON
        self.envelopes: list[bytes] = []
        self.events: list[Event] = []

    def say(self, kind: str, subject: str, body: Mapping[str, Any], key: PrivateKey | None = None) -> Event:
        """Seal the next event of this chain."""
        self.clock += timedelta(seconds=1)
        envelope, event = seal(
            origin=self.id, seq=self.head.seq + 1, prev=self.head.hash, kind=kind, subject=subject,
            at=self.clock, body=body, key=key or self.key, world=self.world,
        )  # fmt: skip
        self.head = Head(event.seq, event.hash)
        self.envelopes.append(envelope)
        self.events.append(event)
        return event

    def forge(self, kind: str, subject: str, body: object) -> bytes:
        """Sign any statement at all, without our own checks: what a hostile or newer program could send."""
        payload = json.dumps(
            {
                "origin": self.id,
                "seq": self.head.seq + 1,
                "prev": self.head.hash,
                "kind": kind,
                "subject": subject,
                "at": self.clock.isoformat(),
                "body": body,
            }
        ).encode()
        name = self.world.payload_type.encode()
        signature = self.key.sign(b" ".join([b"DSSEv1", b"%d" % len(name), name, b"%d" % len(payload), payload]))
        envelope = json.dumps(
            {
                "payloadType": self.world.payload_type,
                "payload": base64.b64encode(payload).decode(),
                "signatures": [{"keyid": self.key.public.keyid, "sig": base64.b64encode(signature).decode()}],
            }
        ).encode()
        event = open_(envelope, lambda _: self.key.public, self.world)
        self.head = Head(event.seq, event.hash)
        self.envelopes.append(envelope)
        self.events.append(event)
        return envelope

    def writer(self) -> Writer:
        """Return this scribe as the trust anchor it is when it is a server."""
        return server_writer(self.id, self.key.public, self.name)

    def enrol(self, other: "Scribe") -> Event:
        """As the server, enrol an origin."""
        return self.say(
            "origin.enrolled",
            other.id,
            {
                "origin": other.id,
                "role": str(other.role),
                "name": other.name,
                "key": other.key.public.hex,
                "transport_key": None,
                "world": str(self.world),
            },
        )


class Town:
    """A server, two stations and a kiosk, all enrolled; with a ledger that has taken the enrolments."""

    def __init__(self, world: World = World.REAL) -> None:
        """Enrol everybody."""
        self.server = Scribe(Role.SERVER, world=world)
        self.bench = Scribe(Role.STATION, world=world, seed=1, name="Bench 1")
        self.other_bench = Scribe(Role.STATION, world=world, seed=2, name="Bench 2")
        self.kiosk = Scribe(Role.KIOSK, world=world, seed=3, name="Library kiosk")
        self.ledger = Ledger(world, [self.server.writer()])
        for one in (self.server, self.bench, self.other_bench, self.kiosk):
            self.server.enrol(one)
        for envelope in self.server.envelopes:
            assert not self.ledger.take(envelope).reasons


def medium(number: int = 1, size: int = 64 << 20) -> MediumIdentity:
    """Return an identified medium."""
    return MediumIdentity("ata", "ACME Disk", f"SN{number:06d}", "", "", size)


def registered(code: str, serial: str | None = None, wants: str | None = None) -> dict[str, Any]:
    """Return the body of a `device.registered`."""
    return {"code": code, "make": "ACME", "model": "Book", "serial": serial, "donor": None, "donor_wants": wants}


def inventoried(code: str, after: EventHash | None, *media: MediumIdentity) -> dict[str, Any]:
    """Return the body of a `device.inventoried`."""
    return {
        "device": code,
        "after": after,
        "media": [one.to_json() for one in media],
        "hardware": {},
        "snapshot": DIGEST,
    }


def passed(code: str, after: EventHash | None, grade: str = "B", **results: str) -> dict[str, Any]:
    """Return the body of a `device.tested`; electrical safety passes unless said otherwise."""
    return {
        "device": code,
        "after": after,
        "results": {"electrical": "pass", **results},
        "grade": grade,
        "who": ALICE,
    }


def filtered(code: str, after: EventHash | None, verified: bool = True) -> dict[str, Any]:
    """Return the body of a `device.filtered`: somebody tried the content filter, and it worked or not."""
    return {"device": code, "filter": "family-dns", "verified": verified, "who": ALICE, "after": after}


def wiped(
    one: MediumIdentity, after: EventHash | None, outcome: str = "DONE", claim: str = "clear", device: str | None = None
) -> dict[str, Any]:
    """Return the body of a `medium.wiped`."""
    return {
        "after": after,
        "device": device,
        "medium": one.to_json(),
        "profile": "clear",
        "profile_digest": DIGEST,
        "evidence": DIGEST,
        "outcome": outcome,
        "claim": claim if outcome == "DONE" else "none",
        "rules": "test",
        "who": ALICE,
        "exceptions": [],
    }


def issued(number: int = 1, roles: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the body of a `roster.issued`; Alice may wipe and Bob may check unless said otherwise."""
    said = dict(roles or {}) or {"p-alice": ["volunteer"], "p-bob": ["verifier", "supervisor"]}
    return {"number": number, "digest": DIGEST, "not_after": "2027-01-31T00:00:00+00:00", "roles": said}


def checked(wipe: Event, who: Mapping[str, Any] = CHECKER, agreed: bool = True) -> dict[str, Any]:
    """Return the body of a `medium.checked`."""
    return {"wipe": wipe.hash, "medium": wipe.subject, "agreed": agreed, "method": "read", "who": dict(who)}


def accepted(
    wipe: Event, who: Mapping[str, Any] = CHECKER, accepted: bool = True, destination: str = "reuse"
) -> dict[str, Any]:
    """Return the body of a `medium.accepted`."""
    return {
        "wipe": wipe.hash, "medium": wipe.subject, "accepted": accepted, "destination": destination, "note": "",
        "who": dict(who),
    }  # fmt: skip


def left(code: str, *media: MediumIdentity, why: str = "loan", loan: str | None = "L-1") -> dict[str, Any]:
    """Return the body of a `device.left`."""
    return {"device": code, "why": why, "loan": loan, "media": [one.id for one in media], "who": BOB}


def received(code: str, after: EventHash | None) -> dict[str, Any]:
    """Return the body of a `device.received`."""
    return {"device": code, "after": after, "loan": None, "condition": "good", "items": {}, "who": BOB}


def evidence(size: int = 64 << 20, **changed: Any) -> Evidence:
    """Return the evidence of an overwrite on which nothing went wrong, with fields changed as asked."""
    one = medium(size=size)
    good: dict[str, Any] = {
        "technique": "overwrite",
        "recipe": "block",
        "media_kind": "hdd",
        "medium": one,
        "medium_after": one,
        "size_before": size,
        "size_after": size,
        "started": True,
        "passes": (PassDone("zero", size, size, (), True, 1.0, True, 0, 0),),
        "passes_planned": 1,
        "canaries": CanaryFigures(64, 64, 0, 0, "aa"),
        "readbacks": (ReadBack("full", "zero", size, size, 0, None, (), True, True, True, 1.0, "bb"),),
        "firmware": None,
        "smoke": True,
        "hidden_areas": "none",
        "via_bridge": False,
    }
    return Evidence(**{**good, **changed})
