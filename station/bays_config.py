"""What the configuration says of a bench: its bays by name and socket, and how patient and how warm it may be.

    bays = ["pci-0000:00:17.0-ata-1"]        # udev's ID_PATH; the bays are then called Bay 1, Bay 2 …

    [[bays]]                                 # or with names, as they stand on the dock
    name = "Dock A, left"
    id_path = "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0"

    [bench]
    stuck_after = 180                        # seconds without progress until a tile says: unplug this one
    hot_hdd = 60                             # degrees Celsius from which overwriting pauses; it goes on 5 below
    hot_ssd = 70
    stagger = 5                              # seconds between two starts of disks that spin
    screen_group = ""                        # the group whose members may leave orders and see the tiles
    screen_folder = ""                       # where both are; default: the home, which screens need not see

In the practice world a bay may also be a loop device (`/dev/loop3`) or a practice drive (`file:/path/drive.img`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from station.errors import ConfigError

FILE = "file:"
LOOP = "/dev/loop"


@dataclass(frozen=True)
class Bay:
    """One socket that is offered: what people call it, and where it is (ID_PATH, loop device, or `file:` and path)."""

    name: str
    place: str

    @property
    def practice(self) -> bool:
        """Tell whether this can only be a bay of a practice bench."""
        return self.place.startswith((FILE, LOOP))


@dataclass(frozen=True)
class BenchSettings:
    """How a bench behaves. Times in seconds, temperatures in degrees Celsius."""

    stuck_after: float = 180.0
    hot_hdd: float = 60.0
    hot_ssd: float = 70.0
    stagger: float = 5.0
    screen_group: str = ""
    screen_folder: str = ""


_LEAST: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"stuck_after": (5, 86_400), "hot_hdd": (30, 90), "hot_ssd": (30, 100), "stagger": (0, 600)}
)


def read_bays(value: Any, file: Path, *, loops: bool) -> tuple[Bay, ...]:
    """Read `bays`: a list of ID_PATHs, or tables with name and id_path. Raises ConfigError naming what is wrong."""
    bays = tuple(_bay(number, item, file) for number, item in enumerate(value, 1))
    for what in ("name", "place"):
        texts = [getattr(bay, what) for bay in bays]
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice:
            raise ConfigError(f"{file}: bays: {twice!r} is there twice; each bay has a {what} of its own")
    wrong = next((bay for bay in bays if bay.practice and not loops), None)
    if wrong:
        raise ConfigError(f"{file}: bays: {wrong.place} is for practice only; allowed: udev's ID_PATH")
    return bays


def _bay(number: int, item: Any, file: Path) -> Bay:
    if isinstance(item, str) and item.strip():
        return Bay(f"Bay {number}", item)
    if isinstance(item, Mapping) and set(item) == {"name", "id_path"}:
        name, place = item["name"], item["id_path"]
        if all(isinstance(text, str) and text.strip() and text.isprintable() for text in (name, place)):
            return Bay(name.strip(), place)
    raise ConfigError(f"{file}: bays must be a list of texts, or [[bays]] with name and id_path, not {item!r}")


def read_settings(table: Mapping[str, Any], file: Path) -> BenchSettings:
    """Read the table `bench`. Raises ConfigError."""
    allowed = [field.name for field in fields(BenchSettings)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in allowed:
            raise ConfigError(f"{file}: bench.{key} is an unknown key; allowed: {', '.join(allowed)}")
        if key in ("screen_group", "screen_folder"):
            if not isinstance(value, str):
                raise ConfigError(f"{file}: bench.{key} must be a text, not {value!r}")
            values[key] = str(file.absolute().parent / value) if value and key == "screen_folder" else value
            continue
        low, high = _LEAST[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{file}: bench.{key} must be a number from {low:g} to {high:g}, not {value!r}")
        values[key] = float(value)
    return BenchSettings(**values)
