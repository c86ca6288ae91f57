"""What is written beside a referral: where it lies, how it came, and keyed marks that only the desk compares.

- The full postcode is looked up once, at this moment; its areas are kept, the postcode itself only sealed.
- A mark is a keyed hash of the name with the postcode, or of the telephone number. Writing marks never compares them:
  whoever refers learns nothing from the answer or from how long it takes. The desk compares when it opens a referral.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lending import places, tables
from lending.db import Tx
from lending.people import Actor, need
from lending.places import Answer
from lending.referral_form import ReferralForm
from lending.referral_tables import ReferralDetail, ReferralMark
from lending.region import Region

NOTICE = "2026-11"
"""The privacy notice that the worker explains: the month of its last change."""
PHONE_MARK, NAME_MARK = "phone", "name-postcode"


@dataclass(frozen=True)
class Detail:
    """The rest of one referral as staff and the referring partner see it."""

    route: str
    connection: tuple[str, ...]
    sim_holder: str
    works_with: tuple[str, ...]
    support: tuple[str, ...]
    place: str
    authority: str
    ward: str
    decile: int | None
    decile_index: str


@dataclass(frozen=True)
class Same:
    """Another referral that seems to be of the same household. `by` says what is the same."""

    ref: str
    partner: str
    state: str
    created_at: datetime
    by: tuple[str, ...]


def write(tx: Tx, ref: str, form: ReferralForm, region: Region, route: str) -> Answer:
    """Write the detail and the marks of a new referral; return where it lies. Raises `VaultError`, `Refused`."""
    found = places.find(tx, region, form.postcode)
    if found.status == "unknown" and form.borough:
        found = places.with_authority(found, region, form.borough)
    tx.s.add(
        ReferralDetail(
            ref=ref, route=route, connection=list(form.connection), sim_holder=form.sim_holder,
            works_with=list(form.works_with), support=list(form.support), notice=NOTICE, place=found.status,
            authority=found.authority or None, ward=found.ward or None, lsoa11=found.lsoa11 or None,
            lsoa21=found.lsoa21 or None, decile=found.decile, decile_index=found.decile_index or None,
            places_edition=found.edition,
        )
    )  # fmt: skip
    for kind, mark in _marks(tx, form).items():
        tx.s.add(ReferralMark(ref=ref, kind=kind, mark=mark))
    return found


def get(tx: Tx, ref: str, region: Region) -> Detail | None:
    """Return the detail of a referral that the caller may see; None for one of an older version."""
    row = tx.s.get(ReferralDetail, ref)
    if row is None:
        return None
    names = places.names(tx, [row.authority, row.ward])
    authority = region.authorities.get(row.authority or "", names.get(row.authority or "", row.authority or ""))
    return Detail(
        row.route, tuple(row.connection), row.sim_holder, tuple(row.works_with), tuple(row.support), row.place,
        authority, names.get(row.ward or "", row.ward or ""), row.decile, row.decile_index or "",
    )  # fmt: skip


def same_household(tx: Tx, by: Actor, ref: str) -> list[Same]:
    """Return the other referrals that have a mark of this one, newest first. Desk and supervisor only.

    A partner must never learn this: a warning would say that the household asked somewhere else.
    """
    need(by, "desk", "supervisor")
    mine = select(ReferralMark.mark).where(ReferralMark.ref == ref)
    query = (
        select(ReferralMark.kind, tables.ReferralRow, tables.Partner.name)
        .join(tables.ReferralRow, tables.ReferralRow.ref == ReferralMark.ref)
        .outerjoin(tables.Partner, tables.Partner.id == tables.ReferralRow.partner_id)
        .where(ReferralMark.mark.in_(mine), ReferralMark.ref != ref)
        .order_by(tables.ReferralRow.created_at.desc(), tables.ReferralRow.ref, ReferralMark.kind)
    )
    found: dict[str, Same] = {}
    for kind, row, partner in tx.s.execute(query).all():
        before = found[row.ref].by if row.ref in found else ()
        found[row.ref] = Same(row.ref, partner or "", row.state, row.created_at, (*before, kind))
    return list(found.values())


def plain_name(name: str) -> str:
    """Return a name as it is compared: small letters without marks, words in order of the alphabet."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    words = re.findall(r"\w+", "".join(one for one in letters if not unicodedata.combining(one)))
    return " ".join(sorted(words))


def plain_phone(phone: str) -> str:
    """Return a British number as it is compared: digits, 0 for +44; others with their country."""
    digits = "".join(one for one in phone if one.isdecimal())
    if phone.strip().startswith("+44") or digits.startswith("0044"):
        return "0" + digits.removeprefix("00").removeprefix("44").lstrip("0")
    return digits


def _marks(tx: Tx, form: ReferralForm) -> dict[str, str]:
    marks = {}
    if form.contact_phone:
        marks[PHONE_MARK] = tx.vault.fingerprint("referral phone", plain_phone(form.contact_phone))
    if form.contact_name:
        text = plain_name(form.contact_name) + "\n" + form.postcode
        marks[NAME_MARK] = tx.vault.fingerprint("referral name and postcode", text)
    return marks
