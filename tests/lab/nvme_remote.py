"""A simulated NVMe drive in a guest, plugged in over NVMe/TCP for the kernel's own driver and the real nvme-cli.

    with Remote(guest, "S1", lies=["hangs"]) as drive:
        node = drive.node(1)
        drive.tell("power-cut")

The drive is a process inside the guest (`tests.drives.nvme_tcp`); its images are its flash.
"""

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tests.lab.vm import HOME, PYTHON, Guest

LETTER = "a letter to the charity"
SIZE = 8 << 20  # bytes of a namespace: room for a thousand canaries
START_SECONDS = 120


class Remote:
    """One drive. Entering starts it and plugs it in; leaving pulls it out. `kept`: flash and memory survive power cuts.

    `settings` are fields of `tests.drives.nvme_identity.Make`; each namespace has 8 MiB, filled with letters when new.
    """

    def __init__(
        self,
        guest: Guest,
        serial: str,
        *,
        lies: Sequence[str] = (),
        namespaces: int = 1,
        port: int = 4420,
        kept: bool = False,
        **settings: float,
    ) -> None:
        self.guest, self.serial, self.port = guest, serial, port
        self._folder = HOME if kept else "/dev/shm"
        self._lies, self._settings, self._kept = lies, {"sanitize_seconds": 3, **settings}, kept
        self._images = [f"{self._folder}/{serial}-{number}.img" for number in range(1, namespaces + 1)]
        self._control, self._nqn = f"/run/{serial}.sock", ""

    def __enter__(self) -> Self:
        self.start()
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.pull()
            self.stop()
            if not self._kept:  # they lie in the guest's memory
                self.guest.run(["rm", "-f", *self._images], 30)

    def start(self) -> None:
        """Begin to be a drive, with what it had before if there is any."""
        for image in self._images:
            blocks = SIZE // 4096
            self.guest.sh(f"test -e {image} || yes '{LETTER}' | dd of={image} bs=4096 count={blocks} iflag=fullblock")
        words = ["--serial", self.serial, "--port", str(self.port), "--control", self._control]
        words += [word for image in self._images for word in ("--image", image)]
        words += [word for lie in self._lies for word in ("--lie", lie)]
        words += [word for name, value in self._settings.items() for word in ("--set", f"{name}={value}")]
        words += ["--state", f"{self._folder}/{self.serial}.json"] if self._kept else []
        self._process = self.guest.start([PYTHON, "-m", "tests.drives.nvme_tcp", *words])
        self._process.wait_for("nqn=", START_SECONDS)
        self._nqn = self._process.stdout.decode().rpartition("nqn=")[2].split()[0]

    def plug(self) -> None:
        """Connect it."""
        where = ["-t", "tcp", "-a", "127.0.0.1", "-s", str(self.port), "-n", self._nqn]
        patience = ["--ctrl-loss-tmo=5", "--reconnect-delay=1"]
        self.guest.run(["nvme", "connect", *where, *patience], 60).checked()
        self.guest.settle()

    def pull(self) -> None:
        """Disconnect it, as a drive that is switched off properly."""
        self.guest.run(["nvme", "disconnect", "-n", self._nqn], 90)

    def stop(self) -> None:
        """End the process."""
        self.guest.run([PYTHON, "-m", "tests.drives.nvme_control", self._control, "stop"], 60)

    def tell(self, *words: str) -> Any:
        """Give the drive an order of `tests.drives.nvme_control`; return its answer."""
        done = self.guest.run([PYTHON, "-m", "tests.drives.nvme_control", self._control, *words], 90).checked()
        return json.loads(done.text)

    def node(self, nsid: int = 1) -> str:
        """Return the block device of a namespace, "" while there is none; by serial number, never by name."""
        script = (
            f'for d in /sys/block/nvme*n*; do [ "$(cat $d/device/serial | xargs)" = {self.serial} ] && '
            f'[ "$(cat $d/nsid)" = {nsid} ] && echo /dev/$(basename $d) && exit; done; true'
        )
        return self.guest.sh(script).text.strip()

    def letters(self, nsid: int = 1) -> int:
        """Return how many letters lie in the flash of a namespace, whatever the firmware says."""
        return int(self.guest.sh(f"grep -aoF '{LETTER}' {self._images[nsid - 1]} | wc -l").text)
