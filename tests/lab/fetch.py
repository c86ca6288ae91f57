"""What the lab needs from Debian, brought under `.kitbank/lab/`: tools, a kernel, its modules, an initramfs.

Promises: what is there already is not fetched again (each piece has a stamp that names what it was made from), and
what cannot be had is said in full sentences, all of them, so that a lab test can be skipped with its reason. Nothing
here knows where packages come from: that is the host's own apt configuration.
"""

import lzma
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import initramfs

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SHELF = CHECKOUT / ".kitbank" / "lab"

PACKAGES = (
    "qemu-system-x86", "qemu-utils", "qemu-system-data", "seabios", "ipxe-qemu", "kmod", "busybox-static", "cpio",
    "smartmontools", "nvme-cli", "hdparm", "sg3-utils", "mmc-utils", "udev", "e2fsprogs", "dmsetup", "util-linux",
)  # fmt: skip
"""Debian packages installed on the host; the guest sees their programs through the shared file system."""

KERNEL_METAPACKAGE = "linux-image-amd64"
"""Depends on Debian's generic kernel. The cloud flavour has no AHCI, USB, 9p, MMC or SAS drivers."""

XZ_MAGIC = b"\xfd7zXZ\x00"

Tell = Callable[[str], None]


class Unfetched(Exception):
    """The lab cannot be had on this machine; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Kit:
    """What a guest is booted from."""

    release: str
    vmlinux: Path
    initramfs: Path
    modules: Path
    """The folder that becomes the guest's `/lib/modules`."""


def reason_missing(shelf: Path = SHELF) -> str:
    """Return why the lab cannot boot here as things stand, or an empty text."""
    if os.geteuid() != 0:
        return "the lab needs root (the guest sees this machine's files as root)"
    if platform.machine() != "x86_64":
        return f"the lab is an x86_64 machine under QEMU; this one is {platform.machine()}"
    if not shutil.which("qemu-system-x86_64"):
        return "the lab is not fetched: no qemu-system-x86_64; run `python -m tests.lab fetch`"
    try:
        kit(shelf)
    except Unfetched as error:
        return str(error)
    return ""


def kit(shelf: Path = SHELF) -> Kit:
    """Return what was fetched; raises `Unfetched` when a piece is missing or the initramfs is out of date."""
    stamp = shelf / "kernel.stamp"
    if not stamp.is_file():
        raise Unfetched(f"the lab is not fetched: no kernel under {shelf.name}; run `python -m tests.lab fetch`")
    release = stamp.read_text(encoding="utf-8").strip()
    found = Kit(release, shelf / "vmlinux", shelf / "initramfs.cpio", shelf / "kernel" / "lib" / "modules")
    for piece in (found.vmlinux, found.initramfs, found.modules / release / "modules.dep.bin"):
        if not piece.exists():
            raise Unfetched(f"the lab is not whole: {piece.name} is missing; run `python -m tests.lab fetch`")
    if not initramfs.is_current(found.initramfs, release):
        raise Unfetched("the lab's initramfs is older than tests/lab/initramfs.py; run `python -m tests.lab fetch`")
    return found


def fetch(tell: Tell, shelf: Path = SHELF) -> Kit:
    """Bring everything that is missing; raises `Unfetched` with what could not be had."""
    if os.geteuid() != 0:
        raise Unfetched("fetching the lab installs Debian packages; start it as root")
    shelf.mkdir(parents=True, exist_ok=True)
    _install(tell)
    stamp = shelf / "kernel.stamp"
    if not stamp.is_file():
        release = _unpack_kernel(tell, shelf)
        _command(["depmod", "-b", str(shelf / "kernel"), release])
        tell("taking the uncompressed kernel out of its image")
        (shelf / "vmlinux").write_bytes(uncompressed((shelf / f"kernel/boot/vmlinuz-{release}").read_bytes()))
        stamp.write_text(release + "\n", encoding="utf-8")
    release = stamp.read_text(encoding="utf-8").strip()
    if not initramfs.is_current(shelf / "initramfs.cpio", release):
        tell("building the initramfs")
        initramfs.build(shelf / "initramfs.cpio", shelf / "kernel" / "lib" / "modules" / release)
    return kit(shelf)


def uncompressed(image: bytes) -> bytes:
    """Return the ELF kernel inside a bzImage: it boots six to nine seconds faster under software emulation.

    Where the payload lies is in the setup header (Linux Documentation/x86/boot.rst: setup_sects at 0x1f1,
    payload_offset at 0x248, payload_length at 0x24c). Raises `Unfetched` for anything but an XZ payload.
    """
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = image[start : start + length]
    if not payload.startswith(XZ_MAGIC):
        raise Unfetched(f"the kernel's payload begins with {payload[:6].hex()}, not with XZ's mark; cannot unpack it")
    return lzma.LZMADecompressor().decompress(payload)


def _install(tell: Tell) -> None:
    """Install the packages that are not there yet, without what they merely recommend."""
    asked = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES]
    known = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60).stdout
    there = {line.split()[0] for line in known.splitlines() if line.endswith(" installed")}
    missing = [name for name in PACKAGES if name not in there]
    if not missing:
        return
    tell(f"installing {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _command(["apt-get", "update", "-qq"], environment)
    _command(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], environment)


def _unpack_kernel(tell: Tell, shelf: Path) -> str:
    """Download and unpack the generic kernel; return its release, such as 6.1.0-56-amd64."""
    listed = _command(["apt-cache", "depends", "--important", KERNEL_METAPACKAGE])
    names = [word for word in listed.split() if word.startswith("linux-image-") and word != KERNEL_METAPACKAGE]
    if not names:
        _command(["apt-get", "update", "-qq"])
        raise Unfetched(f"apt does not know what {KERNEL_METAPACKAGE} depends on; its lists were renewed, try again")
    release = names[0].removeprefix("linux-image-")
    tell(f"downloading the kernel {release}")
    for old in shelf.glob("linux-image-*.deb"):
        old.unlink()
    _command(["apt-get", "download", "-qq", names[0]], folder=shelf)
    package = next(shelf.glob("linux-image-*.deb"))
    shutil.rmtree(shelf / "kernel", ignore_errors=True)
    _command(["dpkg", "-x", str(package), str(shelf / "kernel")])
    package.unlink()
    return release


def _command(argv: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """Run one program of the host and return what it printed; raises `Unfetched` with its last words."""
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=900, env=environment, cwd=folder
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unfetched(f"{argv[0]} did not run: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Unfetched(f"`{' '.join(argv)}` ended with {done.returncode}: {' / '.join(words)}")
    return done.stdout
