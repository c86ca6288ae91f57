"""Facts: what a set of events says about devices and media, whatever the order in which they arrived.

Two orders are certain and only these are used: the server's own chain (exits, merges, disputes) and, for one
origin, its own chain. Between origins nothing is assumed; clocks are never asked. Where two origins differ,
both are taken to be right in what they found (`media_of` is the union of what each last saw).

A dispute takes an event out of the fold. It can never take out what might keep the gate closed: a registration,
an exit, an inventory, a test, an owner's lock, a retirement, a wipe that did not succeed, a check that did not
agree, a merge, or another dispute. Each of these is answered by doing it again, and rightly.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property

from custody.errors import Reason
from custody.events import (
    KINDS,
    Event,
    EventHash,
    MediumIdentity,
    OriginId,
    identities,
    media_ids,
    mentions,
    serial_subject,
)
from custody.four_eyes import sign_ins

About = Callable[[Collection[str]], Iterable[Event]]
"""How a store is asked for every accepted event that mentions one of these subjects."""

_DISPUTABLE = frozenset(
    {
        "medium.wiped",
        "medium.checked",
        "medium.accepted",
        "device.unlocked",
        "device.imaged",
        "device.filtered",
        "device.sealed",
        "device.returned",
        "device.received",
        "loan.closed",
    }
)


def why_not_disputable(event: Event) -> list[Reason]:
    """Return why this event cannot be disputed; [] when it can. Disputing must never open the gate."""
    if event.kind not in _DISPUTABLE:
        return [Reason("not-disputable", f"{event.kind} cannot be disputed; record what is true instead", event.hash)]
    if event.kind == "medium.wiped" and event.body["outcome"] != "DONE":
        return [Reason("not-disputable", "a wipe that did not succeed is answered by another wipe", event.hash)]
    if event.kind == "medium.checked" and not event.body["agreed"]:
        return [Reason("not-disputable", "a check that did not agree is answered by another wipe", event.hash)]
    if event.kind == "medium.accepted" and not (event.body["accepted"] and event.body["destination"] == "reuse"):
        return [Reason("not-disputable", "a medium that was turned down is answered by another wipe", event.hash)]
    return []


class Facts:
    """Events folded for reading. Build it with `fold` or `gather`; it never changes afterwards."""

    def __init__(self, events: Iterable[Event]) -> None:
        """Keep each event once, leaving out what was validly disputed."""
        unique = {str(event.hash): event for event in events}
        disputes = {str(e.body["event"]): e for e in unique.values() if e.kind == "record.disputed"}
        self.disputed: Mapping[str, Event] = {
            name: why for name, why in disputes.items() if name in unique and not why_not_disputable(unique[name])
        }
        self._kinds: dict[str, list[Event]] = defaultdict(list)
        for event in sorted(unique.values(), key=lambda e: (e.origin, e.seq)):
            if event.hash not in self.disputed:
                self._kinds[event.kind].append(event)

    def of(self, kind: str) -> list[Event]:
        """Return the undisputed events of a kind, each origin's in its own order."""
        return self._kinds.get(kind, [])

    @cached_property
    def _merges(self) -> list[tuple[str, str]]:
        return [(str(e.body["from"]), str(e.body["into"])) for e in self.of("device.merged")]

    def canonical(self, device: str) -> str:
        """Return the record that a label now stands for: of all labels that merges connect, the one not merged away."""
        labels = connected(device, self._merges)
        return min(labels - {gone for gone, _ in self._merges}, default=min(labels))

    def about_device(self, kind: str, device: str) -> list[Event]:
        """Return the events of a kind about a device under any of its labels."""
        wanted = self.canonical(device)
        return [e for e in self.of(kind) if self.canonical(_device(e)) == wanted]

    def last_exit(self, device: str) -> Event | None:
        """Return the device's last `device.left`; the server's chain decides which is last."""
        return max(self.about_device("device.left", device), key=lambda e: e.seq, default=None)

    @cached_property
    def _names(self) -> Mapping[str, frozenset[str]]:
        """Return for each medium that was ever described what else it is known by."""
        listed = [one for e in self.of("device.inventoried") for one in identities(e.body["media"])]
        wiped = identities(e.body["medium"] for e in self.of("medium.wiped"))
        return {one.id: one.names for one in [*listed, *wiped]}

    def same_drive(self, medium: str) -> frozenset[str]:
        """Return every identifier under which this drive may be known: all that share its serial or its WWN.

        One drive has another identifier behind another adapter. Different drives with one serial are taken for one
        too: that costs a wipe, the other mistake would cost a family its privacy.
        """
        names = self._names.get(medium, frozenset())
        return frozenset({medium, *(other for other, known in self._names.items() if known & names)})

    def exit_of(self, medium: str) -> Event | None:
        """Return the last `device.left` whose media list holds this medium, under any of its identifiers."""
        same = self.same_drive(medium)
        left = (e for e in self.of("device.left") if same.intersection(e.body["media"]))
        return max(left, key=lambda e: e.seq, default=None)

    def received(self, device: str) -> Event | None:
        """Return a `device.received` that answers the device's last exit, if there is one."""
        wanted = _hash(self.last_exit(device))
        return next((e for e in self.about_device("device.received", device) if e.body["after"] == wanted), None)

    def in_hand(self, device: str) -> bool:
        """Tell whether the device is in our custody: registered and never out, or received since its last exit."""
        if self.last_exit(device) is None:
            return bool(self.about_device("device.registered", device))
        return self.received(device) is not None

    def inventories(self, device: str) -> list[Event]:
        """Return each origin's last inventory among those that answer the device's last exit."""
        wanted = _hash(self.last_exit(device))
        return latest_per_origin(
            e for e in self.about_device("device.inventoried", device) if e.body["after"] == wanted
        )

    def media_of(self, device: str) -> list[MediumIdentity] | None:
        """Return every medium that a current inventory lists, None when nobody looked since the last exit."""
        current = self.inventories(device)
        if not current:
            return None
        found = {one.id: one for event in current for one in identities(event.body["media"])}
        if any(len(identities(event.body["media"])) != len(event.body["media"]) for event in current):
            found[_UNREADABLE.id] = _UNREADABLE  # by other rules than ours; never trusted, so never lent
        return [found[name] for name in sorted(found)]

    def expected(self, device: str) -> set[str]:
        """Return the media that should be in the device: what left with it, and what was listed in it since."""
        left = self.last_exit(device)
        found = {str(name) for name in left.body["media"]} if left else set()
        for event in self.about_device("device.inventoried", device):
            if event.body["after"] == _hash(left):
                found |= _listed(event)
        return found

    def missing(self, device: str) -> list[str]:
        """Return the media that should be in the device, are not, and for which nobody answers.

        Two people can answer for one that is gone: in the inventory that does not find it (`gone`), or by retiring it.
        """
        current = self.inventories(device)
        there = {name for event in current for name in _listed(event) | _gone(event)}
        there |= {str(e.body["medium"]) for e in self.of("medium.retired")}
        return sorted(name for name in self.expected(device) if not self.same_drive(name) & there)

    def described(self, medium: str) -> MediumIdentity | None:
        """Return a medium's identity as some inventory or wipe described it."""
        bodies = [e.body["media"] for e in self.of("device.inventoried")]
        bodies.extend([e.body["medium"]] for e in self.of("medium.wiped"))
        return next((one for body in bodies for one in identities(body) if one.id == medium), None)

    def wipes(self, medium: str) -> list[Event]:
        """Return all wipes of a medium."""
        return [e for e in self.of("medium.wiped") if media_ids([e.body["medium"]]) == [medium]]

    def devices_holding(self, medium: str) -> set[str]:
        """Return the devices whose current inventory lists this medium."""
        same = self.same_drive(medium)
        named = {_device(e) for e in self.of("device.inventoried") if same & _listed(e)}
        return {
            self.canonical(device)
            for device in named
            if any(same & _listed(event) for event in self.inventories(device))
        }

    def follows(self, event: Event, exit_event: Event) -> bool:
        """Tell whether an event was certainly written after an exit.

        It was when it names the exit, or when an earlier event of the same origin does: a hash cannot be known
        before it exists, and an origin's chain has one order.
        """
        if event.body.get("after") == exit_event.hash:
            return True
        return any(
            earlier.origin == event.origin and earlier.seq < event.seq and earlier.body.get("after") == exit_event.hash
            for kind in (
                "device.received",
                "device.inventoried",
                "device.tested",
                "medium.wiped",
                "device.sealed",
            )
            for earlier in self.of(kind)
        )


def fold(events: Iterable[Event]) -> Facts:
    """Fold accepted events into facts. The order does not matter."""
    return Facts(events)


def gather(device: str, about: About) -> Facts:
    """Fetch every event that has a say about one device, then fold.

    Followed: the device's labels (merges), its media, other devices that listed one of these media, records with
    the same serial, rosters and ended badges, and disputes of anything found. The media of those *other* devices are
    not followed, so the work stays proportional to this one device's history.
    """
    events: dict[EventHash, Event] = {}
    asked: set[str] = set()

    def fetch(subjects: Iterable[str]) -> None:
        wanted = set(subjects) - asked
        asked.update(wanted)
        if wanted:
            events.update({event.hash: event for event in about(wanted)})

    _fetch_devices({device}, events, fetch)
    ours = _labels(device, events.values())
    fetch(_media_of_labels(ours, events.values()) | _serials(ours, events.values()))
    fetch(_same_drives(ours, events.values()))
    _fetch_devices({_device(e) for e in events.values()} - {""}, events, fetch)
    fetch(sign_ins(events.values()))
    fetch({f"event:{name}" for name in list(events)})
    return Facts(events.values())


def _fetch_devices(
    devices: set[str], events: Mapping[EventHash, Event], fetch: Callable[[Iterable[str]], None]
) -> None:
    """Fetch what mentions these devices, and the labels they were merged with, until none is new."""
    known: set[str] = set()
    while devices - known:
        fetch(devices - known)
        known |= devices
        devices = set().union(*(_labels(device, events.values()) for device in known))


def _labels(device: str, events: Iterable[Event]) -> set[str]:
    return connected(device, [(str(e.body["from"]), str(e.body["into"])) for e in events if e.kind == "device.merged"])


def connected(start: str, pairs: Collection[tuple[str, str]]) -> set[str]:
    """Return everything that these pairs connect with `start`, itself included."""
    found, size = {start}, 0
    while len(found) != size:
        size = len(found)
        found |= {one for pair in pairs if found & set(pair) for one in pair}
    return found


def _media_of_labels(labels: set[str], events: Iterable[Event]) -> set[str]:
    return {
        one
        for e in events
        if _device(e) in labels and e.kind in ("device.inventoried", "device.left")
        for one in (
            {str(name) for each in identities(e.body["media"]) for name in (each.id, *each.names)}
            if e.kind == "device.inventoried"
            else {str(m) for m in e.body["media"]}
        )
    }


def _same_drives(labels: set[str], events: Iterable[Event]) -> set[str]:
    """Return every identifier of a drive that shares a serial or WWN with one that was in this device."""
    found = list(events)
    names = {n for n in _media_of_labels(labels, found) if n.startswith(("disk:", "wwn:"))}
    described = [
        one
        for e in found
        if e.kind in ("device.inventoried", "medium.wiped")
        for one in identities(e.body["media"] if e.kind == "device.inventoried" else [e.body["medium"]])
    ]
    return {str(one.id) for one in described if one.names & names}


def _serials(labels: set[str], events: Iterable[Event]) -> set[str]:
    return {
        name
        for e in events
        if e.kind == "device.registered" and e.subject in labels
        for name in mentions(e)
        if name.startswith("serial:")
    }


def same_serial(one: Event, other: Event) -> bool:
    """Tell whether two `device.registered` name the same make, model and serial."""
    names = [serial_subject(e.body["make"], e.body["model"], e.body["serial"]) for e in (one, other)]
    return bool(names[0]) and names[0] == names[1]


_UNREADABLE = MediumIdentity("unknown", "an entry that cannot be read", "", "", "", 0)


def _gone(event: Event) -> set[str]:
    """Return the media that an inventory says are gone, each before two different people."""
    entries = event.body.get("gone")
    return {
        one["medium"]
        for one in (entries if isinstance(entries, list) else [])
        if isinstance(one, dict)
        and isinstance(one.get("medium"), str)
        and isinstance(one.get("names"), list)
        and len({name for name in one["names"] if isinstance(name, str) and name.strip()}) >= 2
    }


def _device(event: Event) -> str:
    """Return the device an event is about: the field that its kind says, never another."""
    field = "code" if event.kind in KINDS and KINDS[event.kind].subject == "code" else "device"
    named = event.body.get(field) or ""
    return named if isinstance(named, str) else ""


def _listed(event: Event) -> set[str]:
    return {str(one.id) for one in identities(event.body["media"])}


def latest_per_origin(events: Iterable[Event]) -> list[Event]:
    """Return of each origin the last of these events, by its own chain."""
    last: dict[OriginId, Event] = {}
    for event in events:
        if event.origin not in last or last[event.origin].seq < event.seq:
            last[event.origin] = event
    return [last[origin] for origin in sorted(last)]


def _hash(event: Event | None) -> EventHash | None:
    return event.hash if event else None
