"""The guest: a machine with real drivers and made-up drives, booted, asked, cut off from power, booted again.

Promises: a command can be run within twenty seconds of the boot on two cores; nothing the guest does reaches the
host's files except through the images it was given; when it is left, its QEMU is gone.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.drives import Bus, Drive, Fault
from tests.lab.fetch import CHECKOUT, Kit
from tests.lab.qmp import Monitor, Refused
from tests.lab.slots import Slots
from tests.lab.talk import PIECE, GuestGone, Overdue, Result, Running, Wire, packed, unpacked

HOME = "/srv/station"
"""Where the guest mounts its home disk: a station's journal and work log there survive a power cut."""

SCANNED = {Bus.SATA: "ahci", Bus.SAS: "mptsas"}
"""Buses on which QEMU announces nothing, with their drivers: the guest's kernel is told to look."""

PORTS = 8
BOOT_SECONDS = 120
PYTHON = str(CHECKOUT / ".venv" / "bin" / "python")


class Guest:
    """A virtual machine with drives. Use it as a context manager; entering boots it."""

    def __init__(
        self, kit: Kit, drives: Sequence[Drive] = (), *, home: Path | None = None, folder: Path | None = None,
        memory: int = 1536, outlives: bool = False,
    ) -> None:  # fmt: skip
        """Describe a guest; `memory` is in MiB, `folder` holds its sockets and console, `home` is an ext4 image.

        `outlives` leaves QEMU running when this process ends: for the guest of a person at a terminal.
        """
        self._kit, self._memory, self._home, self._outlives = kit, memory, home, outlives
        self._made = folder is None
        # A unix socket's path may have 107 bytes, so the folder is not below a test's.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="kitbank-lab-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._slots = Slots(drives)
        self._qemu: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None
        self._monitor: Monitor | None = None
        self.boot_seconds = 0.0

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        self.power_cut()
        if self._made:
            shutil.rmtree(self.folder, ignore_errors=True)

    # Power ------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Switch on and wait until commands are answered and udev has seen every drive; raises `GuestGone`."""
        began = time.monotonic()
        for stale in self.folder.glob("*.sock"):
            stale.unlink()
        argv = [] if self._outlives else ["setpriv", "--pdeathsig", "KILL"]
        with (self.folder / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(
                [*argv, *self._command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=self._outlives,
            )  # fmt: skip
        try:
            self._monitor = Monitor(self.folder / "qmp.sock")
            self._wire = Wire(self.folder / "port0.sock", BOOT_SECONDS)
        except (GuestGone, Refused) as error:
            said = (self.folder / "qemu.log").read_text(errors="replace").strip()[-2000:]
            self.power_cut()
            heard = self.console()
            raise GuestGone(f"the guest did not boot: {error}; QEMU said {said!r}; console: {heard!r}") from error
        self.settle()
        self.boot_seconds = time.monotonic() - began

    def power_cut(self) -> None:
        """Kill QEMU, as when the plug is pulled. Harmless when it is off."""
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait(30)
        for each in (self._wire, self._monitor):
            if each is not None:
                each.close()
        self._qemu, self._wire, self._monitor = None, None, None

    @property
    def pid(self) -> int:
        """The process number of its QEMU; raises `GuestGone` when it is off."""
        if self._qemu is None:
            raise GuestGone("the guest is switched off")
        return self._qemu.pid

    def starved(self) -> float:
        """Return the share (0 to 1) of its wanted processor time that this guest had to wait for since it booted.

        The second figure of each thread's schedstat (Linux, Documentation/scheduler/sched-stats.rst): what other
        programs on this machine took away from it, whatever the load average says.
        """
        ran = waited = 0
        for file in Path(f"/proc/{self.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                one, other, _ = map(int, file.read_text().split())
                ran, waited = ran + one, waited + other
        return waited / max(1, ran + waited)

    def console(self) -> str:
        """Return the last of what the guest's kernel said."""
        with contextlib.suppress(OSError):
            return (self.folder / "console.log").read_text(errors="replace")[-2000:]
        return ""

    # Programs and files -----------------------------------------------------------------------------------

    @property
    def wire(self) -> Wire:
        """The connection to the agent; raises `GuestGone` when the guest is off."""
        if self._wire is None:
            raise GuestGone("the guest is switched off")
        return self._wire

    @property
    def qmp(self) -> Monitor:
        """QEMU's control socket; raises `GuestGone` when the guest is off."""
        if self._monitor is None:
            raise GuestGone("the guest is switched off")
        return self._monitor

    def start(
        self, argv: Sequence[str], *, stdin: bytes | None = b"", environment: Mapping[str, str] | None = None,
        folder: str = str(CHECKOUT),
    ) -> Running:  # fmt: skip
        """Start a program as root and return at once; `stdin=None` keeps its input open."""
        return self.wire.start(argv, stdin=stdin, environment=environment, folder=folder)

    def run(
        self, argv: Sequence[str], deadline: float = 60, *, stdin: bytes = b"",
        environment: Mapping[str, str] | None = None, folder: str = str(CHECKOUT),
    ) -> Result:  # fmt: skip
        """Run a program as root to its end; may be called from several threads at once.

        Raises `Overdue` after `deadline` seconds, having killed it, `NotStarted` or `GuestGone`.
        """
        running = self.start(argv, stdin=stdin, environment=environment, folder=folder)
        try:
            return running.wait(deadline)
        except Overdue:
            running.kill(9)
            raise

    def sh(self, script: str, deadline: float = 60) -> Result:
        """Run a shell script and demand that it ends with 0."""
        return self.run(["sh", "-euc", script], deadline).checked()

    def python(self, *words: str, deadline: float = 120, environment: Mapping[str, str] | None = None) -> Result:
        """Run the checkout's own Python, from the checkout."""
        return self.run([PYTHON, *words], deadline, environment=environment)

    def put(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file in the guest (in memory, unless it is below `HOME`)."""
        for offset in range(0, len(data) or 1, PIECE):
            text = packed(data[offset : offset + PIECE])
            self.wire.ask(["put", path], {"op": "put", "path": path, "data": text, "append": offset > 0, "mode": mode})

    def get(self, path: str) -> bytes:
        """Return a file of the guest; raises `NotStarted` with the guest's reason."""
        found = bytearray()
        while piece := self.read(path, len(found), PIECE):
            found += piece
        return bytes(found)

    def read(self, path: str, offset: int, length: int) -> bytes:
        """Return at most `length` bytes of a file or device of the guest."""
        answer = self.wire.ask(["get", path], {"op": "get", "path": path, "offset": offset, "length": length}, 120)
        return unpacked(answer["data"])

    def modprobe(self, *words: str) -> None:
        """Load a kernel module with its parameters."""
        self.run(["modprobe", *words]).checked()

    def settle(self) -> None:
        """Wait until udev has handled what the kernel announced."""
        self.run(["udevadm", "settle", "--timeout=60"], 90)

    # Drives -----------------------------------------------------------------------------------------------

    @property
    def drives(self) -> tuple[Drive, ...]:
        """The drives that are plugged in, or will be at the next boot."""
        return tuple(self._slots.drives.values())

    def device(self, drive: Drive, number: int = 0, deadline: float = 20) -> str:
        """Return the node, such as /dev/sdb, of a drive by its serial; raises `LookupError`. Letters change."""
        until = time.monotonic() + deadline
        self.settle()
        while True:
            argv = ["lsblk", "--json", "--nodeps", "--bytes", "--output", "NAME,SERIAL,SIZE"]
            listed = json.loads(self.run(argv).text)
            # A drive has its name before it has its size, and udev reads it again when it has.
            nodes = sorted(each["name"] for each in listed["blockdevices"] if _is_it(drive, each) and each["size"])
            if number < len(nodes):
                return f"/dev/{nodes[number]}"
            if time.monotonic() > until:
                raise LookupError(f"no drive with the serial {drive.serial} in {listed['blockdevices']}")
            time.sleep(0.3)

    def plug(self, drive: Drive) -> None:
        """Plug a drive into the running guest; raises `Refused` where its bus cannot (SD, NVMe namespaces).

        SATA in QEMU cannot; there a drive that was pulled is found again by a scan, and a new one is refused.
        """
        if drive.bus is not Bus.SATA or drive.name not in self._slots.drives:
            self._slots.plug(self.qmp, drive)
        if drive.bus in SCANNED:
            self.sh(
                'for host in /sys/class/scsi_host/*; do if [ "$(cat $host/proc_name)" = '
                f'{SCANNED[drive.bus]} ]; then echo "- - -" > $host/scan; fi; done'
            )

    def pull(self, drive: Drive, deadline: float = 30) -> None:
        """Take a drive away, whatever it is doing; raises `Refused` when it is not gone after `deadline` seconds.

        A SATA drive is only taken away from the guest's kernel, as by a controller that lost its link. Never pull a
        UAS drive at work: QEMU 7.2 aborts.
        """
        name = self.device(drive).removeprefix("/dev/")
        if drive.bus is not Bus.SATA:
            self._slots.pull(self.qmp, drive, deadline)
        if drive.bus in SCANNED:
            self.sh(f"echo 1 > /sys/block/{name}/device/delete")

    def fail(self, drive: Drive, *faults: Fault, number: int = 0) -> None:
        """Let these things go wrong from now on, and no others; without any the drive is well again.

        Setting faults flushes the drive on the way (QEMU does). QEMU's SD card reports no error, whatever happens.
        """
        self._slots.fail(self.qmp, drive, faults, number)

    def limit(self, drive: Drive, bytes_per_second: int) -> None:
        """Slow a drive while it works; 0 lifts the limit, 1 hangs it."""
        self._slots.limit(self.qmp, drive, bytes_per_second)

    # How QEMU is started ----------------------------------------------------------------------------------

    def _command(self) -> list[str]:
        """Return QEMU's argument list (7.2)."""
        argv = [
            "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2",
            "-m", str(self._memory), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-serial", f"file:{self.folder / 'console.log'}",
            "-kernel", str(self._kit.vmlinux), "-initrd", str(self._kit.initramfs), "-append", self._kernel_words(),
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
            "-device", "virtio-rng-pci",
            "-qmp", f"unix:{self.folder / 'qmp.sock'},server=on,wait=off",
            "-device", "virtio-serial-pci,id=wires",
        ]  # fmt: skip
        for number in range(PORTS):
            socket = f"path={self.folder / f'port{number}.sock'}"
            argv += ["-chardev", f"socket,id=wire{number},server=on,wait=off,{socket}"]
            argv += ["-device", f"virtserialport,bus=wires.0,chardev=wire{number},name=kitbank.{number}"]
        if self._home is not None:
            argv += ["-drive", f"file={self._home},format=raw,if=none,id=home,cache=writeback,discard=unmap"]
            argv += ["-device", "virtio-blk-pci,drive=home,serial=kitbank-home"]
        return argv + [word for pair in self._slots.at_boot() for word in pair]

    def _kernel_words(self) -> str:
        return " ".join((
            "console=ttyS0 quiet panic=-1 mitigations=off audit=0 nokaslr nowatchdog rcupdate.rcu_expedited=1",
            # The real interpreter: a version manager's shim in front of it takes half a minute here.
            f"kitbank.python={os.path.realpath(sys.executable)}",
            f"kitbank.agent={Path(__file__).with_name('guest_agent.py')}",
            f"kitbank.modules={self._kit.modules}",
            f"kitbank.home={HOME if self._home is not None else ''}",
        ))  # fmt: skip


def _is_it(drive: Drive, listed: Mapping[str, Any]) -> bool:
    """Say whether a line of lsblk is this drive. QEMU's SD card has one fixed serial and is known by its name."""
    if drive.bus is Bus.SD:
        return str(listed["name"]).startswith("mmcblk") and "boot" not in str(listed["name"])
    return (listed["serial"] or "").strip() == drive.serial
