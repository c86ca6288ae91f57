"""Where a postcode lies: authority, ward, LSOA and how deprived it is, from imported open data.

Four answers, kept apart:

- *resolved*: the table has it and it lies in the region;
- *outside*: the table has it and it lies elsewhere, or its first letters never reach into the region;
- *unknown*: it has the shape of a postcode and no table has it. **Ask, never refuse**: new homes have postcodes that
  no table has yet;
- *malformed*: it is no postcode.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select

from lending.db import Tx
from lending.errors import refused
from lending.place_tables import AreaDecile, AreaName, Place, PlaceEdition
from lending.postcodes import split
from lending.region import Region

LSOA_2021_SINCE = 2023
"""The first year whose indices of deprivation are of the LSOAs of the 2021 census (Indices of Deprivation 2025)."""


@dataclass(frozen=True)
class Answer:
    """What is known of a typed postcode. `status` is one of the four words above; texts are "" where not known."""

    status: str
    postcode: str
    authority: str = ""
    authority_name: str = ""
    ward: str = ""
    ward_name: str = ""
    lsoa11: str = ""
    lsoa21: str = ""
    decile: int | None = None
    decile_index: str = ""
    ended: bool = False
    edition: int | None = None


def find(tx: Tx, region: Region, typed: str) -> Answer:
    """Say where a typed postcode lies, in one of the four answers."""
    parts = split(typed)
    if parts is None:
        return Answer("malformed", typed.strip()[:12])
    postcode = " ".join(parts)
    row = tx.s.get(Place, "".join(parts))
    if row is None:
        area = "".join(letter for letter in parts[0][:2] if letter.isalpha())
        return Answer("unknown" if region.reaches(area) else "outside", postcode)
    called = names(tx, [row.authority, row.ward])
    decile, index = _decile(tx, row.lsoa11, row.lsoa21)
    return Answer(
        status="resolved" if region.serves(row.authority) else "outside",
        postcode=postcode,
        authority=row.authority,
        authority_name=region.authorities.get(row.authority) or called.get(row.authority, ""),
        ward=row.ward or "",
        ward_name=called.get(row.ward or "", ""),
        lsoa11=row.lsoa11 or "",
        lsoa21=row.lsoa21 or "",
        decile=decile,
        decile_index=index,
        ended=row.ended,
        edition=row.edition,
    )


def editions(tx: Tx) -> list[PlaceEdition]:
    """Return what was imported, newest first."""
    return list(tx.s.scalars(select(PlaceEdition).order_by(PlaceEdition.imported_at.desc(), PlaceEdition.id.desc())))


def names(tx: Tx, codes: Sequence[str | None]) -> dict[str, str]:
    """Return what areas are called, for those codes whose name was imported."""
    wanted = [code for code in codes if code]
    return {row.code: row.name for row in tx.s.scalars(select(AreaName).where(AreaName.code.in_(wanted)))}


def _decile(tx: Tx, lsoa11: str | None, lsoa21: str | None) -> tuple[int | None, str]:
    """Return the tenth by the newest index that is of LSOAs we know, and that index."""
    wanted = [code for code in (lsoa11, lsoa21) if code]
    rows = tx.s.scalars(select(AreaDecile).where(AreaDecile.lsoa.in_(wanted)).order_by(AreaDecile.index.desc()))
    for row in rows:
        if row.lsoa == (lsoa21 if int(row.index[3:]) >= LSOA_2021_SINCE else lsoa11):
            return row.decile, row.index
    return None, ""


def with_authority(answer: Answer, region: Region, authority: str) -> Answer:
    """Return an unknown place with the authority that somebody said; raises `Refused` `authority` for another."""
    if authority not in region.authorities:
        raise refused("authority", f"choose one of {', '.join(region.authorities.values())}", "authority")
    return replace(answer, authority=authority, authority_name=region.authorities[authority])
