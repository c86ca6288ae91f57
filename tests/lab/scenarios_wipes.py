"""Overwriting real drives in the guest while things go wrong: power cuts, drives pulled out, errors of the medium.

Bad drives among good ones: the good must not feel it, and the bad must never be called wiped.
"""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.lab.bench_in_guest import BenchInGuest, answer, wait_until_at_work
from tests.lab.drives import Bus, Drive, Fault
from tests.lab.scenario import Lab, Scenario, Seen, aside
from tests.lab.vm import Guest

MIB = 1 << 20
GOOD, BAD = 2 * MIB, MIB  # bytes per second: nine at once have to stay far below what the guest can do
SLOW = 6 * MIB  # bytes per second: a guest under emulation is slower than its drives, and this must not be what is seen


@dataclass(frozen=True)
class Round:
    """What one round showed: the seconds of the good drives' passes, and the reasons given for the bad ones."""

    seconds: list[float]
    said: set[str]


def four(lab: Lab, size: int, *, volatile: bool) -> list[Drive]:
    """Describe four drives on four buses, each full of nothing yet."""
    buses = {"flash": Bus.NVME, "disk": Bus.SATA, "virt": Bus.SCSI, "second": Bus.NVME}
    return [lab.make(name, bus, size, volatile=volatile) for name, bus in buses.items()]


def dirty(guest: Guest, drive: Drive) -> None:
    """Fill a drive with noise from the guest's own side, past the cache."""
    node = guest.device(drive)
    guest.run(["dd", "if=/dev/urandom", f"of={node}", "bs=1M", "oflag=direct"], 300)


def power_cuts(lab: Lab) -> Seen:
    """Cut the power in the middle of four wipes at once, again and again; then let them go on to their end."""
    chance = random.Random(0)
    plugged = four(lab, 64 * MIB, volatile=True)
    cuts = resumed = false_done = 0
    finished: Counter[str] = Counter()
    with lab.guest(*plugged) as guest:
        bench = BenchInGuest(guest)
        for drive in plugged:
            dirty(guest, drive)
        interrupted: set[str] = set()
        for _ in range(lab.rounds(5, 25)):
            for drive in plugged:
                guest.limit(drive, SLOW // 3)
            wipes = [bench.wipe(drive, "clear") for drive in plugged]
            wait_until_at_work(wipes, 600)
            time.sleep(chance.uniform(0.2, 3.0))
            working = [wipe for wipe in wipes if wipe.at_work]
            went_on = {wipe.drive.name for wipe in wipes if b"resuming" in wipe.running.stderr}
            resumed += len(went_on & interrupted)
            lost = interrupted - went_on
            assert not lost, f"not gone on with after a power cut: {', '.join(sorted(lost))}"
            guest.power_cut()
            cuts += len(working)
            interrupted = {wipe.drive.name for wipe in working}
            guest.boot()
            lab.tell(f"{cuts} wipes cut, {resumed} gone on with")
            before, finished = finished, bench.done()
            false_done += sum(finished[d.serial] > before[d.serial] for d in plugged if d.name in interrupted)
        ended = [answer(wipe, 300) for wipe in [bench.wipe(drive, "clear") for drive in plugged]]
        outcomes = {report.get("outcome") for report in ended}
        assert outcomes == {"DONE"}, ended
        left = {drive.name: bench.bytes_left(drive) for drive in plugged}
        assert set(left.values()) == {0}, left
    assert false_done == 0, f"{false_done} wipes were called DONE although the power was cut in the middle"
    told = f"{cuts} power cuts in mid-wipe, false DONE 0, gone on with {resumed} of {resumed}"
    return Seen(f"{told}; all wiped in the end, 0 bytes left")


def _undisturbed(bench: BenchInGuest, drives: Sequence[Drive], watched: int) -> list[float]:
    """Return the seconds of a pass of the first `watched` drives while all are wiped and nothing goes wrong."""
    reports = [answer(wipe, 600) for wipe in [bench.wipe(drive, "clear") for drive in drives]]
    assert {report.get("outcome") for report in reports} == {"DONE"}, reports
    return [float(report["passes"][0]["seconds"]) for report in reports[:watched]]


def _troubles(guest: Guest) -> dict[str, Callable[[Drive], None]]:
    return {
        "pulled": guest.pull,
        "write error": lambda drive: guest.fail(drive, Fault("write", sector=44 * 2048)),
        "every write fails": lambda drive: guest.fail(drive, Fault("write")),
        "flush fails": lambda drive: guest.fail(drive, Fault("flush")),
        "read error": lambda drive: guest.fail(drive, Fault("read", sector=46 * 2048, errno=61)),
        "hangs": lambda drive: guest.limit(drive, 1),
    }


def _assigned(bad: Sequence[Drive], troubles: Sequence[str], number: int) -> list[tuple[Drive, str]]:
    """Give each drive another trouble in each round; one that hangs sits on SCSI, since other buses time out."""
    given = [(drive, troubles[(place + number) % len(troubles)]) for place, drive in enumerate(bad)]
    return [(drive, "pulled" if name == "hangs" and drive.bus is not Bus.SCSI else name) for drive, name in given]


def _one_round(guest: Guest, bench: BenchInGuest, good: Sequence[Drive], given: Sequence[tuple[Drive, str]]) -> Round:
    """Wipe all at once, let the bad ones fail in mid-pass, and judge every report; put all in order afterwards."""
    for drive, _ in given:
        guest.limit(drive, BAD)
    wipes = {drive.name: bench.wipe(drive, "clear") for drive in (*good, *(drive for drive, _ in given))}
    wait_until_at_work(list(wipes.values()), 600)
    before, troubles = bench.done(), _troubles(guest)
    assert all(wipes[drive.name].at_work for drive, _ in given), "a drive was too quick to fail in mid-pass"
    for drive, name in given:
        troubles[name](drive)
        if name not in ("hangs", "pulled"):
            guest.limit(drive, GOOD)
    seconds = []
    for drive in good:
        report = answer(wipes[drive.name], 600)
        assert report.get("outcome") == "DONE", report
        seconds.append(float(report["passes"][0]["seconds"]))
    said = set()
    for drive, name in given:
        if name == "hangs":
            assert wipes[drive.name].running.poll() is None, "a hanging drive ended its wipe"
            guest.limit(drive, 0)
        report = answer(wipes[drive.name], 600)
        assert report.get("outcome") == ("DONE" if name == "hangs" else "UNKNOWN"), (name, report)
        said |= {reason["code"] for reason in report.get("reasons", ())}
        guest.fail(drive)
        if name == "pulled":
            guest.plug(drive)
        guest.device(drive, deadline=60)
    done = bench.done()
    for drive, name in given:
        assert done[drive.serial] - before[drive.serial] == (name == "hangs"), f"{name}: the journal calls it DONE"
    return Round(seconds, said)


def bad_drives(lab: Lab) -> Seen:
    """Let six of nine drives fail in mid-wipe, each in another way; the other three must not feel it."""
    buses = (Bus.NVME, Bus.SATA, Bus.SCSI)
    good = [lab.make(f"good{number}", bus, 48 * MIB) for number, bus in enumerate(buses)]
    bad = [lab.make(f"bad{number}", bus, 48 * MIB) for number, bus in enumerate((*buses, *buses))]
    happened, took, said = 0, list[float](), set[str]()
    with lab.guest(*good, *bad) as guest:
        bench = BenchInGuest(guest)
        for drive in (*good, *bad):
            guest.limit(drive, GOOD)
        usual = statistics.median(_undisturbed(bench, [*good, *bad], len(good)))
        for number in range(lab.rounds(1, 17)):
            round_ = _one_round(guest, bench, good, _assigned(bad, list(_troubles(guest)), number))
            happened, took, said = happened + len(bad), took + round_.seconds, said | round_.said
            lab.tell(f"{happened} failures; the others: {', '.join(f'{one / usual:.2f}' for one in round_.seconds)}")
        ratio, worst, note = statistics.median(took) / usual, max(took) / usual, aside(guest)
    assert note or abs(ratio - 1) <= 0.05, f"the other drives took {ratio:.2f} of their usual time"
    return Seen(
        f"{note}{happened} drives failed in mid-wipe, six at a time, false DONE 0; three others took {ratio:.2f} of "
        f"their usual time (median of {len(took)}, at most {worst:.2f}); reasons: {', '.join(sorted(said))}"
    )


SCENARIOS = (
    Scenario(
        "wipe-power-cuts", "a wipe that a power cut interrupts is never called DONE and goes on", power_cuts, minutes=12
    ),
    Scenario(
        "wipe-bad-drives", "drives that fail are never DONE and slow no other drive", bad_drives, minutes=15,
        timed=True,
    ),
)  # fmt: skip
