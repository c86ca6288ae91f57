"""Agreements about data with partners: which kind, signed when, to be looked at again when. What is missing is said.

The document itself stays in the charity's files; here stands its SHA-256, so that everybody can tell which one it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from custody.errors import Reason, Refused
from lending import tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.privacy_tables import AgreementRow

LEAD = ("data-protection",)
SOON = timedelta(days=60)

KINDS: Mapping[str, str] = {
    "joint": "Joint controllers (UK GDPR Article 26)",
    "sharing": "Data sharing between two controllers",
    "processor": "They work for us (UK GDPR Article 28)",
}
WARNINGS: Mapping[str, str] = {
    "missing": "No agreement", "overdue": "Review overdue", "soon": "Review soon", "": "In order",
}  # fmt: skip


@dataclass(frozen=True)
class Agreement:
    """One agreement that was recorded; `ended_on` when it no longer stands."""

    id: int
    kind: str
    signed_on: date
    review_on: date
    ended_on: date | None
    digest: str


@dataclass(frozen=True)
class Standing:
    """One partner and its agreements, newest first; `warning` is a key of `WARNINGS`, empty when all is in order."""

    partner_id: int
    partner: str
    agreements: tuple[Agreement, ...]
    warning: str


def record(
    tx: Tx, partner_id: int, kind: str, signed_on: date, review_on: date, digest: str, by: Actor, now: datetime
) -> int:
    """Record a signed agreement and return its number. An older one of the same kind ends the day this was signed.

    `digest` is the SHA-256 of the document, in hexadecimal. Raises `Refused`: `role`, `unknown-partner`, `form`.
    """
    need(by, *LEAD)
    if tx.s.get(tables.Partner, partner_id) is None:
        raise refused("unknown-partner", f"there is no partner {partner_id}", str(partner_id))
    reasons = _what_is_wrong(kind, signed_on, review_on, digest, now)
    if reasons:
        raise Refused(reasons)
    row = AgreementRow
    for old in tx.s.scalars(select(row).where(row.partner_id == partner_id, row.kind == kind, row.ended_on.is_(None))):
        old.ended_on = signed_on
    made = AgreementRow(
        partner_id=partner_id, kind=kind, signed_on=signed_on, review_on=review_on, ended_on=None,
        digest=digest.lower(), recorded_by=by.account_id, recorded_at=now,
    )  # fmt: skip
    tx.s.add(made)
    tx.s.flush()
    return made.id


def _what_is_wrong(kind: str, signed_on: date, review_on: date, digest: str, now: datetime) -> list[Reason]:
    reasons = []
    if kind not in KINDS:
        reasons.append(Reason("form", f"Choose one of: {', '.join(KINDS.values())}", "kind"))
    if signed_on > now.date():
        reasons.append(Reason("form", "It cannot have been signed after today", "signed"))
    if review_on <= signed_on:
        reasons.append(Reason("form", "The review must be after the day it was signed", "review"))
    if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        reasons.append(Reason("form", "Choose the file of the signed document", "document"))
    return reasons


def end(tx: Tx, agreement_id: int, by: Actor, now: datetime) -> None:
    """Record that an agreement no longer stands. Raises `Refused`: `role`, `unknown-agreement`."""
    need(by, *LEAD)
    row = tx.s.get(AgreementRow, agreement_id)
    if row is None or row.ended_on is not None:
        raise refused("unknown-agreement", f"there is no agreement {agreement_id} that still stands", str(agreement_id))
    row.ended_on = now.date()
    tx.s.flush()


def standings(tx: Tx, by: Actor, now: datetime) -> list[Standing]:
    """Return every partner with its agreements, what needs work first. Raises `Refused` `role`."""
    need(by, *LEAD)
    held: dict[int, list[Agreement]] = {}
    for row in tx.s.scalars(select(AgreementRow).order_by(AgreementRow.signed_on.desc(), AgreementRow.id.desc())):
        one = Agreement(row.id, row.kind, row.signed_on, row.review_on, row.ended_on, row.digest)
        held.setdefault(row.partner_id, []).append(one)
    found = [
        Standing(one.id, one.name, tuple(held.get(one.id, ())), warning(held.get(one.id, []), now.date()))
        for one in tx.s.scalars(select(tables.Partner).order_by(tables.Partner.name))
    ]
    order = list(WARNINGS)
    return sorted(found, key=lambda one: (order.index(one.warning), one.partner))


def warning(agreements: list[Agreement], today: date) -> str:
    """Return what is wrong with a partner's agreements, the worst first: a key of `WARNINGS`."""
    standing = [one for one in agreements if one.ended_on is None]
    if not standing:
        return "missing"
    if any(one.review_on < today for one in standing):
        return "overdue"
    return "soon" if any(one.review_on <= today + SOON for one in standing) else ""
