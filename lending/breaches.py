"""The register of breaches: what happened to personal data, since when we know, and what was decided within 72 hours.

The law: UK GDPR Article 33. The Commissioner is told within 72 hours after we became aware, unless a risk to people
is unlikely; every breach is recorded, told or not (33(5)). Article 34: people are told when the risk to them is high.
The register holds no names; recalls of devices put their breach in by `record` with a `source`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from custody.errors import Reason, Refused
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need, random_ref
from lending.privacy_tables import BreachRow

LEAD = ("data-protection",)
MAY_RECORD = ("data-protection", "desk", "supervisor", "administrator")
LIMIT = timedelta(hours=72)
LONGEST = 2000

DECISIONS: Mapping[str, str] = {
    "open": "Not decided yet",
    "not-told": "Recorded only: a risk to people is unlikely",
    "told": "The Commissioner was told",
    "told-people": "The Commissioner and the people were told",
}


@dataclass(frozen=True)
class Breach:
    """One breach. `decide_by` is 72 hours after we knew; `people` is about how many it concerns, None if unknown."""

    ref: str
    what: str
    people: int | None
    known_at: datetime
    source: str
    decision: str
    why: str
    decided_at: datetime | None

    @property
    def decide_by(self) -> datetime:
        """Return the end of the 72 hours."""
        return self.known_at + LIMIT

    def overdue(self, now: datetime) -> bool:
        """Tell whether the 72 hours are over and nothing was decided."""
        return self.decision == "open" and now > self.decide_by

    def hours_left(self, now: datetime) -> int:
        """Return the whole hours left; negative when they are over."""
        return int((self.decide_by - now).total_seconds() // 3600)


def record(
    tx: Tx, what: str, known_at: datetime, by: Actor, now: datetime, *, people: int | None = None, source: str = ""
) -> str:
    """Put a breach into the register and return its reference (`B-XXXXXX`). Any member of staff at the desk may.

    `source` names what it came from, for example `recall:X-7K3QX9`: a second record of the same source is the first
    one. Raises `Refused`: `role`, `form` per field.
    """
    need(by, *MAY_RECORD)
    held = tx.s.scalars(select(BreachRow).where(BreachRow.source == source)).one_or_none() if source else None
    if held is not None:
        return held.ref
    reasons = []
    if not 10 <= len(what.strip()) <= LONGEST:
        reasons.append(Reason("form", "Write what happened, in a sentence or two, without names", "what"))
    if known_at > now:
        reasons.append(Reason("form", "We cannot have known it after now", "known"))
    if people is not None and people < 0:
        reasons.append(Reason("form", "Enter about how many people, 0 or more", "people"))
    if reasons:
        raise Refused(reasons)
    ref = random_ref("B")
    tx.s.add(BreachRow(
        ref=ref, what=what.strip(), people=people, known_at=known_at, source=source or None, decision="open", why="",
        decided_at=None, told_people_at=None, closed_at=None, recorded_by=by.account_id,
    ))  # fmt: skip
    tx.s.flush()
    return ref


def decide(tx: Tx, ref: str, decision: str, why: str, by: Actor, now: datetime) -> None:
    """Record what was decided, and why. May be decided again: telling people may follow later.

    Raises `Refused`: `role`, `unknown-breach`, `form`.
    """
    need(by, *LEAD)
    row = tx.s.get(BreachRow, ref)
    if row is None:
        raise refused("unknown-breach", f"there is no breach {ref[:20]!r}", ref)
    reasons = []
    if decision not in DECISIONS or decision == "open":
        reasons.append(Reason("form", "Choose what was decided", "decision"))
    if not 10 <= len(why.strip()) <= LONGEST:
        reasons.append(Reason("form", "Write why, so that somebody else can follow it", "why"))
    if reasons:
        raise Refused(reasons)
    row.decision, row.why, row.decided_at = decision, why.strip(), now
    if decision == "told-people":
        row.told_people_at = now
    row.closed_at = now
    tx.s.flush()


def breaches(tx: Tx, by: Actor) -> list[Breach]:
    """Return the register: undecided first, by their hour; then the others, newest first. Raises `Refused` `role`."""
    need(by, *LEAD)
    found = [_breach(row) for row in tx.s.scalars(select(BreachRow).order_by(BreachRow.known_at))]
    undecided = [one for one in found if one.decision == "open"]
    return undecided + [one for one in reversed(found) if one.decision != "open"]


def get(tx: Tx, by: Actor, ref: str) -> Breach:
    """Return one breach. Raises `Refused`: `role`, `unknown-breach`."""
    need(by, *LEAD)
    row = tx.s.get(BreachRow, ref)
    if row is None:
        raise refused("unknown-breach", f"there is no breach {ref[:20]!r}", ref)
    return _breach(row)


def _breach(row: BreachRow) -> Breach:
    return Breach(row.ref, row.what, row.people, row.known_at, row.source or "", row.decision, row.why, row.decided_at)
