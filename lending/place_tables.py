"""Where postcodes lie: rows of published open data, replaced by newer editions. Nothing here is about a person."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lending.tables import Row


class PlaceEdition(Row):
    """One file that was read in: which product and edition, and how many rows it brought."""

    __tablename__ = "place_edition"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    product: Mapped[str]
    edition: Mapped[str]
    filename: Mapped[str]
    digest: Mapped[str] = mapped_column(String(64), index=True)
    rows: Mapped[int]
    left_out: Mapped[int]
    imported_at: Mapped[datetime]


class Place(Row):
    """One postcode (capitals, no space) and the codes of the areas it lies in; None where the file did not say."""

    __tablename__ = "place"
    __table_args__ = ({"sqlite_with_rowid": False},)
    postcode: Mapped[str] = mapped_column(String(8), primary_key=True)
    authority: Mapped[str] = mapped_column(String(9))
    ward: Mapped[str | None] = mapped_column(String(9))
    lsoa11: Mapped[str | None] = mapped_column(String(9))
    lsoa21: Mapped[str | None] = mapped_column(String(9))
    ended: Mapped[bool] = mapped_column(Boolean)
    edition: Mapped[int] = mapped_column(ForeignKey("place_edition.id"))


class AreaDecile(Row):
    """How deprived an LSOA is: its tenth (1 the most deprived) by one index, for example `IMD2019`."""

    __tablename__ = "area_decile"
    lsoa: Mapped[str] = mapped_column(String(9), primary_key=True)
    index: Mapped[str] = mapped_column(primary_key=True)
    decile: Mapped[int]


class AreaName(Row):
    """What an authority or ward is called."""

    __tablename__ = "area_name"
    code: Mapped[str] = mapped_column(String(9), primary_key=True)
    name: Mapped[str]
