"""Overwriting real drives in the guest while things go wrong: power cuts, drives pulled out, errors of the medium.

One bad drive among four: the others must not feel it, and the bad one must never be called wiped.
"""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable

from tests.lab.bench_in_guest import BenchInGuest, answer, wait_until_at_work
from tests.lab.drives import Bus, Drive, Fault
from tests.lab.scenario import Lab, Scenario, Seen, aside
from tests.lab.vm import Guest

MIB = 1 << 20
SLOW = 6 * MIB  # bytes per second: a guest under emulation is slower than its drives, and this must not be what is seen


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


def _undisturbed(bench: BenchInGuest, drives: list[Drive]) -> float:
    """Return the median seconds of a pass when nothing goes wrong."""
    reports = [answer(wipe, 300) for wipe in [bench.wipe(drive, "clear") for drive in drives]]
    assert {report.get("outcome") for report in reports} == {"DONE"}, reports
    return float(statistics.median(report["passes"][0]["seconds"] for report in reports))


def _troubles(guest: Guest) -> dict[str, Callable[[Drive], None]]:
    return {
        "pulled": guest.pull,
        "write error": lambda drive: guest.fail(drive, Fault("write", sector=44 * 2048)),
        "every write fails": lambda drive: guest.fail(drive, Fault("write")),
        "flush fails": lambda drive: guest.fail(drive, Fault("flush")),
        "read error": lambda drive: guest.fail(drive, Fault("read", sector=46 * 2048, errno=61)),
        "hangs": lambda drive: guest.limit(drive, 1),
    }


def one_bad_drive(lab: Lab) -> Seen:
    """Let one of four drives fail in mid-wipe in every way; the other three must not feel it."""
    size = 48 * MIB
    plugged = four(lab, size, volatile=False)
    happened, ratios, said = 0, [], set()
    with lab.guest(*plugged) as guest:
        bench = BenchInGuest(guest)
        for drive in plugged:
            guest.limit(drive, SLOW)
        usual = _undisturbed(bench, plugged[:3])
        troubles = _troubles(guest)
        for number in range(lab.rounds(6, 102)):
            name = list(troubles)[number % len(troubles)]
            bad = plugged[number // len(troubles) % len(plugged)]
            if name == "hangs" and bad.bus is not Bus.SCSI:  # the other buses time out after half a minute or more
                name = "pulled"
            others = [drive for drive in plugged if drive is not bad]
            guest.limit(bad, SLOW // 4)  # so that it is in mid-pass when all have begun
            wipes = [bench.wipe(drive, "clear") for drive in plugged]
            wait_until_at_work(wipes, 600)
            time.sleep(1.0)
            assert next(wipe for wipe in wipes if wipe.drive is bad).at_work
            before = bench.done()[bad.serial]
            troubles[name](bad)
            if name not in ("hangs", "pulled"):
                guest.limit(bad, SLOW)
            reports = {wipe.drive.name: answer(wipe, 300) for wipe in wipes if wipe.drive is not bad}
            assert {report.get("outcome") for report in reports.values()} == {"DONE"}, (name, reports)
            ratios += [report["passes"][0]["seconds"] / usual for report in reports.values()]
            victim = next(wipe for wipe in wipes if wipe.drive is bad)
            if name == "hangs":
                assert victim.running.poll() is None, "a hanging drive ended its wipe"
                guest.limit(bad, 0)
            report = answer(victim, 300)
            expected = "DONE" if name == "hangs" else "UNKNOWN"
            assert report.get("outcome") == expected, (name, report)
            assert bench.done()[bad.serial] - before == (name == "hangs"), f"{name}: the journal calls it DONE"
            said |= {reason["code"] for reason in report.get("reasons", ())}
            happened += 1
            guest.fail(bad)
            if name == "pulled":
                guest.plug(bad)
            guest.device(bad, deadline=60)
            guest.limit(bad, SLOW)
            assert len(others) == 3
        middle, worst, said_aside = statistics.median(ratios), max(ratios), aside(guest)
    assert said_aside or abs(middle - 1) <= 0.05, f"the other drives took {middle:.2f} of their usual time"
    return Seen(
        f"{said_aside}{happened} times one of four failed, false DONE 0; the others took {middle:.2f} of their usual "
        f"time (median of {len(ratios)}, at most {worst:.2f}); reasons: {', '.join(sorted(said))}"
    )


SCENARIOS = (
    Scenario(
        "wipe-power-cuts", "a wipe that a power cut interrupts is never called DONE and goes on", power_cuts, minutes=12
    ),
    Scenario(
        "wipe-one-bad-drive", "a drive that fails is never DONE and slows no other drive", one_bad_drive, minutes=15,
        timed=True,
    ),
)  # fmt: skip
