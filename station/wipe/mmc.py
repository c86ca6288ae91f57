"""The eMMC engine: erase everything, then SANITIZE, boot areas besides. Not tried on hardware.

An erase only unmaps; the sanitize that must follow removes what was unmapped (Linux commit 283028122d; STATION.md
section 5). Neither keeps any status, so only the effect is believed: a thousand known blocks, all gone. The boot areas
(`mmcblkNboot0`, `boot1`) are areas of their own that no erase of the user area reaches: they are overwritten with
zeros and read back, or the erase has not succeeded. The RPMB area cannot be erased by anybody who lacks its key, which
every certificate says; general purpose areas (`gp0` …), where a maker has set them up, count as hidden areas.

What the chip offers is read from the raw 512 bytes of its extended CSD, which the kernel shows in debugfs (byte
numbers: JEDEC eMMC 5.1 as the Linux kernel's <linux/mmc/mmc.h> names them), never from words of a tool.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from custody.claims import Claim, Firmware
from station.errors import NotDone
from station.media import Medium
from station.run import Runner
from station.wipe.blockio import buffer, size_of
from station.wipe.firmware import hold_until_answered
from station.wipe.methods import Act, Capabilities, DriveState, Method, Unhidden

DEBUGFS = Path("/sys/kernel/debug")
BLOCKS = Path("/sys/class/block")
_SECTOR = 512  # what CMD35 and CMD36 count in on chips of more than 2 GB
_EXPECTED = 600.0  # seconds for one step; the chips say nothing of it
_PIECE = 1024 * 1024
_NO_WAY_BACK = "It cannot be stopped. Keep it powered; if the power was cut, the erase begins again from the start."
_RPMB = "The chip's replay-protected area (RPMB: its firmware's keys and counters, no files) cannot be erased."

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "erase-sanitize": Method(
            "erase-sanitize", "erase-sanitize", (), Claim.PURGE, reach="disk", stoppable=False, cancel=_NO_WAY_BACK
        )
    }
)


@dataclass(frozen=True)
class ExtCsd:
    """What a chip says of itself that matters here; `raw` is all of it in hex."""

    secure_erase: bool
    trim: bool
    sanitize: bool
    erased_reads: int
    boot_bytes: int
    raw: str


def decode(raw: bytes) -> ExtCsd | None:
    """Decode an extended CSD; None when it is not one (512 bytes, and not all of them alike)."""
    if len(raw) != 512 or len(set(raw)) == 1:
        return None
    features = raw[231]  # SEC_FEATURE_SUPPORT: bit 0 SECURE_ER_EN, bit 4 SEC_GB_CL_EN, bit 6 SEC_SANITIZE
    return ExtCsd(
        secure_erase=bool(features & 0x01),
        trim=bool(features & 0x10),
        sanitize=bool(features & 0x40),
        erased_reads=0xFF if raw[181] else 0x00,  # ERASED_MEM_CONT
        boot_bytes=raw[226] * 128 * 1024,  # BOOT_SIZE_MULTI
        raw=raw.hex(),
    )


def ext_csd(path: str, debugfs: Path = DEBUGFS, blocks: Path = BLOCKS) -> tuple[ExtCsd | None, str]:
    """Read the chip's extended CSD from debugfs. Returns it, or None and why it cannot be had."""
    try:
        card = (blocks / Path(path).name / "device").resolve(strict=True).name  # mmc0:0001
        text = (debugfs / card.partition(":")[0] / card / "ext_csd").read_text("ascii").strip()
        found = decode(bytes.fromhex(text))
    except (OSError, ValueError) as error:
        return None, f"the chip's extended CSD cannot be read in debugfs ({error})"
    return found, "" if found else "what debugfs shows is no extended CSD"


def read(run: Runner, medium: Medium) -> Capabilities:
    """Return what a chip offers; an SD card, or a chip that does not tell, offers nothing."""
    if medium.kind != "emmc":
        why = "an SD card knows no secure erase; destroy it, or overwrite it for use in this house only"
        return Capabilities({}, "unknown", {"erase-sanitize": why})
    csd, trouble = ext_csd(medium.path)
    if csd is None:
        return Capabilities({}, "unknown", {"erase-sanitize": trouble}, notes=(trouble,))
    if not csd.sanitize:
        refused = {"erase-sanitize": "the chip does not know SANITIZE"}
        return Capabilities({}, "none", refused, facts={"ext_csd": csd.raw})
    areas, purposes = areas_of(medium.path, "boot"), areas_of(medium.path, "gp")
    notes = [f"the boot areas {', '.join(areas)} will be erased too"] if areas else []
    notes.append("not tried on hardware: no eMMC chip was at hand when this was written")
    if purposes:
        notes.append(f"it has areas that this erase does not reach: {', '.join(purposes)}")
    hidden = "present" if purposes else "none"
    return Capabilities(METHODS, hidden, notes=tuple(notes), facts={"ext_csd": csd.raw})


def areas_of(path: str, kind: str, blocks: Path = BLOCKS) -> tuple[str, ...]:
    """Return a chip's further areas ("boot" or "gp"), as device names without folder."""
    wanted = re.compile(re.escape(Path(path).name) + kind + r"\d+")
    with suppress(OSError):
        return tuple(sorted(found.name for found in blocks.iterdir() if wanted.fullmatch(found.name)))
    return ()


def state(run: Runner, medium: Medium) -> DriveState:
    """A chip keeps no status of an erase: it is there and idle, or it is gone."""
    there = (BLOCKS / Path(medium.path).name).exists()
    if not there:
        return DriveState("gone", "the chip is gone")
    return DriveState("idle", "the chip keeps no status of an erase")


def ready(act: Act) -> tuple[str, ...]:
    """Say what no erase reaches, and when an earlier one was broken off: it is done again from the start."""
    again = ("An earlier erase was broken off; it was done again from the start.",) if act.issued is not None else ()
    return (_RPMB, *again)


def act(act: Act) -> Firmware:
    """Erase the user area, sanitize, and overwrite the boot areas. Raises WorklogFull before anything is sent."""
    begun = act.clock()
    csd, trouble = ext_csd(act.medium.path)
    steps = argv(act.medium, csd) if csd else ()
    ended = []
    for step in steps:
        ended.append(hold_until_answered(act, step, _EXPECTED))
        if not ended[-1].ok:
            break
    accepted = bool(steps) and len(ended) == len(steps) and all(one.ok for one in ended)
    words = trouble or next((one.trouble for one in ended if one.trouble), "")
    if accepted:
        words = clear_boot_areas(act)
    return Firmware(
        accepted=accepted,
        transition_observed=accepted,
        status=words or "erased and sanitized; the chip keeps no status, only the effect can be seen",
        succeeded=accepted and not words,
        observed="content",
        argv=tuple(steps[-1]) if steps else (),
        raw_before=csd.raw if csd else "",
        raw_after=csd.raw if csd else "",
        reach="disk",
        seconds=round(act.clock() - begun, 3),
    )


def argv(medium: Medium, csd: ExtCsd) -> tuple[tuple[str, ...], ...]:
    """Return the command lines, in order: erase everything (securely where the chip can), then sanitize."""
    last = str(medium.size // _SECTOR - 1)
    kind = "secure-erase" if csd.secure_erase else "trim" if csd.trim else "legacy"
    return (("mmc", "erase", kind, "0", last, medium.path), ("mmc", "sanitize", medium.path))


def clear_boot_areas(act: Act, blocks: Path = BLOCKS, devices: Path = Path("/dev")) -> str:
    """Overwrite each boot area with zeros and read it back; returns "" or what went wrong, in a sentence."""
    for name in areas_of(act.medium.path, "boot", blocks):
        act.note("boot-area", name=name)
        lock = blocks / name / "force_ro"
        try:
            lock.write_text("0", "ascii")
            _zero(devices / name)
        except OSError as error:
            return f"the boot area {name} could not be erased ({error.strerror}); the chip still holds what was there"
        finally:
            with suppress(OSError):
                lock.write_text("1", "ascii")
    return ""


def _zero(device: Path) -> None:
    """Write zeros over a boot area and read them back past the cache; raises OSError."""
    fd = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    try:
        size, zeros = size_of(fd), buffer(_PIECE)
        for at in range(0, size, _PIECE):
            os.pwrite(fd, zeros[: min(_PIECE, size - at)], at)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, size, os.POSIX_FADV_DONTNEED)
        for at in range(0, size, _PIECE):
            if any(os.pread(fd, min(_PIECE, size - at), at)):
                raise OSError(5, "it reads back as something else")
    finally:
        os.close(fd)


def unhide(act: Act) -> Unhidden:
    """An eMMC has no hidden areas of the kind a disk has. Raises NotDone: nothing here was ever planned."""
    raise NotDone(f"{act.medium.path} is an eMMC chip, which has no host protected area")
