"""What a medium is: identities from udev and sysfs, sidecars, what must be typed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.events import MediumIdentity
from station.media import KINDS, Medium, NotAMedium, Sidecar, medium_at, read_sidecar, sidecar_path, write_sidecar
from tests.station.machine import RecordedMachine
from tests.station.recorded import from_udevadm

ATA = "pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block"
USB = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block"
SAS = "pci0000:00/0000:03:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block"


@pytest.fixture
def machine(tmp_path: Path) -> RecordedMachine:
    return RecordedMachine(tmp_path)


def drive(folder: Path, serial: str = "PRACTICE-7F3A", size: int = 4096) -> Path:
    file = folder / "drive.img"
    file.write_bytes(bytes(size))
    write_sidecar(file, Sidecar(serial, "Practice drive", "2026-01-01"))
    return file


def test_a_sata_disk_is_known_by_udevs_serial_and_full_model(machine: RecordedMachine) -> None:
    disk = machine.disk("sda", ATA)
    machine.udev(
        disk, ID_BUS="ata", ID_SERIAL_SHORT="WD-WX11A", ID_WWN="0x50014ee", ID_MODEL_ENC="WDC\\x20WD10SPZX-21Z10T0\\x20"
    )
    medium = medium_at("/dev/sda", machine.system)
    assert medium.identity == MediumIdentity("ata", "WDC WD10SPZX-21Z10T0", "WD-WX11A", "0x50014ee", "", 1 << 30)
    assert (medium.kind, medium.confirm, medium.via_bridge) == ("hdd", "X11A", False)
    (disk / "queue/rotational").write_text("0\n")
    assert medium_at("/dev/sda", machine.system).kind == "ssd"


def test_a_scsi_disks_serial_is_not_its_wwn(machine: RecordedMachine) -> None:
    disk = machine.disk("sda", SAS)
    machine.udev(disk, ID_BUS="scsi", ID_SERIAL_SHORT="5000c500a1", ID_SCSI_SERIAL="Z1X2", ID_WWN="0x5000c500a1")
    medium = medium_at("/dev/sda", machine.system)
    assert (medium.transport, medium.identity.serial, medium.identity.wwn) == ("scsi", "Z1X2", "0x5000c500a1")


def test_a_disk_in_a_usb_enclosure_is_usb_though_udev_says_ata(machine: RecordedMachine) -> None:
    machine.udev(machine.disk("sdb", USB), ID_BUS="ata", ID_SERIAL_SHORT="S2R5")
    medium = medium_at("/dev/sdb", machine.system)
    assert (medium.transport, medium.kind, medium.via_bridge) == ("usb", "usb", True)
    assert "USB bridge" in medium.notes[0]


def test_two_namespaces_of_one_drive_are_two_media(machine: RecordedMachine) -> None:
    for name in ("nvme0n1", "nvme0n2"):
        disk = machine.disk(name, "pci0000:00/nvme/nvme0")
        (disk / "device").mkdir()
        for fact, value in {"serial": "S4EWNX0N", "model": "Samsung SSD 970  ", "firmware_rev": "2B2Q"}.items():
            (disk / "device" / fact).write_text(value + "\n")
        (disk / "nsid").write_text(name[-1] + "\n")
    first, second = (medium_at(f"/dev/{name}", machine.system) for name in ("nvme0n1", "nvme0n2"))
    assert first.identity.serial == second.identity.serial == "S4EWNX0N"
    assert first.identity.model == "Samsung SSD 970"
    assert first.identity.id != second.identity.id


def test_an_sd_card_is_no_emmc(machine: RecordedMachine) -> None:
    disk = machine.disk("mmcblk0", "platform/mmc0")
    (disk / "device").mkdir()
    for kind, word in (("unknown", "SD"), ("emmc", "MMC")):
        (disk / "device/type").write_text(word + "\n")
        assert medium_at("/dev/mmcblk0", machine.system).kind == kind


@pytest.mark.parametrize("serial", ["", "0000000000", "To Be Filled By O.E.M.", "0123456789ABCDEF"])
def test_a_placeholder_is_no_serial_and_the_medium_is_not_trusted(machine: RecordedMachine, serial: str) -> None:
    machine.udev(machine.disk("sdb", USB), ID_BUS="usb", ID_SERIAL_SHORT=serial)
    medium = medium_at("/dev/sdb", machine.system)
    assert not medium.identity.trusted
    assert "never certified" in medium.notes[0]
    assert len(medium.confirm) == 4  # something must be typed all the same


def test_the_confirmation_is_the_last_four_letters_or_digits(tmp_path: Path) -> None:
    medium = medium_at(drive(tmp_path, "PRACTICE-7f-3a"))
    assert medium.confirm == "7F3A"
    assert medium.confirmed_by(" 7f3a ")
    assert not medium.confirmed_by("7F3")
    assert not medium.confirmed_by("")


def test_a_practice_drive_is_known_by_its_sidecar(tmp_path: Path) -> None:
    medium = medium_at(drive(tmp_path))
    assert (medium.kind, medium.transport, medium.practice) == ("file", "file", True)
    assert medium.identity == MediumIdentity("file", "Practice drive", "PRACTICE-7F3A", "", "", 4096)


def test_a_symbolic_link_leads_to_the_practice_drive_itself(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(drive(tmp_path))
    assert medium_at(link).path == str(tmp_path / "drive.img")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"serial": "1234"}', '{"serial":"ab","model":"","made":"","world":"practice"}', "\xff"],
)
def test_a_broken_sidecar_makes_no_practice_drive(tmp_path: Path, text: str) -> None:
    file = drive(tmp_path)
    sidecar_path(file).write_bytes(text.encode("latin-1"))
    with pytest.raises(NotAMedium, match="sidecar"):
        medium_at(file)


def test_a_sidecar_is_never_overwritten(tmp_path: Path) -> None:
    file = drive(tmp_path)
    with pytest.raises(FileExistsError):
        write_sidecar(file, Sidecar("OTHER-1234", "", ""))
    assert read_sidecar(file).serial == "PRACTICE-7F3A"


@pytest.mark.parametrize(
    ("path", "word"), [("/nothing/here", "plugged in"), ("/tmp", "folder"), ("/dev/null", "neither")]
)
def test_what_is_no_medium_is_named(path: str, word: str) -> None:
    with pytest.raises(NotAMedium, match=word) as no:
        medium_at(path)
    assert no.value.exit_code == 3


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@given(
    st.builds(
        Medium,
        path=texts,
        kind=st.sampled_from(KINDS),
        transport=st.sampled_from(["nvme", "ata", "file"]),
        identity=st.builds(MediumIdentity, texts, texts, texts, texts, texts, st.integers(0, 1 << 60)),
        size=st.integers(0, 1 << 60),
        sector_size=st.sampled_from([512, 4096]),
        physical_sector=st.sampled_from([512, 4096]),
        rotational=st.booleans(),
        removable=st.booleans(),
        read_only=st.booleans(),
        via_bridge=st.booleans(),
        practice=st.booleans(),
        firmware=texts,
        bay=texts,
        number=texts,
        sequence=st.integers(0, 1 << 40),
        notes=st.lists(texts, max_size=3).map(tuple),
    )
)
def test_a_medium_survives_json(medium: Medium) -> None:
    assert Medium.from_json(json.loads(json.dumps(medium.to_json()))) == medium
    assert medium.confirm


def test_another_size_is_another_medium(tmp_path: Path) -> None:
    medium = medium_at(drive(tmp_path))
    assert replace(medium.identity, size=1).id != medium.identity.id


def test_every_disk_of_the_recorded_udev_databases_has_an_identity(shared_data: Path, tmp_path: Path) -> None:
    seen = []
    for place in sorted((shared_data / "block-tools/udevadm").glob("*.txt")):
        machine = from_udevadm(tmp_path / place.stem, place.read_text("utf-8", "replace"))
        for device in machine.system.block_devices():
            if not device.is_partition:
                medium = medium_at(device.node, machine.system)
                assert json.dumps(medium.to_json())
                assert Medium.from_json(medium.to_json()) == medium
                seen.append(medium)
    assert len(seen) > 100
    disks = [m for m in seen if m.transport in {"ata", "nvme"} and "sr" not in m.path]
    assert disks
    assert sum(m.identity.trusted for m in disks) / len(disks) > 0.8
