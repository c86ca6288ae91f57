"""One record by itself: an event's envelope with its evidence, as a file that anybody can check offline.

The file is JSON: `format`, `envelope` (base 64 of the very bytes that were signed), `key` (the signer's public key,
hex), `attachments` (digest -> base 64). A bare envelope is understood as well. Checking needs no journal when the
signer's key is given; a key that only the file itself names proves nothing about who signed, and that is said.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import wipe_profiles
from custody.claims import Evidence, judge
from custody.errors import BadEvent, UnknownKey
from custody.events import Digest, Event, KeyId, PublicKey, World, open_
from custody.journal import Journal
from station.errors import UsageError

FORMAT = "kitbank-record-1"
_ATTACHED = ("evidence", "plan", "snapshot")  # body fields that name an attachment


@dataclass(frozen=True)
class Checked:
    """What checking a record showed. `problems` is empty only when everything that could be checked held."""

    event: Event
    signed_by: KeyId
    trusted: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "ok": not self.problems,
            "kind": self.event.kind,
            "subject": self.event.subject,
            "hash": self.event.hash,
            "origin": self.event.origin,
            "seq": self.event.seq,
            "at": self.event.at.isoformat(),
            "key": self.signed_by,
            "trusted_key": self.trusted,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "body": dict(self.event.body),
        }


def export(journal: Journal, wanted: str) -> bytes:
    """Return the record of the event whose hash begins with `wanted`; raises UsageError when it is not one event."""
    rows = [row for row in journal.events() if len(wanted) >= 8 and row.event.hash.startswith(wanted.lower())]
    if len(rows) != 1:
        raise UsageError(f"{wanted!r} names {len(rows)} events of this journal; give more of the hash")
    row = rows[0]
    attachments = {}
    for name in _ATTACHED:
        digest = row.event.body.get(name)
        data = journal.attachment(Digest(digest)) if isinstance(digest, str) else None
        if data is not None:
            attachments[digest] = base64.b64encode(data).decode()
    spans = journal.writers()[row.event.origin].keys
    key = next(span.key for span in reversed(spans) if span.since <= row.event.seq)
    record = {
        "format": FORMAT,
        "envelope": base64.b64encode(row.envelope).decode(),
        "key": key.hex,
        "attachments": attachments,
    }
    return json.dumps(record, indent=1).encode()


def verify(data: bytes, world: World, known: Callable[[KeyId], PublicKey | None]) -> Checked:
    """Check a record: signature, attachments against the digests the event names, and the claim by our own rules.

    `known` gives the keys that are trusted. Raises BadSignature, BadEvent, or UsageError for what is no record.
    """
    envelope, own, attachments = _parts(data)
    seen: list[KeyId] = []

    def key_of(keyid: KeyId) -> PublicKey | None:
        seen.append(keyid)
        return known(keyid) or (own if own and own.keyid == keyid else None)

    event = open_(envelope, key_of, world)
    signed_by = seen[-1]
    problems, notes = [], []
    if known(signed_by) is None:
        problems.append(
            f"signed by {signed_by[:16]}, which is not a key known here: the file itself brought it along, and anybody "
            "can do that; give the station's key with --key, or sync"
        )
    for name in _ATTACHED:
        digest = event.body.get(name)
        if not isinstance(digest, str):
            continue
        found = attachments.get(digest)
        if found is None:
            notes.append(f"the {name} {digest[:16]} is not in this file, so it was not compared")
        elif hashlib.sha256(found).hexdigest() != digest:
            problems.append(f"the {name} in this file is not the one that was signed ({digest[:16]})")
        elif name == "evidence":
            problems += _claim_problems(event, found)
    return Checked(event, signed_by, known(signed_by) is not None, tuple(problems), tuple(notes))


def _parts(data: bytes) -> tuple[bytes, PublicKey | None, dict[str, bytes]]:
    try:
        document = json.loads(data)
        if "payload" in document:
            return data, None, {}
        own = PublicKey.from_hex(document["key"]) if document.get("key") else None
        attachments = {name: base64.b64decode(text) for name, text in document.get("attachments", {}).items()}
        return base64.b64decode(document["envelope"], validate=True), own, attachments
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, BadEvent) as error:
        if isinstance(error, UnknownKey):
            raise
        raise UsageError(f"this is neither a record nor an envelope of Kitbank ({error})") from error


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
