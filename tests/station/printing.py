"""Stations with records to print: real ones and practice ones, wipes that went well and wipes that did not."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wipe_profiles
from custody.claims import Evidence, judge
from custody.events import World
from custody.keyfile import read_public
from station.bench import EVIDENCE_TYPE
from station.config import Config
from station.home import create
from tests.custody.papers import COMPUTER_SERIAL, DEVICE, DONOR, by_firmware
from tests.factories import wiped
from tests.station.benches import bench_of

WHO = {"ref": "v-12", "authenticated": False}


@dataclass(frozen=True)
class Station:
    """A station's home with one recorded wipe."""

    config: Config
    wipe: str
    key: str


def station(
    folder: Path, found: Evidence | None = None, profile: str = "purge", world: World = World.REAL, **changed: Any
) -> Station:
    """Make a station that has recorded a wipe with this evidence; `changed` are fields of the event's body."""
    config = create(folder / "home", world)
    evidence, followed = found or by_firmware(), wipe_profiles.load(profile)
    verdict = judge(evidence, followed)
    with bench_of(config) as bench:
        bench.append(
            "device.registered",
            DEVICE,
            {"code": DEVICE, "make": "ACME", "model": "Book", "serial": COMPUTER_SERIAL, "donor": DONOR,
             "donor_wants": None},
        )  # fmt: skip
        plan = {"plan": {"wants": followed.wants}}
        body = {
            **wiped(evidence.medium, None, device=DEVICE),
            "profile": profile,
            "profile_digest": followed.digest,
            "evidence": bench.journal.attach(json.dumps(evidence.to_json()).encode(), EVIDENCE_TYPE),
            "plan": bench.journal.attach(json.dumps(plan).encode(), "application/json"),
            "outcome": str(verdict.outcome),
            "claim": str(verdict.claim),
            "rules": verdict.rules,
            "exceptions": list(verdict.exceptions),
            "who": WHO,
            "clock_trusted": False,
        }
        event = bench.append("medium.wiped", evidence.medium.id, {**body, **changed})
    return Station(config, event.hash, read_public(config.event_key)[0].hex)


def said_later(made: Station, kind: str, subject: str, body: dict[str, Any]) -> str:
    """Record something else at that station; return the event's hash."""
    with bench_of(made.config) as bench:
        return bench.append(kind, subject, body).hash
