"""Looking at devices: lists, finding one by its label, its page, and the proof behind a wipe. Nothing here writes."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from custody import rules
from custody.claims import Claim
from custody.errors import Reason
from custody.events import Event, MediumIdentity
from custody.four_eyes import CHECKERS, WIPERS, said_by, second_person
from custody.kinds import KINDS
from custody.rules import Facts
from labels import codes
from lending import tables
from lending.caches import grade, state_word
from lending.db import Tx
from lending.errors import refused
from lending.record import facts_about, opened, reasons_in

STATES: Mapping[str, str] = {
    "ready": "Ready to lend",
    "not-ready": "Not ready to lend",
    "out": "Out on loan",
    "reported": "Reported returned, not received yet",
    "gone": "Left for good",
    "merged": "Merged into another record",
    "unknown": "Not registered",
}


@dataclass(frozen=True)
class DeviceLine:
    """One device in a list. `words` is `state` in English; `reserved_for` a loan reference or None."""

    code: str
    pretty: str
    make: str
    model: str
    serial: str
    state: str
    words: str
    reserved_for: str | None


@dataclass(frozen=True)
class WipeLine:
    """One wipe of a medium. `counts` says whether it answers the last exit, and `checked` how many others agreed."""

    hash: str
    at: datetime
    station: str
    outcome: str
    claim: str
    profile: str
    counts: bool
    why_not: str
    checked: int
    evidence: str
    has_evidence: bool
    exceptions: tuple[str, ...]
    who: str


@dataclass(frozen=True)
class MediumLine:
    """A storage medium of the current inventory with its wipes, newest last. `size` in bytes."""

    id: str
    transport: str
    model: str
    serial: str
    size: int
    wipes: tuple[WipeLine, ...]


@dataclass(frozen=True)
class HistoryLine:
    """One event of a device's history, in order of arrival. `refused` is empty for an event that counts."""

    n: int
    hash: str
    kind: str
    words: str
    origin: str
    origin_name: str
    at: datetime
    received_at: datetime
    refused: tuple[Reason, ...]


@dataclass(frozen=True)
class DevicePage:
    """Everything about one device. `media` is None when nobody looked inside since it came back."""

    code: str
    pretty: str
    make: str
    model: str
    serial: str
    donor: str
    state: str
    words: str
    grade: str
    reasons: tuple[Reason, ...]
    media: tuple[MediumLine, ...] | None
    history: tuple[HistoryLine, ...]
    loan: str | None
    reserved_for: str | None


@dataclass(frozen=True)
class Proof:
    """One event as signed, and the evidence it names: None when not sent yet (`evidence_size` 0) or unreadable."""

    event: Mapping[str, Any]
    origin_name: str
    refused: tuple[Reason, ...]
    envelope: Mapping[str, Any]
    evidence_digest: str | None
    evidence: Mapping[str, Any] | None
    evidence_size: int


def reservations(tx: Tx, devices: list[str]) -> dict[str, str]:
    """Return for each of these devices that is reserved the loan it is kept for."""
    item = tables.LoanItem
    query = select(item.device, item.loan).where(item.state == "reserved", item.device.in_(devices))
    return {device: loan for device, loan in tx.s.execute(query) if device is not None}


def find(tx: Tx, scanned: str) -> str:
    """Return the label code in a scanned or typed text, if such a device is known here.

    Raises `Refused`: `bad-code` (says which character is wrong and offers the right code, its `subject` being that
    code or ""), `unknown-device`.
    """
    try:
        code = codes.parse(scanned)
    except codes.BadCode as error:
        raise refused("bad-code", str(error), error.suggestion or "") from error
    if tx.s.get(tables.DeviceRow, code) is None:
        text = f"{codes.pretty(code)} is a right code, but no device with this label is known here yet"
        raise refused("unknown-device", f"{text}; scan it at a station, then let that station sync", code)
    return code


def page(tx: Tx, code: str, now: datetime) -> DevicePage:
    """Fold a device's history afresh and return everything about it. Raises `Refused` `unknown-device`."""
    cached = tx.s.get(tables.DeviceRow, code)
    if cached is None:
        raise refused("unknown-device", f"no device {code[:20]!r} is known here", code)
    facts = facts_about(tx, code)
    reasons = tuple(rules.why_not_lendable(facts, code, tx.policy, now))
    state = rules.state_of(facts, code)
    registered = next(iter(facts.about_device("device.registered", code)), None)
    named = registered.body if registered else {}
    word = state_word(tx, facts, code, not reasons)
    names = _origin_names(tx)
    return DevicePage(
        code=code,
        pretty=codes.pretty(code),
        make=str(named.get("make") or ""),
        model=str(named.get("model") or ""),
        serial=str(named.get("serial") or ""),
        donor=str(named.get("donor") or ""),
        state=word,
        words=STATES[word],
        grade=grade(facts, code),
        reasons=reasons,
        media=None if state.media is None else tuple(_medium(tx, facts, code, one, names) for one in state.media),
        history=_history(tx, facts, code, names),
        loan=state.loan or None if not state.in_hand else None,
        reserved_for=reservations(tx, [code]).get(code),
    )


def proof(tx: Tx, event_hash: str) -> Proof:
    """Return one event with its evidence. Raises `Refused` `unknown-event`."""
    row = tx.s.scalar(select(tables.EventRow).where(tables.EventRow.hash == event_hash))
    if row is None:
        raise refused("unknown-event", f"there is no event {event_hash[:20]!r} here", event_hash)
    event = next(opened(tx, [row.envelope]))
    digest = event.body.get("evidence") or event.body.get("snapshot")
    attachment = tx.s.get(tables.Attachment, digest) if isinstance(digest, str) else None
    envelope = json.loads(row.envelope)
    envelope["statement"] = json.loads(base64.b64decode(envelope["payload"]))
    return Proof(
        event=event.to_json(),
        origin_name=_origin_names(tx).get(event.origin, event.origin),
        refused=reasons_in(row.refused),
        envelope=envelope,
        evidence_digest=digest if isinstance(digest, str) else None,
        evidence=_as_json(attachment.data) if attachment else None,
        evidence_size=attachment.size if attachment else 0,
    )


def envelope(tx: Tx, event_hash: str) -> bytes | None:
    """Return an event's envelope as it was signed, for `kitbank-station verify-record`; None if unknown."""
    return tx.s.scalar(select(tables.EventRow.envelope).where(tables.EventRow.hash == event_hash))


def attachment(tx: Tx, digest: str) -> bytes | None:
    """Return the bytes of a piece of evidence; None if they are not here."""
    return tx.s.scalar(select(tables.Attachment.data).where(tables.Attachment.digest == digest))


def _origin_names(tx: Tx) -> dict[str, str]:
    return {row.id: row.name for row in tx.s.execute(select(tables.Origin.id, tables.Origin.name))}


def _medium(tx: Tx, facts: Facts, device: str, medium: MediumIdentity, names: Mapping[str, str]) -> MediumLine:
    wipes = tuple(_wipe(tx, facts, device, medium, event, names) for event in facts.wipes(medium.id))
    return MediumLine(medium.id, medium.transport, medium.model, medium.serial, medium.size, wipes)


def _wipe(
    tx: Tx, facts: Facts, device: str, medium: MediumIdentity, event: Event, names: Mapping[str, str]
) -> WipeLine:
    body = event.body
    counting = rules.wipe_that_counts(facts, device, medium, tx.policy.claim)
    counts = counting is not None and counting.hash == event.hash
    checks = [one for one in facts.of("medium.checked") if one.body["wipe"] == event.hash and one.body["agreed"]]
    second = {one.body["who"]["ref"] for one in checks if second_person(facts, event, one, CHECKERS)}
    held = select(tables.Attachment.digest).where(tables.Attachment.digest == body["evidence"])
    return WipeLine(
        hash=event.hash,
        at=event.at,
        station=names.get(event.origin, event.origin),
        outcome=body["outcome"],
        claim=body["claim"],
        profile=body["profile"],
        counts=counts,
        why_not="" if counts else _why_not(facts, medium, event, tx.policy.claim),
        checked=len(second),
        evidence=body["evidence"],
        has_evidence=tx.s.scalar(held) is not None,
        exceptions=tuple(body["exceptions"]),
        who=said_by(facts, event, WIPERS),
    )


def _why_not(facts: Facts, medium: MediumIdentity, event: Event, wanted: Claim) -> str:
    body = event.body
    if body["outcome"] != "DONE":
        return "it was not shown to succeed" if body["outcome"] == "UNKNOWN" else "nothing was written"
    if body["after"] != rules.exit_of(facts, medium.id):
        return "it was made before the medium last left our custody"
    if Claim(body["claim"]).rank < wanted.rank:
        return f"it claims {body['claim']}, and {wanted} is asked"
    return "a later wipe counts, or somebody who checked it did not agree"


def _history(tx: Tx, facts: Facts, code: str, names: Mapping[str, str]) -> tuple[HistoryLine, ...]:
    """Return every event that mentions the device or a medium in it, refused ones too, and disputes of these."""
    subjects = {code, *(medium.id for medium in facts.media_of(code) or ())}
    found = {row.n: row for row in _mentioning(tx, subjects)}
    disputes = _mentioning(tx, {f"event:{row.hash}" for row in found.values()})
    found.update((row.n, row) for row in disputes)
    rows = [found[n] for n in sorted(found)]
    events = opened(tx, [row.envelope for row in rows])
    return tuple(
        HistoryLine(
            row.n, row.hash, row.kind, words(event), row.origin, names.get(row.origin, row.origin), row.at,
            row.received_at, reasons_in(row.refused),
        )
        for row, event in zip(rows, events, strict=True)
    )  # fmt: skip


def _mentioning(tx: Tx, subjects: set[str]) -> list[tables.EventRow]:
    numbers = select(tables.Mention.n).where(tables.Mention.subject.in_(subjects))
    return list(tx.s.scalars(select(tables.EventRow).where(tables.EventRow.n.in_(numbers))))


def words(event: Event) -> str:
    """Return what an event says, as one short English sentence."""
    body = event.body
    try:
        if event.kind == "medium.wiped":
            return f"Wipe of {body['medium']['model'] or 'a medium'}: {body['outcome']}, claim {body['claim']}."
        if event.kind == "device.inventoried":
            number = len(body["media"])
            return f"Looked inside: {number} storage {'medium' if number == 1 else 'media'} found."
        if event.kind == "device.tested":
            return f"Tested: grade {body['grade']}."
        if event.kind == "device.left":
            return f"Left our custody for {body['why']}{' ' + body['loan'] if body['loan'] else ''}."
        if event.kind == "loan.closed":
            return f"Loan {body['loan']} closed: {body['how']}."
    except (KeyError, TypeError):
        return "Not readable."  # a refused event may say anything
    kind = KINDS.get(event.kind)
    return kind.about if kind else f"{event.kind} (not known to this version)"


def _as_json(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):  # a station may store any bytes, also ten thousand brackets
        return None
    return found if isinstance(found, dict) else None
