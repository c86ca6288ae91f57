"""A guest for a person at a terminal: left running in the background, with as many shells as are opened.

Promises: each shell has a wire of its own, so that one that hangs does not stop another; `off` ends only the QEMU that
`boot` started, told by its command line and not by its number alone.
"""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab import drives
from tests.lab.drives import Bus, Drive
from tests.lab.fetch import CHECKOUT, Kit
from tests.lab.talk import GuestGone, Running, Wire
from tests.lab.vm import PORTS, Guest

DEFAULT_DRIVES = ("nvme", "sata", "scsi", "usb")
MIB = 1 << 20


def place(name: str) -> Path:
    """Return the folder of a named guest: sockets, console, images and home."""
    return Path(tempfile.gettempdir()) / f"kitbank-lab-{name}"


def boot(kit: Kit, name: str, buses: Sequence[str], size: int) -> str:
    """Boot a guest that outlives this process; `size` is each drive's, in MiB. Returns what to do next."""
    folder = place(name)
    if _qemu(folder):
        return f"the guest {name} is running already"
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Drive] = [
        drives.make(folder, f"{bus}{number}", Bus(bus), size * MIB) for number, bus in enumerate(buses)
    ]
    guest = Guest(kit, made, home=drives.home_disk(folder / "home.img"), folder=folder, outlives=True)
    guest.boot()
    (folder / "pid").write_text(str(guest.pid), encoding="ascii")
    return f"the guest {name} answered after {guest.boot_seconds:.1f} s; its files are in {folder}"


def off(name: str) -> str:
    """Cut the power of a named guest and forget its folder."""
    folder = place(name)
    pid = _qemu(folder)
    if pid:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    return f"the guest {name} is off" if pid else f"no guest {name} was running"


def do(name: str, argv: Sequence[str]) -> int:
    """Run one program in a named guest, its output here as it comes; return its exit code."""
    with attached(name) as wire:
        return _follow(wire.start(argv, stdin=None, folder=str(CHECKOUT), pty=True))


def _qemu(folder: Path) -> int:
    """Return the number of the QEMU that has this folder, or 0."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "pid").read_text(encoding="ascii"))
        if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return 0


@contextlib.contextmanager
def attached(name: str) -> Iterator[Wire]:
    """Give a wire of a named guest that nobody else uses; raises `GuestGone`."""
    folder = place(name)
    if not _qemu(folder):
        raise GuestGone(f"no guest {name} is running; start one with `python -m tests.lab boot --name {name}`")
    for number in range(PORTS):
        with (folder / f"port{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            wire = Wire(folder / f"port{number}.sock", 30)
            try:
                yield wire
            finally:
                wire.close()
            return
    raise GuestGone(f"all {PORTS} wires of the guest {name} are in use")


def _follow(running: Running) -> int:
    """Join this terminal with a program's until it ends."""
    here = sys.stdin.fileno()
    terminal = termios.tcgetattr(here) if os.isatty(here) else None
    watched = [here]
    try:
        if terminal is not None:
            tty.setraw(here)
            size = os.get_terminal_size(here)
            running.resize(size.lines, size.columns)
        while True:
            said, ended = running.take(0.05)
            sys.stdout.buffer.write(said)
            sys.stdout.buffer.flush()
            if ended:
                return running.poll() or 0
            if watched and select.select(watched, [], [], 0)[0]:
                typed = os.read(here, 4096)
                if typed:
                    running.write(typed)
                else:
                    watched = []
                    time.sleep(0.2)
                    running.write(b"\x04")  # the end of input, as a terminal says it
    finally:
        if terminal is not None:
            termios.tcsetattr(here, termios.TCSADRAIN, terminal)
