"""What the erasing tools do to a drive that another program holds: the answers behind docs/lab.md.

A claim is an open of the block device with O_EXCL, as the station holds a drive while it works (Linux,
block/bdev.c: a second exclusive open, a mount, swap and a re-read of partitions are refused with EBUSY; a plain open
and any ioctl through it are not). Each tool is run three times: on a free drive, on one that is merely open, and on
one that is claimed; and the drive itself is asked whether the command did its work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab import report
from tests.lab.drives import Bus
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.simulated import Shelf
from tests.lab.talk import Overdue
from tests.lab.vm import PYTHON, Guest

MIB = 1 << 20
SECTORS = 32 * 2048
SURE = "--yes-i-know-what-i-am-doing"
CANARY = "a canary sits here"

HOLDER = """
import os, sys, time
os.open(sys.argv[1], os.O_RDWR | (os.O_EXCL if sys.argv[2] == "claimed" else 0))
print("held", flush=True)
time.sleep(1000)
"""
BUSY_ATA = "while hdparm --sanitize-status $1 2>&1 | grep -q 'In Process'; do sleep 0.3; done"
# The low three bits of SSTAT are 2 while a sanitize runs (NVMe Base 2.0, figure 291).
BUSY_NVME = (
    "while [ $(( 0x$(nvme get-log $1 --log-id=0x81 --log-len=20 -b | od -An -tx1 -j2 -N1 | tr -d ' ') & 7 )) = 2 ];"
    "do sleep 0.3; done"
)
WAYS = ("free", "open", "claimed")


@dataclass(frozen=True)
class Act:
    """One command line: NODE is the block device, CHAR the NVMe controller."""

    words: str
    erases: bool = False
    after: str = ""
    """What puts the drive right again."""


@dataclass(frozen=True)
class Outcome:
    """What one run did."""

    exit: int | None
    said: str
    erased: bool

    def cell(self) -> str:
        """Return a cell of the table."""
        code = "no end in 40 s" if self.exit is None else f"exit {self.exit}"
        return f"{code}{', erased' if self.erased else ''}{f': {self.said}' if self.said else ''}"


Outcomes = dict[str, dict[str, Outcome]]
"""By command, by way."""

ATA = (
    Act("hdparm -I NODE"), Act("hdparm -N NODE"),
    Act("hdparm --user-master u --security-set-pass x NODE", after="hdparm --user-master u --security-disable x"),
    Act("hdparm --sanitize-status NODE"), Act(f"hdparm {SURE} --sanitize-block-erase NODE", erases=True),
    Act("smartctl -x NODE"), Act("sg_inq NODE"), Act("blockdev --rereadpt NODE"),
    Act("blkdiscard NODE"), Act("dd if=/dev/zero of=NODE bs=1M count=1 oflag=direct conv=notrunc", erases=True),
)  # fmt: skip
SAS = (
    Act("sg_inq NODE"), Act("smartctl -x NODE"), Act("sg_sanitize --block --quick --wait NODE", erases=True),
    Act("sg_format --format --quick --early NODE", erases=True), Act("blockdev --rereadpt NODE"),
)  # fmt: skip
NVME = (
    Act("nvme id-ctrl NODE"), Act("nvme id-ctrl CHAR"), Act("smartctl -x NODE"),
    Act("nvme format NODE --ses=1 --lbaf=0", erases=True),
    Act("nvme format NODE --ses=1 --lbaf=0 --force", erases=True),
    Act("nvme format CHAR --namespace-id=1 --ses=1 --lbaf=0", erases=True),
    Act("nvme format CHAR --namespace-id=1 --ses=1 --lbaf=0 --force", erases=True),
    Act("nvme sanitize NODE --sanact=2", erases=True), Act("nvme sanitize CHAR --sanact=2", erases=True),
    Act("nvme sanitize-log CHAR"), Act("blockdev --rereadpt NODE"), Act("blkdiscard NODE"),
)  # fmt: skip
CARD = (
    Act("mmc extcsd read NODE"), Act("mmc status get NODE"), Act("mmc sanitize NODE"), Act("blockdev --rereadpt NODE"),
    Act("blkdiscard NODE"),
)  # fmt: skip


STOPPED = {"blockdev --rereadpt NODE", "blkdiscard NODE", "nvme format NODE --ses=1 --lbaf=0"}
"""What a claim stops. Everything else goes through: the station is not protected from its own tools by it."""


@contextmanager
def held(guest: Guest, node: str, way: str) -> Iterator[None]:
    """Hold a device in one of the `WAYS`."""
    if way == "free":
        yield
        return
    holder = guest.start([PYTHON, "-I", "-S", "-c", HOLDER, node, way])
    holder.wait_for("held", 60)
    try:
        yield
    finally:
        holder.kill(9)
        holder.wait(30)


def once(guest: Guest, node: str, act: Act, way: str) -> Outcome:
    """Run one command on a drive that is held in one way; its canary tells whether it erased."""
    guest.sh(f"printf '%-4096s' '{CANARY}' | dd of={node} bs=4096 iflag=fullblock oflag=direct conv=fsync,notrunc")
    char = node.removesuffix("n1") if "nvme" in node else node
    argv = act.words.replace("NODE", node).replace("CHAR", char).split()
    with held(guest, node, way):
        try:
            done = guest.run(argv, 40)
            code, said = done.exit, done.stderr.decode(errors="replace") or (done.text if done.exit else "")
        except Overdue as late:
            code, said = None, late.said.decode(errors="replace")
        if act.erases:
            guest.run(["sh", "-c", BUSY_NVME if "nvme" in node else BUSY_ATA, "until-done", char], 60)
        erased = not canary_there(guest, node)
    if act.after:
        guest.run([*act.after.split()[:1], SURE, *act.after.split()[1:], node])
    return Outcome(code, first_words(said), erased)


def canary_there(guest: Guest, node: str) -> bool:
    """Read the first block again, past the page cache; a drive that cannot be read proves nothing and fails."""
    look = f"dd if={node} of=/run/first bs=4096 count=1 iflag=direct 2>&1 || exit 9; grep -qa '{CANARY}' /run/first"
    code = guest.run(["sh", "-c", look], 40).exit
    assert code in {0, 1}, f"{node} cannot be read after the command"
    return code == 0


def first_words(said: str) -> str:
    """Return the first line that says something, without what differs from run to run."""
    lines = [line.strip() for line in said.splitlines()]
    telling = [line for line in lines if line and " copied, " not in line and "+0 records" not in line]
    return telling[0][:70] if telling else ""


def table(lab: Lab, guest: Guest, node: str, acts: tuple[Act, ...], of: str) -> tuple[list[str], Outcomes]:
    """Run every act in every way; return the rows of a table and the outcomes."""
    rows: list[str] = []
    all_: Outcomes = {}
    for act in acts:
        outcomes = {way: once(guest, node, act, way) for way in WAYS}
        all_[act.words] = outcomes
        shown = act.words.replace(f"{SURE} ", "").replace("NODE", "*node*").replace("CHAR", "*controller*")
        lab.tell(f"{of} {act.words}: {' | '.join(outcomes[way].cell() for way in WAYS)}")
        rows.append(f"| {of} | {shown} | {' | '.join(outcomes[way].cell() for way in WAYS)} |".replace(node, "*node*"))
    return rows, all_


@contextmanager
def simulated_nvme(guest: Guest, serial: str) -> Iterator[str]:
    """Serve a simulated NVMe drive in the guest and connect to it; give its block device."""
    guest.sh(f"truncate -s {32 * MIB} /dev/shm/claims.img; modprobe nvme-tcp")
    server = guest.start([PYTHON, "-m", "tests.drives.nvme_tcp", "--image", "/dev/shm/claims.img", "--serial", serial])
    server.wait_for("nqn=", 90)
    name = server.stdout.decode().partition("nqn=")[2].split()[0]
    guest.run(["nvme", "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "4420", "-n", name]).checked()
    guest.settle()
    try:
        listed = guest.sh("sleep 1; lsblk --nodeps --noheadings --output NAME,SERIAL").text.splitlines()
        yield next(f"/dev/{line.split()[0]}" for line in listed if line.split()[1:] == [serial])
    finally:
        guest.run(["nvme", "disconnect", "-n", name])
        server.kill(9)


def claims(lab: Lab) -> Seen:
    """Run every tool on a free, an open and a claimed drive and say what came of it."""
    rows: list[str] = []
    seen: dict[str, Outcomes] = {}
    card = lab.make("card", Bus.SD, 64 * MIB)
    wishes = [{"kind": kind, "serial": serial, "sectors": SECTORS} for kind, serial in
              (("ata", "CLAIM1"), ("scsi", "CLAIM2"))]  # fmt: skip
    with lab.guest(card, home=False) as guest:
        with Shelf(guest, wishes) as shelf:
            for of, serial, acts in (("SATA", "CLAIM1", ATA), ("SAS", "CLAIM2", SAS)):
                lines, seen[of] = table(lab, guest, shelf.device(serial), acts, of)
                rows += lines
        with simulated_nvme(guest, "CLAIM3") as node:
            lines, seen["NVMe"] = table(lab, guest, node, NVME, "NVMe")
            rows += lines
        lines, seen["SD"] = table(lab, guest, guest.device(card), CARD, "SD")
        rows += lines
    head = ["| drive | command | free | open elsewhere | claimed (O_EXCL) |", "|---|---|---|---|---|"]
    return Seen(verdict(seen), "\n".join([f"Tools: {', '.join(report.versions())}.", "", *head, *rows]))


def verdict(seen: dict[str, Outcomes]) -> str:
    """Hold what docs/lab.md says against what was seen; return it as a sentence.

    Raises `AssertionError` when a tool is stopped by a claim that was not before, or no longer is.
    """
    stopped, through = set(), 0
    for acts in seen.values():
        for words, outcome in acts.items():
            assert not outcome["free"].erased or outcome["open"].erased, f"a plain open stops {words}"
            if (outcome["free"].exit, outcome["free"].erased) == (outcome["claimed"].exit, outcome["claimed"].erased):
                through += 1
            else:
                stopped.add(words)
    assert stopped == STOPPED, f"a claim stops {sorted(stopped)} and not {sorted(STOPPED)}"
    return f"{through} go through a claim, erasing ones among them; it stops only {'; '.join(sorted(stopped))}"


SCENARIOS = (
    Scenario("claims", "what a claim stops and what goes through it", claims, minutes=15),
)  # fmt: skip
