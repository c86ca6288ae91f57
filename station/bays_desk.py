"""The bench's own bookkeeping: bays, children, what is kept; who came, who went, how each wipe ended.

Everything here returns at once. Whatever may take long or hang (asking a drive, wiping it) is a child's business.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from custody.media import MediumIdentity
from station.bays_berth import Around, Berth, aside, green_of, tile_of
from station.bays_children import Child, adopt, slot_of, start
from station.bays_config import Bay
from station.bays_launch import task_config
from station.bays_looks import Looks, again_after, key
from station.bays_memory import Memory, Settled, Unsettled
from station.bays_people import operator, supervisor
from station.bays_proof import Proofs, mark
from station.bays_sizes import less, resized
from station.bays_slot import Told
from station.bays_state import Tile, boot_id
from station.bays_watch import Seen
from station.config import Config
from station.errors import NotDone
from station.media import Medium, NotAMedium, medium_at
from station.orders import Order
from station.sizes import same_drive

FIRMWARE_PATIENCE = 1_800.0  # seconds added to twice the drive's own estimate
NEWS_WITHIN = 3.0  # seconds in which the news that a drive was pulled may be later than the failure of its wipe
Sensor = Callable[[Medium], str]


@dataclass
class Desk:
    """The bench. `now` is the clock for times that are shown, `sensor` finds a drive's hwmon file, "" for none."""

    config: Config
    now: Callable[[], datetime]
    sensor: Sensor
    monotonic: Callable[[], float] = time.monotonic
    berths: list[Berth] = field(init=False)
    memory: Memory = field(init=False)
    children: dict[str, Child] = field(default_factory=dict)
    looks: Looks = field(init=False)
    proofs: Proofs = field(init=False)
    reap: list[subprocess.Popen[bytes]] = field(default_factory=list)
    last_spin_up: float = float("-inf")
    boot: str = field(default_factory=boot_id)

    def __post_init__(self) -> None:
        """Read what must not be forgotten; raises NotDone."""
        self.berths = [Berth(bay, number) for number, bay in enumerate(self.config.stalls, 1)]
        self.memory = Memory(self.folder / "memory.json")
        self.proofs = Proofs(self.config)
        self.looks = Looks(self.config, self.slots, self.reap.append, self.monotonic)

    @property
    def folder(self) -> Path:
        """Return the bench's own folder, in which only it writes."""
        return self.config.bays_folder

    @property
    def slots(self) -> Path:
        """Return the folder of the slots."""
        return self.folder / "slots"

    def profile(self) -> str:
        """Return the profile for a drive when nobody names one; practice drives can only be cleared."""
        return "clear" if self.config.allow_loop or self.config.world.value == "practice" else self.config.profile

    # -- bays ------------------------------------------------------------------------------------------------

    def berth(self, name: str) -> Berth | None:
        """Return a bay by its name, capitals aside."""
        return next((one for one in self.berths if one.bay.name.casefold() == name.strip().casefold()), None)

    def there(self, berth: Berth) -> Medium | None:
        """Return the drive in a bay, read afresh from sysfs; None when it is gone."""
        with suppress(NotAMedium, OSError):
            return medium_at(berth.medium.path) if berth.medium else None
        return None

    def child(self, berth: Berth) -> Child | None:
        """Return the child at work on the drive in a bay, or still ending because that drive was pulled before."""
        medium = berth.medium
        child = self.children.get(medium.identity.id) if medium else None
        if child is not None and (child.pulled is not None or child.at(medium)):
            return child
        here = (one for one in self.children.values() if one.at(medium))  # it may show another size by now
        return next((one for one in here if medium and same_drive(one.identity, medium.identity)), None)

    def place(self, seen: Seen) -> None:
        """Take in who came and who went since the last time."""
        self._more_berths(seen)
        for berth in self.berths:
            there = seen.media.get(berth.bay.name)
            if key(there) == key(berth.medium):
                continue
            child = self.child(berth)
            if there and child and child.at(there) and same_drive(child.identity, there.identity):
                resized(self, berth, there, child)
                continue
            if berth.medium is not None:
                self._left(berth, berth.medium)
            berth.enter(there, self.now().isoformat(timespec="seconds"))
            if there is not None:
                self._came(berth, there)
        configured = {bay.name for bay in self.config.stalls}
        self.berths = [one for one in self.berths if one.medium or one.bay.name in configured]
        ids = [one.medium.identity.id for one in self.berths if one.medium]
        for berth in self.berths:
            berth.twin = berth.medium is not None and ids.count(berth.medium.identity.id) > 1

    def _more_berths(self, seen: Seen) -> None:
        """Add a place for each further medium in one bay: the other namespaces of an NVMe drive."""
        known = {one.bay.name for one in self.berths}
        for name, medium in seen.media.items():
            if name not in known:
                self.berths.append(Berth(Bay(name, medium.bay), len(self.berths) + 1))

    def _left(self, berth: Berth, medium: Medium) -> None:
        name = medium.identity.id
        self.looks.drop(berth.bay.name)
        child = self.children.get(name)
        if child is not None and child.at(medium):
            child.pulled = self.monotonic()
            self.keep(medium.identity, berth.bay.name, "running", "E13", ("It was pulled out in the middle.",))
        elif self.monotonic() - berth.broke_off < NEWS_WITHIN and name in self.memory.unsettled:
            entry = self.memory.unsettled[name]
            self.keep(medium.identity, berth.bay.name, "pulled", "E13", entry.sentences, event=entry.event)
        elif name in self.memory.settled:
            with suppress(NotDone):
                self.memory.forget(name)

    def _came(self, berth: Berth, medium: Medium) -> None:
        less(self, berth, medium)
        child = self.children.get(medium.identity.id)
        if child is None:
            self.look(berth)
        elif child.at(medium):
            child.pulled, child.bay = None, berth.bay.name

    # -- looks -----------------------------------------------------------------------------------------------

    def look(self, berth: Berth) -> None:
        """Have the drive in a bay looked at by a child of its own; its answer comes later."""
        berth.look = None
        if berth.medium is None or self.child(berth) is not None:
            self.looks.drop(berth.bay.name)
            return
        self.looks.begin(berth.bay.name, berth.medium, self.profile())

    def take_looks(self) -> None:
        """Take in the answers that have arrived, and give up on looks that take too long."""
        for name, medium, answer in self.looks.take():
            berth = self.berth(name)
            if berth is None or berth.medium is None or key(medium) != key(berth.medium):
                continue
            berth.look, berth.looked = answer, self.monotonic()
            self._looked(berth, berth.medium, answer)
        for berth in self.berths:  # what passes by itself is looked at again until it has passed
            late = self.monotonic() - berth.looked > (again_after(berth.look) or float("inf"))
            if late and not self.looks.busy(berth.bay.name) and berth.medium is not None and self.child(berth) is None:
                self.looks.begin(berth.bay.name, berth.medium, self.profile())

    def _looked(self, berth: Berth, medium: Medium, answer: Mapping[str, Any]) -> None:
        """Keep it when the drive's own log says that a wipe of it ended UNKNOWN and nobody dealt with that."""
        last, name = answer.get("last"), medium.identity.id
        if not last or last["outcome"] == "DONE" or self.memory.resolved.get(name) == last["event"]:
            return
        if name in self.memory.unsettled or last["outcome"] == "NOT_RUN":
            return
        why = "interrupted" if last["resumable"] else "unknown"
        words = (f"Its last wipe here ended UNKNOWN on {str(last['at'])[:16]}.",)
        self.keep(medium.identity, berth.bay.name, why, "E17", words, event=str(last["event"]))

    def supervisor(self, order: Order, entry: Unsettled) -> str:
        """Return the reference of the supervisor who decides; raises UsageError, GuardRefused and JournalError."""
        return supervisor(self.config, self.now, order, entry)

    # -- wiping ----------------------------------------------------------------------------------------------

    def queue(self, berth: Berth, order: Mapping[str, Any]) -> None:
        """Have it wiped as soon as its turn comes: disks that spin start one after the other."""
        berth.queued = order

    def start_queued(self) -> None:
        """Start what may start now."""
        for berth in self.berths:
            if berth.queued is None or berth.medium is None:
                continue
            now = self.monotonic()
            if berth.medium.rotational:
                if now - self.last_spin_up < self.config.bench.stagger:
                    continue
                self.last_spin_up = now
            queued, berth.queued = berth.queued, None
            self._start(berth, berth.medium, queued)

    def _start(self, berth: Berth, medium: Medium, queued: Mapping[str, Any]) -> None:
        order = queued["order"]
        name, plan = berth.bay.name, (berth.look or {}).get("plan") or {}
        self.looks.drop(berth.bay.name)
        before = self.memory.unsettled.get(medium.identity.id)
        settings = self.config.bench
        limit = settings.hot_hdd if medium.rotational else settings.hot_ssd
        asked = medium.path if medium.transport in ("ata", "scsi", "nvme") else ""
        task = {
            "config": task_config(self.config),
            "order": order,
            "people": queued["people"],
            "needs": {"lower": bool(plan.get("needs_supervisor")), "health": bool(plan.get("not_worth_it"))},
            "bay": name,
            "place": berth.bay.place,
            "passes": plan.get("passes", 1),
            "stoppable": plan.get("stoppable", True),
            "cancel": plan.get("cancel", ""),
            "patience": 2 * plan.get("seconds", 0.0) + FIRMWARE_PATIENCE if plan.get("by_firmware") else 0.0,
            "spins": medium.rotational,
            "heat": {"limit": limit, "sensor": self.sensor(medium), "path": asked},
        }
        try:
            slot_of(self.slots, medium).unlink(missing_ok=True)  # what an earlier child told is not of this one
            profile, moment = str(order["profile"]), self.now().isoformat()
            entry = Unsettled(medium.identity, name, "running", "E16", (), moment, profile, operator=operator(queued))
            self.memory.put(entry)
            child = start(task, medium, self.slots, self.reap.append)
        except (NotDone, OSError) as error:
            self._as_before(medium.identity, before)
            berth.result = Told("ended", outcome="REFUSED", codes=("not-recordable",), sentences=(str(error),))
            return
        child.before = before
        self.children[medium.identity.id] = child

    def take_in_former(self) -> None:
        """Adopt the children of a former bench; what ended meanwhile is taken in at the next `settle`."""
        for name, entry in list(self.memory.unsettled.items()):
            if entry.why != "running":
                continue
            child = None
            with suppress(OSError):
                child = adopt(self.slots / f"{name}.slot", entry.identity)
            if child is not None:
                self.children[name] = child
            else:
                text = "It was being wiped when the station stopped."
                self.keep(entry.identity, entry.bay, "interrupted", "E16", (text,))

    def settle(self, ended: Callable[[Child], bool]) -> None:
        """Hear every child; take in how those ended that have ended, and end those that cannot by themselves."""
        for name, child in list(self.children.items()):
            over = ended(child)
            child.hear()
            if over:
                del self.children[name]
                self._ended(child)
                child.close()
            else:
                child.end_if_needed(self.monotonic())

    def _ended(self, child: Child) -> None:
        told, identity = child.told, child.identity
        same = [one for one in self.berths if one.medium and same_drive(one.medium.identity, identity)]
        berth = next((one for one in same if child.at(one.medium)), next(iter(same), None))
        here = berth is not None and key(self.there(berth)) == key(berth.medium) and child.at(berth.medium)
        done = told.outcome == "DONE" and bool(told.event) and not child.shrunk
        if done:
            if here and berth and berth.medium and berth.medium.identity != identity:
                self._as_before(identity, None)
                identity = berth.medium.identity  # hidden areas were given back
            settled = Settled(child.who.boot, child.sequence, told.claim, told.event, self.now().isoformat())
            with suppress(NotDone):  # the journal has it; at worst the tile is not green after a restart
                self.memory.wiped(identity, settled)
        elif told.outcome in ("REFUSED", "NOT_RUN") or (not told.outcome and not told.touched):
            self._as_before(identity, child.before)
        else:
            why, code, texts = child.left_open(here=here)
            self.keep(identity, child.bay, why, code, texts, event=told.event)
        if berth is not None:
            berth.broke_off = self.monotonic() if told.resumable and child.cancelled is None else float("-inf")
            berth.result = told if here and (done or told.outcome in ("REFUSED", "NOT_RUN")) else None
        for one in self.berths:  # it held this drive, and what else its command reaches
            if (one in same or again_after(one.look)) and not (one is berth and here and done):
                self.look(one)

    def _as_before(self, identity: MediumIdentity, before: Unsettled | None) -> None:
        with suppress(NotDone):
            if before is None:
                self.memory.forget(identity.id)
            else:
                self.memory.put(before)

    def keep(
        self, identity: MediumIdentity, bay: str, why: str, code: str, texts: tuple[str, ...], event: str = ""
    ) -> None:
        """Keep a drive as unsettled; when that cannot be written it is kept until the bench ends, and still shown."""
        old = self.memory.unsettled.get(identity.id)
        profile, by = (old.profile, old.operator) if old else ("", "")
        moment = self.now().isoformat(timespec="seconds")
        entry = Unsettled(identity, bay, why, code, texts, moment, profile, event, operator=by)
        try:
            self.memory.put(entry)
        except NotDone:
            self.memory.unsettled[identity.id] = entry

    # -- tiles -----------------------------------------------------------------------------------------------

    def tile(self, berth: Berth) -> Tile:
        """Return the tile of a bay."""
        entry, settled, child = None, self._settled(berth), self.child(berth)
        notes: tuple[str, ...] = ()
        if berth.medium is not None:
            entry = self.memory.relative(berth.medium.identity)
            other = entry is not None and entry.identity.id != berth.medium.identity.id
            if entry and other and child is None and not entry.resized(berth.medium.identity):
                notes = (f"This is the drive that was in {entry.bay}, connected in another way.",)
        around = Around(self.now(), self.monotonic(), self.config.bench.stuck_after, child, entry, settled, notes)
        return tile_of(berth, around)

    def _settled(self, berth: Berth) -> Settled | None:
        """Return what is kept of a wipe of the drive in a bay, as long as it has not left since."""
        there = berth.medium
        kept = self.memory.settled.get(there.identity.id) if there else None
        return kept if there and kept and (kept.boot, kept.sequence) == (self.boot, there.sequence) else None

    def green(self, berth: Berth) -> str:
        """Return the event that makes a bay green as far as the bench knows, "" when nothing does."""
        found = green_of(berth, self._settled(berth))
        return found[1] if found else ""

    def aside(self) -> tuple[Tile, ...]:
        """Return the tiles of unsettled drives that are in no bay."""
        here = [one.medium.identity for one in self.berths if one.medium]
        gone = [
            entry
            for name, entry in self.memory.unsettled.items()
            if name not in self.children or self.children[name].pulled is not None
            if not any(entry.same_drive(identity) or entry.resized(identity) for identity in here)
        ]
        return tuple(aside(number, entry) for number, entry in enumerate(gone, 1))

    def mark_busy(self) -> None:
        """See who else works on a drive, and whether what is green still holds."""
        mark(self)
