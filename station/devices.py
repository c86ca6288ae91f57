"""What a station says about devices and media besides wipes: each verb writes one signed event, or refuses.

Codes are checked here, so that a mistyped label never becomes a record. Staff appear as references only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from custody import rules
from custody.badges import looks_like_a_badge
from custody.checks import OWN_TOOL
from custody.contents import what_is_left
from custody.errors import Reason
from custody.events import Digest, Event, EventHash
from labels import codes
from station.badges import CHECKERS, DECIDERS, Operator, must_be, reference, same_person
from station.bench import EVIDENCE_TYPE, Bench, hold, look_at, who
from station.errors import GuardRefused, NotDone, UsageError
from station.media import Medium
from station.probe import Snapshot
from station.wipe.canaries import planted_by_a_firmware_erase
from station.wipe.readback import Found, Task, read_back
from station.worklog import Worklog


@dataclass(frozen=True)
class Label:
    """What was scanned or typed: the device's code, and the exit that a return slip names, if it was one."""

    code: str
    exit: EventHash | None = None


def scanned(text: str) -> Label:
    """Read a label or a return slip; raises UsageError with the character that is wrong."""
    if looks_like_a_badge(text):
        raise UsageError("that is somebody's badge; scan the device's label")
    try:
        code, answers = codes.parse_slip(text)
    except codes.BadCode as error:
        raise UsageError(str(error)) from error
    return Label(code, EventHash(answers) if answers else None)


def register(
    bench: Bench, code: str, *, make: str, model: str, serial: str = "", donor: str = "", donor_wants: str = ""
) -> Event:
    """Record that this label now is this device; raises GuardRefused when the label is taken."""
    if bench.journal.facts_about(code).about_device("device.registered", code):
        text = f"{codes.pretty(code)} is registered already; take another label, or look at: show {code}"
        raise GuardRefused([Reason("registered", text, code)])
    body = {
        "code": code,
        "make": make,
        "model": model,
        "serial": serial or None,
        "donor": donor or None,
        "donor_wants": donor_wants or None,
    }
    return bench.append("device.registered", code, body)


def last_exit(bench: Bench, label: Label) -> EventHash | None:
    """Return the device's last exit as known here or from the slip; raises GuardRefused when it cannot be known."""
    facts = bench.journal.facts_about(label.code)
    known = rules.last_exit(facts, label.code)
    exits = {event.hash for event in facts.of("device.left")}
    if label.exit is not None:
        return known if label.exit in exits else label.exit
    reported = {event.body["exit"] for event in facts.about_device("device.returned", label.code)}
    if not facts.about_device("device.registered", label.code) or reported - exits - {None}:
        text = (
            f"{codes.pretty(label.code)} is not known at this station: register it, sync, "
            "or scan its return slip instead of its label"
        )
        raise GuardRefused([Reason("exit-unknown", text, label.code)])
    return known


def inventory(
    bench: Bench, label: Label, media: Sequence[Medium], snapshot: Snapshot | None, gone: Sequence[str] = ()
) -> Event:
    """Record what is inside the device since it last came in; no medium at all is a statement too (`media` empty).

    `snapshot` is a look at the device itself, when this station runs on it; None when only its media are here.
    A drive that should be in it by the records (it left with it, or was seen in it since) and is not needs two
    different people, `gone`, who say so. Raises GuardRefused when they are needed and not named.
    """
    facts = bench.journal.facts_about(label.code)
    there = {one.identity.id for one in media}
    missed = sorted(name for name in facts.expected(label.code) if not facts.same_drive(name) & there)
    people = sorted({one.strip() for one in gone} - {""})
    if missed and len(people) < 2:
        raise GuardRefused([_not_found(facts, label.code, name) for name in missed])
    seen = snapshot.to_json() if snapshot else None
    document = json.dumps({"snapshot": seen, "media": [one.to_json() for one in media]}).encode()
    after = last_exit(bench, label)
    digest = bench.journal.attach(document, "application/json")
    body = {
        "device": label.code,
        "after": after,
        "media": [one.identity.to_json() for one in media],
        "hardware": hardware(snapshot) if snapshot else {},
        "snapshot": digest,
        "gone": [{"medium": name, "names": people[:2]} for name in missed],
    }
    return bench.append("device.inventoried", label.code, body)


def _not_found(facts: rules.Facts, code: str, name: str) -> Reason:
    medium = facts.described(name)
    call = f"{medium.model} {medium.serial}".strip() if medium else name
    text = (
        f"{call} should be in {codes.pretty(code)} and is not named; name it with --media, or if it is gone let two "
        "people say so with --gone REF --gone REF. Nothing was recorded"
    )
    return Reason("medium-missing", text, name)


def hardware(snapshot: Snapshot) -> dict[str, Any]:
    """Return the part of a snapshot that helps to choose a device for somebody."""
    data = snapshot.to_json()
    return {name: data[name] for name in ("machine", "cpu", "memory", "batteries", "displays", "unknown")}


def test(bench: Bench, label: Label, results: Mapping[str, str], grade: str, operator: Operator) -> Event:
    """Record how the hardware did: test name -> pass, fail or not-tested, and the grade A to D."""
    body = {
        "device": label.code,
        "after": last_exit(bench, label),
        "results": dict(results),
        "grade": grade,
        "who": who(operator),
    }
    return bench.append("device.tested", label.code, body)


def receive(bench: Bench, label: Label, condition: str, items: Mapping[str, int], operator: Operator) -> Event:
    """Record that the device is in our hands again; what is counted in `items` is name -> number."""
    facts = bench.journal.facts_about(label.code)
    after = last_exit(bench, label)
    if after is None and not facts.about_device("device.registered", label.code):
        text = f"{codes.pretty(label.code)} was never registered; register it first"
        raise GuardRefused([Reason("not-registered", text, label.code)])
    left = next((event for event in facts.of("device.left") if event.hash == after), None)
    body = {
        "device": label.code,
        "after": after,
        "loan": left.body["loan"] if left else None,
        "condition": condition,
        "items": dict(items),
        "who": who(operator),
    }
    return bench.append("device.received", label.code, body)


@dataclass(frozen=True)
class Check:
    """What a second look at a wiped drive found, and the event that says so."""

    wipe: EventHash
    agreed: bool
    found: Found
    event: EventHash

    def to_json(self) -> dict[str, Any]:
        """Return the check as JSON data."""
        read = self.found.readback
        return {
            "agreed": self.agreed,
            "wipe": self.wipe,
            "bytes_read": read.bytes_read if read else 0,
            "bytes_wrong": read.bytes_wrong if read else None,
            "first_wrong": read.first_wrong if read else None,
            "unreadable": [[one.start, one.length] for one in read.unreadable] if read else None,
            "canaries_surviving": self.found.surviving,
            "trouble": self.found.trouble,
            "event": self.event,
        }


def verify(bench: Bench, path: str, operator: Operator, wipe: str = "") -> Check:
    """Read a wiped drive again in full, compare with what its last recorded wipe left, and record the answer.

    Nothing is written to the drive, and nobody else works on it meanwhile (its work log is held). Raises GuardRefused
    when it is not ours to open or in use, or when whoever signed in may not check or wiped it themselves; NotDone when
    there is no wipe of it on record here, when its evidence is not here, or when the drive cannot be read at all.
    """
    medium = look_at(bench, path)
    event = _wipe_of(bench, medium, wipe)
    _may_check(event, operator)
    evidence = _evidence_of(bench, event)
    reader = evidence["readbacks"][-1] if evidence["readbacks"] else None
    if reader is None:
        raise NotDone(f"the record {event.hash[:12]} does not say what must be on the drive; wipe it again")
    seed = bytes.fromhex(reader["seed"])
    erased = reader["expected"] == "changed"  # the drive erased itself: what was planted must still be gone
    task = Task(
        kind="full",
        expected=reader["expected"],
        seed=seed,
        last_pass=max(0, evidence["passes_planned"] - 1),
        canaries=planted_by_a_firmware_erase(seed, medium.size, medium.sector_size) if erased else (),
    )
    with Worklog(bench.worklogs, medium.identity.id, bench.now), hold(bench, medium) as target:
        found = read_back(
            target.path,
            target.fd,
            size=target.size,
            sector=target.sector_size,
            task=task,
            follow=bench.means.follow,
        )
        target.still_same()
        read = found.readback
        if read is None:
            raise NotDone(found.trouble)
        whole = read.bytes_read == read.bytes_total == medium.size
        agreed = whole and not (read.bytes_wrong or read.unreadable or found.trouble or found.surviving)
        agreed = agreed and not (erased and what_is_left(read, evidence["technique"]))
        # recorded before the drive is let go of, so that no screen shows it as it was in between
        done = check(bench, event, agreed, "read again in full by Kitbank", operator, OWN_TOOL)
    return Check(event.hash, agreed, found, done.hash)


def check(bench: Bench, wipe: Event, agreed: bool, method: str, operator: Operator, tool: str = "") -> Event:
    """Record that somebody looked at a wiped medium by some method, and whether they agree.

    Raises GuardRefused when whoever signed in agrees and may not: their roles, or their own wipe. Anybody may disagree.
    """
    if agreed:
        _may_check(wipe, operator)
    body = {
        "wipe": wipe.hash,
        "medium": wipe.subject,
        "agreed": agreed,
        "method": method,
        "tool": tool or method,
        "who": who(operator),
    }
    return bench.append("medium.checked", wipe.subject, body)


def accept(bench: Bench, wipe: Event, destination: str, operator: Operator, *, accepted: bool, note: str) -> Event:
    """Record whether a wipe is good enough and where the medium goes: the third role, after wiping and checking.

    `destination` is reuse, parts or recycler. Raises GuardRefused when whoever signed in is no supervisor, or wiped it
    themselves and accepts it for reuse; anybody may turn a medium down.
    """
    if accepted and destination == "reuse":
        must_be(operator, DECIDERS, "accept a wipe")
        _not_their_own(wipe, operator, "accept")
    body = {
        "wipe": wipe.hash,
        "medium": wipe.subject,
        "accepted": accepted,
        "destination": destination,
        "note": note,
        "who": who(operator),
    }
    return bench.append("medium.accepted", wipe.subject, body)


def _may_check(wipe: Event, operator: Operator) -> None:
    must_be(operator, CHECKERS, "check a wipe")
    _not_their_own(wipe, operator, "check")


def _not_their_own(wipe: Event, operator: Operator, what: str) -> None:
    ref = reference(operator)
    if same_person(ref, str(wipe.body["who"]["ref"] or "")):
        text = f"{ref} wiped this medium; somebody else must {what} it"
        raise GuardRefused([Reason("self-check", text, ref)])


def find_wipe(bench: Bench, text: str) -> Event:
    """Return the `medium.wiped` whose hash begins with this text (at least 8 characters); raises UsageError."""
    rows = bench.journal.events(kind="medium.wiped")
    found = [row.event for row in rows if len(text) >= 8 and row.event.hash.startswith(text.lower())]
    if len(found) != 1:
        raise UsageError(f"{text!r} names {len(found)} wipes in this journal; give more of the hash (see: journal)")
    return found[0]


def _wipe_of(bench: Bench, medium: Medium, wanted: str) -> Event:
    if wanted:
        event = find_wipe(bench, wanted)
        if event.subject != medium.identity.id:
            raise UsageError(f"the record {event.hash[:12]} is about another drive than {medium.path}")
        return event
    rows = bench.journal.events(about=medium.identity.id, kind="medium.wiped")
    done = [row.event for row in rows if not row.refused and row.event.body["outcome"] == "DONE"]
    if not done:
        raise NotDone(f"no finished wipe of {medium.path} ({medium.name}) is on record here; sync, or wipe it")
    return done[-1]


def _evidence_of(bench: Bench, event: Event) -> dict[str, Any]:
    data = bench.journal.attachment(Digest(event.body["evidence"]))
    if data is None:
        raise NotDone(
            f"the evidence of {event.hash[:12]} ({EVIDENCE_TYPE}) is not at this station, so nobody here knows what "
            "must be on the drive; check it where it was wiped"
        )
    evidence: dict[str, Any] = json.loads(data)
    return evidence
