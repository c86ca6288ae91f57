"""NVMe structures as a drive sends them, built from fields as the specification lays them out, to test decoding."""

import struct
from collections.abc import Mapping
from typing import Any


def controller(**given: Any) -> bytes:
    """Build Identify Controller (Base 1.4, figure 247) from nvme-cli's short names."""
    data = bytearray(4096)
    data[4:24] = str(given.get("sn", "S1")).encode().ljust(20)[:20]
    data[24:64] = str(given.get("mn", "A drive")).encode().ljust(40)[:40]
    data[64:72] = str(given.get("fr", "1.0")).encode().ljust(8)[:8]
    fields = [("oacs", 256, "H"), ("rpmbs", 312, "I"), ("sanicap", 328, "I"), ("nn", 516, "I"), ("fna", 524, "B")]
    for name, at, form in fields:
        struct.pack_into("<" + form, data, at, int(given.get(name, 0)))
    data[512], data[513] = int(given.get("sqes", 0x66)), int(given.get("cqes", 0x44))
    for name, at in (("tnvmcap", 280), ("unvmcap", 296)):
        data[at : at + 16] = int(given.get(name, 0)).to_bytes(16, "little")
    return bytes(data)


def namespace(
    blocks: int = 2048, lbaf: int = 0, formats: tuple[tuple[int, int], ...] = ((0, 9), (0, 12)), **given: int
) -> bytes:
    """Build Identify Namespace (figure 245); `formats` are (bytes of metadata, power of two of the block)."""
    data = bytearray(4096)
    struct.pack_into("<QQQ", data, 0, blocks, blocks, blocks)
    data[25] = len(formats) - 1
    data[26] = (lbaf & 0xF) | (lbaf >> 4) << 5 | given.get("extended", 0) << 4
    data[29] = given.get("dps", 0)
    data[120:128] = given.get("eui64", 0x0011223344556677).to_bytes(8, "big")
    for index, (metadata, shift) in enumerate(formats):
        struct.pack_into("<HBB", data, 128 + 4 * index, metadata, shift, 0)
    return bytes(data)


def sanitize_log(progress: int = 0xFFFF, status: int = 0, command: int = 0, *estimates: int) -> bytes:
    """Build log page 81h (figure 262)."""
    told = (*estimates, *[0xFFFFFFFF] * (6 - len(estimates)))
    return struct.pack("<HHI6I", progress, status, command, *told).ljust(512, b"\0")


def discovery(locking: int | None, before: bytes = b"") -> bytes:
    """Build a level 0 discovery (TCG Storage Core, 3.3.6) with a Locking feature whose first byte is `locking`."""
    feature = b"" if locking is None else struct.pack(">HBB", 0x0002, 0x10, 12) + bytes([locking]) + bytes(11)
    body = bytes(44) + before + feature
    return (struct.pack(">I", len(body)) + body).ljust(2048, b"\0")


def told(file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a sanitize log as nvme-cli 2.3 prints them in JSON."""
    fields = next(iter(file.values()))
    status = int(fields["sstat"]["status"][1:].split(")")[0], 0)
    return {
        "progress": fields["sprog"],
        "status": status | fields["sstat"]["no_cmplted_passes"] << 3 | fields["sstat"]["global_erased"] << 8,
        "command": fields["cdw10_info"],
    }
