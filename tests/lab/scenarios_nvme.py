"""The NVMe engine with the real nvme-cli: QEMU's own drive, and simulated ones over NVMe/TCP inside the guest.

What the simulator does not prove: how any real firmware behaves; what a PCIe link does when a drive is pulled or reset.
QEMU's drive knows no sanitize; its format erases also without being told to. docs/station-nvme.md has the rest.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from station.wipe import nvme
from tests.drives.nvme_lies import Lie, Manner
from tests.lab.bench_in_guest import CLI, BenchInGuest, ask, wipe_words
from tests.lab.drives import Bus
from tests.lab.matrix import judged, stepping
from tests.lab.nvme_remote import Remote
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.vm import HOME, PYTHON, Guest

SANITIZES = tuple(name for name in nvme.METHODS if name.startswith("sanitize"))
FORMATS = tuple(name for name in nvme.METHODS if name.startswith("format"))
ANY = (
    Lie.ERASES_NOTHING, Lie.KEEPS_LAST_PERCENT, Lie.KEEPS_ONE_BLOCK, Lie.SHRINKS, Lie.IDENTITY_AFTER_ERASE, Lie.HANGS,
    Lie.DROPS_WRITES,
)  # fmt: skip
IN_SANITIZE = (
    Lie.ALWAYS_COMPLETED, Lie.STATUS_UNCHANGED, Lie.FAILS_AT_65535, Lie.PROGRESS_STUCK, Lie.REFUSES_SANITIZE,
)  # fmt: skip
UNSEEN = (Lie.ZEROS_WITHOUT_ERASING, Lie.OLD_CONTENT)  # the second only shows once the drive has been off
TRUE = ("", Lie.IDENTITY_AFTER_RESET, Manner.INSTANT, Manner.RANDOM_AFTER_CRYPTO, Manner.VENDOR_PATTERN)
AT_ONCE = 6  # drives in one guest
USUAL: Mapping[str, tuple[str, ...]] = {
    "sanitize-block": ("", Manner.INSTANT, *IN_SANITIZE, *ANY, *UNSEEN),
    "format-crypto": ("", Lie.FORMAT_ERASES_NOTHING),
}
"""What is played without --soak: a cell takes half a minute. All of them run on the host, in test_nvme_lies."""


def lies_of(method: str) -> tuple[str, ...]:
    """Return all lies and manners that can be told about this method."""
    return (*TRUE, *ANY, *(IN_SANITIZE if method in SANITIZES else (Lie.FORMAT_ERASES_NOTHING,)), *UNSEEN)


def run_cells(guest: Guest, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Wipe drives in the guest, two at a time; see `tests.lab.cells`."""

    def some(part: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        done = guest.run([PYTHON, "-m", "tests.lab.cells", json.dumps(list(part))], 1200).checked()
        return [json.loads(line) for line in done.text.splitlines()]

    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(some, [part for part in (cells[::2], cells[1::2]) if part]))
    return [found for part in parts for found in part]


def column(guest: Guest, method: str, lies: Sequence[str], first: int) -> dict[str, dict[str, Any]]:
    """Wipe a drive for each lie by one method; return what came out, by lie ("" for the honest drive)."""
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as plugged:
        drives = {
            lie: Remote(guest, f"NV{first + number:04d}", lies=[lie] if lie else [], port=4500 + number)
            for number, lie in enumerate(lies)
        }
        for drive in drives.values():
            plugged.enter_context(drive)
        cells = [{"node": drive.node(), "method": method, "lie": lie} for lie, drive in drives.items()]
        for one in run_cells(guest, cells):
            found[one["lie"]] = one | {"left": drives[one["lie"]].letters()}
        for lie, drive in drives.items():
            if lie == Lie.HANGS:  # else nvme-cli waits behind it for ever
                drive.tell("power-cut")
    return found


def lies(lab: Lab) -> Seen:
    """The lies under a sanitize and a format; with --soak every lie under all five methods."""
    wanted = {method: lies_of(method) for method in (*SANITIZES, *FORMATS)} if lab.soak else USUAL
    table: dict[str, dict[str, dict[str, Any]]] = {method: {} for method in wanted}
    number = 0
    for method, told in wanted.items():  # a guest of its own for each: what hung in one holds up no other
        with lab.guest(home=False, memory=2048) as guest:
            guest.modprobe("nvme-tcp")
            for batch in stepping(told, AT_ONCE):
                table[method] |= column(guest, method, batch, number)
                number += len(batch)
                lab.tell(f"nvme: {method}: {[(lie, table[method][lie]['outcome']) for lie in batch]}")
    return judged(table, true=TRUE, unseen=UNSEEN)


def wiped_events(guest: Guest) -> list[dict[str, Any]]:
    """Return the bodies of the wipes in the journal."""
    return [row["body"] for row in ask(guest, "journal")["events"] if row["kind"] == "medium.wiped"]


def of_qemu(lab: Lab) -> Seen:
    """QEMU's own drive: no sanitize, so purge is unavailable; its format erases one namespace and leaves the other."""
    drive = lab.make("flash", Bus.NVME, 16 << 20, namespaces=2, serial="QEMU0001")
    with lab.guest(drive) as guest:
        bench = BenchInGuest(guest)
        nodes = [guest.device(drive, number) for number in (0, 1)]
        for node in nodes:
            guest.sh(f"yes 'a letter' | dd of={node} bs=1M count=16 iflag=fullblock oflag=direct 2>&1")
        planned = bench.ask("plan", nodes[0], "--profile", "purge")
        assert planned["method"] == "format-user" and planned["needs_supervisor"], planned
        assert {one["method"]: one["why_not"] for one in planned["options"]}["sanitize-crypto"], planned
        refused = ask(guest, *wipe_words(nodes[0], "QEMU0001"))
        assert refused["exit"] == 3 and "PURGE UNAVAILABLE" in refused["stderr"], refused
        before = guest.sh(f"cat /sys/block/{nodes[0][5:]}/diskseq").text
        done = ask(guest, *wipe_words(nodes[0], "QEMU0001", "--accept-lower", "sup-1"))
        assert (done.get("outcome"), done.get("claim"), done.get("method")) == ("DONE", "clear", "format-user"), done
        assert guest.sh(f"cat /sys/block/{nodes[0][5:]}/diskseq").text == before
        left = [int(guest.sh(f"grep -aoF 'a letter' {node} | wc -l").text) for node in nodes]
        assert left[0] == 0 and left[1] > 10_000, left
    return Seen(f"format-user erased one namespace (clear, accepted), {left[1]} letters left in the other, untouched")


def refused(lab: Lab) -> Seen:
    """A drive that offers sanitize and refuses it: each try recorded, then the profile's next method."""
    with lab.guest() as guest:
        guest.modprobe("nvme-tcp")
        BenchInGuest(guest)
        with Remote(guest, "REFUSE01", lies=[Lie.REFUSES_SANITIZE]) as drive:
            done = ask(guest, *wipe_words(drive.node(), "REFUSE01"), deadline=600)
            assert (done.get("outcome"), done.get("claim")) == ("DONE", "purge"), done
            assert done["method"] == "format-crypto"
            assert drive.letters() == 0
            tries = [body["outcome"] for body in wiped_events(guest)]
            assert sorted(tries) == ["DONE", "UNKNOWN", "UNKNOWN"], tries
    return Seen("sanitize-crypto and sanitize-block refused and recorded so, format-crypto DONE (purge)")


def namespaces(lab: Lab) -> Seen:
    """A sanitize hits every namespace: all are held, or nothing is sent."""
    with lab.guest() as guest:
        guest.modprobe("nvme-tcp")
        BenchInGuest(guest)
        with Remote(guest, "SPACES01", namespaces=2) as drive:
            first, second = drive.node(1), drive.node(2)
            planned = ask(guest, "plan", first, "--profile", "purge")
            assert planned["also_hits"] == [second], planned
            guest.sh(f"mkfs.ext4 -q -E nodiscard {second} && mkdir -p /run/other && mount {second} /run/other")
            kept = ask(guest, *wipe_words(first, "SPACES01"))
            assert kept["exit"] == 3 and second in kept["stderr"], kept
            assert drive.letters(1) > 100_000 and drive.tell("status")["sanitize"]["status"] == 0
            guest.sh("umount /run/other")
            done = ask(guest, *wipe_words(first, "SPACES01"))
            assert (done.get("outcome"), done.get("claim")) == ("DONE", "purge"), done
            assert drive.letters(1) == drive.letters(2) == 0
    return Seen("refused while the other namespace was mounted, nothing sent; then both erased, one certificate")


def pulled(lab: Lab) -> Seen:
    """Pull the drive in the middle of a sanitize: never DONE; plugged in again it is asked what became of it."""
    with lab.guest() as guest:
        guest.modprobe("nvme-tcp")
        BenchInGuest(guest)
        rounds = lab.rounds(2, 20)
        for number in range(rounds):
            serial = f"PULLED{number:02d}"
            with Remote(guest, serial, sanitize_seconds=20) as drive:
                words = [*CLI, *wipe_words(drive.node(), serial), "--json", "--home", f"{HOME}/station"]
                running = guest.start(words)
                running.wait_for("erases itself", 240)
                until_working(drive)
                drive.tell("power-cut")
                report = json.loads(running.wait(300).text)
                assert report["outcome"] == "UNKNOWN", report
                drive.tell("plug")
                guest.sh("for i in $(seq 60); do ls /sys/class/nvme | grep -q . || exit 0; sleep 1; done; true", 90)
                drive.plug()
                done = ask(guest, *wipe_words(drive.node(), serial), deadline=600)
                assert (done.get("outcome"), done.get("claim")) == ("DONE", "purge"), done
                assert drive.letters() == 0
    return Seen(f"{rounds} drives pulled in mid-sanitize, false DONE 0; plugged in again: all DONE, chips empty")


def until_working(drive: Remote) -> None:
    """Return when the drive is in the middle of a sanitize."""
    for _ in range(60):
        if drive.tell("status")["sanitize"]["status"] == 2:
            return
    raise AssertionError("the drive never began to sanitize")


def interrupted(lab: Lab) -> Seen:
    """Cut the power of station and drive in the middle of a sanitize, again and again; it goes on by itself."""
    rounds = lab.rounds(3, 15)
    seconds = 30.0 * rounds + 30
    with lab.guest() as guest:
        BenchInGuest(guest)
        for number in range(rounds + 1):
            guest.modprobe("nvme-tcp")
            drive = Remote(guest, "POWER001", kept=True, sanitize_seconds=seconds if number < rounds else 1)
            drive.start()
            drive.plug()
            words = [*CLI, *wipe_words(drive.node(), "POWER001"), "--json", "--home", f"{HOME}/station"]
            running = guest.start(words)
            if number == rounds:
                break
            running.wait_for("erases itself", 240)
            until_working(drive)
            assert not [body for body in wiped_events(guest) if body["outcome"] == "DONE"]
            guest.sh("sync")  # the simulated drive's own memory, which a real drive keeps
            guest.power_cut()
            guest.boot()
        ended = running.wait(600)
        report = json.loads(ended.text)
        assert (report["outcome"], report["claim"]) == ("DONE", "purge"), report
        assert b"asked what became of its own erase" in ended.stderr, ended.stderr
        assert drive.letters() == 0
        done = [body for body in wiped_events(guest) if body["outcome"] == "DONE"]
        assert len(done) == 1, done
    return Seen(f"{rounds} power cuts in mid-sanitize, false DONE 0; never sent again, DONE in the end, chips empty")


NAME_KEPT = """
import os, sys
from station.errors import TargetLost
from station.guard import claim
from station.media import medium_at
with claim(medium_at(sys.argv[1])) as target:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        target.still_same()
        print("the same")
    except TargetLost as error:
        print("lost:", error)
"""


def names(lab: Lab) -> Seen:
    """A drive pulled while it is held keeps its name from the next one, so no command can reach another drive."""
    with lab.guest(home=False) as guest:
        guest.modprobe("nvme-tcp")
        first, second = Remote(guest, "NAMES001", port=4501), Remote(guest, "NAMES002", port=4502)
        first.start()
        second.start()
        first.plug()
        node = first.node()
        holder = guest.start([PYTHON, "-c", NAME_KEPT, node], stdin=None)
        holder.wait_for("held", 60)
        first.pull()
        second.plug()
        taken = second.node()
        assert taken and taken != node, (node, taken)
        holder.write(b"\n")
        assert "lost: " in holder.wait(60).text
    return Seen(f"{node} was pulled while held; the next drive became {taken}, and the holder was told")


SCENARIOS = (
    Scenario("nvme-lies", "no lie of an NVMe drive that can be seen ends DONE", lies, minutes=40),
    Scenario("nvme-qemu", "a format erases its namespace and no other; purge is unavailable", of_qemu, minutes=6),
    Scenario("nvme-refused", "a refused sanitize is recorded and the next method is tried", refused, minutes=8),
    Scenario("nvme-namespaces", "a sanitize holds every namespace it hits, or is not sent", namespaces, minutes=8),
    Scenario("nvme-pulled", "a drive pulled in mid-sanitize is never DONE, and asked afterwards", pulled, minutes=12),
    Scenario("nvme-interrupted", "a sanitize goes on through power cuts and is sent once", interrupted, minutes=12),
    Scenario("nvme-names", "the name of a drive that is held is given to no other", names, minutes=4),
)  # fmt: skip
