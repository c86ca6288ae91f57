"""Drives for the guest: what each is told to be, the image behind it, and how QEMU is told.

Promises: the same description serves at boot and for hot-plug; between every device and its image lie a throttle, so
that it can be slowed while it works, and a place where faults can be put. An image is either *steady* (raw: what was
acknowledged is there after a power cut) or *volatile* (a qcow2 layer written back: what was not flushed is lost).
"""

import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

Options = dict[str, Any]


class Bus(StrEnum):
    """How a drive is connected."""

    NVME = "nvme"
    SATA = "sata"
    SCSI = "scsi"
    SAS = "sas"
    USB = "usb"
    UAS = "uas"
    SD = "sd"


PLUGGABLE = frozenset({Bus.NVME, Bus.SCSI, Bus.SAS, Bus.USB, Bus.UAS})
"""Buses on which QEMU plugs and pulls; on SATA the guest's kernel is told instead, SD is there for good."""


@dataclass(frozen=True)
class Store:
    """What holds a drive's data: one for each drive, several for an NVMe controller with several namespaces."""

    image: Path
    block_size: int = 512
    """Bytes in a logical block: 512 or 4096 (SATA and SD in QEMU know only 512)."""
    volatile: bool = False


@dataclass(frozen=True)
class Drive:
    """One drive as it is described to QEMU; a field that a bus has no word for is ignored there."""

    name: str
    """Letters and digits; QEMU's and the lab's name for it, never seen in the guest."""
    bus: Bus
    stores: tuple[Store, ...]
    model: str = ""
    serial: str = ""
    wwn: int = 0
    rotation: int = 0
    """Revolutions a minute; 1 is a solid state drive, 0 says nothing."""


FAILING_FLUSHES = 200
"""As many flushes fail after a lasting `flush` fault: one that never ended could not be taken away again."""


@dataclass(frozen=True)
class Fault:
    """Something to go wrong in a drive (QEMU, docs/devel/blkdebug)."""

    on: str
    """read, write, flush, discard or write-zeroes."""
    sector: int = -1
    """In units of 512 bytes; -1 is anywhere."""
    errno: int = 5
    """5 input/output error, 61 a medium error on SCSI and SATA, 28 no space. NVMe shows 61 whatever is asked."""
    once: bool = False


def make(
    folder: Path, name: str, bus: Bus, size: int, *, block_size: int = 512, volatile: bool = False, namespaces: int = 1,
    model: str = "", serial: str = "", wwn: int = 0, rotation: int = 0,
) -> Drive:  # fmt: skip
    """Make images of `size` bytes each in `folder`, sparse and zero, and describe a drive over them."""
    stores = []
    for number in range(namespaces):
        raw = folder / f"{name}-{number}.raw"
        with raw.open("wb") as out:
            out.truncate(size)
        stores.append(Store(layered(raw) if volatile else raw, block_size, volatile))
    if bus is Bus.SAS and not wwn:
        # Linux' mptsas ignores a device whose SAS address is zero, and QEMU takes the address from the name given here.
        wwn = 0x5000C50000000000 | zlib.crc32(name.encode())
    return Drive(name, bus, tuple(stores), model, serial or f"LAB{name.upper()}", wwn, rotation)


def layered(base: Path) -> Path:
    """Put an empty qcow2 layer over a raw image and return it; the base is never written."""
    layer = base.with_suffix(".qcow2")
    _qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(layer))
    return layer


def flat(store: Store, into: Path) -> Path:
    """Copy what a drive holds now into a raw file; for a volatile one that is what its power cut left."""
    _qemu_img("convert", "-U", "-f", "qcow2" if store.volatile else "raw", "-O", "raw", str(store.image), str(into))
    return into


def home_disk(image: Path, size: int = 256 << 20) -> Path:
    """Make an ext4 image for the station's home, if there is none yet."""
    if not image.exists():
        with image.open("wb") as out:
            out.truncate(size)
        made = ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(image)]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
    return image


def _qemu_img(*words: str) -> None:
    subprocess.run(["qemu-img", *words], check=True, capture_output=True, timeout=300)


def node(drive: Drive, number: int = 0) -> str:
    """Return the name of the topmost block node of a store."""
    return f"{drive.name}-{number}"


def speed_group(drive: Drive) -> Options:
    """Return the object through which a drive is slowed."""
    return {"qom-type": "throttle-group", "id": f"{drive.name}-speed"}


def nodes(drive: Drive) -> Iterator[Options]:
    """Yield a drive's block nodes, lowest first. Discard has to be allowed on every layer to reach the image."""
    for number, store in enumerate(drive.stores):
        top = node(drive, number)
        yield {
            "driver": "file", "node-name": f"{top}-file", "filename": str(store.image), "discard": "unmap",
            "aio": "threads", "cache": {"direct": False, "no-flush": False},
        }  # fmt: skip
        yield {
            "driver": "qcow2" if store.volatile else "raw", "node-name": f"{top}-format", "file": f"{top}-file",
            "discard": "unmap", "cache": {"direct": False, "no-flush": False},
        }  # fmt: skip
        yield throttle(drive, number, f"{top}-format")


def throttle(drive: Drive, number: int, below: str) -> Options:
    """Return the topmost node of a store, over the node `below`."""
    return {
        "driver": "throttle", "node-name": node(drive, number), "throttle-group": f"{drive.name}-speed", "file": below,
        "discard": "unmap", "cache": {"direct": False, "no-flush": False},
    }  # fmt: skip


def faulty(drive: Drive, number: int, name: str, faults: tuple[Fault, ...]) -> Options:
    """Return a node that injects faults over a store's image.

    The event `none` with an `iotype` is how a fault is bound to a kind of request and not to a step of a format
    driver (QEMU, qapi/block-core.json, BlkdebugInjectErrorOptions).
    """
    rules = [
        {"event": "none", "iotype": fault.on, "sector": fault.sector, "errno": fault.errno,
         "once": fault.once or fault.on == "flush", "immediately": False}
        for fault in faults
        for _ in range(FAILING_FLUSHES if fault.on == "flush" and not fault.once else 1)
    ]  # fmt: skip
    return {
        "driver": "blkdebug", "node-name": name, "image": f"{node(drive, number)}-format", "inject-error": rules,
        "discard": "unmap", "cache": {"direct": False, "no-flush": False},
    }  # fmt: skip


def controllers(drives: tuple[Drive, ...]) -> Iterator[Options]:
    """Yield the controllers every guest has, and one PCIe port for each NVMe drive that could be plugged."""
    yield {"driver": "virtio-scsi-pci", "id": "scsi-bus"}
    yield {"driver": "mptsas1068", "id": "sas-bus"}
    yield {"driver": "qemu-xhci", "id": "usb-bus", "p2": 8, "p3": 8}
    for number in range(NVME_PORTS):
        yield {"driver": "pcie-root-port", "id": f"nvme-port{number}", "chassis": number + 1, "slot": number + 1}
    if any(drive.bus is Bus.SD for drive in drives):
        yield {"driver": "sdhci-pci", "id": "sd-host"}


NVME_PORTS = 6


def devices(drive: Drive, place: int) -> Iterator[Options]:
    """Yield the devices of a drive; `place` is its free port, unit or target number on its bus."""
    store, top = drive.stores[0], node(drive)
    sizes = {"logical_block_size": store.block_size, "physical_block_size": max(store.block_size, 512)}
    names = {"serial": drive.serial, **({"wwn": drive.wwn} if drive.wwn else {})}
    # QEMU's own answer to "no space" would be to stop the machine; a drive reports it.
    reports: Options = {"drive": top, "werror": "report", "rerror": "report"}
    disk: Options = {**names, **({"rotation_rate": drive.rotation} if drive.rotation else {}), **reports}
    match drive.bus:
        case Bus.NVME if len(drive.stores) == 1:
            # The older way, with the namespace inside: only this one can be plugged into a running guest.
            yield {"driver": "nvme", "id": drive.name, "serial": drive.serial, "bus": f"nvme-port{place}", "drive": top,
                   **sizes}  # fmt: skip
        case Bus.NVME:
            yield {"driver": "nvme", "id": drive.name, "serial": drive.serial, "bus": f"nvme-port{place}"}
            for number, each in enumerate(drive.stores):
                yield {"driver": "nvme-ns", "id": f"{drive.name}-ns{number + 1}", "bus": drive.name,
                       "nsid": number + 1, "drive": node(drive, number), "logical_block_size": each.block_size,
                       "physical_block_size": each.block_size}  # fmt: skip
        case Bus.SATA:
            yield {"driver": "ide-hd", "id": drive.name, "bus": f"ide.{place}", "model": drive.model or "LAB SATA DISK",
                   **disk}  # fmt: skip
        case Bus.SCSI | Bus.SAS:
            bus = f"{drive.bus}-bus.0"
            yield {"driver": "scsi-hd", "id": drive.name, "bus": bus, "scsi-id": place, "vendor": "LABWORKS",
                   "product": drive.model or "LAB SCSI DISK", **disk, **sizes}  # fmt: skip
        case Bus.USB:
            yield {"driver": "usb-storage", "id": drive.name, "bus": "usb-bus.0", "serial": drive.serial, **reports}
        case Bus.UAS:
            yield {"driver": "usb-uas", "id": f"{drive.name}-uas", "bus": "usb-bus.0", "serial": drive.serial}
            yield {"driver": "scsi-hd", "id": drive.name, "bus": f"{drive.name}-uas.0", "scsi-id": 0, "lun": 0,
                   "vendor": "LABWORKS", "product": drive.model or "LAB UAS DISK", **disk}  # fmt: skip
        case Bus.SD:
            yield {"driver": "sd-card", "id": drive.name, "drive": top}
