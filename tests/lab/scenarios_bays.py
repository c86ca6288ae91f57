"""The bench of bays on a machine with real drivers: drives come, are pulled in the middle, hang, and lose their power.

What a tile promises is held against udev's own events and against what is on the images afterwards. Drives are slowed
to a speed at which the emulated processor is not what limits, so that "undisturbed" means something.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab import drives
from tests.lab.drives import Bus, Drive
from tests.lab.scenario import Lab, Scenario, Seen, aside, quiet
from tests.lab.talk import Running
from tests.lab.vm import HOME, PYTHON, Guest

MIB = 1 << 20
SIZE = 48 * MIB
SPEED = 3 * MIB  # bytes per second of each drive; four of them at once are far below what the guest can do
WITHIN = 1.05  # how much longer a wipe may take because of what happens to another drive
BUSY = 10.0  # instead of the limits above, where the host's own load says more than the bench
STATION = f"{HOME}/station"
STATES = ("done", "unknown", "not-run")


@dataclass
class BenchThere:
    """The bench in a guest, and the hand that orders and watches."""

    guest: Guest
    bays: dict[str, str]  # name -> ID_PATH
    daemon: Running | None = None
    hand: Running | None = None
    told: list[dict[str, Any]] = field(default_factory=list)
    heard: int = 0

    def found(self) -> None:
        """Make the station's home on the disk that survives a power cut, with these bays."""
        self.guest.python("-m", "station.cli", "init", "--home", STATION).checked()
        lines = ["[bench]", "stuck_after = 20", "stagger = 0"]
        for name, place in self.bays.items():
            lines += ["[[bays]]", f"name = {json.dumps(name)}", f"id_path = {json.dumps(place)}"]
        toml = self.guest.get(f"{STATION}/station.toml").decode() + "\n".join(lines) + "\n"
        self.guest.put(toml.encode(), f"{STATION}/station.toml")
        self.guest.sh(f"sync -f {STATION}/station.toml")

    def start(self) -> None:
        """Start the bench and the hand."""
        self.daemon = self.guest.start([PYTHON, "-m", "station.cli", "bench", "--home", STATION])
        self.hand = self.guest.start([PYTHON, "-m", "tests.lab.bays_hand", STATION], stdin=None)
        self.told, self.heard = [], 0
        self.until(lambda: any("listening" in one for one in self.told), 90, "the hand listens")
        self.until(lambda: any("tile" in one for one in self.told), 90, "the bench says something")

    def hear(self) -> None:
        """Take in what the hand said since the last time."""
        assert self.hand is not None
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"the bench has ended: {self.daemon.stderr.decode()[-1500:]}")
        whole = self.hand.stdout
        end = whole.rfind(b"\n") + 1
        for line in whole[self.heard : end].splitlines():
            self.told.append(json.loads(line))
        self.heard = end

    def until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until it is so; raises AssertionError with what was seen last."""
        end = time.monotonic() + seconds
        while True:
            self.hear()
            if true():
                return
            if time.monotonic() > end:
                assert self.hand is not None
                last = f"{self.told[-6:]} {self.hand.stderr[-500:]!r}"
                raise AssertionError(f"not within {seconds:.0f} s: {what}; {last}")
            time.sleep(0.1)

    def tile(self, where: str) -> dict[str, Any]:
        """Return what a tile said last."""
        return next((one for one in reversed(self.told) if one.get("tile") == where), {"state": ""})

    def until_state(self, where: str, *states: str, seconds: float = 400) -> dict[str, Any]:
        """Wait until a tile is in one of these states."""
        self.until(lambda: self.tile(where)["state"] in states, seconds, f"{where} in {states}")
        return self.tile(where)

    def with_drives(self) -> list[str]:
        """Return the bays whose tiles show a drive."""
        bays = {one["tile"] for one in self.told if "tile" in one}
        return sorted(bay for bay in bays if self.tile(bay).get("drive") and self.tile(bay).get("place"))

    def order(self, **words: str) -> dict[str, Any]:
        """Leave an order and return its answer."""
        assert self.hand is not None
        before = len([one for one in self.told if "answer" in one])
        self.hand.write(json.dumps(words).encode() + b"\n")
        self.until(lambda: len([one for one in self.told if "answer" in one]) > before, 60, f"an answer to {words}")
        return next(one for one in reversed(self.told) if "answer" in one)

    def wipe(self, bay: str, profile: str = "clear") -> None:
        """Arm and start a bay."""
        armed = self.order(kind="arm", bay=bay, typed="?")
        assert armed["obeyed"], armed
        started = self.order(kind="start", bay=bay, operator="v-7", profile=profile)
        assert started["obeyed"], started

    def outcomes(self) -> list[str]:
        """Return what the journal says of every wipe, in order."""
        script = (
            "import sys; from pathlib import Path; from custody.journal import Journal\n"
            "with Journal.open(Path(sys.argv[1]), readonly=True) as journal:\n"
            "    print(*[row.event.body['outcome'] for row in journal.events(kind='medium.wiped')])"
        )
        return self.guest.python("-c", script, f"{STATION}/journal.sqlite").checked().text.split()


def place_of(guest: Guest, drive: Drive) -> str:
    """Return what udev calls the socket a drive is in."""
    said = guest.sh(f"udevadm info --query=property --name={guest.device(drive)}").text
    return next(line.removeprefix("ID_PATH=") for line in said.splitlines() if line.startswith("ID_PATH="))


def usb_ports(place: str) -> list[str]:
    """Return the other ports of the same USB hub: QEMU takes the next one each time."""
    found = re.fullmatch(r"(.*-usb-0:)(\d+)(:.*)", place)
    return [f"{found[1]}{port}{found[3]}" for port in range(1, 9) if str(port) != found[2]] if found else []


def bench_with(
    guest: Guest, plugged: Sequence[Drive], *, more: Callable[[str], list[str]] = lambda place: []
) -> BenchThere:
    """Return a bench whose bays are where these drives are now, and the sockets that `more` names beside each."""
    places = [place_of(guest, one) for one in plugged]
    places += [other for place in places for other in more(place)]
    bench = BenchThere(guest, {f"Bay {number}": place for number, place in enumerate(places, 1)})
    bench.found()
    return bench


def full(lab: Lab, name: str, bus: Bus, **more: object) -> Drive:
    """Describe a drive that is full of somebody's data."""
    drive = lab.make(name, bus, SIZE, serial=f"LAB{name.upper()}7734", **more)
    image = drive.stores[0].image.with_suffix(".raw")  # below the layer of a volatile one
    image.write_bytes((b"Somebody's data. " * (SIZE // 17 + 1))[:SIZE])
    return drive


def empty_now(drive: Drive, lab: Lab) -> bool:
    """Tell whether nothing but zeros is on a drive's image."""
    return drives.flat(drive.stores[0], lab.folder / "look.raw").read_bytes() == bytes(SIZE)


def p95(times: Sequence[float]) -> float:
    """Return the value below which 19 of 20 lie."""
    return sorted(times)[max(0, round(0.95 * len(times)) - 1)]


def hot_plug(lab: Lab) -> Seen:
    """A tile follows udev's event within a second (19 of 20), whatever the bus."""
    plugged = [full(lab, str(bus), bus) for bus in (Bus.USB, Bus.SCSI, Bus.NVME)]
    with lab.guest(*plugged) as guest:
        bench = bench_with(guest, plugged, more=usb_ports)
        bench.start()
        bench.until(lambda: len(bench.with_drives()) == len(plugged), 400, "all drives have tiles")
        for _ in range(lab.rounds(8, 40)):
            for drive in plugged:
                guest.pull(drive)
                bench.until(lambda: len(bench.with_drives()) == len(plugged) - 1, 180, f"{drive.name} is gone")
                guest.plug(drive)
                bench.until(lambda: len(bench.with_drives()) == len(plugged), 180, f"{drive.name} is back")
        times = list(_event_to_tile(bench))
        assert len(times) >= 20, f"only {len(times)} of udev's events were paired with a tile"
        limit = 1.0 if quiet(guest) else BUSY
        assert p95(times) < limit, f"p95 {p95(times):.2f} s of {len(times)}: {sorted(times)[-5:]}"
        return Seen(f"{aside(guest)}{len(times)} drives plugged in: udev event to tile p50 {p95_of(times, 0.5):.2f} s, "
                    f"p95 {p95(times):.2f} s, most {max(times):.2f} s")  # fmt: skip


def p95_of(times: Sequence[float], share: float) -> float:
    """Return the value below which this share lies."""
    return sorted(times)[max(0, round(share * len(times)) - 1)]


def _event_to_tile(bench: BenchThere) -> Sequence[float]:
    """Return the seconds from udev's event to the tile with a drive, for every drive that came."""
    times = []
    for index, one in enumerate(bench.told):
        if one.get("event") != "add" or one["place"] not in bench.bays.values():
            continue
        for later in bench.told[max(0, index - 3) :]:
            if later.get("place") == one["place"] and later.get("drive"):
                times.append(max(0.0, later["at"] - one["at"]))
                break
    return times


def spent(bench: BenchThere, bay: str) -> float:
    """Return the seconds (the guest's) from when the last wipe in a bay began until its tile was green."""
    last = [one for one in bench.told if one.get("tile") == bay]
    done = max(number for number, one in enumerate(last) if one["state"] == "done")
    begun = max(number for number, one in enumerate(last[:done]) if one["state"] == "armed")
    working = next(one for one in last[begun:] if one["state"] == "working")
    return float(last[done]["at"] - working["at"])


def wiped_together(bench: BenchThere, bays: Sequence[str], meanwhile: Callable[[], None] = lambda: None) -> list[float]:
    """Wipe these bays at once while something happens to another drive; return how long each took."""
    for bay in bays:
        bench.until_state(bay, "ready", "interrupted", seconds=400)
    for bay in bays:
        bench.wipe(bay)
    meanwhile()
    for bay in bays:
        bench.until_state(bay, "done", seconds=600)
    return [spent(bench, bay) for bay in bays]


def put_away(bench: BenchThere, bays: Sequence[str]) -> None:
    """Put green tiles away, so that the same drives can be wiped once more."""
    for bay in bays:
        answer = bench.order(kind="acknowledge", bay=bay)
        assert answer["obeyed"], answer


def pulled_in_the_middle(lab: Lab) -> Seen:
    """One drive is pulled in mid-wipe, comes back in another bay and goes on; three others take no longer for it."""
    four = [full(lab, f"disk{number}", Bus.SCSI) for number in range(1, 5)]
    spare = full(lab, "spare", Bus.SCSI)
    with lab.guest(*four, spare) as guest:
        bench = bench_with(guest, [*four, spare])
        guest.pull(spare)
        for drive in four:
            guest.limit(drive, SPEED)
        bench.start()
        others, pulls, went_on, ratios = ["Bay 1", "Bay 2", "Bay 3"], 0, 0, []
        before = wiped_together(bench, others)
        for _ in range(lab.rounds(1, 10)):
            put_away(bench, others)
            bench.until_state("Bay 4", "ready", seconds=400)

            def pull() -> None:
                bench.wipe("Bay 4")
                bench.until_state("Bay 4", "working")
                time.sleep(5)
                guest.pull(four[3])

            after = wiped_together(bench, others, pull)
            pulls += 1
            ratios += [now / then for now, then in zip(after, before, strict=True)]
            bench.until_state("Bay 4", "empty")
            guest.plug(spare)  # it takes the place of the one that was pulled
            guest.plug(four[3])
            guest.limit(four[3], SPEED)
            tile = bench.until_state("Bay 5", "interrupted", seconds=400)
            bench.until(lambda: bool(bench.tile("Bay 5").get("can")), 180, "Bay 5 can be armed")
            went_on += bench.tile("Bay 5").get("resumes_at") is not None
            bench.wipe("Bay 5")
            bench.until_state("Bay 5", "done", seconds=600)
            assert tile["code"] in ("E13", "E17"), tile
            assert empty_now(four[3], lab), "it is green and something is on it"
            for drive in (spare, four[3]):
                guest.pull(drive)
            guest.plug(four[3])
            guest.limit(four[3], SPEED)
        told = bench.outcomes()
        most = max(ratios)
        assert most <= (WITHIN if quiet(guest) else BUSY), f"others took {most:.3f} times as long: {before} {after}"
        assert told.count("UNKNOWN") == pulls, told
        return Seen(f"{aside(guest)}{pulls} pulled in mid-wipe, {went_on} went on in another bay, all wiped in the "
                    f"end; others took {max(ratios):.3f} times as long at most; journal: {' '.join(told)}")  # fmt: skip


def hanging(lab: Lab) -> Seen:
    """One drive at a byte a second is a red tile; three others take no longer for it; lifted, it goes on."""
    four = [full(lab, f"disk{number}", Bus.SCSI) for number in range(1, 5)]
    with lab.guest(*four) as guest:
        bench = bench_with(guest, four)
        for drive in four:
            guest.limit(drive, SPEED)
        bench.start()
        others = ["Bay 1", "Bay 2", "Bay 3"]
        before = wiped_together(bench, others)
        put_away(bench, others)
        bench.until_state("Bay 4", "ready", seconds=400)

        def hang() -> None:
            bench.wipe("Bay 4")
            bench.until_state("Bay 4", "working")
            time.sleep(3)
            guest.limit(four[3], 1)

        after = wiped_together(bench, others, hang)
        stuck = bench.until_state("Bay 4", "stuck")
        guest.limit(four[3], 0)
        bench.until_state("Bay 4", "done", seconds=400)
        ratio = max(now / then for now, then in zip(after, before, strict=True))
        limit = WITHIN if quiet(guest) else BUSY
        assert ratio <= limit, f"others took {ratio:.3f} times as long: {before} {after}"
        assert stuck["code"] in ("E14", "E15"), stuck
        assert all(empty_now(drive, lab) for drive in four)
        told = f"stuck ({stuck['code']}) and done in the end; others took {ratio:.3f} times as long at most"
        return Seen(aside(guest) + told)


def power_cut(lab: Lab) -> Seen:
    """After a power cut in mid-wipe the tiles say how far each was, and the same wipes go on to their end."""
    pair = [full(lab, "flash", Bus.NVME, volatile=True), full(lab, "disk", Bus.SCSI, volatile=True)]
    with lab.guest(*pair) as guest:
        bench = bench_with(guest, pair)
        for drive in pair:
            guest.limit(drive, SPEED)
        bench.start()
        bays = ["Bay 1", "Bay 2"]
        for bay in bays:
            bench.until_state(bay, "ready", seconds=400)
        for bay in bays:
            bench.wipe(bay)
        for bay in bays:
            bench.until_state(bay, "working")
        time.sleep(8)
        guest.power_cut()
        guest.boot()
        bench.start()
        at = []
        for bay in bays:
            bench.until_state(bay, "interrupted", seconds=400)
            bench.until(lambda bay=bay: bool(bench.tile(bay).get("can")), 180, f"{bay} can be armed")  # type: ignore[misc]
            at.append(bench.tile(bay).get("resumes_at"))
        assert bench.outcomes() == [], "nothing had been wiped before the cut"
        assert all(one is not None and one > 0 for one in at), at
        for bay in bays:
            bench.wipe(bay)
        for bay in bays:
            bench.until_state(bay, "done", seconds=600)
        assert bench.outcomes() == ["DONE", "DONE"]
        assert all(empty_now(drive, lab) for drive in pair)
        return Seen("interrupted at " + " and ".join(f"{one:.0f} %" for one in at if one) + ", both went on to DONE")


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("bays-hot-plug", "a tile follows udev's event within a second", hot_plug, minutes=15, timed=True),
    Scenario("bays-pulled", "a drive pulled in mid-wipe disturbs no other and goes on elsewhere", pulled_in_the_middle,
             minutes=20, timed=True),
    Scenario("bays-hanging", "a drive that hangs is a red tile and disturbs no other", hanging, minutes=20, timed=True),
    Scenario("bays-power-cut", "after a power cut the tiles know how far each drive was", power_cut, minutes=15),
)  # fmt: skip
