"""A bay of the guest: makes the kernel believe that a simulated drive was plugged in, and pulls it out.

Uses the target core's configfs: a `user_0` backstore (TCMU) and, for each drive, a tcm_loop host of its own, so that
one drive that hangs holds up no other. Runs as root in a guest with target_core_user and tcm_loop loaded.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.drives.shop import SimulatedDrive
from tests.drives.tcmuring import Ring

CONFIG = Path("/sys/kernel/config/target")
WAIT = 15.0  # seconds for the kernel to make a device


class Bay:
    """One place for one drive."""

    def __init__(self, number: int, drive: SimulatedDrive, say: Callable[[str], None]) -> None:
        """Take a place; the drive is not plugged in yet."""
        self.drive, self.number = drive, number
        self._say = say
        self._core = CONFIG / "core/user_0" / f"sim{number}"
        self._fabric = CONFIG / "loopback" / f"naa.6001405{number:09x}"
        self._ring: Ring | None = None

    def open(self) -> None:
        """Make backstore and host; raises `OSError` where the kernel refuses."""
        if not (CONFIG / "loopback").is_dir():
            for module in ("target_core_user", "tcm_loop"):
                subprocess.run(["modprobe", module], check=True)
        _make(CONFIG / "loopback")
        _make(CONFIG / "core/user_0")
        _make(self._core)
        size = self.drive.capacity() * self.drive.medium().sector_size
        (self._core / "control").write_text(f"dev_size={size}")
        (self._core / "control").write_text(f"hw_block_size={self.drive.medium().sector_size}")
        (self._core / "control").write_text(f"dev_config=kitbank/sim{self.number}")
        (self._core / "enable").write_text("1")
        # A drive that hangs must hang: no time limit of the kernel's own. And resets are to be told to us.
        for name, value in (("cmd_time_out", "0"), ("tmr_notification", "1")):
            if (self._core / "attrib" / name).exists():
                (self._core / "attrib" / name).write_text(value)
        self._ring = Ring(self._uio(), self.drive, self._say)
        _make(self._fabric)
        _make(self._fabric / "tpgt_1")
        (self._fabric / "tpgt_1/nexus").write_text(f"naa.6001405f{self.number:08x}")
        _make(self._fabric / "tpgt_1/lun/lun_0")

    def plug(self) -> None:
        """Let the kernel find the drive; returns when it has a name, or after 15 s without one."""
        self._link.symlink_to(self._core)
        end = time.monotonic() + WAIT
        while time.monotonic() < end and not self.device():
            time.sleep(0.05)

    def pull(self) -> None:
        """Take the drive out of the kernel's sight; commands under way end in an error."""
        if self._ring:
            self._ring.release()
        if self._link.is_symlink():
            self._link.unlink()

    def close(self) -> None:
        """Undo everything."""
        self.pull()
        for folder in (self._fabric / "tpgt_1/lun/lun_0", self._fabric / "tpgt_1", self._fabric):
            if folder.is_dir():
                folder.rmdir()
        if self._ring:
            self._ring.close()
            self._ring = None
        if self._core.is_dir():
            self._core.rmdir()

    def device(self) -> str:
        """Return the block device's path, or "" while there is none."""
        return self._child("block")

    def generic(self) -> str:
        """Return the path of the SCSI generic device, or ""."""
        return self._child("scsi_generic")

    def _child(self, kind: str) -> str:
        address = self._fabric / "tpgt_1/address"
        if not address.exists():
            return ""
        folder = Path("/sys/class/scsi_device") / f"{address.read_text().strip()}:0" / "device" / kind
        names = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
        return f"/dev/{names[0]}" if names and Path(f"/dev/{names[0]}").exists() else ""

    @property
    def _link(self) -> Path:
        return self._fabric / "tpgt_1/lun/lun_0" / f"sim{self.number}"

    def _uio(self) -> str:
        """Find the ring that the kernel made for this backstore."""
        wanted = f"tcm-user/0/sim{self.number}/"
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            for each in Path("/sys/class/uio").iterdir():
                if (each / "name").read_text().startswith(wanted) and Path(f"/dev/{each.name}").exists():
                    return each.name
            time.sleep(0.05)
        raise OSError(f"the kernel made no ring for sim{self.number}")


def _make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
