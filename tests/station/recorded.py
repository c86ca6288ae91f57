"""Turn recordings of real machines (udevadm databases) into `RecordedMachine`s."""

from collections.abc import Iterator
from pathlib import Path

from tests.station.machine import RecordedMachine


def udev_blocks(text: str) -> Iterator[dict[str, str]]:
    """Yield the properties of each device in the output of `udevadm info --export-db`."""
    for block in text.split("\n\n"):
        rows = [line[3:].partition("=") for line in block.splitlines() if line.startswith("E: ")]
        if rows:
            yield {key: value for key, _, value in rows}


def from_udevadm(root: Path, text: str) -> RecordedMachine:
    """Rebuild the block devices of a machine: disks and their partitions, with udev's properties."""
    machine = RecordedMachine(root)
    blocks = [b for b in udev_blocks(text) if b.get("SUBSYSTEM") == "block" and b.get("DEVPATH")]
    for block in sorted(blocks, key=lambda b: b["DEVPATH"]):
        way = block["DEVPATH"].strip("/").removeprefix("devices/")
        if (root / "sys/class/block" / Path(way).name).exists():
            continue
        folder = machine.disk(Path(way).name, str(Path(way).parent))
        if block.get("DEVTYPE") == "partition":
            (folder / "partition").write_text("1\n")
            (folder / "slaves").rmdir()
        machine.udev(folder, **{key: value for key, value in block.items() if key.isidentifier()})
    return machine
