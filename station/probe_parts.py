"""Processor, memory, batteries and screens, from procfs, sysfs and psutil."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from station.said import clean, said
from station.system import System

MOST_HEALTH = 150  # per cent of the design capacity above which the figures are firmware nonsense


@dataclass(frozen=True)
class Cpu:
    """The processor; 0 cores or threads is unknown."""

    model: str = ""
    cores: int = 0
    threads: int = 0


@dataclass(frozen=True)
class Battery:
    """One battery as its firmware describes it. Capacities are in µWh or µAh (`unit`); 0 is unknown."""

    name: str
    make: str
    model: str
    serial: str
    technology: str
    unit: str
    full: int
    design: int
    now: int
    cycles: int  # 0 is what firmware says that does not count
    health: int  # full in per cent of design; 0 when that cannot be told
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Display:
    """One screen, from its EDID; sizes 0 are unknown."""

    connector: str
    make: str  # three letters registered with UEFI (PNP id)
    model: str
    year: int
    width_cm: int
    height_cm: int
    width: int  # pixels
    height: int


def read_cpu(system: System) -> tuple[Cpu, str]:
    """Return the processor and why anything about it is unknown."""
    try:
        cpu = parse_cpuinfo((system.proc / "cpuinfo").read_text("utf-8", "replace"))
    except OSError as error:
        return Cpu(), f"/proc/cpuinfo cannot be read ({error.strerror})"
    if system.live:
        cores = psutil.cpu_count(logical=False) or cpu.cores
        cpu = Cpu(cpu.model, cores, psutil.cpu_count() or cpu.threads)
    return cpu, "" if cpu.model else "the processor does not tell its model"


def parse_cpuinfo(text: str) -> Cpu:
    """Read /proc/cpuinfo; its keys differ by architecture."""
    rows = [(key.strip().lower(), value.strip()) for key, _, value in (row.partition(":") for row in text.splitlines())]
    first = dict(reversed(rows))
    names = ("model name", "hardware", "cpu model", "cpu", "family", "processor")
    model = next((clean(first[name]) for name in names if first.get(name, "").strip("0123456789 ")), "")
    threads = sum(key == "processor" and value.isdecimal() for key, value in rows)
    cores = first.get("cpu cores", "")
    packages = len({value for key, value in rows if key == "physical id"}) or 1
    return Cpu(model, int(cores) * packages if cores.isdecimal() else 0, threads)


def read_memory(system: System) -> tuple[int, str]:
    """Return the memory in bytes that the kernel can use, and why it is unknown."""
    try:
        if system.live:
            return int(psutil.virtual_memory().total), ""
        for line in (system.proc / "meminfo").read_text("utf-8", "replace").splitlines():
            words = line.split()
            if words[:1] == ["MemTotal:"] and words[1].isdecimal():
                return int(words[1]) * 1024, ""
    except (OSError, psutil.Error, IndexError) as error:
        return 0, f"the size of the memory cannot be read ({error})"
    return 0, "the kernel does not tell the size of the memory"


def read_batteries(system: System) -> tuple[tuple[Battery, ...], list[str]]:
    """Return the batteries, and what is odd about their folder. None found is an answer, not a gap."""
    folder = system.root / "sys/class/power_supply"
    found, why = [], []
    try:
        supplies = sorted(folder.iterdir())
    except OSError as error:
        return (), [f"{folder.name} cannot be read ({error.strerror})"]
    for supply in supplies:
        try:
            battery = parse_battery((supply / "uevent").read_text("utf-8", "replace"))
        except OSError as error:
            why.append(f"{supply.name} cannot be read ({error.strerror})")
            continue
        if battery:
            found.append(battery)
    return tuple(found), why


def parse_battery(text: str) -> Battery | None:
    """Read one power supply's uevent; None when it is no battery of the machine itself."""
    says = {}
    for line in text.splitlines():
        key, equals, value = line.removeprefix("E: ").partition("=")
        if equals and key.startswith("POWER_SUPPLY_"):
            says[key.removeprefix("POWER_SUPPLY_")] = value.strip()
    name = says.get("NAME", "")
    kind = says.get("TYPE") or ("Battery" if name.startswith(("BAT", "CMB")) or "ENERGY_FULL" in says else "")
    if kind != "Battery" or says.get("SCOPE") == "Device":  # Device: the battery of a mouse or a headset
        return None
    # Some machines give only one pair, Surface only the CHARGE_ one (linux-surface #771).
    unit, word = ("µWh", "ENERGY") if _count(says, "ENERGY_FULL") else ("µAh", "CHARGE")
    full, design, now = (_count(says, f"{word}_{part}") for part in ("FULL", "FULL_DESIGN", "NOW"))
    health, notes = _health(full, design, _count(says, "PRESENT", 1))
    return Battery(
        name=clean(name),
        make=said(says.get("MANUFACTURER")),
        model=said(says.get("MODEL_NAME")),
        serial=said(says.get("SERIAL_NUMBER")),
        technology=said(says.get("TECHNOLOGY")),
        unit=unit,
        full=full,
        design=design,
        now=now,
        cycles=_count(says, "CYCLE_COUNT"),
        health=health,
        notes=tuple(notes),
    )


def _health(full: int, design: int, present: int) -> tuple[int, list[str]]:
    """Return the health in per cent, 0 when it cannot be told, and what is odd."""
    if not present:
        return 0, ["the bay is empty"]
    if not full or not design:
        return 0, ["the firmware gives no full or no design capacity"]
    percent = round(100 * full / design)
    if percent > MOST_HEALTH:
        return 0, [f"full is {percent} % of the design capacity, which cannot be"]
    if percent > 100:
        return percent, ["full is above the design capacity"]
    return percent, ["full equals the design capacity; some firmware always says so"] if percent == 100 else []


def _count(says: Mapping[str, str], key: str, otherwise: int = 0) -> int:
    """Return a whole number above or at 0."""
    text = says.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else otherwise


def read_displays(system: System) -> tuple[tuple[Display, ...], list[str]]:
    """Return the screens that are connected and what could not be read of them."""
    found, why = [], []
    try:
        places = sorted((system.root / "sys/class/drm").glob("*/edid"))
    except OSError as error:
        return (), [f"screens cannot be listed ({error.strerror})"]
    for place in places:
        try:
            data = place.read_bytes()
        except OSError as error:
            why.append(f"{place.parent.name} cannot be read ({error.strerror})")
            continue
        display = parse_edid(data, place.parent.name) if data else None
        if display:
            found.append(display)
        elif data:
            why.append(f"{place.parent.name} gives no valid EDID")
    return tuple(found), why


def parse_edid(data: bytes, connector: str) -> Display | None:
    """Read the base block of an EDID (VESA E-EDID 1.4); None when it is none."""
    if len(data) < 128 or data[:8] != b"\x00\xff\xff\xff\xff\xff\xff\x00":
        return None
    packed = int.from_bytes(data[8:10], "big")
    letters = [packed >> shift & 31 for shift in (10, 5, 0)]
    make = "".join(chr(64 + n) for n in letters) if all(1 <= n <= 26 for n in letters) else ""
    name, width, height = "", 0, 0
    for start in range(54, 126, 18):
        block = data[start : start + 18]
        if block[:2] != b"\0\0":  # a detailed timing; the first one is the preferred
            width = width or block[2] | (block[4] & 0xF0) << 4
            height = height or block[5] | (block[7] & 0xF0) << 4
        elif block[3] in (0xFC, 0xFE) and not name:  # the name, or free text, where laptops put the panel's
            name = said(block[5:].split(b"\n")[0].decode("cp437"))
    year = 1990 + data[17] if data[17] else 0
    return Display(connector, make, name, year, data[21], data[22], width, height)


def kernel(system: System) -> str:
    """Return the kernel's release, or "" on a recorded machine."""
    return os.uname().release if system.live else ""
