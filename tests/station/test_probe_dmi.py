"""DMI from sysfs and dmidecode, over several hundred real dumps."""

import json
from pathlib import Path

from station.probe_dmi import Machine, machine_of, modules_of, parse_dmidecode, read_machine
from station.run import Replay, Result
from tests.station.machine import RecordedMachine

DUMP = """# dmidecode 3.4
Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: LENOVO
\tProduct Name: 20HRCTO1WW
\tVersion: ThinkPad X1 Carbon 5th
\tSerial Number: To Be Filled By O.E.M.
\tSKU Number: LENOVO_MT_20HR

Handle 0x0005, DMI type 17, 40 bytes
Memory Device
\tSize: 16 GB
\tLocator: ChannelA-DIMM0
\tType: LPDDR3
\tSpeed: 1867 MT/s
\tManufacturer: Samsung
\tPart Number: K4EBE304EB-EGCF

Handle 0x0006, DMI type 17, 40 bytes
Memory Device
\tSize: No Module Installed
"""


def dump(text: str) -> Replay:
    return Replay([Result(("dmidecode",), 0, text.encode(), b"", 0.1)])


def test_dmidecode_is_asked_where_sysfs_has_nothing(tmp_path: Path) -> None:
    machine, modules, why = read_machine(dump(DUMP), RecordedMachine(tmp_path).system)
    assert (machine.make, machine.model, machine.version) == ("LENOVO", "20HRCTO1WW", "ThinkPad X1 Carbon 5th")
    assert machine.serial == ""
    assert why == ["the firmware does not tell the machine's serial number"]
    assert [(m.slot, m.size, m.kind, m.speed) for m in modules] == [("ChannelA-DIMM0", 16 << 30, "LPDDR3", 1867)]


def test_sysfs_comes_first_and_placeholders_are_unknown(tmp_path: Path) -> None:
    system = RecordedMachine(tmp_path).system
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    facts = {"sys_vendor": "HP", "product_name": "HP 255 G3", "product_serial": "CND52270FW", "chassis_type": "10"}
    for name, value in {**facts, "board_serial": "Default string"}.items():
        (folder / name).write_text(value + "\n")
    machine, _, why = read_machine(Replay([]), system)
    assert machine == Machine(make="HP", model="HP 255 G3", serial="CND52270FW", chassis="notebook")
    assert why == ["dmidecode is not installed or may not be started here"]


def test_a_device_tree_names_the_machine_where_there_is_no_dmi(tmp_path: Path) -> None:
    system = RecordedMachine(tmp_path).system
    folder = tmp_path / "sys/firmware/devicetree/base"
    folder.mkdir(parents=True)
    (folder / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    (folder / "serial-number").write_bytes(b"100000003a1b2c3d\0")
    machine, _, _ = read_machine(Replay([]), system)
    assert (machine.model, machine.serial) == ("Raspberry Pi 4 Model B Rev 1.4", "100000003a1b2c3d")


def test_nothing_at_all_is_unknown_with_a_reason(tmp_path: Path) -> None:
    machine, modules, why = read_machine(Replay([]), RecordedMachine(tmp_path).system)
    assert (machine, modules) == (Machine(), ())
    assert why


def test_all_recorded_dumps_are_read_and_no_placeholder_gets_through(shared_data: Path) -> None:
    places = sorted((shared_data / "dmidecode").glob("*.txt"))
    machines = []
    for place in places:
        sections = parse_dmidecode(place.read_text("utf-8", "replace"))
        modules_of(sections)
        machines.append(machine_of(sections))
    assert (
        sum(bool(m.make and m.model) for m in machines) / len(machines) > 0.7
    )  # the rest says nothing but placeholders
    assert sum(bool(m.board or (m.make and m.model)) for m in machines) / len(machines) > 0.9
    for machine in machines:
        for text in (machine.make, machine.model, machine.serial, machine.board_serial):
            assert "filled by" not in text.casefold()
            assert text.casefold() not in {"default string", "not specified", "none", "0"}


def test_the_dumps_inside_recorded_machine_snapshots_are_read(shared_data: Path) -> None:
    seen = 0
    for place in sorted((shared_data / "machine-snapshots").glob("*.json")):
        data = json.loads(place.read_text("utf-8", "replace")).get("data") or {}
        if isinstance(data.get("dmidecode"), str):
            seen += machine_of(parse_dmidecode(data["dmidecode"])) != Machine()
    assert seen >= 10
