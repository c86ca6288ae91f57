"""What anybody may be told of one recorded wipe or destruction: the public form of its certificate, as of today.

Made afresh from the signed events whenever it is asked for, so a record that was disputed since it was printed says so.
"""

import re

from sqlalchemy import select

import wipe_profiles
from custody.certificate import Certificate, public
from custody.certificate_gather import gather
from custody.events import Digest, Event, meaning, open_signed
from lending import record, tables
from lending.db import Tx


def public_form(tx: Tx, event_hash: str) -> Certificate | None:
    """Return the public certificate of the record of this name, None where there is none or nothing to certify."""
    if not re.fullmatch("[0-9a-f]{64}", event_hash):  # anybody may send anything
        return None
    row = tx.s.scalar(select(tables.EventRow).where(tables.EventRow.hash == event_hash))
    if row is None or row.kind not in ("medium.wiped", "medium.retired"):
        return None
    event, signed_by = open_signed(row.envelope, record.Store(tx).key, tx.world)
    if row.refused and not _whole(event):
        return None

    def attachment(digest: Digest) -> bytes | None:
        found = tx.s.get(tables.Attachment, digest)
        return found.data if found else None

    sources = gather(
        event,
        signed_by=signed_by,
        world=tx.world,
        about=record.Reader(tx).about,
        attachment=attachment,
        profile_of=_profile,
        refused=record.reasons_in(row.refused),
    )
    return public(sources)


def _whole(event: Event) -> bool:
    """Tell whether a refused event fits its kind at least: one that does not has no fields to show."""
    return not meaning(event)


def _profile(name: str) -> wipe_profiles.Profile | None:
    """Return this version's profile of that name, None where there is none."""
    try:
        return wipe_profiles.load(name)
    except wipe_profiles.ProfileError:
        return None
