"""Spreadsheets in and out: CSV in whatever dialect it comes, Excel; and cells that no spreadsheet takes for a formula.

What comes in is text only and bounded (bytes, rows, columns, characters); what is wrong with a file is one refusal
that says what to do. What goes out is written row by row, so a list of any length needs no memory.
"""

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import InvalidFileException

from lending.errors import refused

MOST_BYTES = 20 << 20
MOST_UNPACKED = 200 << 20
MOST_ROWS = 50_000
MOST_COLUMNS = 200
LONGEST_CELL = 2000
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make a spreadsheet calculate (OWASP, CSV injection); the wide ones are East Asian forms."""

Cell = str | int | float | bool | date | datetime | None
KINDS = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


@dataclass(frozen=True)
class Sheet:
    """A spreadsheet as text: its header, and its rows with their line numbers (the header is line 1)."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def guard(text: str) -> str:
    """Return a cell that is text to every spreadsheet: what begins like a formula gets an apostrophe."""
    return "'" + text if text.lstrip("'").startswith(FORMULA) else text


def unguard(text: str) -> str:
    """Take back what `guard` added, so that our own files come in as they went out."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Write CSV (RFC 4180, UTF-8 with the mark by which Excel knows it), line by line."""
    out = io.StringIO()
    write = csv.writer(out)
    yield b"\xef\xbb\xbf"
    for row in (header, *_some(rows)):
        write.writerow([guard(_text(cell)) for cell in row])
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()


def _some(rows: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    yield from rows


def excel(title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Write an Excel file, row by row, into a temporary file and give it in pieces; the file is gone afterwards."""
    with tempfile.TemporaryFile() as file:
        _write_excel(file, title, header, rows)
        file.seek(0)
        while piece := file.read(1 << 16):
            yield piece


def _write_excel(file: IO[bytes], title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    for row in (header, *_some(rows)):
        cells = []
        for cell in row:
            made = WriteOnlyCell(sheet, value=guard(_text(cell)) if not isinstance(cell, int | float) else cell)
            if isinstance(made.value, str):
                made.data_type = "s"  # never a formula, whatever it begins with
            cells.append(made)
        sheet.append(cells)
    book.save(file)


def read(data: bytes, filename: str) -> Sheet:
    """Read a CSV, tab separated or Excel file. Raises `Refused` `file`, saying what is wrong and what to do."""
    if not data:
        raise _bad("the file is empty")
    if len(data) > MOST_BYTES:
        raise _bad(f"the file has {len(data) >> 20} MB; split it into parts of at most {MOST_BYTES >> 20} MB")
    table = _excel_rows(data) if data[:2] == b"PK" else _csv_rows(_decoded(data))
    return _sheet(table, filename)


def _sheet(table: Iterable[Sequence[str]], filename: str) -> Sheet:
    header: tuple[str, ...] = ()
    rows = []
    for number, found in enumerate(table, 1):
        cells = tuple(" ".join(unguard(one.replace("\x00", "")).split())[:LONGEST_CELL] for one in found)
        if not header:
            header = _trimmed(cells)
            if len(header) > MOST_COLUMNS:
                raise _bad(f"it has {len(header)} columns; at most {MOST_COLUMNS} can be read")
        elif any(cells):
            rows.append((number, (*cells, *[""] * len(header))[: len(header)]))
            if len(rows) > MOST_ROWS:
                raise _bad(f"it has more than {MOST_ROWS:,} rows; split it")
    if not header or not rows:
        raise _bad(f"{filename[:80] or 'it'} has no rows under a line of column names")
    return Sheet(_named(header), tuple(rows))


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the empty cells at the end: Excel gives as many as it was asked for."""
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _named(header: Sequence[str]) -> tuple[str, ...]:
    """Give every column a name of its own: blank ones a number, a second `Type` becomes `Type (2)`."""
    found: list[str] = []
    for number, name in enumerate(header, 1):
        plain = name or f"Column {number}"
        again = sum(one == plain or one.startswith(f"{plain} (") for one in found)
        found.append(f"{plain} ({again + 1})" if again else plain)
    return tuple(found)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what Excel writes on Windows as "CSV"


def _csv_rows(text: str) -> Iterator[list[str]]:
    # A file that ends its lines with a bare CR (Excel for Mac; Snipe-IT has such samples) is one line to `csv`.
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    first = lines.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    csv.field_size_limit(1 << 20)
    try:
        yield from csv.reader(io.StringIO(lines), delimiter=delimiter)
    except csv.Error as error:
        raise _bad(f"it cannot be read as CSV ({error}); save it again as CSV UTF-8") from error


def _excel_rows(data: bytes) -> Iterator[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(one.file_size for one in packed.infolist()) > MOST_UNPACKED:
                raise _bad("unpacked it is too large; save only the sheet that is wanted")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        for row in sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS + 1):
            yield [_text(cell) for cell in row]  # type: ignore[arg-type]
        book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, IndexError, OSError) as error:
        raise _bad("it cannot be read as an Excel file (.xlsx); save it again as .xlsx or as CSV") from error


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _bad(text: str) -> Exception:
    return refused("file", f"This file was not read: {text}. Nothing was saved", "file")
