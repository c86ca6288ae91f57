"""Records to make certificates of: wipes that went well, badly, or not at all, told by a whole town of writers."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import wipe_profiles
from custody.certificate import Person, Sources
from custody.claims import Evidence, judge
from custody.events import Event, World
from custody.evidence import BadRange, Command, Content, Firmware, ReadBack
from custody.facts import fold
from tests.factories import ALICE, CHECKER, WIPER, Town, accepted, checked, evidence, issued, left, medium, wiped

DEVICE = "7K3QX9MDA4TP"
DONOR = "D-0815"
SERIAL = "SN000001"
COMPUTER_SERIAL = "PC-4711-XYZ"
NAMES = {
    "p-alice": Person("Alice Müller", "Technician", "Kitbank", "Bench 1", "alice@example.org"),
    "p-bob": Person("محمد عبد الله", "Verifier", "Kitbank", "Bench 2", "07700 900456"),
}
KINGSTON = replace(medium(), model="ACME SSD 512", size=512 << 20)
ARGV = ("nvme", "sanitize", "/dev/nvme0n1", "--sanact=2", "--ause")


def by_overwriting(**changed: Any) -> Evidence:
    """Return the evidence of an overwritten hard disk with everything that can be recorded."""
    more = {
        "recipe": "ata",
        "health_before": {"verdict": "good", "reasons": [], "figures": {"power_on_hours": 21344, "reallocated": 0}},
        "health_after": {"verdict": "good", "reasons": [], "figures": {"power_on_hours": 21346, "reallocated": 0}},
        "tools": {"kitbank": "0.2.0", "kernel": "6.1.0-28-amd64", "smartctl": "7.3"},
        "drive_firmware": "CC43",
        "commands": (Command(("smartctl", "-x", "-j", "/dev/sdb"), 0, 0.4),) * 3,
        "hidden_areas": "removed",
        "hidden": {"hpa": {"visible": 976771055, "native": 976773168, "after": 976773168}},
        "began": "2026-11-22T10:00:00+00:00",
        "ended": "2026-11-22T11:59:00+00:00",
        "exceptions": ("A host protected area of 2,113 sectors was removed before the wipe.",),
    }
    return evidence(**{**more, **changed})


def by_firmware(**changed: Any) -> Evidence:
    """Return the evidence of an SSD that sanitized itself, read back in full."""
    size = KINGSTON.size
    statistics = Content(size // 4096, size // 4096, 0, 0, 0, 0)
    more = {
        "technique": "sanitize-block",
        "recipe": "nvme",
        "media_kind": "nvme",
        "medium": KINGSTON,
        "medium_after": KINGSTON,
        "size_before": size,
        "size_after": size,
        "passes": (),
        "passes_planned": 0,
        "readbacks": (
            ReadBack("full", "changed", size, size, 0, None, (), True, True, True, 9.0, "bb", content=statistics),
        ),
        "firmware": Firmware(
            True, True, "completed successfully", succeeded=True, observed="progress", argv=ARGV,
            raw_before="0000" * 10, raw_after="ffff0101" * 5, reach="controller", seconds=31.0,
        ),
        "hidden_areas": "none",
        "commands": (Command(ARGV, 0, 0.1), *(Command(("nvme", "get-log", "/dev/nvme0", "-i", "0x81"), 0, 0.1),) * 30),
        "exceptions": (),
    }  # fmt: skip
    return by_overwriting(**{**more, **changed})


class Bench:
    """A town in which one drive is wiped, and what is said of it afterwards."""

    def __init__(self, world: World = World.REAL) -> None:
        """Register a computer from a donor and issue a roster."""
        self.town = Town(world)
        self.world = world
        self.town.server.say("roster.issued", "roster:1", issued())
        said = {"code": DEVICE, "make": "ACME", "model": "Book 3", "serial": COMPUTER_SERIAL}
        self.town.bench.say("device.registered", DEVICE, {**said, "donor": DONOR, "donor_wants": "clear"})
        self.evidence: Evidence | None = None
        self.profile: wipe_profiles.Profile | None = None

    def wipe(self, found: Evidence, profile: str = "purge", who: dict[str, Any] | None = None, **changed: Any) -> Event:
        """Record a wipe with what its evidence supports."""
        self.evidence, self.profile = found, wipe_profiles.load(profile)
        verdict = judge(found, self.profile)
        body = {
            **wiped(found.medium, None, device=DEVICE),
            "profile": profile,
            "profile_digest": self.profile.digest,
            "evidence": hashlib.sha256(json.dumps(found.to_json()).encode()).hexdigest(),
            "outcome": str(verdict.outcome),
            "claim": str(verdict.claim),
            "rules": verdict.rules,
            "exceptions": list(verdict.exceptions),
            "who": who or WIPER,
            "accepted_by": None,
            "clock_trusted": True,
        }
        return self.town.bench.say("medium.wiped", found.medium.id, {**body, **changed})

    def destroy(self, **more: Any) -> Event:
        """Record a destruction."""
        one = medium()
        body = {"medium": one.id, "device": DEVICE, "how": "destroyed", "names": ["p-alice", "p-bob"], **more}
        return self.town.bench.say("medium.retired", one.id, body)

    def check(self, wipe: Event, who: dict[str, Any] = CHECKER, *, agreed: bool = True) -> Event:
        """Let somebody look at it at another bench."""
        return self.town.other_bench.say("medium.checked", wipe.subject, checked(wipe, who, agreed))

    def accept(self, wipe: Event, *, yes: bool = True) -> Event:
        """Let a supervisor decide."""
        return self.town.bench.say("medium.accepted", wipe.subject, accepted(wipe, CHECKER, yes))

    def lend(self) -> Event:
        """Let the computer leave with its drive."""
        return self.town.server.say(
            "device.left", DEVICE, left(DEVICE, self.evidence.medium if self.evidence else medium())
        )

    def dispute(self, event: Event) -> Event:
        """Let the server call an event mistaken."""
        body = {"event": event.hash, "reason": "the wrong drive was in the dock", "who": ALICE}
        return self.town.server.say("record.disputed", f"event:{event.hash}", body)

    def sources(self, event: Event, **changed: Any) -> Sources:
        """Return everything known of one record."""
        town = self.town
        events = [e for one in (town.server, town.bench, town.other_bench) for e in one.events]
        found = Sources(
            event=event,
            signed_by=town.bench.key.public.keyid,
            world=self.world,
            facts=fold(events),
            evidence=self.evidence,
            plan={"plan": {"wants": self.profile.wants, "medium": {"firmware": "CC43"}}} if self.profile else None,
            profile=self.profile,
            names=NAMES,
            station="Bench 1",
            address=f"HTTPS://KITBANK.EXAMPLE/V/{event.hash.upper()}",
        )
        return replace(found, **changed)


def certified(found: Evidence | None = None, profile: str = "purge", **changed: Any) -> Sources:
    """Return the sources of a wipe with all three roles, ready to print."""
    bench = Bench()
    wipe = bench.wipe(found or by_firmware(), profile)
    bench.check(wipe)
    bench.accept(wipe)
    return bench.sources(wipe, **changed)


def unfinished() -> Evidence:
    """Return the evidence of a wipe that was begun and not finished."""
    return by_overwriting(stopped="the drive no longer answered after 12 %", medium_after=None, size_after=None,
                          readbacks=(), smoke=None)  # fmt: skip


def half_read() -> Evidence:
    """Return evidence with sectors that could not be read."""
    size = medium().size
    return by_overwriting(readbacks=(ReadBack("full", "zero", size, size - 4096, 0, None, (BadRange(8192, 4096),), True,
                                              True, True, 1.0, "bb"),))  # fmt: skip
