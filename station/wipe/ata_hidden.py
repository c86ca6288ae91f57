"""Sectors an ATA drive has and does not show: found by comparing numbers, and given back.

Three ways of hiding: SET MAX ADDRESS (host protected area, ACS-2 section 4.10), DEVICE CONFIGURATION SET (ACS-2
section 4.8) and SET ACCESSIBLE MAX ADDRESS (ACS-3 section 4.2). hdparm's words are not looked at, only its numbers:
"HPA is disabled" is printed with sectors hidden behind a configuration overlay, and "HPA is enabled" with 0 of 1
sectors on what is no ATA drive. hdparm 9.65 asks by the newer command where IDENTIFY says that the drive has it.

"none" needs an answer to each of the three that agrees with what IDENTIFY and the kernel say; anything else is
"present" or "unknown". A drive allows one lasting SET MAX after each power-on; then it must be switched off and on.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from station.errors import NotDone
from station.media import Medium
from station.run import Runner
from station.wipe.ata_ask import DEADLINE, identify, said
from station.wipe.ata_identify import MOST_SECTORS, Identity
from station.wipe.ata_sanitize import SURE
from station.wipe.ata_security import DOCK
from station.wipe.methods import Act, Unhidden

_MAX = re.compile(r"^ max sectors\s*=\s*(\d+)/(\d+)\b", re.MULTILINE)
_REAL = re.compile(r"^\s*Real max sectors:\s*(\d+)\s*$", re.MULTILINE)
_CHECKED = "DCO Checksum verified."
ROUNDS = 3  # set max, restore, set max: no drive needs more steps
Rescan = Callable[[Medium], int]


@dataclass(frozen=True)
class Hidden:
    """What a drive hides. `state` none, present or unknown; counts in sectors: visible, native, real, kernel."""

    state: str
    sectors: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def look(run: Runner, medium: Medium, identity: Identity, size: int | None = None) -> Hidden:
    """Compare all numbers a drive and the kernel give; `size` is the kernel's in bytes when it is newer than `medium`.

    Writes nothing, raises nothing.
    """
    kernel = (medium.size if size is None else size) // identity.sector_size
    sectors, notes = {"visible": identity.sectors, "kernel": kernel}, []
    if not identity.knows_features:
        notes.append("the drive does not say whether it can hide sectors")
    if identity.host_protected_area or identity.accessible_max:
        native, why = native_max(run, medium, identity)
        sectors |= {"native": native} if native else {}
        notes += [why] if why else []
    if identity.configuration_overlay:
        real, why = real_max(run, medium, identity)
        sectors |= {"real": real} if real else {}
        notes += [why] if why else []
    if kernel != identity.sectors:
        notes.append(f"the kernel sees {kernel} sectors, the drive says {identity.sectors}")
    if max(sectors.values()) > min(identity.sectors, kernel):
        return Hidden("present", sectors, (*notes, f"hidden sectors: {_words(sectors)}"))
    return Hidden("unknown" if notes else "none", sectors, tuple(notes))


def _words(sectors: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sectors.items())


def native_max(run: Runner, medium: Medium, identity: Identity) -> tuple[int, str]:
    """Return how many sectors there are with nothing set aside by SET MAX, or 0 and why that is not known."""
    result = run(("hdparm", "-N", medium.path), DEADLINE)
    found = _MAX.search(result.text)
    if not found:
        return 0, f"the drive's native size could not be read ({said(result) or 'no numbers'})"
    visible, native = int(found[1]), int(found[2])
    if visible != identity.sectors or not visible <= native < MOST_SECTORS:
        numbers = f"{visible}/{native} sectors, IDENTIFY says {identity.sectors}"
        return 0, f"the drive's native size makes no sense ({numbers})"
    return native, ""


def real_max(run: Runner, medium: Medium, identity: Identity) -> tuple[int, str]:
    """Return how many sectors there are without a configuration overlay, or 0 and why that is not known."""
    result = run(("hdparm", "--dco-identify", medium.path), DEADLINE)
    found = _REAL.search(result.text)
    if not found or _CHECKED not in result.text:
        return 0, f"the drive's configuration could not be read; it may be frozen ({said(result) or 'no numbers'})"
    real = int(found[1])
    if not identity.sectors <= real < MOST_SECTORS:
        return 0, f"the drive's configuration makes no sense ({real} sectors, IDENTIFY says {identity.sectors})"
    return real, ""


def remove(act: Act, rescan: Rescan | None = None) -> Unhidden:
    """Give hidden sectors back, have the kernel look again, and read everything again.

    `rescan` makes the kernel look and returns its size in bytes. Raises NotDone with what to do.
    """
    rescan = rescan or rescan_kernel
    size, done = act.medium.size, False
    for _ in range(ROUNDS):
        identity, why = identify(act.run, act.medium)
        if identity is None:
            raise NotDone(f"the hidden areas of {act.medium.path} cannot be looked for: {why}")
        found = look(act.run, act.medium, identity, size)
        if found.state != "present":
            state = "removed" if done and found.state == "none" else found.state
            return Unhidden(state, size, found.sectors, found.notes)
        act.target.still_same() if not done else None
        step = _next_step(found, act.medium.path)
        if step:
            act.note("unhiding", argv=list(step))  # no "command": that would be one of a wipe
            act.run(step, DEADLINE)
            if not _grew(act, identity, found, step):
                return _refused(act, found, step, size)
            done = True
        seen = rescan(act.medium)
        if not step and seen == size:
            return Unhidden("present", size, found.sectors, found.notes, power_cycle=True)
        size = seen
    return Unhidden("present", size, found.sectors, found.notes, power_cycle=True)


def _next_step(found: Hidden, path: str) -> tuple[str, ...]:
    """Return the command that gives back what is hidden, or () where only the kernel must look again."""
    visible = found.sectors["visible"]
    native = found.sectors.get("native", visible)
    if native > visible:
        return ("hdparm", SURE, "-N", f"p{native}", path)
    if found.sectors.get("real", visible) > native:
        return ("hdparm", SURE, "--dco-restore", path)
    return ()


def _grew(act: Act, before: Identity, found: Hidden, step: tuple[str, ...]) -> bool:
    """Tell whether the drive really shows, or could now show, more than before. Its own numbers, not hdparm's word."""
    now, _ = identify(act.run, act.medium)
    if now is None:
        return False
    if now.sectors > before.sectors:
        return True
    native, _ = native_max(act.run, act.medium, now) if "--dco-restore" in step else (0, "")
    return native > found.sectors.get("native", before.sectors)


def _refused(act: Act, found: Hidden, step: tuple[str, ...], size: int) -> Unhidden:
    """Say what helps where the drive did not give its sectors back."""
    if "--dco-restore" in step:
        raise NotDone(
            f"{act.medium.path} hides sectors by its configuration ({_words(found.sectors)}) and does not give them "
            f"back: that may be frozen until it has been off. Switch it off and on; if that does not help, {DOCK}"
        )
    return Unhidden("present", size, found.sectors, found.notes, power_cycle=True)


def rescan_kernel(medium: Medium, sys: Path = Path("/sys")) -> int:
    """Have the kernel read a drive's size again and return it in bytes.

    `device/rescan` is enough for SCSI; libata keeps the size of its last look until the host is scanned, which resets
    the link and finds a late-unlocked area (drivers/ata/libata-core.c, ata_dev_revalidate).
    """
    name = Path(medium.path).resolve().name
    folder = sys / "class/block" / name
    before = _size(folder)
    with suppress(OSError):
        (folder / "device/rescan").write_text("1")
    host = next((part for part in folder.resolve().parts if re.fullmatch(r"host\d+", part)), "")
    behind_libata = any(re.fullmatch(r"ata\d+", part) for part in folder.resolve().parts)
    if _size(folder) == before and host and behind_libata:
        with suppress(OSError):
            (sys / "class/scsi_host" / host / "scan").write_text("0 0 0")
        with suppress(OSError):
            (folder / "device/rescan").write_text("1")
    return _size(folder)


def _size(folder: Path) -> int:
    try:
        return int((folder / "size").read_text()) * 512
    except (OSError, ValueError):
        return 0
