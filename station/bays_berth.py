"""One bay as the bench knows it, and the tile that follows from it. The tile is worked out afresh each time; pure.

What decides which tile is shown comes in this order: nothing there; two drives with one name; a child at work; a wipe
known to be unsettled; one that ended while the drive sat here; what a look at it said; and only then: ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from station.bays_children import SHRUNK, Child
from station.bays_codes import code_for, trouble
from station.bays_config import Bay
from station.bays_memory import Settled, Unsettled
from station.bays_slot import Told
from station.bays_state import MediumShown, PlanShown, Tile, tile
from station.media import Medium

TAIL = 4
DOT = "•"
BARE = ("armed", "waiting", "done", "unknown", "destroy")  # in these the last four help nobody to arm the drive
ARMED_FOR = 60.0  # seconds
MOST_WRONG = 5  # tries
WAIT_AFTER_WRONG = 60.0  # seconds


@dataclass(frozen=True)
class Armed:
    """Somebody typed the last four of this very drive; until when it counts, in seconds of the monotonic clock."""

    medium: Medium
    typed: str
    until: float


@dataclass
class Berth:
    """One bay and the drive in it; everything but `bay` and `number` is forgotten when the drive leaves."""

    bay: Bay
    number: int
    medium: Medium | None = None
    since: str = ""
    look: Mapping[str, Any] | None = None
    looked: float = 0.0  # when
    armed: Armed | None = None
    wrong: int = 0
    wait_until: float = 0.0
    queued: Mapping[str, Any] | None = None
    result: Told | None = None
    broke_off: float = float("-inf")  # when a wipe here ended early, by itself
    twin: bool = False
    busy: bool = False
    unproved: tuple[str, ...] = ()  # why nobody can tell now whether what is green still counts

    def enter(self, medium: Medium | None, since: str) -> None:
        """Take in a drive, or its leaving."""
        self.__init__(self.bay, self.number, medium, since)  # type: ignore[misc]


@dataclass(frozen=True)
class Around:
    """What a tile depends on besides its bay: the moment, and what is kept of the drive."""

    now: datetime
    monotonic: float
    stuck_after: float
    child: Child | None = None
    entry: Unsettled | None = None
    settled: Settled | None = None
    notes: tuple[str, ...] = field(default=())


def tile_of(berth: Berth, around: Around) -> Tile:
    """Return the tile of a bay."""
    if berth.medium is None:
        return tile(berth.bay.name, berth.number, berth.bay.place, "empty")
    if around.child is not None:
        return _at_work(berth, around, around.child)
    if berth.twin:
        return _plain(berth, around, "refused", "E03")
    if berth.queued is not None:
        return _plain(berth, around, "waiting", can=("cancel",), cancel="Nothing was touched yet.")
    if around.entry is not None and around.entry.why in ("unknown", "destroy"):
        return _red(berth, around, around.entry)
    green = green_of(berth, around.settled)
    if green is not None:
        return _done(berth, around, *green)
    if berth.armed is not None and around.monotonic < berth.armed.until:
        left = round(berth.armed.until - around.monotonic, 1)
        can = ("start", "cancel")
        return _plain(berth, around, "armed", can=can, armed_seconds=left, cancel="Nothing was touched.")
    if berth.result is not None:
        return _not_run(berth, around, berth.result)
    return _before(berth, around)


def green_of(berth: Berth, settled: Settled | None) -> tuple[str, str] | None:
    """Return the claim and the event that make a tile green, as far as the bench itself knows; None when none does."""
    if berth.result is not None and berth.result.outcome == "DONE":
        return berth.result.claim, berth.result.event
    return (settled.claim, settled.event) if settled is not None else None


def _before(berth: Berth, around: Around) -> Tile:
    """Return the tile of a drive on which nothing runs and nothing has ended."""
    look, entry = berth.look, around.entry
    if berth.busy:
        return _plain(berth, around, "busy")
    if look is None:
        return _plain(berth, around, "looking")
    if "trouble" in look:
        return _plain(berth, around, "refused", "E04", reasons=(str(look["trouble"]),))
    if look["reasons"]:
        code = code_for(tuple(one["code"] for one in look["reasons"]), "E01")
        return _plain(berth, around, "refused", code, reasons=tuple(one["text"] for one in look["reasons"]))
    state = look["state"] or {}
    if state.get("phase") == "working":
        share = state.get("progress")
        percent = None if share is None else 100.0 * share
        return _plain(berth, around, "erasing", "E21", reasons=(state["words"],), percent=percent)
    plan = look["plan"]
    if not plan["method"]:
        code = {"locked": "E07", "attempts-exceeded": "E07", "frozen": "E08"}.get(plan["lock"], "E09")
        return _plain(berth, around, "blocked", code, reasons=tuple(plan["problems"]), can=("arm",))
    if around.monotonic < berth.wait_until:
        return _plain(berth, around, "blocked", "E27")
    if plan["not_worth_it"]:
        return _plain(berth, around, "failing", "E06", reasons=tuple(plan["not_worth_it"]), can=("arm",))
    unfinished = look["unfinished"]
    if entry is not None and entry.why != "again":
        return _unfinished(berth, around, entry.code, unfinished, entry.sentences)
    if unfinished:
        return _unfinished(berth, around, "E16", unfinished, ())
    return _plain(berth, around, "ready", can=("arm",))


def _unfinished(
    berth: Berth, around: Around, code: str, unfinished: Mapping[str, Any] | None, why: tuple[str, ...]
) -> Tile:
    """Return the tile of a drive whose wipe broke off: how far it was, and whether it can go on from there."""
    goes_on = bool(unfinished and unfinished["goes_on"])
    at = unfinished["percent"] if unfinished and goes_on else None
    if at is not None:
        words = f"Interrupted at {at:.0f} %. Type the last four to go on."
    elif goes_on:
        words = "Interrupted while the drive erased itself. Type the last four: it is asked what became of that."
    else:
        words = "Interrupted. It must begin anew: type the last four."
    return _plain(
        berth, around, "interrupted", code, reasons=why, can=("arm",), instruction=words, resumes_at=at, percent=at
    )


def _at_work(berth: Berth, around: Around, child: Child) -> Tile:
    """Return the tile of a drive that a child works on."""
    told = child.told
    stuck = child.stuck(around.monotonic, around.stuck_after)
    state, code = _working_state(told), ""
    can: tuple[str, ...] = ("cancel",)
    if child.shrunk:
        state, code, can = "unknown", SHRUNK, ()
    elif stuck:
        state, code = "stuck", stuck
    elif child.cancelled is not None or child.pulled is not None:
        state, can = "stopping", ()
    elif told.phase == "paused":
        code = "E23" if told.hot else ""
    elif told.hot and told.by_firmware:
        code = "E22"
    left = told.seconds_left if state in ("working", "erasing", "proving") else None
    return _plain(
        berth,
        around,
        state,
        code,
        can=can,
        reasons=(child.shrunk,) if child.shrunk else (),
        cancel=cancel_words(told),
        stage=told.stage,
        percent=told.percent,
        done=told.done,
        total=told.total,
        rate=0.0 if state in ("paused", "stuck") else round(told.rate, 1),
        seconds_left=left,
        finish_at="" if left is None else (around.now + timedelta(seconds=left)).isoformat(timespec="seconds"),
        resumes_at=None,
    )


def _working_state(told: Told) -> str:
    if told.phase == "paused":
        return "paused"
    if told.by_firmware:
        return "erasing"
    if told.stage.startswith("read"):
        return "proving"
    return "working" if told.touched else "starting"


def cancel_words(told: Told) -> str:
    """Return what cancelling would do at this moment, truthfully, for the person about to press the button."""
    if not told.touched:
        return "Nothing was touched yet."
    if told.by_firmware and not told.stoppable:
        return told.cancel or "It cannot be stopped: it goes on inside the drive. Keep it powered."
    if told.stage.startswith("read"):
        return "The checking stops. Without it the drive does not count as wiped; the same wipe can check again."
    return "The overwriting stops. The drive then does not count as wiped; the same wipe can go on from there."


def _done(berth: Berth, around: Around, claim: str, event: str) -> Tile:
    if berth.busy:
        return _plain(berth, around, "busy")
    if berth.unproved:
        return _plain(berth, around, "refused", "E11", reasons=berth.unproved)
    can = ("acknowledge",)
    return _plain(berth, around, "done", percent=100.0, claim=claim, event=event, can=can)


def _not_run(berth: Berth, around: Around, told: Told) -> Tile:
    otherwise = "E12" if told.outcome == "REFUSED" else "E26"
    special = {"not-recordable": "E11", "not-recorded": "E18"}
    code = next((special[one] for one in told.codes if one in special), None) or code_for(told.codes, otherwise)
    return _plain(berth, around, "not-run", code, reasons=told.sentences, can=("acknowledge", "arm"))


def _red(berth: Berth, around: Around, entry: Unsettled) -> Tile:
    state = "destroy" if entry.why == "destroy" else "unknown"
    return _plain(berth, around, state, entry.code, reasons=entry.sentences, can=("resolve",), event=entry.event)


def _plain(berth: Berth, around: Around, state: str, code: str = "", **facts: Any) -> Tile:
    """Return a tile with what every tile of a drive shows; with a code its sentence is the instruction."""
    assert berth.medium is not None
    if code and "instruction" not in facts:
        facts["instruction"] = trouble(code).sentence
    facts["reasons"] = (*facts.get("reasons", ()), *around.notes)
    child = around.child
    bare = state in BARE or child is not None
    return tile(
        berth.bay.name,
        berth.number,
        berth.bay.place,
        state,
        code=code,
        medium=shown(berth, child, bare=bare),
        plan=_plan(berth.look, "" if bare else berth.medium.identity.serial or berth.medium.identity.wwn),
        wrong=berth.wrong,
        since=berth.since,
        type_what=type_what(berth.medium),
        **facts,
    )


def _plan(look: Mapping[str, Any] | None, secret: str) -> PlanShown | None:
    plan = look.get("plan") if look else None
    if not plan:
        return None
    names = ("profile", "method", "technique", "wants", "reaches", "needs_supervisor")
    lines = tuple(line for line in plan["lines"] if "--confirm" not in line)
    if secret:
        lines = tuple(line.replace(secret, masked(secret)) for line in lines)
    return PlanShown(**{name: plan[name] for name in names}, lines=lines)


def masked(serial: str) -> str:
    """Return a serial number without its last four letters or digits, which are what must be typed."""
    letters, left = list(serial), TAIL
    for index in range(len(letters) - 1, -1, -1):
        if left and letters[index].isalnum():
            letters[index], left = DOT, left - 1
    return "".join(letters)


def shown(berth: Berth, child: Child | None, *, bare: bool) -> MediumShown:
    """Return the drive as a tile shows it; the last four of its serial only when that helps nobody to arm it."""
    medium = berth.medium
    assert medium is not None
    serial = medium.identity.serial or medium.identity.wwn
    make, _, rest = medium.identity.model.partition(" ")
    plan = (berth.look or {}).get("plan") or {}
    warm = child.told.temperature if child else None
    return MediumShown(
        id=medium.identity.id,
        path=medium.path,
        make=make if rest else "",
        model=rest or make,
        serial=serial if bare else masked(serial),
        tail=medium.confirm if bare else "",
        size=medium.size,
        kind=medium.kind,
        health=plan.get("health", "unknown"),
        health_words=tuple(plan.get("health_words", ())),
        temperature=warm,
    )


def type_what(medium: Medium) -> str:
    """Say what must be typed; of a drive with nothing printed on it, that must be shown, or nobody could arm it."""
    if medium.practice:
        return f"It is a practice drive and has no label: type {medium.confirm}."
    if medium.identity.serial:
        return "Read them off the label of the drive itself: S/N, the last four letters or digits."
    if medium.identity.wwn:
        return "Read them off the label of the drive itself: WWN, the last four letters or digits."
    return f"It has no serial number: type {medium.confirm}."


ASIDE: Mapping[str, str] = MappingProxyType(
    {"unknown": "unknown", "destroy": "destroy", "again": "pulled", "pulled": "pulled", "interrupted": "pulled"}
)


def aside(number: int, entry: Unsettled) -> Tile:
    """Return the tile of a drive that is in no bay and unsettled; it stays until it is back or resolved."""
    state = ASIDE.get(entry.why, "pulled")
    code = entry.code if state != "pulled" else "E13"
    identity = entry.identity
    make, _, rest = identity.model.partition(" ")
    medium = MediumShown(
        id=identity.id,
        path="",
        make=make if rest else "",
        model=rest or make,
        serial=identity.serial or identity.wwn,
        tail=(identity.serial or identity.wwn)[-TAIL:],
        size=identity.size,
        kind="unknown",
        health="unknown",
        health_words=(),
        temperature=None,
    )
    return tile(
        entry.bay,
        number,
        "",
        state,
        code=code,
        instruction=trouble(code).sentence,
        reasons=entry.sentences,
        medium=medium,
        can=("resolve",),
        since=entry.since,
        event=entry.event,
    )
