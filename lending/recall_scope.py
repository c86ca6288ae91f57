"""What a recall is about, and whether a device falls under it. The rules are pure; a reader fetches events.

Four kinds:

- `wipe`: one wipe is in doubt; `medium`: every wipe of one medium that had arrived when the recall began;
- `origin`: everything that one station said which helps to open the gate;
- `model`: a make and model, perhaps a range of serial numbers, is dangerous. A device whose serial is not known, or
  cannot be compared, counts as within the range: unsure counts as affected.

For the first three the question is always the same one: *would this device be lendable if what is in doubt had never
been said?* So a new wipe, by another station or after the recall began, ends the doubt by itself and nothing else does.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from custody import rules
from custody.events import Event, EventHash, identities
from custody.facts import Facts
from custody.rules import Policy

KINDS: Mapping[str, str] = {
    "wipe": "One wipe is in doubt",
    "medium": "Every wipe of one drive is in doubt",
    "origin": "Everything a station said is in doubt",
    "model": "A model is dangerous",
}
HELPS = frozenset(
    {"medium.wiped", "medium.checked", "medium.accepted", "device.unlocked", "device.imaged", "device.filtered",
     "device.sealed"}
)  # fmt: skip
"""Kinds that can only help to open the gate: leaving one out never opens it."""

About = Callable[[Collection[str]], Iterable[Event]]


@dataclass(frozen=True)
class Scope:
    """What is recalled. Of `wipe`, `medium`, `origin` one is given, or make and model with a range of serials."""

    kind: str
    wipe: str = ""
    medium: str = ""
    origin: str = ""
    make: str = ""
    model: str = ""
    first: str = ""
    last: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the scope as JSON data."""
        return asdict(self)

    def words(self, names: Mapping[str, str] | None = None) -> str:
        """Return the scope as a person reads it; `names` are the names of machines."""
        if self.kind == "wipe":
            return f"wipe {self.wipe[:12]}"
        if self.kind == "medium":
            return f"drive {self.medium}"
        if self.kind == "origin":
            return f"station {(names or {}).get(self.origin, self.origin)}"
        span = f", serials {self.first or '…'} to {self.last or '…'}" if self.first or self.last else ""
        return f"{self.make} {self.model}{span}"


def scope_in(stored: Mapping[str, Any]) -> Scope:
    """Read a scope from its row."""
    return Scope(**{name: str(value) for name, value in stored.items()})


def serial_within(serial: str, first: str, last: str) -> bool:
    """Tell whether a serial is in a range, ends included; "" leaves an end open.

    Compared is the number at the end when what stands before it is the same, else the text. A serial that is missing
    or has another form than the ends is taken to be inside.
    """
    mine = _split(serial)
    for end, below in ((first, True), (last, False)):
        if not end.strip():
            continue
        other = _split(end)
        if not serial.strip() or mine[0] != other[0] or (mine[1] is None) != (other[1] is None):
            continue  # nothing to compare: unsure counts as affected
        if mine[1] is not None and other[1] is not None and (mine[1] < other[1] if below else mine[1] > other[1]):
            return False
    return True


def _split(serial: str) -> tuple[str, int | None]:
    text = serial.strip().upper()
    found = re.fullmatch(r"(.*?)([0-9]+)", text)
    return (found.group(1), int(found.group(2))) if found else (text, None)


def is_model(facts: Facts, device: str, scope: Scope) -> bool:
    """Tell whether any registration of the device names the make, model and a serial in the range."""
    return any(
        fits(str(e.body["make"]), str(e.body["model"]), str(e.body["serial"] or ""), scope)
        for e in facts.about_device("device.registered", device)
    )


def fits(make: str, model: str, serial: str, scope: Scope) -> bool:
    """Tell whether these three fall under a `model` recall; capitals and blanks do not matter."""
    same = _plain(make) == _plain(scope.make) and _plain(model) == _plain(scope.model)
    return same and serial_within(serial, scope.first, scope.last)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def doubted(scope: Scope, event: Event, older: Callable[[Event], bool]) -> bool:
    """Tell whether a recall puts this event in doubt. `older` tells whether it had arrived before."""
    if event.kind not in HELPS:
        return False
    if scope.kind == "wipe":
        return event.hash == scope.wipe
    if scope.kind == "medium":
        return event.kind == "medium.wiped" and event.subject == scope.medium and older(event)
    return scope.kind == "origin" and event.origin == scope.origin


def rests_on_doubt(
    device: str, facts: Facts, about: About, wrong: Callable[[Event], bool], scope: Scope, policy: Policy, now: datetime
) -> bool:
    """Tell whether the gate is open for this device only because of what is in doubt."""
    if rules.why_not_lendable(facts, device, policy, now):
        return False
    if scope.kind == "origin" and all(e.origin == scope.origin for e in facts.inventories(device)):
        return True  # nobody else looked inside: "no drive found" is a statement like "wiped"
    clean = rules.gather(device, lambda subjects: [e for e in about(subjects) if not wrong(e)])
    return bool(rules.why_not_lendable(clean, device, policy, now))


def exposed_exits(device: str, facts: Facts, wrong: Callable[[Event], bool], scope: Scope) -> list[Event]:
    """Return the exits of a device that only what is in doubt made lawful, oldest first: who got it must be told.

    `facts` are folded without disputes, so that a wipe that was disputed before the recall is seen; `wrong` says no
    to everything disputed as well.
    """
    found = []
    for left in sorted(facts.about_device("device.left", device), key=lambda e: e.seq):
        unproven = any(_unproven(facts, str(one), _before(facts, str(one), left), wrong) for one in left.body["media"])
        before = [e for e in facts.about_device("device.left", device) if e.seq < left.seq]
        if unproven or _only_looked_at_by(facts, device, _last(before), scope):
            found.append(left)
    return found


def in_doubt_now(device: str, facts: Facts, wrong: Callable[[Event], bool], scope: Scope) -> bool:
    """Tell whether a device in hand must be wiped again: nothing but what is in doubt vouches for a medium in it."""
    media = facts.media_of(device)
    if media is None:
        return False  # nobody looked inside since it came back: the gate asks for all of it anyway
    unproven = any(_unproven(facts, one.id, rules.exit_of(facts, one.id), wrong) for one in media)
    return unproven or _only_looked_at_by(facts, device, rules.last_exit(facts, device), scope)


def _unproven(facts: Facts, medium: str, after: EventHash | None, wrong: Callable[[Event], bool]) -> bool:
    """Tell whether every wipe of a medium that answers this exit is in doubt, and there is one."""
    same = facts.same_drive(medium)
    wipes = [
        e
        for e in facts.of("medium.wiped")
        if e.body["after"] == after
        and e.body["outcome"] == "DONE"
        and any(one.id in same for one in identities([e.body["medium"]]))
    ]
    return bool(wipes) and all(wrong(e) for e in wipes)


def _before(facts: Facts, medium: str, left: Event) -> EventHash | None:
    """Return the exit that wipes before this one had to name."""
    same = facts.same_drive(medium)
    return _last([e for e in facts.of("device.left") if same & set(e.body["media"]) and e.seq < left.seq])


def _only_looked_at_by(facts: Facts, device: str, after: EventHash | None, scope: Scope) -> bool:
    """Tell whether nobody but the station in doubt looked inside after this exit."""
    if scope.kind != "origin":
        return False
    looked = [e for e in facts.about_device("device.inventoried", device) if e.body["after"] == after]
    return bool(looked) and all(e.origin == scope.origin for e in looked)


def _last(exits: list[Event]) -> EventHash | None:
    return max(exits, key=lambda e: e.seq).hash if exits else None
