"""What the firmware says about the machine: DMI from sysfs, from `dmidecode` where sysfs has none.

Placeholders ("To Be Filled By O.E.M.") are unknown. Only what helps to know one machine from another is kept; no
UUIDs and no asset tags (least data).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from station.run import Runner
from station.said import clean, said
from station.system import System

DEADLINE = 30.0  # seconds for dmidecode
# SMBIOS 3.x, table "System Enclosure or Chassis Types"; firmware is often wrong here, so it is information only.
CHASSIS = {
    3: "desktop", 4: "low profile desktop", 5: "pizza box", 6: "mini tower", 7: "tower", 8: "portable", 9: "laptop",
    10: "notebook", 11: "hand held", 12: "docking station", 13: "all in one", 14: "sub notebook", 15: "space-saving",
    16: "lunch box", 17: "main server chassis", 23: "rack mount chassis", 24: "sealed-case pc", 30: "tablet",
    31: "convertible", 32: "detachable", 35: "mini pc", 36: "stick pc",
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """Make, model and serials of the machine; "" is unknown."""

    make: str = ""
    model: str = ""
    version: str = ""  # Lenovo writes the name that people know here
    serial: str = ""
    sku: str = ""
    family: str = ""
    chassis: str = ""
    board: str = ""
    board_serial: str = ""
    bios: str = ""


@dataclass(frozen=True)
class MemoryModule:
    """One memory module; `size` in bytes, `speed` in MT/s, 0 unknown."""

    slot: str
    size: int
    kind: str
    speed: int
    make: str
    part: str


@dataclass(frozen=True)
class Section:
    """One structure of dmidecode's output: its title and its `Key: value` lines."""

    title: str
    values: tuple[tuple[str, str], ...]

    def get(self, key: str) -> str:
        """Return a value as it stands, or ""."""
        return dict(self.values).get(key, "")


def read_machine(run: Runner, system: System) -> tuple[Machine, tuple[MemoryModule, ...], list[str]]:
    """Return the machine, its memory modules, and what could not be learnt and why."""
    why = []
    machine = _from_sysfs(system)
    result = run(["dmidecode"], DEADLINE)
    sections = parse_dmidecode(result.text) if result.ok else []
    if machine == Machine():
        machine = machine_of(sections)
    if machine == Machine():
        machine = _from_device_tree(system)
    modules = modules_of(sections)
    if not machine.serial:
        why.append(result.trouble or "the firmware does not tell the machine's serial number")
    elif not modules:
        why.append(result.trouble or "the firmware does not list memory modules")
    return machine, modules, why


def parse_dmidecode(text: str) -> list[Section]:
    """Split dmidecode's output into its structures; anything unexpected is skipped."""
    sections: list[Section] = []
    title, values, fresh = "", [], False  # type: str, list[tuple[str, str]], bool
    for line in text.splitlines():
        if line.startswith("Handle 0x"):
            if title:
                sections.append(Section(title, tuple(values)))
            title, values, fresh = "", [], True
        elif fresh and line and not line[0].isspace():
            title, fresh = line.strip(), False
        elif line.startswith("\t") and not line.startswith("\t\t") and ":" in line:
            key, _, value = line.strip().partition(":")
            values.append((key, value.strip()))
    if title:
        sections.append(Section(title, tuple(values)))
    return sections


def machine_of(sections: Iterable[Section]) -> Machine:
    """Return the machine from dmidecode's structures."""
    found = {section.title: section for section in reversed(list(sections))}
    nothing = Section("", ())
    system = found.get("System Information", nothing)
    board = found.get("Base Board Information", nothing)
    bios = found.get("BIOS Information", nothing)
    return Machine(
        make=said(system.get("Manufacturer")),
        model=said(system.get("Product Name")),
        version=said(system.get("Version")),
        serial=said(system.get("Serial Number")),
        sku=said(system.get("SKU Number")),
        family=said(system.get("Family")),
        chassis=said(found.get("Chassis Information", nothing).get("Type")).lower(),
        board=_joined(board.get("Manufacturer"), board.get("Product Name")),
        board_serial=said(board.get("Serial Number")),
        bios=_joined(bios.get("Vendor"), bios.get("Version"), bios.get("Release Date")),
    )


def modules_of(sections: Iterable[Section]) -> tuple[MemoryModule, ...]:
    """Return the memory modules that are plugged in."""
    modules = []
    for section in sections:
        size = _bytes(section.get("Size"))
        if section.title == "Memory Device" and size:
            speed = section.get("Speed").split()
            modules.append(
                MemoryModule(
                    slot=clean(section.get("Locator")),
                    size=size,
                    kind=said(section.get("Type")),
                    speed=int(speed[0]) if speed and speed[0].isdecimal() else 0,
                    make=said(section.get("Manufacturer")),
                    part=said(section.get("Part Number")),
                )
            )
    return tuple(modules)


def _from_sysfs(system: System) -> Machine:
    """Return what the kernel copied from DMI; serial numbers are readable for root only."""
    folder = system.root / "sys/class/dmi/id"

    def raw(name: str) -> str:
        try:
            return clean((folder / name).read_bytes())
        except OSError:
            return ""

    def text(name: str) -> str:
        return said(raw(name))

    number = raw("chassis_type")
    return Machine(
        make=text("sys_vendor"),
        model=text("product_name"),
        version=text("product_version"),
        serial=text("product_serial") or text("chassis_serial"),
        sku=text("product_sku"),
        family=text("product_family"),
        chassis=CHASSIS.get(int(number), "") if number.isdecimal() else "",
        board=_joined(text("board_vendor"), text("board_name")),
        board_serial=text("board_serial"),
        bios=_joined(text("bios_vendor"), text("bios_version"), text("bios_date")),
    )


def _from_device_tree(system: System) -> Machine:
    """Return what a device tree says, on machines without DMI (ARM)."""
    folder = system.root / "sys/firmware/devicetree/base"
    texts = []
    for name in ("model", "serial-number"):
        try:
            texts.append(said((folder / name).read_bytes().strip(b"\0")))
        except OSError:
            texts.append("")
    return Machine(model=texts[0], serial=texts[1])


def _joined(*parts: str) -> str:
    """Join what is said."""
    return " ".join(filter(None, map(said, parts)))


def _bytes(text: str) -> int:
    """Return a size such as `4096 MB` in bytes; 0 for an empty slot."""
    words = text.split()
    units = {"kB": 1 << 10, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
    if len(words) != 2 or not words[0].isdecimal():
        return 0
    return int(words[0]) * units.get(words[1], 0)
