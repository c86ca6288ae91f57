"""Reading published files of places: ONSPD, NSPL and Code-Point Open, LSOA to decile, code to name. Row by row.

Which column is what is told by its name, since names change with every edition:

- ONS Postcode Directory and National Statistics Postcode Lookup: `pcd pcd2 pcds pcd7 pcd8`; `oslaua laua lad25cd`;
  `osward ward wd25cd`; `lsoa11 lsoa11cd lsoa21cd`; `doterm` (when the postcode was ended).
  Source: ONSPD User Guide and NSPL User Guide, Office for National Statistics.
- Code-Point Open has no header: postcode first, district ninth, ward tenth.
  Source: Code-Point Open technical specification, Ordnance Survey.
- `imd` in ONSPD is a *rank* of an index that the file does not name; it is not used. Deciles come from their own file.

Files may be plain, `.gz`, or the zip as published. Nothing is read into memory as a whole.
"""

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

from lending.errors import LendingError
from lending.postcodes import split
from lending.region import GSS

COLUMNS: Mapping[str, re.Pattern[str]] = {
    "postcode": re.compile(r"pcds?|pcd[278]|postcode"),
    "authority": re.compile(r"oslaua|laua|lad(\d\d)?(cd)?|la(d\d\d)?_code|admin_district_code"),
    "ward": re.compile(r"osward|ward|wd(\d\d)?cd|ward(\d\d)?_?(cd|code)|admin_ward_code"),
    "lsoa11": re.compile(r"lsoa11(cd|_code)?|lsoa code \(2011\)"),
    "lsoa21": re.compile(r"lsoa21(cd|_code)?|lsoa code \(2021\)"),
    "ended": re.compile(r"doterm"),
    "decile": re.compile(r"imd(20\d\d)?_decile|index of multiple deprivation \(imd\) decile.*"),
    "authority_name": re.compile(r"lad?(\d\d)?(nm|_name)"),
    "ward_name": re.compile(r"(ward|wd)(\d\d)?(nm|_name)"),
}
"""What a column holds, by its name in small letters. The first that fits is taken; preferred spellings come first."""

CODE_POINT = ("postcode", "", "", "", "", "", "", "", "authority", "ward")
DATA_MEMBER = re.compile(r"(?i)(?:^|/)(?:(?:ONSPD|NSPL)\w*_UK|[a-z]{1,2})\.csv$")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
NAMED = re.compile(r"(ONSPD|NSPL)\w*?_(" + "|".join(MONTHS) + r")[A-Z]*_(20\d\d)", re.IGNORECASE)
BYGONE = re.compile(r"(NPT|GIR)[0-9][A-Z]{2}")
"""Postcodes of no usual shape that the directories still list: Newport's before 1984, and a bank's."""
MISSING = frozenset({"", "nan", "none"})


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: where it stands, which column, what it says and what it should be."""

    file: str
    line: int
    column: str
    value: str
    text: str

    def __str__(self) -> str:
        """Return one line for a screen or a terminal."""
        return f"{self.file} row {self.line}, {self.column}: {self.value[:40]!r} {self.text}"


@dataclass(frozen=True)
class PlaceLine:
    """One usable row of a postcode file. None: the file has no such column, or nothing in it."""

    postcode: str
    authority: str
    ward: str | None
    lsoa11: str | None
    lsoa21: str | None
    ended: bool


@dataclass
class Source:
    """An opened file: what it is, which columns it has, and its rows as texts with their row numbers (header: 1)."""

    kind: str
    product: str
    edition: str
    columns: frozenset[str]
    rows: Iterable[tuple[str, int, Mapping[str, str]]]
    index: str = ""
    stack: ExitStack = field(default_factory=ExitStack)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces. Raises `LendingError` when it cannot be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                found.update(piece)
    except OSError as error:
        raise LendingError(f"{path} cannot be read ({error.strerror})") from error
    return found.hexdigest()


def opened(path: Path) -> Source:
    """Open a published file and find out what it is. Close `source.stack` when done.

    Raises `LendingError`: not a file of places, with what was looked for; a broken zip or encoding.
    """
    stack = ExitStack()
    try:
        texts = list(_texts(path, stack))
        name, first = texts[0]
        table = csv.reader(first)
        head = next(table, [])
        layout = _layout(head)
        if not layout:
            raise LendingError(
                f"{name}: no column of this file is known. It needs a postcode and an authority (ONSPD, NSPL, "
                f"Code-Point Open), or an LSOA and a decile, or a code and a name. Its columns are: "
                f"{', '.join(head)[:200]}"
            )
        columns = frozenset(layout) - {""}
        kind = _kind(columns, name)
    except (OSError, BadZipFile, UnicodeDecodeError, csv.Error) as error:
        stack.close()
        raise LendingError(f"{path} cannot be read: {error}") from error
    except LendingError:
        stack.close()
        raise
    headless = layout is CODE_POINT
    rows = _rows(texts, table, head if headless else None, layout, headless=headless)
    product, edition = ("Code-Point Open", "") if headless else _edition(f"{path.name} {name}")
    return Source(kind, product, edition, columns, rows, _index(head, columns), stack)


def _kind(columns: frozenset[str], name: str) -> str:
    if {"postcode", "authority"} <= columns:
        return "postcodes"
    if "decile" in columns and columns & {"lsoa11", "lsoa21"}:
        return "deciles"
    if any({f"{what}_name", what} <= columns for what in ("authority", "ward")):
        return "names"
    raise LendingError(f"{name}: the file has no authority beside the postcode; use the full ONSPD or NSPL file")


def _texts(path: Path, stack: ExitStack) -> Iterator[tuple[str, IO[str]]]:
    """Return the CSV texts in a file: itself, or the data files of a published zip."""
    if path.suffix == ".gz":
        plain = stack.enter_context(gzip.GzipFile(path))
        yield path.name, io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")
    elif path.suffix == ".zip":
        archive = stack.enter_context(ZipFile(path))
        members = [name for name in archive.namelist() if DATA_MEMBER.search(name)]
        whole = [name for name in members if "_UK.csv" in name]
        if not members:
            raise LendingError(f"{path.name}: the zip holds no ONSPD_…_UK.csv, NSPL_…_UK.csv or Code-Point Open files")
        for name in whole[:1] or sorted(members):
            member = stack.enter_context(archive.open(name))
            yield name.rsplit("/", 1)[-1], io.TextIOWrapper(member, encoding="utf-8-sig", newline="")
    else:
        yield path.name, stack.enter_context(path.open(encoding="utf-8-sig", newline=""))


def _layout(head: Sequence[str]) -> Sequence[str]:
    """Return what each column holds ("" for nothing of use); nothing at all for an unknown file."""
    if len(head) == len(CODE_POINT) and split(head[0]):
        return CODE_POINT
    layout, taken = [""] * len(head), set()
    for what, pattern in COLUMNS.items():
        for place, name in enumerate(head):
            if what not in taken and pattern.fullmatch(name.strip().casefold()):
                layout[place] = what
                taken.add(what)
    return layout if any(layout) else []


def _index(head: Sequence[str], columns: frozenset[str]) -> str:
    """Return which index of deprivation a decile column is of: by the year in its name, else by its LSOAs."""
    named = [re.search(r"20\d\d", name) for name in head if COLUMNS["decile"].fullmatch(name.strip().casefold())]
    year = next((found.group() for found in named if found), "2019" if "lsoa11" in columns else "2025")
    return f"IMD{year}"


def _edition(name: str) -> tuple[str, str]:
    found = NAMED.search(name)
    if found is None:
        return "a table", ""
    return found.group(1).upper(), f"{found.group(3)}-{MONTHS.index(found.group(2).upper()[:3]) + 1:02d}"


def _rows(
    texts: Sequence[tuple[str, IO[str]]], first: Iterator[list[str]], kept: list[str] | None, layout: Sequence[str],
    *, headless: bool,
) -> Iterator[tuple[str, int, Mapping[str, str]]]:  # fmt: skip
    for number, (name, text) in enumerate(texts):
        table, start = (first, 2) if number == 0 else (csv.reader(text), 1)
        if number == 0 and kept is not None:
            yield name, 1, _named(kept, layout)
        for line, cells in enumerate(table, start):
            if number and not headless and line == 1:
                continue
            if cells:
                yield name, line, _named(cells, layout)


def _named(cells: Sequence[str], layout: Sequence[str]) -> Mapping[str, str]:
    return {what: cell.strip() for what, cell in zip(layout, cells, strict=False) if what}


def place_line(name: str, number: int, row: Mapping[str, str]) -> PlaceLine | BadRow | None:
    """Judge one row of a postcode file; None for a postcode that no authority is given for (Isle of Man, ended)."""
    parts = split(row.get("postcode", ""))
    if parts is None and BYGONE.fullmatch("".join(row.get("postcode", "").upper().split())):
        return None
    if parts is None:
        return BadRow(name, number, "postcode", row.get("postcode", ""), "is not a postcode, for example L1 8JQ")
    codes: dict[str, str | None] = {}
    for column in ("authority", "ward", "lsoa11", "lsoa21"):
        value = row.get(column, "")
        if value.casefold() in MISSING:
            codes[column] = None
        elif GSS.fullmatch(value):
            codes[column] = value
        else:
            return BadRow(name, number, column, value, "is not a code like E08000012")
    authority = codes["authority"]
    if authority is None or authority.endswith("99999999"):
        return None
    return PlaceLine(
        "".join(parts), authority, codes["ward"], codes["lsoa11"], codes["lsoa21"],
        row.get("ended", "").casefold() not in MISSING,
    )  # fmt: skip
