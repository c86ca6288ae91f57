"""Write a small FAT16 file system with files in it, without any tool: what practice drives fall back to.

Layout as in Microsoft's "FAT: General Overview of On-Disk Format" 1.03: boot sector, two tables, a root folder
of 512 entries, data. Files lie in one piece each; names are 8.3.
"""

import struct
from collections.abc import Mapping

_SECTOR = 512
_PER_CLUSTER = 4  # sectors
_ROOT_ENTRIES = 512
_MEDIA = 0xF8
_LAST = 0xFFFF


def image(size: int, label: str, files: Mapping[str, bytes], volume_id: int) -> bytes:
    """Return a file system of `size` bytes (about 9 to 127 MiB) with these files in its root folder.

    Raises ValueError when the size is no FAT16 size, a name is not 8.3, or the files do not fit.
    """
    sectors = size // _SECTOR
    root_sectors = _ROOT_ENTRIES * 32 // _SECTOR
    table_sectors = -(-(sectors // _PER_CLUSTER + 2) * 2 // _SECTOR)
    data_start = 1 + 2 * table_sectors + root_sectors
    clusters = (sectors - data_start) // _PER_CLUSTER
    if not 4085 <= clusters < 65525:
        raise ValueError(f"{size} bytes make {clusters} clusters; FAT16 needs 4085 to 65524")
    out = bytearray(size)
    out[:_SECTOR] = _boot_sector(sectors, table_sectors, label, volume_id)
    table = [0xFF00 | _MEDIA, _LAST] + [0] * clusters
    folder = [struct.pack("<11sB20x", _padded(label, 11), 0x08)]
    free, width = 2, _SECTOR * _PER_CLUSTER
    for name, content in files.items():
        needed = max(1, -(-len(content) // width))
        if free + needed > clusters + 2:
            raise ValueError("the files do not fit")
        for step in range(needed - 1):
            table[free + step] = free + step + 1
        table[free + needed - 1] = _LAST
        folder.append(struct.pack("<11sB14xHI", _short_name(name), 0x20, free, len(content)))
        at = data_start * _SECTOR + (free - 2) * width
        out[at : at + len(content)] = content
        free += needed
    packed = struct.pack(f"<{len(table)}H", *table)
    for copy in range(2):
        at = (1 + copy * table_sectors) * _SECTOR
        out[at : at + len(packed)] = packed
    entries = b"".join(folder)
    if len(entries) > _ROOT_ENTRIES * 32:
        raise ValueError(f"{len(files)} files are too many for one folder")
    at = (1 + 2 * table_sectors) * _SECTOR
    out[at : at + len(entries)] = entries
    return bytes(out)


def _boot_sector(sectors: int, table_sectors: int, label: str, volume_id: int) -> bytes:
    head = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"KITBANK ",
        _SECTOR,
        _PER_CLUSTER,
        1,  # reserved sectors
        2,  # tables
        _ROOT_ENTRIES,
        sectors if sectors < 65536 else 0,
        _MEDIA,
        table_sectors,
        63,
        255,
        0,
        sectors if sectors >= 65536 else 0,
        0x80,
        0,
        0x29,
        volume_id & 0xFFFFFFFF,
        _padded(label, 11),
        b"FAT16   ",
    )
    return head.ljust(510, b"\0") + b"\x55\xaa"


def _padded(text: str, length: int) -> bytes:
    return text.upper().encode("ascii")[:length].ljust(length)


def _short_name(name: str) -> bytes:
    stem, _, ending = name.partition(".")
    if not stem or len(stem) > 8 or len(ending) > 3:
        raise ValueError(f"{name!r} is not an 8.3 name")
    return _padded(stem, 8) + _padded(ending, 3)
