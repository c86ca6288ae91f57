"""Wiping: `plan` (pure, printable) and `execute` (acts and proves, judges nothing), over one table of engines.

Overwriting serves everything that has blocks. An engine for a transport adds the commands of the drive's own: it is a
module with `METHODS`, `read`, `state`, `ready`, `act` and `unhide`; see `station.wipe.methods.Engine`.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from station.health import Health
from station.media import Medium
from station.run import Runner
from station.wipe import ata, mmc, nvme, overwrite, scsi, usb
from station.wipe.methods import Capabilities, Engine, Method
from station.wipe.planning import Option, Plan
from station.wipe.planning import plan as plan_with
from wipe_profiles import Profile

__all__ = ["ENGINES", "Capabilities", "Engine", "Method", "Option", "Plan", "can_do", "plan"]

ENGINES: Mapping[str, Engine] = MappingProxyType(
    {"ata": ata, "mmc": mmc, "nvme": nvme, "scsi": scsi, "usb": usb}
)
"""Transport -> the engine of its firmware methods; overwriting is there for every transport."""

_NOTHING_HIDDEN = ("nvme", "file")  # no host protected area or device configuration overlay exists there


def can_do(medium: Medium, run: Runner | None = None) -> Capabilities:
    """Return what the engines can do with this drive; without a runner only overwriting, which needs to ask nobody."""
    by_writing = Capabilities(overwrite.METHODS, "none" if medium.kind in _NOTHING_HIDDEN else "unknown")
    engine = ENGINES.get(medium.transport)
    if engine is None or run is None or medium.practice:
        return by_writing
    can = engine.read(run, medium)
    return replace(can, methods={**overwrite.METHODS, **can.methods})


def plan(
    profile: Profile,
    medium: Medium,
    can: Capabilities | None = None,
    *,
    health: Health | None = None,
    without: Collection[str] = (),
    begun: str = "",
) -> Plan:
    """Work out what this profile means for this drive; see `planning.plan`."""
    return plan_with(profile, medium, can or can_do(medium), health=health, without=without, begun=begun)
