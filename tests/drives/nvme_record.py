"""Record what the real nvme-cli and smartctl say to the simulated drive; run inside the laboratory's guest, as root.

    python -m tests.drives.nvme_record FOLDER [SCENARIO…]

Each scenario plugs a drive in, runs commands, and leaves a capture that `station.run.Replay` reads. The simulated
drive does not prove anything about real firmware, but what the tools print and return for it is real.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from station.run import Result, Run, save
from tests.drives.nvme_control import tell
from tests.drives.nvme_identity import Make

MIB = 1 << 20
_PORT = 4421
LOOK = "nvme get-log /dev/{c} --log-id=0x81 --log-len=512 -b"


class Plugged:
    """A simulated drive that the kernel sees, and a recorder of what is run."""

    def __init__(self, folder: Path, run: Run, options: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
        """Start a drive with namespaces of (bytes, LBA size) and connect it."""
        self.folder, self.record = folder, run
        self.images = [folder / f"{nsid}.img" for nsid in range(1, len(sizes) + 1)]
        words = []
        for image, (size, lba) in zip(self.images, sizes, strict=True):
            image.write_bytes(os.urandom(size))
            words += ["--image", f"{image}:{lba}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.drives.nvme_tcp", *words, "--port", str(_PORT),
             "--control", str(folder / "control.sock"), "--state", str(folder / "state.json"), *options],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("ready")
        self.controller = ""
        self.connect()

    def connect(self, *more: str) -> None:
        """Plug it in, without waiting for a lost drive to come back."""
        before = _controllers()
        argv = ["nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", str(_PORT), "-n", Make().nqn, "-l", "0"]
        done = Run()([*argv, *more], 60)
        assert done.ok, done.trouble
        (self.controller,) = _controllers() - before
        for nsid in range(1, len(self.images) + 1):
            _wait(lambda nsid=nsid: Path(f"/dev/{self.controller}n{nsid}").is_block_device())  # type: ignore[misc]

    def disconnect(self) -> None:
        """Pull it."""
        Run()(["nvme", "disconnect", "-d", self.controller], 60)

    def do(self, line: str, deadline: float = 30) -> Result:
        """Run and record one command line; `{c}` is the controller's name, `{n}` the first namespace's."""
        names = {"c": self.controller, "n": f"{self.controller}n1"}
        result = self.record(line.format(**names).split(), deadline)
        print(f"{result.exit:4} {result.seconds:6.2f} s  {' '.join(result.argv)}", _short(result), flush=True)
        return result

    def tell(self, *order: str) -> Any:
        """Give an order over the control socket."""
        return tell(self.folder / "control.sock", *order)

    def finish(self) -> None:
        """Unplug it and stop it."""
        self.tell("honest", "hangs")
        self.disconnect()
        self._process.terminate()
        self._process.wait(10)


def _short(result: Result) -> str:
    if result.timed_out:
        return "(stopped at its deadline)"
    text = (result.stderr or result.stdout)[:160]
    return repr(text.decode("utf-8", "replace")) if text.isascii() else f"{len(result.stdout)} bytes"


def _controllers() -> set[str]:
    return {path.name for path in Path("/sys/class/nvme").glob("nvme*")}


def _wait(ready: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("the kernel did not make the device")
        time.sleep(0.1)


def _until_done(drive: Plugged, seconds: float = 60) -> None:
    """Look at the log, recorded, until the sanitize is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if drive.do(LOOK).stdout[2:3] not in {b"\x02", b""}:
            return
        time.sleep(0.5)
    raise TimeoutError("the sanitize did not end")


def identity(drive: Plugged) -> None:
    """Everything a look at the drive asks."""
    for line in (
        "nvme --version", "nvme id-ctrl /dev/{c} -o binary", "nvme id-ns /dev/{c} -n 1 -o binary",
        "nvme id-ns /dev/{c} -n 2 -o binary", "nvme id-ns /dev/{n} -o binary", "nvme list-ns /dev/{c}",
        "nvme list-ns /dev/{c} -o json", "nvme ns-descs /dev/{c} -n 1 -o binary", LOOK,
        "nvme get-log /dev/{c} --log-id=2 --log-len=512 -b", "nvme get-log /dev/{c} --log-id=3 --log-len=512 -b",
        "nvme get-log /dev/{c} --log-id=6 --log-len=564 -b", "nvme sanitize-log /dev/{c}",
        "nvme sanitize-log /dev/{c} -o json", "nvme sanitize-log /dev/{c} -o binary",
        "nvme id-ns /dev/{c} -n 9 -o binary",
        "nvme get-log /dev/{c} --log-id=0x82 --log-len=512 -b", "nvme list -o json", "smartctl -x -j /dev/{c}",
        "smartctl -x -j /dev/{n}", "smartctl -x /dev/{c}",
    ):  # fmt: skip
        drive.do(line)
    drive.tell("health", "warning", "5")
    drive.tell("health", "spare", "3")
    drive.tell("health", "media_errors", "12")
    drive.do("smartctl -x -j /dev/{c}")


def sanitize(drive: Plugged) -> None:
    """Block, crypto and overwrite, with what is refused meanwhile."""
    for action in (2, 4, 3):
        how = " --owpass=1 --ovrpat=0x0" if action == 3 else ""
        drive.do(LOOK)
        drive.do(f"nvme sanitize /dev/{{c}} --sanact={action} --ause{how}")
        drive.do(LOOK)
        if action == 2:
            drive.do("nvme sanitize /dev/{c} --sanact=2 --ause")
            drive.do("nvme format /dev/{n} --namespace-id=1 --ses=1 --lbaf=0 --force")
            drive.do("nvme device-self-test /dev/{c} -n 1 -s 1")
            drive.do("dd if=/dev/{n} of=/dev/null bs=4096 count=1 iflag=direct")
            drive.do("dd if=/dev/zero of=/dev/{n} bs=4096 count=1 oflag=direct")
            drive.do("nvme id-ctrl /dev/{c} -o binary")
            drive.do("smartctl -x -j /dev/{c}")
        _until_done(drive)
        assert drive.tell("chip-off", "2", "0", str(8 * MIB))["not_zero"] == 0


def failure(drive: Plugged) -> None:
    """A sanitize that fails, left and not to be left."""
    drive.tell("sanitize-seconds", "2")
    drive.tell("fail-at", "0.5")
    drive.do("nvme sanitize /dev/{c} --sanact=2 --ause")
    _until_done(drive)
    drive.do("dd if=/dev/{n} of=/dev/null bs=4096 count=1 iflag=direct")
    drive.do("nvme format /dev/{n} --namespace-id=1 --ses=1 --lbaf=0 --force")
    drive.do("nvme sanitize /dev/{c} --sanact=1")
    drive.do("dd if=/dev/{n} of=/dev/null bs=4096 count=1 iflag=direct")
    drive.do("nvme sanitize /dev/{c} --sanact=2")
    _until_done(drive)
    drive.do("nvme sanitize /dev/{c} --sanact=1")
    drive.do("nvme sanitize /dev/{c} --sanact=4 --ause")
    drive.tell("fail-at", "never")
    drive.do("nvme sanitize /dev/{c} --sanact=2")
    _until_done(drive)


def station(drive: Plugged) -> None:
    """The forms that the station's engine builds, and reads while a sanitize runs."""
    for line in (
        "nvme version", "nvme id-ctrl /dev/{n} --output-format=binary",
        "nvme id-ns /dev/{n} --namespace-id=1 --output-format=binary",
        "nvme admin-passthru /dev/{n} --opcode=0x06 --namespace-id=0 --cdw10=0x02 --data-len=4096 --read --raw-binary",
        "nvme admin-passthru /dev/{n} --opcode=0x06 --namespace-id=0 --cdw10=0x10 --data-len=4096 --read --raw-binary",
        "nvme security-recv /dev/{n} --secp=1 --spsp=1 --size=2048 --al=2048 --raw-binary",
        "nvme format /dev/{n} --namespace-id=1 --ses=1 --lbaf=0 --pi=0 --ms=0 --timeout=43200000 --force",
        "nvme format /dev/{n} --namespace-id=1 --ses=2 --lbaf=0 --pi=0 --ms=0 --timeout=43200000 --force",
        "nvme sanitize /dev/{n} --sanact=1",
        "nvme sanitize /dev/{n} --sanact=3 --ause --owpass=1 --ovrpat=0 --no-dealloc",
    ):  # fmt: skip
        drive.do(line)
    _until_done(drive)
    drive.do("nvme sanitize /dev/{n} --sanact=2 --ause --no-dealloc")
    _until_done(drive)


def formats(drive: Plugged) -> None:
    """Format NVM in the forms that matter, and in the one that erases nothing."""
    drive.do("nvme format /dev/{n} --force")
    assert drive.tell("chip-off", "1", "0", str(8 * MIB))["not_zero"] > 0
    for line in (
        "nvme format /dev/{n} --namespace-id=1 --ses=1 --lbaf=0 --force", "nvme id-ns /dev/{c} -n 1 -o binary",
        "nvme format /dev/{n} --namespace-id=1 --ses=2 --lbaf=1 --force", "nvme id-ns /dev/{c} -n 1 -o binary",
        "blockdev --getss --getsize64 /dev/{n}", "nvme format /dev/{n} --ses=1 --lbaf=0 --force",
        "nvme format /dev/{c} --namespace-id=0xffffffff --ses=1 --lbaf=1 --force",
        "nvme format /dev/{c} --ses=1 --lbaf=1 --force", "nvme format /dev/{n} --ses=1 --lbaf=9 --force",
        "nvme format /dev/{n} --ses=3 --lbaf=0 --force",
        "nvme format /dev/{c} --namespace-id=7 --ses=1 --lbaf=0 --force",
    ):  # fmt: skip
        drive.do(line)
    assert drive.tell("chip-off", "2", "0", str(8 * MIB))["not_zero"] == 0


def self_test(drive: Plugged) -> None:
    """Self-tests that pass, fail and are broken off."""
    for outcome, code in ((0, 1), (7, 1), (0, 2)):
        drive.tell("self-test-outcome", str(outcome))
        drive.do(f"nvme device-self-test /dev/{{c}} -n 1 -s {code}")
        drive.do("nvme get-log /dev/{c} --log-id=6 --log-len=564 -b")
        drive.do("nvme device-self-test /dev/{c} -n 1 -s 1")
        if code == 1:
            time.sleep(3)
        else:
            drive.do("nvme device-self-test /dev/{c} -n 1 -s 0xf")
        drive.do("nvme get-log /dev/{c} --log-id=6 --log-len=564 -b")
    drive.do("nvme self-test-log /dev/{c} -o json")
    drive.do("smartctl -x -j /dev/{c}")


def without_sanitize(drive: Plugged) -> None:
    """A drive that has no sanitize, no crypto erase and no format."""
    for line in (
        "nvme id-ctrl /dev/{c} -o binary", LOOK, "nvme sanitize /dev/{c} --sanact=2 --ause",
        "nvme format /dev/{n} --ses=1 --lbaf=0 --force", "nvme device-self-test /dev/{c} -n 1 -s 1",
        "nvme get-log /dev/{c} --log-id=6 --log-len=564 -b",
    ):  # fmt: skip
        drive.do(line)


def claimed(drive: Plugged) -> None:
    """What the tools do while somebody holds the namespace exclusively, as the station does."""
    fd = os.open(f"/dev/{drive.controller}n1", os.O_RDWR | os.O_EXCL)
    try:
        for line in (
            "nvme id-ctrl /dev/{c} -o binary", "nvme id-ns /dev/{n} -o binary", "smartctl -x -j /dev/{n}",
            "nvme format /dev/{n} --namespace-id=1 --ses=1 --lbaf=0", "nvme format /dev/{n} --ses=1 --lbaf=0 --force",
            "nvme format /dev/{c} --namespace-id=1 --ses=1 --lbaf=0", "nvme sanitize /dev/{n} --sanact=2 --ause",
        ):  # fmt: skip
            drive.do(line)
        _until_done(drive)
        drive.do("nvme sanitize /dev/{c} --sanact=2 --ause")
        _until_done(drive)
        drive.do("nvme flush /dev/{n} -n 1")
        drive.do("nvme reset /dev/{c}")
        os.pread(fd, 4096, 0)
    finally:
        os.close(fd)


def silent(drive: Plugged) -> None:
    """A drive that never answers an erase command, and one that is pulled."""
    drive.tell("lie", "hangs")
    drive.do("nvme sanitize /dev/{c} --sanact=2 --ause", 15)
    drive.tell("honest", "hangs")
    drive.do(LOOK, 120)
    drive.tell("power-cut")
    time.sleep(3)
    drive.do(LOOK, 20)
    drive.do("nvme id-ctrl /dev/{c} -o binary", 20)
    drive.tell("plug")


def refused(drive: Plugged) -> None:
    """Sanitize advertised and refused, and a status that stays as it was."""
    drive.tell("lie", "refuses-sanitize")
    drive.do("nvme sanitize /dev/{c} --sanact=2 --ause")
    drive.tell("honest", "refuses-sanitize")
    for lie in ("status-unchanged", "always-completed", "fails-at-65535"):
        drive.tell("lie", lie)
        drive.do(LOOK)
        drive.do("nvme sanitize /dev/{c} --sanact=2 --ause")
        drive.do(LOOK)
        drive.tell("honest", lie)


def missing(record: Run) -> None:
    """Every verb on a drive that is not there; needs no drive and no guest."""
    for line in (
        "nvme id-ctrl /dev/nvme9 -o binary", "nvme id-ns /dev/nvme9 -n 1 -o binary", "nvme list-ns /dev/nvme9",
        "nvme get-log /dev/nvme9 --log-id=0x81 --log-len=512 -b", "nvme sanitize-log /dev/nvme9",
        "nvme format /dev/nvme9n1 --ses=1 --lbaf=0 --force", "nvme sanitize /dev/nvme9 --sanact=2 --ause",
        "nvme device-self-test /dev/nvme9 -n 1 -s 1", "nvme flush /dev/nvme9n1 -n 1", "nvme reset /dev/nvme9",
        "nvme ns-rescan /dev/nvme9",
    ):  # fmt: skip
        record(line.split(), 30)


SCENARIOS: dict[str, tuple[Callable[[Plugged], None], tuple[str, ...]]] = {
    "identity": (identity, ()),
    "sanitize": (sanitize, ("--set", "sanitize_seconds=6")),
    "failure": (failure, ()),
    "station": (station, ("--set", "sanitize_seconds=2")),
    "formats": (formats, ()),
    "self-test": (self_test, ("--set", "self_test_seconds=2")),
    "without-sanitize": (without_sanitize, ("--set", "sanicap=0", "--set", "oacs=0", "--set", "fna=0")),
    "claimed": (claimed, ("--set", "sanitize_seconds=3")),
    "refused": (refused, ()),
    "silent": (silent, ()),
}


@contextmanager
def plugged(options: Sequence[str]) -> Iterator[Plugged]:
    """Have a drive of two namespaces of 8 MiB for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        drive = Plugged(Path(folder), Run(), options, [(8 * MIB, 512), (8 * MIB, 4096)])
        try:
            yield drive
        finally:
            drive.finish()


def main(argv: Sequence[str]) -> int:
    """Record the named scenarios, or all."""
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    for name in argv[1:] or [*SCENARIOS, "missing"]:
        print(f"--- {name}", flush=True)
        if name == "missing":
            run = Run()
            missing(run)
            save(run.transcript, Path(argv[0]) / f"{name}.json")
            continue
        scenario, options = SCENARIOS[name]
        with plugged(options) as drive:
            scenario(drive)
            save(drive.record.transcript, Path(argv[0]) / f"{name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
