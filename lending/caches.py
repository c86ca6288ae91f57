"""The two caches, `device` and `medium`: what lists show. Made from history alone, and no decision reads them.

After every accepted event the rows of the devices it can have touched are folded afresh. `rebuild` throws all rows
away and folds everything again; the result is byte-identical, which `digest` shows.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select

from custody import rules
from custody.events import MediumIdentity, identities
from custody.rules import Facts
from lending import tables
from lending.db import Tx
from lending.record import Reader, about, codes_near, facts_about, is_code, storable

FOR_GOOD = ("gift", "recycling")


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild made, and the digests of the caches before and after it."""

    devices: int
    media: int
    before: str
    after: str

    @property
    def same(self) -> bool:
        """Tell whether the caches were right already."""
        return self.before == self.after


def refresh(tx: Tx, subjects: Collection[str]) -> None:
    """Fold the devices and media again that an event about these subjects can have touched."""
    done, reader = set[str](), Reader(tx)
    for code in sorted(codes_near(tx, subjects)):
        done |= _put_device(tx, reader, code)
    for medium in sorted(one for one in subjects if one.startswith("m-") and one not in done):
        _put_loose_medium(tx, medium)
    tx.s.flush()


def rebuild(tx: Tx) -> Rebuilt:
    """Throw both caches away and make them again from history."""
    before = digest(tx)
    tx.s.execute(delete(tables.DeviceRow))
    tx.s.execute(delete(tables.MediumRow))
    tx.s.expire_all()
    accepted = select(tables.EventRow.n).where(tables.EventRow.refused.is_(None))
    subjects = tx.s.scalars(select(tables.Mention.subject).distinct().where(tables.Mention.n.in_(accepted))).all()
    done: set[str] = set()
    for code in sorted(one for one in subjects if is_code(one)):
        done |= _put_device(tx, Reader(tx), code)
    for medium in sorted(one for one in subjects if one.startswith("m-") and one not in done):
        _put_loose_medium(tx, medium)
    tx.s.flush()
    count = {table: len(tx.s.scalars(select(key)).all()) for table, key in _KEYS.items()}
    return Rebuilt(count["device"], count["medium"], before, digest(tx))


def digest(tx: Tx) -> str:
    """Return the SHA-256 of a dump of both caches: every row as JSON, in the order of its key."""
    hashed = hashlib.sha256()
    for table, key in ((tables.DeviceRow, tables.DeviceRow.code), (tables.MediumRow, tables.MediumRow.id)):
        rows = sorted(tx.s.execute(select(*table.__table__.columns).order_by(key)), key=lambda row: str(row[0]))
        for row in rows:
            line = json.dumps([table.__tablename__, *row], ensure_ascii=False, sort_keys=True)
            hashed.update(line.encode() + b"\n")
    return hashed.hexdigest()


_KEYS = {"device": tables.DeviceRow.code, "medium": tables.MediumRow.id}


def reported(tx: Tx, facts: Facts, device: str) -> datetime | None:
    """Return when somebody said they brought a device back that is still out (our clock), None if nobody did.

    A report answers the exit if it names it or arrived here after it, even one that names an older exit: the kiosk's
    copy of history may have been old, and a device that stands in a return place must not be overlooked.
    """
    left = facts.last_exit(device)
    if left is None or facts.in_hand(device):
        return None
    reports = facts.about_device("device.returned", device)
    if not reports:
        return None
    row = tables.EventRow
    named = [one.hash for one in reports if one.body["exit"] == left.hash]
    since = select(row.n).where(row.hash == left.hash).scalar_subquery()
    answers = or_(row.hash.in_(named), and_(row.hash.in_([one.hash for one in reports]), row.n > since))
    return tx.s.scalar(select(row.received_at).where(answers).order_by(row.n).limit(1))


def report_of(tx: Tx, device: str) -> datetime | None:
    """Return when a device that is out was first reported returned, from its history."""
    return reported(tx, facts_about(tx, device), device)


def state_word(tx: Tx, facts: Facts, device: str, lendable: bool) -> str:
    """Return the one word for where a device stands (the keys of `devices.STATES`)."""
    state = rules.state_of(facts, device)
    if not state.registered:
        return "unknown"
    if state.canonical != device:
        return "merged"
    if state.in_hand:
        return "ready" if lendable else "not-ready"
    if reported(tx, facts, device) is not None:
        return "reported"  # also one that was given away or lost: it may be standing there
    ended = any(
        one.body["loan"] == state.loan and one.body["how"] != "returned"
        for one in facts.about_device("loan.closed", device)
    )
    return "gone" if ended or state.left_for in FOR_GOOD else "out"


def _put_device(tx: Tx, reader: Reader, code: str) -> set[str]:
    """Write a device's row and those of all media it ever held; return these media."""
    facts = reader.facts_about(code)
    tx.s.merge(tables.DeviceRow(**device_values(tx, facts, code)))
    media = {one.id: one for one in media_held(facts, code)}
    for medium in media.values():
        tx.s.merge(tables.MediumRow(**medium_values(facts, medium)))
    return set(media)


def device_values(tx: Tx, facts: Facts, code: str) -> dict[str, Any]:
    """Return the columns of a device's row, from everything that bears on it."""
    policy = replace(tx.policy, inventory_days=None)  # what depends on today is no cache
    reasons = rules.why_not_lendable(facts, code, policy)
    state = rules.state_of(facts, code)
    registered = facts.about_device("device.registered", code)
    named = registered[0].body if registered else {}
    return {
        "code": code, "make": storable(str(named.get("make") or "")), "model": storable(str(named.get("model") or "")),
        "serial": storable(str(named.get("serial") or "")), "state": state_word(tx, facts, code, not reasons),
        "reasons": [reason.to_json() for reason in reasons], "loan": state.loan or None, "exit": state.exit,
        "grade": grade(facts, code),
    }  # fmt: skip


def grade(facts: Facts, device: str) -> str:
    """Return the worst grade of the tests since the last exit, "" when there are none."""
    after = rules.last_exit(facts, device)
    grades = [one.body["grade"] for one in facts.about_device("device.tested", device) if one.body["after"] == after]
    return str(max(grades, default=""))


def media_held(facts: Facts, device: str) -> Iterable[MediumIdentity]:
    """Return every medium that some inventory listed in a device, again for each inventory."""
    for event in facts.about_device("device.inventoried", device):
        yield from identities(event.body["media"])


def medium_values(facts: Facts, medium: MediumIdentity) -> dict[str, Any]:
    """Return the columns of a medium's row."""
    holders = sorted(facts.devices_holding(medium.id))
    return {
        "id": medium.id, "device": holders[0] if holders else None, "transport": medium.transport,
        "model": medium.model, "serial": medium.serial, "size": medium.size, "exit": rules.exit_of(facts, medium.id),
    }  # fmt: skip


def _put_loose_medium(tx: Tx, medium: str) -> None:
    """Write the row of a medium that is in no device's inventory, from its wipes; nothing if it has none."""
    facts = rules.fold(about(tx, [medium]))
    if facts.of("device.inventoried"):
        return
    found = [one for event in facts.wipes(medium) for one in identities([event.body["medium"]])]
    if found:
        tx.s.merge(tables.MediumRow(**medium_values(facts, found[0])))
