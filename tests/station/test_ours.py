"""What counts as ours, on recorded machines: each rule has a machine that only that rule refuses."""

import shutil
from pathlib import Path

import pytest

from station.ours import why_ours
from station.stack import above
from tests.station.machine import RecordedMachine, ordinary


@pytest.fixture
def machine(tmp_path: Path) -> RecordedMachine:
    return ordinary(tmp_path)


def codes(machine: RecordedMachine, path: str, *, allow_loop: bool = False, bays: tuple[str, ...] = ()) -> set[str]:
    reasons = why_ours(path, allow_loop=allow_loop, bays=bays, system=machine.system)
    assert all(reason.subject == path and reason.text for reason in reasons)
    return {reason.code for reason in reasons}


def test_a_donated_disk_is_offered_although_it_has_partitions(machine: RecordedMachine) -> None:
    assert why_ours("/dev/sdb", system=machine.system) == []


def test_the_disk_behind_the_root_says_whose_it_is_and_gives_all_reasons(machine: RecordedMachine) -> None:
    reasons = why_ours("/dev/sda", system=machine.system)
    assert [reason.code for reason in reasons] == ["own-disk", "mounted", "swap"]
    assert reasons[0].text == "/dev/sda is the station's own: it holds /"
    assert "/dev/sda1 is mounted at /" in reasons[1].text


def test_a_mounted_partition_refuses_its_disk(machine: RecordedMachine) -> None:
    machine.mount(machine.number(part(machine, "sdb1")), "/media/a stick", "ext4", "/dev/sdb1")
    assert codes(machine, "/dev/sdb") == {"mounted"}
    assert "/media/a stick" in why_ours("/dev/sdb", system=machine.system)[0].text


def test_a_mount_in_another_namespace_refuses(machine: RecordedMachine) -> None:
    machine.mount(machine.number(part(machine, "sdb1")), "/mnt", "ext4", "/dev/sdb1", pid="77")
    assert codes(machine, "/dev/sdb") == {"mounted"}


def test_a_mount_known_only_by_its_source_refuses(machine: RecordedMachine) -> None:
    machine.mount("0:44", "/mnt", "btrfs", "/dev/sdb1")  # btrfs shows a number that is no device's
    assert codes(machine, "/dev/sdb") == {"mounted"}


def test_a_swap_partition_refuses(machine: RecordedMachine) -> None:
    machine.swap("/dev/sdb1")
    assert codes(machine, "/dev/sdb") == {"swap"}


def test_a_swap_file_refuses_the_disk_it_lies_on(machine: RecordedMachine) -> None:
    machine.mount(machine.number(part(machine, "sdb1")), "/srv", "ext4", "/dev/sdb1")
    machine.swap("/srv/swapfile")
    assert codes(machine, "/dev/sdb") == {"swap", "mounted"}


def test_an_open_crypt_container_refuses_though_nothing_is_mounted(machine: RecordedMachine) -> None:
    machine.build(machine.virtual("dm-0"), part(machine, "sdb1"))
    assert codes(machine, "/dev/sdb") == {"holder"}


def test_a_mount_three_layers_up_refuses_every_disk_below(machine: RecordedMachine) -> None:
    raid, crypt, volume = (machine.virtual(name) for name in ("md0", "dm-0", "dm-1"))
    other = machine.disk("sdc")
    machine.build(raid, part(machine, "sdb1"), other)
    machine.build(crypt, raid)
    machine.build(volume, crypt)
    machine.mount(machine.number(volume), "/data", "xfs", "/dev/mapper/data")
    for disk in ("/dev/sdb", "/dev/sdc"):
        assert codes(machine, disk) == {"holder", "mounted"}


def test_the_journal_on_a_stack_makes_every_disk_under_it_ours(machine: RecordedMachine) -> None:
    volume, other = machine.virtual("dm-0"), machine.disk("sdc")
    machine.build(volume, part(machine, "sdb1"), other)
    machine.mount(machine.number(volume), "/var/lib/kitbank", "ext4", "/dev/mapper/kitbank")
    journal = Path("/var/lib/kitbank/journal.sqlite")
    for disk in ("/dev/sdb", "/dev/sdc"):
        reasons = why_ours(disk, protect=[journal], system=machine.system)
        assert reasons[0].code == "own-disk"
        assert str(journal) in reasons[0].text


def test_a_bcache_member_refuses(machine: RecordedMachine) -> None:
    (part(machine, "sdb1") / "bcache").mkdir()
    assert codes(machine, "/dev/sdb") == {"holder"}


def test_a_member_of_a_btrfs_over_several_disks_refuses(machine: RecordedMachine) -> None:
    devices = machine.root / "sys/fs/btrfs/1c2d/devices"
    devices.mkdir(parents=True)
    for name in ("sdb1", "sda1"):
        (devices / name).symlink_to(part(machine, name))
    assert codes(machine, "/dev/sdb") == {"mounted"}


def test_a_btrfs_root_over_two_disks_makes_both_the_stations_own(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    disks = [machine.disk(name) for name in ("sda", "sdb")]
    devices = machine.root / "sys/fs/btrfs/1c2d/devices"
    devices.mkdir(parents=True)
    for disk in disks:
        (devices / disk.name).symlink_to(disk)
    machine.mount("0:30", "/", "btrfs", "/dev/sda")
    assert {"own-disk", "mounted"} <= codes(machine, "/dev/sdb")


def test_a_zfs_pool_in_use_makes_every_disk_unsure(machine: RecordedMachine) -> None:
    machine.mount("0:50", "/tank", "zfs", "tank/data")
    assert codes(machine, "/dev/sdb") == {"unsure"}


def test_a_loop_device_over_a_disk_refuses_that_disk(machine: RecordedMachine) -> None:
    machine.loop("loop3", "/dev/sdb1")
    assert codes(machine, "/dev/sdb") == {"holder"}
    assert "loop" in codes(machine, "/dev/loop3", allow_loop=True)


def test_a_live_systems_stick_is_found_through_overlay_loop_and_mount(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    stick = machine.partition(machine.disk("sda"), 1)
    inside = machine.disk("nvme0n1", "pci0000:00/nvme/nvme0")
    machine.mount(machine.number(stick), "/run/live/medium", "vfat", "/dev/sda1")
    squash = machine.loop("loop0", "/run/live/medium/live/filesystem.squashfs")
    machine.mount(machine.number(squash), "/run/live/rootfs", "squashfs", "/dev/loop0")
    machine.mount("0:33", "/run/live/overlay", "tmpfs", "tmpfs")
    layers = "rw,lowerdir=/run/live/rootfs,upperdir=/run/live/overlay/rw,workdir=/run/live/overlay/work"
    machine.mount("0:34", "/", "overlay", "overlay", layers)
    assert codes(machine, "/dev/sda") == {"own-disk", "mounted"}
    assert codes(machine, "/dev/" + inside.name) == set()


def test_an_overlay_whose_layers_cannot_be_seen_counts_as_ours(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    machine.disk("sda")
    machine.mount("0:34", "/", "overlay", "overlay", "rw,lowerdir=/lower,upperdir=/cow/upper,workdir=/cow/work")
    assert codes(machine, "/dev/sda") == {"unsure"}


def test_a_root_that_no_table_names_counts_as_ours(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    machine.disk("sda")
    machine.mount("0:34", "/", "strangefs", "strange")
    assert codes(machine, "/dev/sda") == {"unsure"}


@pytest.mark.parametrize(
    ("missing", "name"), [("proc/self/mountinfo", "the table of mounts"), ("proc/swaps", "the list of swap areas")]
)
def test_an_unreadable_table_counts_as_ours_and_says_so(machine: RecordedMachine, missing: str, name: str) -> None:
    (machine.root / missing).unlink()
    reasons = why_ours("/dev/sdb", system=machine.system)
    assert {reason.code for reason in reasons} == {"unsure"}
    text = f"{name} cannot be read (No such file or directory), so /dev/sdb counts as ours"
    assert text in {reason.text for reason in reasons}


def test_an_empty_table_of_mounts_counts_as_ours(machine: RecordedMachine) -> None:
    for who in ("self", "1"):
        (machine.root / "proc" / who / "mountinfo").write_text("")
    assert codes(machine, "/dev/sdb") == {"unsure"}


def test_unreadable_holders_count_as_ours(machine: RecordedMachine) -> None:
    (part(machine, "sdb1") / "holders").rmdir()
    assert codes(machine, "/dev/sdb") == {"unsure"}


def test_unreadable_slaves_count_as_ours(machine: RecordedMachine) -> None:
    (machine.system.device_at("/dev/sdb").folder / "slaves").rmdir()  # type: ignore[union-attr]
    assert codes(machine, "/dev/sdb") == {"unsure"}


def test_a_root_whose_disks_cannot_be_told_makes_every_disk_unsure(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    machine.disk("sda")
    root = machine.virtual("dm-0")
    machine.mount(machine.number(root), "/", "ext4", "/dev/mapper/root")
    assert codes(machine, "/dev/sda") == set()
    (root / "slaves").rmdir()
    assert codes(machine, "/dev/sda") == {"unsure"}


def test_an_unreadable_list_of_block_devices_counts_as_ours(machine: RecordedMachine) -> None:
    disk = machine.system.device_at("/dev/sdb")
    assert disk
    shutil.rmtree(machine.root / "sys/class/block")
    assert above(disk, machine.system).unsure == [
        "the kernel's list of block devices cannot be read (No such file or directory)"
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("dm-7", "stacked"),
        ("md127", "stacked"),
        ("bcache0", "stacked"),
        ("nbd0", "stacked"),
        ("zram0", "memory"),
        ("ram0", "memory"),
        ("loop5", "loop"),
        ("sr0", "unsure"),
        ("pmem0", "unsure"),
        ("mmcblk0boot0", "partition"),
    ],
)
def test_what_is_no_whole_disk_is_refused(machine: RecordedMachine, name: str, code: str) -> None:
    machine.virtual(name)
    assert code in codes(machine, f"/dev/{name}")


def test_a_partition_is_refused_and_its_disk_is_named(machine: RecordedMachine) -> None:
    reasons = why_ours("/dev/sdb1", system=machine.system)
    assert [reason.code for reason in reasons] == ["partition"]
    assert reasons[0].text.endswith("name the whole disk /dev/sdb")


def test_a_disk_built_from_others_under_an_innocent_name_is_refused(machine: RecordedMachine) -> None:
    machine.build(machine.disk("sdd"), machine.disk("sde"))
    assert codes(machine, "/dev/sdd") == {"stacked"}


def test_one_path_of_a_multipath_namespace_is_refused(machine: RecordedMachine) -> None:
    (machine.disk("nvme0n1") / "hidden").write_text("1\n")
    assert codes(machine, "/dev/nvme0n1") == {"hidden"}


def test_a_mounted_boot_area_of_an_emmc_refuses_the_chip(machine: RecordedMachine) -> None:
    machine.disk("mmcblk0")
    boot = machine.disk("mmcblk0boot0")
    assert codes(machine, "/dev/mmcblk0") == set()
    machine.mount(machine.number(boot), "/mnt", "ext4", "/dev/mmcblk0boot0")
    assert codes(machine, "/dev/mmcblk0") == {"mounted"}


def test_a_read_only_drive_is_refused(machine: RecordedMachine) -> None:
    (machine.disk("sdc") / "ro").write_text("1\n")
    assert codes(machine, "/dev/sdc") == {"read-only"}


def test_a_drive_that_does_not_say_whether_it_is_read_only_is_unsure(machine: RecordedMachine) -> None:
    (machine.disk("sdc") / "ro").unlink()
    assert codes(machine, "/dev/sdc") == {"unsure"}


def test_an_empty_reader_is_refused(machine: RecordedMachine) -> None:
    (machine.disk("sdc") / "size").write_text("0\n")
    assert codes(machine, "/dev/sdc") == {"empty"}


def test_only_configured_bays_are_offered(machine: RecordedMachine) -> None:
    disk = machine.disk("sdc")
    machine.udev(disk, ID_PATH="pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0")
    assert codes(machine, "/dev/sdc", bays=("pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0",)) == set()
    assert codes(machine, "/dev/sdc", bays=("pci-0000:00:14.0-usb-0:3:1.0-scsi-0:0:0:0",)) == {"bay"}
    assert codes(machine, "/dev/sdb", bays=("pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0",)) == {"bay"}


def test_a_loop_device_is_offered_only_when_configured(machine: RecordedMachine) -> None:
    machine.loop("loop1", "/srv/drive.img")
    assert codes(machine, "/dev/loop1") == {"loop"}
    assert codes(machine, "/dev/loop1", allow_loop=True) == set()


def test_a_loop_device_whose_file_is_behind_a_second_one_is_refused(machine: RecordedMachine) -> None:
    machine.loop("loop1", "/srv/drive.img")
    machine.loop("loop2", "/srv/drive.img")
    assert codes(machine, "/dev/loop1", allow_loop=True) == {"loop"}


def test_the_disk_under_a_loop_devices_file_is_ours(machine: RecordedMachine) -> None:
    root = machine.loop("loop1", "/data/root.img")
    machine.mount(machine.number(part(machine, "sdb1")), "/data", "ext4", "/dev/sdb1")
    machine.mount(machine.number(root), "/home", "ext4", "/dev/loop1")
    assert "/home" in why_ours("/dev/sdb", system=machine.system)[0].text


def part(machine: RecordedMachine, name: str) -> Path:
    return (machine.root / "sys/class/block" / name).resolve()
