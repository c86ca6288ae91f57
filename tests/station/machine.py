"""A recorded machine in a folder: the parts of sysfs and procfs that the guard reads, built piece by piece."""

from pathlib import Path

from station.system import System


class RecordedMachine:
    """Write a kernel's view of a machine below `root`; every method adds one fact."""

    def __init__(self, root: Path) -> None:
        """Start with a machine that has memory only."""
        self.root = root
        for folder in ("sys/class/block", "sys/dev/block", "proc/self", "proc/1", "sys/fs", "run/udev/data"):
            (root / folder).mkdir(parents=True)
        self._mounts: list[str] = []
        self._swaps: list[str] = []
        self._next = 0
        self.mount("0:21", "/proc", "proc", "proc")
        self.swap()

    @property
    def system(self) -> System:
        """Return the view that the program under test is given."""
        return System(self.root)

    def disk(self, name: str, way: str = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block") -> Path:
        """Add a disk of 1 GiB; returns its folder."""
        return self._device(self.root / "sys/devices" / way / name)

    def virtual(self, name: str) -> Path:
        """Add a device with no hardware of its own (dm, md, loop, zram)."""
        return self.disk(name, "virtual/block")

    def partition(self, disk: Path, number: int) -> Path:
        """Add a partition to a disk."""
        dash = "p" if disk.name[-1].isdigit() else ""
        folder = self._device(disk / f"{disk.name}{dash}{number}")
        (folder / "partition").write_text(f"{number}\n")
        (folder / "slaves").rmdir()  # only whole disks have one
        return folder

    def build(self, top: Path, *bottoms: Path) -> None:
        """Say that `top` is built on `bottoms`, as device-mapper, md and bcache do."""
        for bottom in bottoms:
            (bottom / "holders" / top.name).symlink_to(top)
            (top / "slaves" / bottom.name).symlink_to(bottom)

    def loop(self, name: str, backing: str) -> Path:
        """Add a loop device over a file or a device."""
        folder = self.virtual(name)
        (folder / "loop").mkdir()
        (folder / "loop/backing_file").write_text(f"{backing}\n")
        return folder

    def mount(self, number: str, point: str, fstype: str, source: str, options: str = "rw", pid: str = "self") -> None:
        """Add a mount to a process's table (`self` stands for every process that shares ours)."""
        escaped = point.replace(" ", "\\040")
        line = f"{20 + len(self._mounts)} 1 {number} / {escaped} rw,relatime shared:1 - {fstype} {source} {options}\n"
        if pid == "self":
            self._mounts.append(line)
            for who in ("self", "1"):
                (self.root / "proc" / who / "mountinfo").write_text("".join(self._mounts))
        else:
            folder = self.root / "proc" / pid
            folder.mkdir(exist_ok=True)
            (folder / "mountinfo").write_text("".join(self._mounts) + line)

    def swap(self, *paths: str) -> None:
        """Add swap areas."""
        self._swaps += [f"{path}\tpartition\t1048572\t0\t-2\n" for path in paths]
        (self.root / "proc/swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n" + "".join(self._swaps))

    def udev(self, device: Path, **properties: str) -> None:
        """Add udev's properties of a device."""
        number = (device / "dev").read_text().strip()
        text = "".join(f"E:{key}={value}\n" for key, value in properties.items())
        (self.root / "run/udev/data" / f"b{number}").write_text(text)

    def number(self, device: Path) -> str:
        """Return a device's `major:minor`."""
        return (device / "dev").read_text().strip()

    def _device(self, folder: Path) -> Path:
        """Write what every block device has."""
        self._next += 1
        for name in ("holders", "slaves", "queue"):
            (folder / name).mkdir(parents=True)
        number = f"8:{self._next}"
        facts = {"dev": number, "size": "2097152", "ro": "0", "removable": "0", "hidden": "0", "diskseq": self._next}
        for name, value in facts.items():
            (folder / name).write_text(f"{value}\n")
        for name, value in {"rotational": 1, "logical_block_size": 512, "physical_block_size": 4096}.items():
            (folder / "queue" / name).write_text(f"{value}\n")
        (self.root / "sys/class/block" / folder.name).symlink_to(folder)
        (self.root / "sys/dev/block" / number).symlink_to(folder)
        return folder


def ordinary(root: Path) -> RecordedMachine:
    """Return a station whose system is on sda (with swap), and a donated disk sdb with one partition."""
    machine = RecordedMachine(root)
    own = machine.disk("sda")
    first, second = machine.partition(own, 1), machine.partition(own, 2)
    machine.mount(machine.number(first), "/", "ext4", "/dev/sda1")
    machine.swap("/dev/" + second.name)
    machine.partition(machine.disk("sdb"), 1)
    return machine
