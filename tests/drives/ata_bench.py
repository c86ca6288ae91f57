"""One simulated ATA drive on a bench in one process: the real engine, `execute` and `judge`, the tools stood in for.

Time is the drive's own simulated clock, so an erase of hours takes none. The block device is a practice file that
`AtaTools` keeps showing what a host would read.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import wipe_profiles
from custody.claims import Evidence, Verdict, judge
from station.guard import claim
from station.media import Medium, Sidecar, medium_at, sidecar_path, write_sidecar
from station.wipe import ata, overwrite
from station.wipe.acting import Means, execute
from station.wipe.methods import Capabilities
from station.wipe.planning import Plan, plan
from station.worklog import Worklog, read
from tests.drives.ata import AtaDrive
from tests.drives.ata_tools import AtaTools
from tests.drives.ataspec import AtaSpec
from tests.drives.clock import SimulatedClock
from tests.drives.lies import Lies
from tests.drives.sat import SatDrive
from wipe_profiles import Profile, Recipe

SECTORS = 16_384  # 8 MiB: room for a thousand canaries
MINUTES = {"crypto": 1.0, "block": 90.0, "overwrite": 300.0, "erase": 3600.0, "self-test": 60.0}
PROFILE = wipe_profiles.load("purge")
SERIAL = "SIM0000001"


def profile_for(method: str) -> Profile:
    """Return the profile "purge", told to use one method only."""
    recipe = PROFILE.recipes["ata"]
    only = Recipe(**{**vars(recipe), "methods": (method,)})
    return replace(PROFILE, recipes={**PROFILE.recipes, "ata": only})


@dataclass
class AtaBench:
    """One drive and everything around it; `kind` is what the kernel takes it for."""

    folder: Path
    lies: Sequence[str] = ()
    spec: AtaSpec = field(default_factory=lambda: AtaSpec(SECTORS, seconds=MINUTES))
    kind: str = "ssd"
    missing: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Fill the drive with somebody's data and put it into the bench."""
        self.clock = SimulatedClock()
        self.path = self.folder / "drive.img"
        told = Lies.from_words(self.lies)
        letter = b"Dear Mrs. Kowalska, about your appointment on Tuesday at the clinic. " * 8
        size = self.spec.sectors * 512
        (self.folder / "chips.img").write_bytes((letter * (size // len(letter) + 1))[:size])
        drive = AtaDrive(self.spec, self.folder / "chips.img", clock=self.clock, lies=told)
        self.drive = SatDrive(drive)
        self.path.touch()
        write_sidecar(self.path, Sidecar(drive.serial, self.spec.model, "2026-11-25"))
        self.tools = AtaTools({str(self.path): self.drive}, missing=self.missing, mirror=True)

    def medium(self) -> Medium:
        """Return the drive as the kernel shows it."""
        seen = medium_at(self.path)
        return replace(seen, kind=self.kind, transport="ata", practice=False)

    def read(self) -> Capabilities:
        """Return what the engine says of the drive."""
        return ata.read(self.tools, self.medium())

    def planned(self, method: str, *, forced: bool) -> Plan:
        """Plan one method; `forced` although the engine would not offer it."""
        can = self.read()
        methods = {**overwrite.METHODS, **(ata.METHODS if forced else can.methods)}
        return plan(profile_for(method), self.medium(), replace(can, methods=methods))

    def wipe(self, method: str, *, forced: bool = True, planned: Plan | None = None) -> tuple[Evidence, Verdict]:
        """Wipe by this method and judge; a second call goes on where the first was broken off."""
        planned = planned or self.planned(method, forced=forced)
        means = Means(
            os.urandom, clock=self.clock.now, run=self.tools, sleep=self.clock.pass_time,  # type: ignore[arg-type]
            now=lambda: datetime(2026, 11, 25, 12, tzinfo=UTC),
        )  # fmt: skip
        with claim(medium_at(self.path)) as target, self.log(planned.medium) as log:
            evidence = execute(planned, target, log, means, engine=ata)
        return evidence, judge(evidence, profile_for(method))

    def log(self, medium: Medium) -> Worklog:
        """Open the drive's work log."""
        return Worklog(self.folder / "logs", medium.identity.id, lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))

    def entries(self) -> list[dict[str, object]]:
        """Return the drive's work log."""
        return read(self.folder / "logs", self.medium().identity.id)

    def kinds(self) -> list[object]:
        """Return what its lines are about."""
        return [entry["kind"] for entry in self.entries()]

    def power_cycle(self, *, thawed: bool = False) -> None:
        """Switch the drive off and on; the file shows what it holds then."""
        self.tools(("hdparm", "-V"), 1.0)
        self.drive.power_cycle(thawed=thawed)

    @property
    def serial(self) -> str:
        """Return the serial that the kernel knows."""
        return str(json.loads(sidecar_path(self.path).read_text())["serial"])
