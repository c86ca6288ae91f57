"""Processor, memory, batteries and screens, over recorded ones."""

from pathlib import Path

import pytest

from station.probe_parts import (
    parse_battery,
    parse_cpuinfo,
    parse_edid,
    read_batteries,
    read_cpu,
    read_displays,
    read_memory,
)
from tests.station.machine import RecordedMachine


def battery(**says: str) -> str:
    return "".join(
        f"POWER_SUPPLY_{key}={value}\n" for key, value in {"NAME": "BAT0", "TYPE": "Battery", **says}.items()
    )


def test_a_batterys_health_is_full_against_design() -> None:
    found = parse_battery(battery(ENERGY_FULL="22000000", ENERGY_FULL_DESIGN="44000000", CYCLE_COUNT="0"))
    assert found
    assert (found.health, found.unit, found.cycles, found.notes) == (50, "µWh", 0, ())


@pytest.mark.parametrize(
    ("full", "design", "health", "note"),
    [
        ("0", "44000000", 0, "no full"),
        ("44000000", "0", 0, "no full or no design"),
        ("654000000", "329000000", 0, "cannot be"),
        ("46000000", "44000000", 105, "above"),
        ("44000000", "44000000", 100, "always says so"),
    ],
)
def test_figures_that_lie_are_noted(full: str, design: str, health: int, note: str) -> None:
    found = parse_battery(battery(CHARGE_FULL=full, CHARGE_FULL_DESIGN=design))
    assert found
    assert found.health == health
    assert note in found.notes[0]


def test_an_empty_bay_is_said() -> None:
    found = parse_battery(battery(PRESENT="0", ENERGY_FULL="1", ENERGY_FULL_DESIGN="1"))
    assert found
    assert found.notes == ("the bay is empty",)


@pytest.mark.parametrize("says", [{"TYPE": "Mains"}, {"SCOPE": "Device"}, {"NAME": "AC", "TYPE": ""}])
def test_what_is_no_battery_of_the_machine_is_left_out(says: dict[str, str]) -> None:
    assert parse_battery(battery(**says)) is None


def test_two_batteries_are_both_found(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    for name in ("BAT0", "BAT1", "AC"):
        folder = tmp_path / "sys/class/power_supply" / name
        folder.mkdir(parents=True)
        kind = "Mains" if name == "AC" else "Battery"
        (folder / "uevent").write_text(battery(NAME=name, TYPE=kind, ENERGY_FULL="1", ENERGY_FULL_DESIGN="2"))
    found, why = read_batteries(machine.system)
    assert ([b.name for b in found], why) == (["BAT0", "BAT1"], [])


def test_all_recorded_batteries_are_read(shared_data: Path) -> None:
    places = sorted((shared_data / "battery").glob("*uevent*"))
    found = [parse_battery(place.read_text("utf-8", "replace")) for place in places]
    assert sum(b is not None for b in found) >= 9  # a trackpad's and two made-up ones are left out
    assert all(0 <= b.health <= 150 for b in found if b)


def test_memory_and_processor_of_a_recorded_machine_are_read(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    assert read_cpu(machine.system)[1].startswith("/proc/cpuinfo cannot be read")
    assert read_memory(machine.system)[0] == 0
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU\nphysical id\t: 0\ncpu cores\t: 4\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       8048000 kB\n")
    cpu, why = read_cpu(machine.system)
    assert (cpu.model, cpu.cores, cpu.threads, why) == ("Some CPU", 4, 1, "")
    assert read_memory(machine.system) == (8048000 * 1024, "")


def test_all_recorded_processors_are_read(shared_data: Path) -> None:
    places = [p for p in sorted((shared_data / "cpu").glob("*cpuinfo*")) if p.suffix != ".json"]
    found = {place.name: parse_cpuinfo(place.read_text("utf-8", "replace")) for place in places}
    assert sum(bool(cpu.model) for cpu in found.values()) >= 0.7 * len(places), found  # ARM gives numbers only


def test_all_recorded_screens_are_read(shared_data: Path) -> None:
    places = sorted((shared_data / "edid").glob("*.bin"))
    found = [parse_edid(place.read_bytes(), "x") for place in places]
    read = [display for display in found if display]
    assert len(read) >= 0.9 * len(places)
    assert sum(bool(d.make and d.width and d.year) for d in read) >= 0.9 * len(read)


def test_a_torn_edid_is_said_and_not_guessed(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    folder = tmp_path / "sys/class/drm/card0-eDP-1"
    folder.mkdir(parents=True)
    (folder / "edid").write_bytes(b"\x00\xff\xff\xff\xff\xff\xff\x00short")
    assert read_displays(machine.system) == ((), ["card0-eDP-1 gives no valid EDID"])
