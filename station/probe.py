"""Look at a whole machine and write down what it is: `snapshot`. For one drive there is `medium_at`.

Looking may shrug: a missing tool or permission never raises. What is not known stands in `Snapshot.unknown`, with what
it is about and why. Every program goes through the runner, so a recorded machine gives the same snapshot again.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from station import records
from station.media import Medium, medium_at, medium_of
from station.probe_dmi import Machine, MemoryModule, read_machine
from station.probe_parts import Battery, Cpu, Display, kernel, read_batteries, read_cpu, read_displays, read_memory
from station.probe_smart import Smart, read_smart
from station.run import Runner
from station.said import clean, said
from station.system import DISKS, System

__all__ = ["Medium", "SecondOpinion", "Snapshot", "Unknown", "medium_at", "second_opinion", "snapshot"]

PYSMART_DEADLINE = 120.0  # seconds; pySMART asks smartctl several times
RAID_CLASS = "0x0104"  # PCI class of a controller in RAID mode, which hides drives (shredos #15, #174, #379)


@dataclass(frozen=True)
class Unknown:
    """Something that could not be learnt, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class SecondOpinion:
    """What pySMART says of a drive; "" is unknown."""

    path: str
    model: str
    serial: str
    firmware: str
    interface: str
    assessment: str
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """One look at a machine. `media` are all whole disks found, the station's own among them: ask the guard."""

    taken: str  # ISO 8601, the station's clock
    kernel: str
    machine: Machine
    cpu: Cpu
    memory: int  # bytes that the kernel can use
    modules: tuple[MemoryModule, ...]
    batteries: tuple[Battery, ...]
    displays: tuple[Display, ...]
    media: tuple[Medium, ...]
    smart: tuple[Smart, ...]
    opinions: tuple[SecondOpinion, ...]
    unknown: tuple[Unknown, ...]

    def smart_of(self, medium: Medium) -> Smart | None:
        """Return smartctl's report about a medium, or None when there is none."""
        return next((report for report in self.smart if report.path == medium.path), None)

    def to_json(self) -> dict[str, Any]:
        """Return the snapshot as JSON data; each medium also has its id and what must be typed to wipe it."""
        data: dict[str, Any] = records.to_json(self)
        data["media"] = [medium.to_json() for medium in self.media]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Snapshot":
        """Read what `to_json` gave. Raises `ValueError` when a field is missing or of another type."""
        return records.from_json(cls, data)


def snapshot(run: Runner, *, now: datetime, system: System | None = None, second: bool = True) -> Snapshot:
    """Look at the machine. `now` is the time to write down; `second=False` leaves pySMART out."""
    system = system or System()
    machine, modules, why_machine = read_machine(run, system)
    cpu, why_cpu = read_cpu(system)
    memory, why_memory = read_memory(system)
    batteries, why_batteries = read_batteries(system)
    displays, why_displays = read_displays(system)
    media, unknown = read_media(system)
    reports, opinions = [], []
    for medium in media:
        report, why = read_smart(run, medium.path)
        reports += [report] if report else []
        unknown += _unknown(f"health of {medium.path}", [why])
        if second:
            opinion, why = second_opinion(run, medium.path)
            opinions += [opinion] if opinion else []
            unknown += _unknown(f"second opinion on {medium.path}", [why])
        unknown += _disagreements(medium, report)
    unknown += _unknown("machine", why_machine)
    unknown += _unknown("processor", [why_cpu])
    unknown += _unknown("memory", [why_memory])
    unknown += _unknown("batteries", why_batteries)
    unknown += _unknown("screens", why_displays)
    return Snapshot(
        taken=now.isoformat(),
        kernel=kernel(system),
        machine=machine,
        cpu=cpu,
        memory=memory,
        modules=modules,
        batteries=batteries,
        displays=displays,
        media=tuple(media),
        smart=tuple(reports),
        opinions=tuple(opinions),
        unknown=tuple(unknown),
    )


def read_media(system: System) -> tuple[list[Medium], list[Unknown]]:
    """Return every whole disk of a known kind, and what may be missing from the list."""
    try:
        devices = system.block_devices()
    except OSError as error:
        return [], [Unknown("drives", f"the kernel's list cannot be read ({error.strerror})")]
    media, unknown = [], []
    for device in devices:
        if not DISKS.fullmatch(device.name) or device.is_partition or device.count("hidden"):
            continue
        medium = medium_of(device, system)
        if medium.size:
            media.append(medium)
            unknown += _unknown(f"identity of {medium.path}", medium.notes)
        else:
            unknown.append(Unknown(f"medium in {medium.path}", "no medium is in it, or it does not answer"))
    for place in _raid_controllers(system):
        why = f"the controller {place} is in RAID mode and may hide drives; set it to AHCI in the firmware's set-up"
        unknown.append(Unknown("drives", why))
    return media, unknown


def second_opinion(run: Runner, path: str) -> tuple[SecondOpinion | None, str]:
    """Ask pySMART about a drive, in a child under a deadline. Returns its view or None, and why it is unknown."""
    # The file instead of `-m`: the child runs in / and the package need not be installed; -P keeps this folder
    # from shadowing other modules.
    program = Path(__file__).with_name("probe_pysmart.py")
    result = run([sys.executable, "-P", str(program), path], PYSMART_DEADLINE)
    if not result.ok:
        return None, result.trouble
    try:
        data = json.loads(result.text)
        texts = {key: data[key] for key in ("model", "serial", "firmware", "interface", "assessment")}
        messages = tuple(clean(message) for message in data["messages"])
        plain = {key: clean(text) if key in ("interface", "assessment") else said(text) for key, text in texts.items()}
        opinion = SecondOpinion(path, messages=messages, **plain)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"pySMART's answer cannot be read ({error!r})"
    return opinion, "" if opinion.serial or opinion.model else "pySMART finds neither model nor serial number"


def _disagreements(medium: Medium, report: Smart | None) -> list[Unknown]:
    """Say so when the drive behind a bridge gives another serial number or size than the kernel shows."""
    if not report:
        return []
    found = []
    shown, told = medium.identity.serial, report.serial
    if shown and told and shown.casefold() != told.casefold() and told.casefold() not in shown.casefold():
        why = f"the system shows serial number {shown}, the drive itself says {told}"
        found.append(Unknown(f"identity of {medium.path}", why))
    if report.size and report.size != medium.size:
        why = f"the system shows {medium.size} bytes, the drive itself says {report.size}"
        found.append(Unknown(f"size of {medium.path}", why))
    return found


def _raid_controllers(system: System) -> list[str]:
    """Return the PCI addresses of controllers in RAID mode."""
    found = []
    for place in sorted((system.root / "sys/bus/pci/devices").glob("*/class")):
        try:
            if place.read_text("ascii", "replace").startswith(RAID_CLASS):
                found.append(place.parent.name)
        except OSError:  # gone meanwhile
            continue
    return found


def _unknown(what: str, why: Iterable[str]) -> list[Unknown]:
    """Make the entries for whatever has a reason."""
    return [Unknown(what, text) for text in why if text]
