"""The machine itself: that its drives are seen, lose what a drive would lose, fail and vanish as drives do.

Every other scenario rests on these; when one fails, the machine is to be mended and not the station.
"""

import errno
import time

from tests.lab import drives
from tests.lab.drives import Bus, Drive, Fault
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.talk import Overdue, Result
from tests.lab.vm import HOME, Guest

MIB = 1 << 20
PULLED = (Bus.NVME, Bus.SATA, Bus.SCSI, Bus.SAS, Bus.USB)
SLOW = 6 * MIB

WRITER = """
import ctypes, errno, mmap, os, sys
node, flushes, first = sys.argv[1], sys.argv[2] == "flush", int(sys.argv[3])
piece = mmap.mmap(-1, 1 << 20)
piece.write(b"\\xa5" * (1 << 20))
fd = os.open(node, os.O_WRONLY | os.O_DIRECT)
for number in range(first, 1 << 30):
    try:
        os.pwrite(fd, piece, number << 20)
        if flushes and number % 4 == 3:
            os.fsync(fd)
    except OSError as error:
        print("error", errno.errorcode[error.errno], number, flush=True)
        break
    print("written", number, flush=True)
"""
"""Writes MiB after MiB and says each when the drive has acknowledged it (and, every fourth, flushed it)."""


def one_of_each(lab: Lab) -> list[Drive]:
    """Describe one drive on each bus, a namespace of 4,096-byte blocks among them."""
    return [
        lab.make("pair", Bus.NVME, 64 * MIB, namespaces=2), lab.make("flash", Bus.NVME, 64 * MIB, block_size=4096),
        lab.make("disk", Bus.SATA, 64 * MIB, model="WDC WD10EZEX", serial="WD-LAB1", wwn=0x50014EE200000001,
                 rotation=7200),
        lab.make("virt", Bus.SCSI, 64 * MIB, block_size=4096), lab.make("sas", Bus.SAS, 64 * MIB),
        lab.make("stick", Bus.USB, 64 * MIB), lab.make("uas", Bus.UAS, 64 * MIB), lab.make("card", Bus.SD, 64 * MIB),
    ]  # fmt: skip


def boots(lab: Lab) -> Seen:
    """Boot with a drive on each bus and find each by its serial."""
    plugged = one_of_each(lab)
    with lab.guest(*plugged) as guest:
        assert guest.boot_seconds < 90, f"it took {guest.boot_seconds:.0f} s until commands were answered"
        nodes = [guest.device(drive) for drive in plugged]
        sizes = {int(guest.sh(f"blockdev --getsize64 {node}").text) for node in nodes}
        assert sizes == {64 * MIB}, sizes
        assert guest.device(plugged[0], 1) == nodes[0].replace("n1", "n2"), "the second namespace is missing"
        assert guest.sh(f"blockdev --getss {nodes[1]}").text.strip() == "4096"
        said = guest.python("-c", "import pyudev, cryptography; print('imported')", deadline=90)
        assert said.text == "imported\n", said
        return Seen(f"all {len(nodes)} drives found, the first command {guest.boot_seconds:.1f} s after the start")


def write_on(guest: Guest, drive: Drive, how: str, first: int = 0) -> list[str]:
    """Return the argument list of a writer on a drive."""
    return ["python3", "-c", WRITER, guest.device(drive), how, str(first)]


def acknowledged(said: bytes) -> int:
    """Return how many MiB a writer was told are written."""
    return said.count(b"written ")


def survived(store: drives.Store, lab: Lab) -> int:
    """Return how many MiB, counted from the start, hold what the writer wrote."""
    whole = drives.flat(store, lab.folder / "after.raw").read_bytes()
    pattern = b"\xa5" * MIB
    pieces = [whole[offset : offset + MIB] == pattern for offset in range(0, len(whole), MIB)]
    return [*pieces, False].index(False)


def power_cut(lab: Lab) -> Seen:
    """Cut the power of a guest that writes: with a volatile cache only what was flushed is there."""
    kept = []
    for _ in range(lab.rounds(1, 20)):
        steady = lab.make("steady", Bus.SATA, 512 * MIB)
        plain = lab.make("plain", Bus.SCSI, 512 * MIB, volatile=True)
        flushed = lab.make("flushed", Bus.NVME, 512 * MIB, volatile=True)
        with lab.guest(steady, plain, flushed) as guest:
            for drive in (steady, plain, flushed):
                guest.limit(drive, 12 * MIB)
            writers = [guest.start(write_on(guest, drive, how)) for drive, how in
                       ((steady, "no"), (plain, "no"), (flushed, "flush"))]  # fmt: skip
            for writer in writers:
                writer.wait_for("written 12", 60)
            guest.power_cut()
            told = [acknowledged(writer.stdout) for writer in writers]
            left = [survived(drive.stores[0], lab) for drive in (steady, plain, flushed)]
            assert left[0] >= told[0], f"steady: {told[0]} MiB acknowledged, {left[0]} there"
            assert left[1] == 0, f"volatile, never flushed: {left[1]} MiB are there; the cache is not volatile"
            assert told[2] // 4 * 4 <= left[2] <= told[2] + 4, f"flushed: {told[2]} acknowledged, {left[2]} there"
            guest.boot()
            head = guest.read(guest.device(plain), 0, 4096)
            assert head == bytes(4096), "the guest sees something other than the host does"
            kept.append(f"{told[0]}/{left[0]}, {told[1]}/{left[1]}, {told[2]}/{left[2]}")
    return Seen(f"MiB acknowledged/there, steady, volatile, volatile and flushed: {'; '.join(kept[:3])}")


def home_survives(lab: Lab) -> Seen:
    """What was synced to the home disk is there after a power cut; what was in the guest's memory is not."""
    with lab.guest() as guest:
        guest.sh(f"echo precious > {HOME}/journal; sync -f {HOME}/journal; echo gone > /var/tmp/gone")
        guest.power_cut()
        guest.boot()
        assert guest.get(f"{HOME}/journal") == b"precious\n"
        assert guest.run(["test", "-e", "/var/tmp/gone"]).exit == 1
        return Seen(f"the journal is there, the rest is not; second boot {guest.boot_seconds:.1f} s")


def _write(guest: Guest, drive: Drive, mib: int, deadline: float = 60) -> Result:
    script = (
        'import os,sys,mmap; p=mmap.mmap(-1,4096); fd=os.open(sys.argv[1],os.O_RDWR|os.O_DIRECT);\n'
        "try: os.pwrite(fd,p,int(sys.argv[2])<<20); os.fsync(fd)\n"
        "except OSError as e: print(e.errno)"
    )
    return guest.run(["python3", "-c", script, guest.device(drive), str(mib)], deadline)


def faults(lab: Lab) -> Seen:
    """Make a sector unwritable, a sector unreadable and the flush fail, on each bus, while the guest runs."""
    plugged = [drive for drive in one_of_each(lab) if drive.bus is not Bus.SD]
    seen = set()
    with lab.guest(*plugged) as guest:
        for drive in plugged:
            guest.fail(drive, Fault("write", sector=10 * 2048))
            bad, good = _write(guest, drive, 10).text.strip(), _write(guest, drive, 11).text.strip()
            assert bad in {str(errno.EIO), str(errno.ENODATA)} and not good, f"{drive.name}: {bad!r}, {good!r}"
            guest.fail(drive, Fault("read", sector=12 * 2048, errno=errno.ENODATA))
            argv = ["dd", f"if={guest.device(drive)}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"]
            assert guest.run([*argv, "skip=3072"]).exit == 1, f"{drive.name} reads what cannot be read"
            assert guest.run([*argv, "skip=4096"]).exit == 0, f"{drive.name} does not read what can be read"
            guest.fail(drive, Fault("flush"))
            flush = _write(guest, drive, 14).text.strip()
            assert flush in {str(errno.EIO), str(errno.ENODATA)}, f"{drive.name}: a failed flush gave {flush!r}"
            guest.fail(drive)
            well = _write(guest, drive, 10).text.strip()
            assert not well, f"{drive.name} is not well again: {well}"
            seen |= {f"{drive.bus} {errno.errorcode[int(bad)]}"}
    return Seen(f"write, read and flush failed where they were told to and nowhere else: {', '.join(sorted(seen))}")


def pulled(lab: Lab) -> Seen:
    """Take a drive away while it is written, on each bus; plug it in again and write."""
    seen = []
    plugged = {bus: lab.make(f"pull{bus}", bus, 256 * MIB) for bus in PULLED}
    with lab.guest(*plugged.values()) as guest:
        for _ in range(lab.rounds(1, 20)):
            for bus, drive in plugged.items():
                guest.limit(drive, SLOW)
                writer = guest.start(write_on(guest, drive, "no"))
                writer.wait_for("written 3", 60)
                guest.pull(drive)
                done = writer.wait(60)
                assert b"error " in done.stdout, f"{bus}: the writer saw no error: {done}"
                seen.append(f"{bus} {done.text.split('error ')[1].split()[0]}")
                began = time.monotonic()
                guest.plug(drive)
                guest.limit(drive, 0)
                guest.device(drive, deadline=40)
                back = time.monotonic() - began
                assert not _write(guest, drive, 20).text.strip(), f"{bus}: not writable when plugged in again"
                assert back < 40, f"{bus}: back after {back:.0f} s"
    return Seen(f"{len(seen)} pulled in mid-write, each was an error: {', '.join(sorted(set(seen)))}")


def hangs(lab: Lab) -> Seen:
    """Let one drive hang: commands on it do not end, another drive and other commands go on."""
    stuck, other = lab.make("stuck", Bus.SCSI, 64 * MIB), lab.make("other", Bus.SATA, 64 * MIB)
    with lab.guest(stuck, other) as guest:
        node = guest.device(stuck)
        guest.limit(stuck, 1)
        hung = guest.start(["dd", "if=/dev/zero", f"of={node}", "bs=1M", "count=8", "oflag=direct"])
        done = _write(guest, other, 1)
        assert done.exit == 0 and not done.text, done
        try:
            hung.wait(5)
        except Overdue:
            guest.limit(stuck, 0)
            hung.wait(60).checked()
            told = f"8 MiB on the stuck drive did not end in 5 s, the other drive took {done.seconds:.1f} s"
            return Seen(f"{told}; it went on when it was let go")
        raise AssertionError("the drive that was to hang did not")


SCENARIOS = (
    Scenario("machine-boots", "a guest answers within 90 seconds and sees a drive on each bus", boots, slice=True),
    Scenario("machine-home", "the home disk survives a power cut, the rest of the guest does not", home_survives),
    Scenario("machine-power-cut", "a drive with a volatile cache loses what was not flushed, and only that", power_cut),
    Scenario("machine-faults", "faults come where they are told to, on each bus", faults),
    Scenario("machine-pulled", "a drive pulled in mid-write is an error for who writes, on each bus", pulled),
    Scenario("machine-hangs", "a drive that hangs does not hang the lab", hangs),
)
