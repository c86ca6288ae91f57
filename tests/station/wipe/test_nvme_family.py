"""Which block devices a sanitize hits is read from sysfs: namespaces, several paths and controllers, other drives."""

from pathlib import Path

from station.system import System
from station.wipe.nvme_family import Family, family_of


class Sysfs:
    """A sys folder as Linux 6.1 lays it out for NVMe."""

    def __init__(self, root: Path) -> None:
        self.root, self.devices = root, root / "sys/devices"
        for folder in ("sys/class/nvme-subsystem", "sys/class/block", "sys/dev/block"):
            (root / folder).mkdir(parents=True)

    @property
    def system(self) -> System:
        return System(self.root)

    def subsystem(self, number: int) -> Path:
        folder = self.devices / f"virtual/nvme-subsystem/nvme-subsys{number}"
        folder.mkdir(parents=True)
        (self.root / f"sys/class/nvme-subsystem/nvme-subsys{number}").symlink_to(folder)
        return folder

    def controller(self, subsystem: Path, number: int, state: str = "live") -> Path:
        folder = self.devices / f"pci0000:00/0000:0{number}:00.0/nvme/nvme{number}"
        folder.mkdir(parents=True)
        (folder / "state").write_text(f"{state}\n")
        (subsystem / folder.name).symlink_to(folder)
        return folder

    def disk(self, parent: Path, name: str, nsid: int) -> None:
        folder = parent / name
        folder.mkdir()
        (folder / "nsid").write_text(f"{nsid}\n")
        (folder / "dev").write_text(f"259:{len(list((self.root / 'sys/class/block').iterdir()))}\n")
        (self.root / "sys/class/block" / name).symlink_to(folder)


def test_namespaces_of_one_controller_are_siblings_and_another_drive_is_not(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    first, second = (sysfs.controller(sysfs.subsystem(number), number) for number in (0, 1))
    sysfs.disk(first, "nvme0n1", 1)
    sysfs.disk(first, "nvme0n2", 5)
    sysfs.disk(second, "nvme1n1", 1)
    assert family_of("/dev/nvme0n1", sysfs.system) == Family("/dev/nvme0", ("/dev/nvme0n2",), (1, 5))
    assert family_of("/dev/nvme1n1", sysfs.system) == Family("/dev/nvme1", (), (1,))


def test_a_disk_over_several_paths_is_spoken_to_by_a_controller_that_lives(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    subsystem = sysfs.subsystem(3)
    dead, live = sysfs.controller(subsystem, 4, "connecting"), sysfs.controller(subsystem, 7)
    sysfs.disk(subsystem, "nvme3n1", 1)
    sysfs.disk(subsystem, "nvme3n2", 2)
    for parent, number in ((dead, 4), (live, 7)):
        sysfs.disk(parent, f"nvme3c{number}n1", 1)
    assert family_of("/dev/nvme3n1", sysfs.system) == Family("/dev/nvme7", ("/dev/nvme3n2",), (1, 2))


def test_the_same_namespace_by_another_controller_is_a_sibling_where_paths_are_not_joined(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    subsystem = sysfs.subsystem(0)
    for number in (0, 1):
        sysfs.disk(sysfs.controller(subsystem, number), f"nvme{number}n1", 1)
    assert family_of("/dev/nvme1n1", sysfs.system) == Family("/dev/nvme1", ("/dev/nvme0n1",), (1,))


def test_what_the_kernel_does_not_know_is_said(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    found = family_of("/dev/nvme9n1", sysfs.system)
    assert (found.control, found.siblings) == ("/dev/nvme9n1", ())
    assert "not known" in found.why


def test_a_disk_that_no_subsystem_holds_is_said(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    lonely = sysfs.devices / "lonely"
    lonely.mkdir(parents=True)
    sysfs.disk(lonely, "nvme8n1", 1)
    assert "no NVMe subsystem" in family_of("/dev/nvme8n1", sysfs.system).why
