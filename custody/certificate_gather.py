"""Gather what is known of one record, from whatever store holds it, for a certificate. Pure: the store is asked.

What is not at hand, or cannot be read by this version, is None, and the certificate says so.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from custody.certificate_records import Sources
from custody.errors import BadEvent
from custody.events import Digest, Event, MediumIdentity, World
from custody.evidence import Evidence
from custody.facts import About, Facts, fold
from custody.four_eyes import sign_ins
from custody.keys import KeyId
from wipe_profiles import Profile

Attachment = Callable[[Digest], bytes | None]


def gather(
    event: Event,
    *,
    signed_by: KeyId,
    world: World,
    about: About,
    attachment: Attachment,
    profile_of: Callable[[str], Profile | None],
    **known: Any,
) -> Sources:
    """Return the sources of a certificate; `known`: its further fields (refused, names, station, address)."""
    body = event.body
    stored = _table(event, "evidence", attachment)
    profile = profile_of(str(body.get("profile")))
    return Sources(
        event=event,
        signed_by=signed_by,
        world=world,
        facts=facts_of(event, about),
        evidence=_evidence(stored) if event.kind == "medium.wiped" else None,
        plan=_table(event, "plan", attachment),
        profile=profile if profile and profile.digest == body.get("profile_digest") else None,
        destruction=stored if event.kind == "medium.retired" else None,
        **known,
    )


def facts_of(event: Event, about: About) -> Facts:
    """Fold everything held that has a say about this record, as `custody.facts.gather` does for a device."""
    device, said = event.body.get("device"), event.body.get("medium")
    names = MediumIdentity.from_json(said).names if isinstance(said, Mapping) else frozenset()
    subjects = {event.subject, f"event:{event.hash}", *names, *([str(device)] if device else ())}
    found = {e.hash: e for e in about(subjects)}
    found |= {e.hash: e for e in about(sign_ins(found.values()))}
    found |= {e.hash: e for e in about({f"event:{name}" for name in found})}
    return fold([event, *found.values()])


def attached(event: Event, name: str, attachment: Attachment) -> bytes | None:
    """Return the attachment that this field of an event's body names, None when it is not at hand."""
    digest = event.body.get(name)
    return attachment(Digest(digest)) if isinstance(digest, str) else None


def _table(event: Event, name: str, attachment: Attachment) -> Mapping[str, Any] | None:
    data = attached(event, name, attachment)
    try:
        read = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _evidence(read: Mapping[str, Any] | None) -> Evidence | None:
    try:
        return Evidence.from_json(read) if read is not None else None
    except (BadEvent, ValueError, AttributeError, LookupError, TypeError):
        return None
