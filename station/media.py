"""What a storage medium is: read from udev and sysfs, or from the sidecar of a practice drive.

`medium_at` gives the same identity whoever asks, because a certificate counts only for the very same identity.
So it never asks a tool, and nothing from `smartctl` is mixed in. A practice drive is a regular file with a
sidecar `<file>.kitbank.json`; a file without one is somebody's file and is refused.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyudev

from custody.events import MediumIdentity, World
from station.errors import StationError
from station.said import clean, said
from station.system import Device, System

SIDECAR = ".kitbank.json"
KINDS = ("hdd", "ssd", "nvme", "scsi", "emmc", "usb", "file", "unknown")


class NotAMedium(StationError):
    """The path names nothing that could be wiped; the message says what it is instead."""

    exit_code = 3


@dataclass(frozen=True)
class Sidecar:
    """What makes a regular file a practice drive."""

    serial: str
    model: str
    made: str  # when, ISO 8601; information only
    world: str = World.PRACTICE.value


@dataclass(frozen=True)
class Medium:
    """One storage medium as seen now. Sizes in bytes; "" and 0 mean that the medium does not say."""

    path: str
    kind: str  # one of KINDS
    transport: str  # the recipe's table in a profile: nvme ata scsi mmc usb block file
    identity: MediumIdentity
    size: int
    sector_size: int
    physical_sector: int
    rotational: bool  # the kernel's word; a USB bridge may be wrong
    removable: bool
    read_only: bool
    via_bridge: bool
    practice: bool  # a practice drive or a loop device: never another world's
    firmware: str
    bay: str  # udev's ID_PATH: which socket it sits in
    number: str  # major:minor, "" for a file
    sequence: int  # the kernel's disk sequence number: names are used again, this is not; 0 unknown
    notes: tuple[str, ...] = ()  # in plain English, what was odd

    @property
    def name(self) -> str:
        """Say which drive this is in words."""
        return " ".join(filter(None, (self.identity.model, self.identity.serial))) or self.path

    @property
    def confirm(self) -> str:
        """Return what must be typed to wipe it: the last four of its serial, WWN or, failing both, its id."""
        for text in (self.identity.serial, self.identity.wwn, self.identity.id):
            letters = re.sub(r"[^0-9A-Za-z]", "", text)
            if letters:
                return letters[-4:].upper()
        raise AssertionError("a medium's id is never empty")

    def confirmed_by(self, typed: str) -> bool:
        """Tell whether the right four characters were typed; capitals do not matter."""
        return typed.strip().upper() == self.confirm

    def to_json(self) -> dict[str, Any]:
        """Return the medium as JSON data."""
        return {
            **asdict(self),
            "identity": {**self.identity.to_json(), "id": self.identity.id},
            "notes": list(self.notes),
            "confirm": self.confirm,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Medium":
        """Read what `to_json` wrote; what is derived (`id`, `confirm`) is worked out afresh."""
        values = {field.name: data[field.name] for field in fields(cls)}
        values["identity"] = MediumIdentity.from_json(data["identity"])
        values["notes"] = tuple(data["notes"])
        return cls(**values)


def medium_at(path: str | Path, system: System | None = None) -> Medium:
    """Return the medium at a path: a block device or a practice drive.

    Raises `NotAMedium` when there is nothing there, or something that cannot be a medium.
    """
    system = system or System()
    device = system.device_at(str(path))
    if device:
        return medium_of(device, system)
    try:
        status = os.stat(path)
    except OSError as error:
        raise NotAMedium(f"{path} cannot be looked at ({error.strerror}); is the drive plugged in?") from error
    if stat.S_ISREG(status.st_mode):
        return practice_drive(Path(path))
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "neither a drive nor a practice drive"
    raise NotAMedium(f"{path} is {what}; name a whole drive such as /dev/sdb, or a practice drive's file")


def practice_drive(path: Path) -> Medium:
    """Return the practice drive in a regular file. Raises `NotAMedium` when its sidecar is missing or wrong."""
    path = path.resolve()
    sidecar = read_sidecar(path)
    size = path.stat().st_size
    identity = MediumIdentity("file", sidecar.model, sidecar.serial, "", "", size)
    return Medium(
        str(path),
        kind="file",
        transport="file",
        identity=identity,
        size=size,
        sector_size=512,
        physical_sector=4096,
        rotational=False,
        removable=False,
        read_only=not os.access(path, os.W_OK),
        via_bridge=False,
        practice=True,
        firmware="",
        bay="",
        number="",
        sequence=0,
    )


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of a practice drive is."""
    return path.with_name(path.name + SIDECAR)


def read_sidecar(path: Path) -> Sidecar:
    """Read the sidecar of a practice drive. Raises `NotAMedium` when it is missing or not one of ours."""
    place = sidecar_path(path)
    try:
        data = json.loads(place.read_text("utf-8"))
        sidecar = Sidecar(*(str(data[key]) for key in ("serial", "model", "made", "world")))
    except FileNotFoundError as error:
        raise NotAMedium(
            f"{path} has no {place.name} beside it, so it may be anybody's file and is not touched; "
            "practice drives are made with: kitbank-station practice DIR"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAMedium(f"{place} is not the sidecar of a practice drive ({error!r})") from error
    if sidecar.world != World.PRACTICE or not re.fullmatch(r"[0-9A-Za-z-]{4,64}", sidecar.serial):
        raise NotAMedium(f"{place} is not the sidecar of a practice drive: world or serial is wrong")
    return sidecar


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Make a file a practice drive. Raises `FileExistsError` when it has a sidecar already."""
    with sidecar_path(path).open("x", encoding="utf-8") as out:
        json.dump(asdict(sidecar), out, indent=1)
        out.write("\n")


def medium_of(device: Device, system: System) -> Medium:
    """Return the medium behind a block device, whatever it is; the guard decides what may be done with it."""
    udev = properties(device, system)
    transport = _transport(device, udev)
    size = device.size
    model, serial, wwn, namespace, firmware = _identity(device, udev, transport)
    notes = []
    if not serial and not wwn:
        notes.append("it tells neither serial number nor WWN, so it can be wiped but never certified")
    if transport == "usb":
        notes.append("seen through a USB bridge, which may show its own serial number")
    return Medium(
        device.node,
        kind=_kind(device, transport),
        transport=transport,
        identity=MediumIdentity(transport, model, serial, wwn, namespace, size),
        size=size,
        sector_size=device.count("queue/logical_block_size") or 512,
        physical_sector=device.count("queue/physical_block_size") or 512,
        rotational=device.count("queue/rotational") == 1,
        removable=device.count("removable") == 1,
        read_only=device.count("ro") != 0,
        via_bridge=transport == "usb",
        practice=device.name.startswith("loop"),
        firmware=firmware,
        bay=clean(udev.get("ID_PATH")),
        number=device.number,
        sequence=device.count("diskseq"),
        notes=tuple(notes),
    )


def properties(device: Device, system: System) -> Mapping[str, str]:
    """Return udev's properties of a device; empty when udev knows nothing of it."""
    number = device.number
    if system.live:
        try:
            found = pyudev.Devices.from_sys_path(pyudev.Context(), str(device.folder))
            return {str(key): str(value) for key, value in found.properties.items()}
        except (pyudev.DeviceNotFoundError, OSError, ValueError, ImportError):
            return {}
    try:  # a recorded machine: the lines `E:KEY=VALUE` of udev's own database
        lines = (system.root / "run/udev/data" / f"b{number}").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return dict(line[2:].partition("=")[::2] for line in lines if line.startswith("E:"))


def _transport(device: Device, udev: Mapping[str, str]) -> str:
    """Return how a disk is attached; the way through sysfs is trusted before udev's ID_BUS.

    udev says ID_BUS=ata of SATA disks in USB enclosures (60-persistent-storage.rules runs ata_id on them).
    """
    name, way = device.name, device.folder.parts
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("mmcblk"):
        return "mmc"
    if not re.fullmatch(r"(sd[a-z]+|hd[a-z]+)\d*", name):
        return "block"
    if any(re.fullmatch(r"usb\d+", part) for part in way):
        return "usb"
    vendor = device.disk.text("device/vendor")
    if vendor == "ATA" or udev.get("ID_BUS") == "ata" or any(re.fullmatch(r"ata\d+", part) for part in way):
        return "ata"
    return "usb" if udev.get("ID_BUS") == "usb" else "scsi"


def _kind(device: Device, transport: str) -> str:
    """Return what kind of medium it is believed to be."""
    if transport == "ata":
        return "hdd" if device.disk.count("queue/rotational") else "ssd"
    if transport == "mmc":  # an SD card is no eMMC
        return "emmc" if device.disk.text("device/type") == "MMC" else "unknown"
    if transport == "block":
        return "file" if device.name.startswith("loop") else "unknown"
    return transport


def _identity(device: Device, udev: Mapping[str, str], transport: str) -> tuple[str, str, str, str, str]:
    """Return model, serial, WWN or EUI-64, namespace and firmware of a disk, each cleaned."""
    disk = device.disk
    firmware = clean(disk.text("device/firmware_rev") or disk.text("device/rev") or udev.get("ID_REVISION"))
    model = said(disk.text("device/model") or _decoded(udev.get("ID_MODEL_ENC")) or udev.get("ID_MODEL"))
    wwn = said(disk.text("wwid") or udev.get("ID_WWN_WITH_EXTENSION") or udev.get("ID_WWN"))
    wwn = wwn or said(disk.text("device/wwid"))
    if disk.name.startswith("loop"):
        return "loop device", loop_serial(disk.text("loop/backing_file")), "", "", ""
    if transport == "nvme":
        serial = said(disk.text("device/serial") or udev.get("ID_SERIAL_SHORT"))
        return model, serial, wwn, disk.text("nsid") or udev.get("ID_NSID", ""), firmware
    if transport == "mmc":
        model = said(disk.text("device/name") or udev.get("ID_NAME"))
        return model, said(disk.text("device/serial")), said(disk.text("device/cid")), "", firmware
    if transport == "block":
        return model, said(disk.text("serial") or udev.get("ID_SERIAL")), wwn, "", firmware
    return _scsi_identity(disk, udev, model, firmware)


def _scsi_identity(disk: Device, udev: Mapping[str, str], model: str, firmware: str) -> tuple[str, str, str, str, str]:
    """Return the identity of a disk behind the SCSI layer (SATA, SAS, USB).

    SCSI cuts a SATA disk's model to 16 characters, so udev's is better; udev's ID_SERIAL_SHORT of a real
    SCSI disk is its WWN, ID_SCSI_SERIAL its serial. Page 0x80 has a header of four bytes.
    """
    full = said(_decoded(udev.get("ID_MODEL_ENC")) or udev.get("ID_MODEL"))
    page = disk.text("device/vpd_pg80").encode("utf-8", "replace")[4:]
    short = udev.get("ID_SERIAL_SHORT")
    wwn = said(udev.get("ID_WWN_WITH_EXTENSION") or udev.get("ID_WWN") or disk.text("device/wwid"))
    if udev.get("ID_BUS") == "scsi":
        serial = said(udev.get("ID_SCSI_SERIAL")) or said(page)
    else:
        serial = said(short) or said(page)
    return full or model, serial, wwn, "", clean(udev.get("ID_REVISION")) or firmware


def loop_serial(backing: str) -> str:
    """Return a serial for a loop device: a digest of what its backing file is, not of what is in it."""
    if not backing:
        return ""
    path = Path(backing)
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ""
    parts = [str(status.st_dev), str(status.st_ino)]
    if sidecar_path(path).exists():
        parts.append(read_sidecar(path).serial)
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16].upper()


def _decoded(text: str | None) -> str:
    r"""Undo udev's `\x20` in the `_ENC` properties."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), text or "")
