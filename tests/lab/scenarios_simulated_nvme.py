"""The simulated NVMe drive is a drive to the kernel, nvme-cli and smartctl; it goes on after a power cut, and lies.

The NVMe engine's own scenarios rest on these: where one fails, the simulator is to be mended and not the station.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.drives.nvme_identity import Make
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.talk import GuestGone
from tests.lab.vm import HOME, PYTHON, Guest

MIB = 1 << 20
SIZE = 16 * MIB
SERIAL = "NVSIM1"


@dataclass(frozen=True)
class Plugged:
    """A simulated drive of two namespaces (512 and 4,096 bytes) whose images are in the guest's home."""

    guest: Guest
    name: str

    def log81(self) -> tuple[int, int]:
        """Return progress and state from the raw sanitize log."""
        argv = ["nvme", "get-log", f"/dev/{self.name}", "--log-id=0x81", "--log-len=512", "--raw-binary"]
        page = self.guest.run(argv).checked().stdout
        return int.from_bytes(page[:2], "little"), page[2] & 7

    def sanitize(self, action: int) -> int:
        """Start a sanitize; return nvme's exit status."""
        return self.guest.run(["nvme", "sanitize", f"/dev/{self.name}", f"--sanact={action}", "--ause"]).exit

    def wait(self) -> list[int]:
        """Look until the sanitize is over; return the progress seen on the way. It must have succeeded."""
        seen: list[int] = []
        end = time.monotonic() + 90
        while True:
            progress, state = self.log81()
            if state != 2:
                assert state == 1, f"the sanitize ended with state {state}"
                return seen
            seen.append(progress)
            assert time.monotonic() < end, f"the sanitize does not end: {seen}"
            time.sleep(0.5)

    def tell(self, *order: str) -> object:
        """Give the drive an order."""
        done = self.guest.python("-m", "tests.drives.nvme_control", "/run/nvsim.sock", *order)
        return json.loads(done.checked().text)

    def in_flash(self, nsid: int) -> int:
        """Return how many bytes of a namespace's flash are not zero."""
        found = self.tell("chip-off", str(nsid), "0", str(SIZE))
        assert isinstance(found, dict)
        return int(found["not_zero"])

    def read(self, nsid: int) -> bytes:
        """Read a namespace whole as a host does."""
        self.guest.run(["dd", f"if=/dev/{self.name}n{nsid}", "of=/run/seen", "bs=1M", "iflag=direct"]).checked()
        return self.guest.get("/run/seen")


@contextmanager
def plugged(guest: Guest, *options: str) -> Iterator[Plugged]:
    """Serve the drive in the guest and connect to it, over fresh images or those of an earlier boot."""
    images = [f"{HOME}/nv1.img", f"{HOME}/nv2.img"]
    guest.modprobe("nvme-tcp")
    server = guest.start(
        [PYTHON, "-m", "tests.drives.nvme_tcp", "--image", images[0], "--image", f"{images[1]}:4096",
         "--serial", SERIAL, "--control", "/run/nvsim.sock", "--state", f"{HOME}/nvsim.json",
         "--set", "sanitize_seconds=20", *options]
    )  # fmt: skip
    server.wait_for("ready", 90)
    nqn = Make(serial=SERIAL).nqn
    guest.run(["nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-l", "0", "-n", nqn]).checked()
    try:
        yield Plugged(guest, _controller(guest))
    finally:
        with suppress(GuestGone):  # the power was cut meanwhile: there is nothing to take down
            guest.run(["nvme", "disconnect", "-n", nqn])
            server.kill(9)


def _controller(guest: Guest) -> str:
    """Wait until both namespaces are there; return the controller's name."""
    script = f"cd /sys/class/nvme; for c in *; do grep -q {SERIAL} $c/serial && [ -b /dev/${{c}}n2 ] && echo $c; done"
    for _ in range(40):
        if name := guest.run(["sh", "-c", script]).text.strip():
            return name
        time.sleep(0.25)
    raise AssertionError("the kernel did not make the simulated drive's devices")


def _filled(guest: Guest) -> None:
    """Make images full of noise."""
    guest.sh(f"for n in 1 2; do head -c {SIZE} /dev/urandom > {HOME}/nv$n.img; done; sync; rm -f {HOME}/nvsim.json")


def tools(lab: Lab) -> Seen:
    """nvme-cli and smartctl sanitize and format it, and are refused meanwhile; the flash is empty afterwards."""
    with lab.guest() as guest:
        _filled(guest)
        with plugged(guest) as drive:
            smart = json.loads(guest.run(["smartctl", "-x", "-j", f"/dev/{drive.name}"]).checked().text)
            assert smart["serial_number"] == SERIAL and smart["smart_status"]["passed"], smart
            assert drive.sanitize(2) == 0
            progress, state = drive.log81()
            assert state == 2, f"not seen at work: {progress}, {state}"
            assert drive.sanitize(2) == 1, "a second sanitize was accepted"
            assert guest.run(["dd", f"if=/dev/{drive.name}n1", "of=/dev/null", "count=1", "iflag=direct"]).exit == 1
            drive.tell("sanitize-seconds", "2")
            drive.wait()
            assert drive.read(1) == drive.read(2) == bytes(SIZE) and drive.in_flash(1) == drive.in_flash(2) == 0
            into = f"of=/dev/{drive.name}n1 bs=1M oflag=direct iflag=fullblock conv=fsync"
            guest.sh(f"head -c {SIZE} /dev/urandom | dd {into}")
            words = ["nvme", "format", f"/dev/{drive.name}n1", "--force"]
            guest.run(words).checked()
            left = drive.in_flash(1)
            assert left > SIZE * 99 // 100, "a format without --ses erased something"
            guest.run([*words, "--namespace-id=1", "--ses=1", "--lbaf=1"]).checked()
            assert drive.in_flash(1) == 0
            assert guest.run(["blockdev", "--getss", f"/dev/{drive.name}n1"]).text.strip() == "4096"
    return Seen(f"sanitize seen at {progress} of 65536, flash empty after; a format without --ses left {left:,} bytes")


def power_cut(lab: Lab) -> Seen:
    """A sanitize goes on after the plug was pulled in the middle."""
    with lab.guest() as guest:
        _filled(guest)
        with plugged(guest) as drive:
            assert drive.sanitize(4) == 0
            before = drive.log81()
            while before[0] < 8000:
                before = drive.log81()
            guest.power_cut()
            guest.boot()
        with plugged(guest) as drive:
            after = drive.log81()
            assert after[1] == 2, f"no sanitize is under way after the power cut: {after}"
            drive.tell("sanitize-seconds", "2")
            drive.wait()
            assert drive.in_flash(1) == drive.in_flash(2) == 0
    return Seen(f"cut at progress {before[0]}, found again at {after[0]}, then finished: flash empty")


def lies(lab: Lab) -> Seen:
    """A drive may erase nothing and look empty; nothing but the chips tells."""
    with lab.guest() as guest:
        _filled(guest)
        with plugged(guest, "--lie", "zeros-without-erasing", "--set", "sanitize_seconds=2") as drive:
            assert drive.sanitize(2) == 0
            drive.wait()
            assert drive.read(1) == drive.read(2) == bytes(SIZE)
            left = drive.in_flash(1) + drive.in_flash(2)
            assert left > 2 * SIZE * 99 // 100
    return Seen(f"log 81h says success, every block reads as zeros, and the flash holds {left:,} bytes")


SCENARIOS = (
    Scenario("simulated-nvme", "nvme-cli and smartctl sanitize and format a simulated NVMe drive", tools),
    Scenario("simulated-nvme-power-cut", "a simulated NVMe drive goes on sanitizing after a power cut", power_cut),
    Scenario("simulated-nvme-lies", "a simulated NVMe drive that erases nothing looks empty", lies),
)
