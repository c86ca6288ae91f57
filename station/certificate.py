"""One record by itself: an event's envelope with its evidence, as a file that anybody can check offline.

The file is JSON: `format`, `envelope` (base 64 of the very bytes that were signed), `key` (the signer's public key,
hex), `attachments` (digest -> base 64), and where there are such: `related` (envelopes of what was said of it later),
`keys` (of their signers) and `statement` (a printed certificate, `custody.statement`). A bare envelope is understood
as well, and so is a PDF that carries such a file. Checking needs no journal when the signer's key is given; a key that
only the file itself names proves nothing about who signed, and that is said.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import wipe_profiles
from custody.claims import Claim, Evidence, judge
from custody.errors import BadEvent, UnknownKey
from custody.events import Digest, Event, KeyId, PublicKey, World, open_signed
from custody.journal import Journal, Row
from custody.statement import Statement, read_statement
from station.errors import UsageError

FORMAT = "kitbank-record-1"
IN_PDF = "kitbank-record.json"
EVIDENCE_IN_PDF = "evidence.json"
_ATTACHED = ("evidence", "plan", "snapshot")  # body fields that name an attachment
_LATER = ("device.registered", "medium.checked", "medium.accepted", "record.disputed")

Known = Callable[[KeyId], PublicKey | None]


@dataclass(frozen=True)
class Checked:
    """What checking a record showed. `problems` is empty only when everything that could be checked held.

    `event` is None for a public certificate, which leaves the record out; `statement` is None where none was printed.
    `against` is what was said against the record later, as far as the file brings it along: it holds and shows no wipe.
    """

    event: Event | None
    statement: Statement | None
    signed_by: KeyId
    trusted: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    against: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        event, printed = self.event, self.statement
        return {
            "ok": not self.problems,
            "kind": event.kind if event else None,
            "subject": event.subject if event else None,
            "hash": event.hash if event else printed.event if printed else None,
            "origin": event.origin if event else None,
            "seq": event.seq if event else None,
            "at": event.at.isoformat() if event else None,
            "key": self.signed_by,
            "trusted_key": self.trusted,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "against": list(self.against),
            "body": dict(event.body) if event else None,
            "certificate": dict(printed.certificate) if printed else None,
        }


def find(journal: Journal, wanted: str) -> Row:
    """Return the one event whose hash begins with `wanted`; raises UsageError when it is not one."""
    rows = [row for row in journal.events() if len(wanted) >= 8 and row.event.hash.startswith(wanted.lower())]
    if len(rows) != 1:
        raise UsageError(f"{wanted!r} names {len(rows)} events of this journal; give more of the hash")
    return rows[0]


def export(journal: Journal, wanted: str) -> bytes:
    """Return the record of the event whose hash begins with `wanted`; raises UsageError when it is not one event."""
    return record_of(journal, find(journal, wanted))


def record_of(journal: Journal, row: Row, statement: bytes = b"", keys: Iterable[PublicKey] = ()) -> bytes:
    """Return one event's record file, with what was said of it later, and the statement of a printed certificate."""
    attachments = {}
    for name in _ATTACHED:
        digest = row.event.body.get(name)
        data = journal.attachment(Digest(digest)) if isinstance(digest, str) else None
        if data is not None:
            attachments[digest] = base64.b64encode(data).decode()
    later = _later(journal, row)
    record = {
        "format": FORMAT,
        "envelope": base64.b64encode(row.envelope).decode(),
        "key": key_of(journal, row.event).hex,
        "attachments": attachments,
        "related": [base64.b64encode(one.envelope).decode() for one in later],
        "keys": sorted({key.hex for key in (*keys, *(key_of(journal, one.event) for one in later))}),
    }
    if statement:
        record["statement"] = base64.b64encode(statement).decode()
    return json.dumps(record, indent=1).encode()


def key_of(journal: Journal, event: Event) -> PublicKey:
    """Return the key with which an event of this journal was signed."""
    spans = journal.writers()[event.origin].keys
    return next(span.key for span in reversed(spans) if span.since <= event.seq)


def _later(journal: Journal, row: Row) -> list[Row]:
    subjects = [f"event:{row.event.hash}", row.event.body.get("device")]
    found = {one.n: one for subject in subjects if subject for one in journal.events(about=subject)}
    return [one for _, one in sorted(found.items()) if one.event.kind in _LATER and not one.refused]


def verify(data: bytes, world: World, known: Known) -> Checked:
    """Check a record or a PDF: signatures, attachments against the digests the event names, the claim by our own rules.

    `known` gives the keys that are trusted. Raises BadSignature, BadEvent, or UsageError for what is no record.
    """
    fingerprint, attached = "", dict[str, bytes]()
    if data.startswith(b"%PDF-"):
        from custody import pdfsign  # takes longer to load than most verbs to run

        opened = pdfsign.opened(data)
        fingerprint, attached = opened.fingerprint, dict(opened.attachments)
        data = attached.get(IN_PDF, b"")
    parts = _parts(data)
    event, signed_by, problems, notes, against = None, KeyId(""), list[str](), list[str](), list[str]()
    if parts.envelope:
        event, signed_by = open_signed(parts.envelope, parts.look_up(known), world)
        problems += _strange(signed_by, known)
        found, said = _attachments(event, parts.attachments, attached)
        problems, notes = problems + found, notes + said
        for sentence, doubt in _later_said(parts, event, world, known):
            (against if doubt else notes).append(sentence)
    statement = read_statement(parts.statement, parts.look_up(known), world) if parts.statement else None
    if statement:
        problems += _printed(statement, event, fingerprint) + _strange(statement.signed_by, known)
        signed_by = signed_by or statement.signed_by
    elif fingerprint:
        problems.append("nothing signed by an event key vouches for the key that signed this PDF")
    trusted = known(signed_by) is not None
    return Checked(event, statement, signed_by, trusted, tuple(dict.fromkeys(problems)), tuple(notes), tuple(against))


def _strange(signed_by: KeyId, known: Known) -> list[str]:
    if known(signed_by) is not None:
        return []
    text = (
        f"signed by {signed_by[:16]}, which is not a key known here: the file itself brought it along, and anybody "
        "can do that; give the station's key with --key, or sync"
    )
    return [text]


def _printed(statement: Statement, event: Event | None, fingerprint: str) -> list[str]:
    """Compare what was printed with the record it speaks of and with the key that signed the paper."""
    problems, shown = [], statement.certificate
    if fingerprint and statement.document != fingerprint:
        problems.append("the PDF was signed by another document key than the one that the station vouches for")
    if event is None:
        return problems
    if statement.event != event.hash:
        problems.append(f"the certificate speaks of {statement.event[:16]}, but the record in it is {event.hash[:16]}")
    outcome, claim = event.body.get("outcome"), _claimed(event)
    if outcome is not None and shown.get("outcome") != outcome:
        problems.append(f"the certificate says {shown.get('outcome')}, the record {outcome}")
    if shown.get("claim") not in tuple(Claim)[: claim.rank + 1]:
        problems.append(f"the certificate says {shown.get('claim')}, the record only {claim}")
    return problems


def _claimed(event: Event) -> Claim:
    """Return the most that a certificate of this event may say."""
    if event.kind == "medium.retired":
        return Claim.DESTROY if event.body["how"] == "destroyed" else Claim.NONE
    return Claim(event.body["claim"]) if event.kind == "medium.wiped" else Claim.NONE


@dataclass(frozen=True)
class _Parts:
    envelope: bytes
    statement: bytes
    keys: Mapping[str, PublicKey]
    attachments: Mapping[str, bytes]
    related: tuple[bytes, ...]

    def look_up(self, known: Known) -> Known:
        """Return a look-up in the trusted keys, then in those that the file brought along."""
        return lambda keyid: known(keyid) or self.keys.get(keyid)


def _parts(data: bytes) -> _Parts:
    try:
        document = json.loads(data)
        if "payload" in document:
            return _Parts(data, b"", {}, {}, ())
        keys = [PublicKey.from_hex(text) for text in (document.get("key"), *document.get("keys", ())) if text]
        read = {name: base64.b64decode(document.get(name, ""), validate=True) for name in ("envelope", "statement")}
        if not any(read.values()):
            raise ValueError("it holds neither an envelope nor a statement")
        return _Parts(
            **read,
            keys={key.keyid: key for key in keys},
            attachments={name: base64.b64decode(text) for name, text in document.get("attachments", {}).items()},
            related=tuple(base64.b64decode(text, validate=True) for text in document.get("related", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, BadEvent) as error:
        if isinstance(error, UnknownKey):
            raise
        raise UsageError(f"this is neither a record nor an envelope of Kitbank ({error})") from error


def _attachments(
    event: Event, attachments: Mapping[str, bytes], in_pdf: Mapping[str, bytes]
) -> tuple[list[str], list[str]]:
    """Compare what is attached with the digests that were signed; return problems and notes."""
    problems, notes = list[str](), list[str]()
    for name in _ATTACHED:
        digest = event.body.get(name)
        if not isinstance(digest, str):
            continue
        found = attachments.get(digest)
        if found is None:
            notes.append(f"the {name} {digest[:16]} is not in this file, so it was not compared")
        elif hashlib.sha256(found).hexdigest() != digest:
            problems.append(f"the {name} in this file is not the one that was signed ({digest[:16]})")
        elif name == "evidence" and event.kind == "medium.wiped":
            problems += _claim_problems(event, found)
    beside = in_pdf.get(EVIDENCE_IN_PDF)
    if beside is not None and hashlib.sha256(beside).hexdigest() != event.body.get("evidence"):
        problems.append(f"{EVIDENCE_IN_PDF} in this PDF is not the evidence that was signed")
    return problems, notes


def _later_said(parts: _Parts, event: Event, world: World, known: Known) -> Iterable[tuple[str, bool]]:
    """Yield what was said of the record later, in a sentence each, and whether it speaks against it.

    A doubt counts whoever said it, since whoever made the file put it in.
    """
    for envelope in parts.related:
        try:
            later, keyid = open_signed(envelope, parts.look_up(known), world)
        except BadEvent as error:
            yield f"something said of it later does not hold and counts for nothing: {error}", False
            continue
        by = "" if known(keyid) else ", by a key that is not known here"
        said = {name: later.body[name] for name in ("agreed", "accepted", "reason") if name in later.body}
        words = ", ".join(f"{name}: {str(value).lower()}" for name, value in said.items())
        about = event.hash in (later.body.get("wipe"), later.body.get("event"))
        doubt = later.kind == "record.disputed" or False in (said.get("agreed"), said.get("accepted"))
        yield f"{later.kind} {words}{by}".strip(), about and doubt


def _claim_problems(event: Event, found: bytes) -> list[str]:
    """Judge the evidence again where this version has the very profile that was followed."""
    try:
        profile = wipe_profiles.load(event.body["profile"])
        verdict = judge(Evidence.from_json(json.loads(found)), profile)
    except (wipe_profiles.ProfileError, BadEvent, ValueError) as error:
        return [f"the evidence cannot be judged again: {error}"]
    said = (event.body["outcome"], event.body["claim"])
    if profile.digest != event.body["profile_digest"] or verdict.rules != event.body["rules"]:
        return []
    if said != (verdict.outcome, verdict.claim):
        return [f"the record says {said[0]} {said[1]}, but its evidence supports {verdict.outcome} {verdict.claim}"]
    return []
