"""Many referrals from one file: read, shown with every mistake, then taken in all together or the good ones.

- The questions, words and rules are those of the pages (`lending.referral_pages`); a cell may say the word of the list
  or its text as the page shows it, in any case.
- Nothing is stored before the worker has seen what would be; until then the file's text lies sealed, for `KEPT`.
- Taking in is one transaction: all rows, or (asked for) the good ones, whose mistakes then come back as a file.
"""

import csv
import io
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from custody.errors import Reason, Refused
from lending import referral_pages, referrals, tables
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need
from lending.referral_form import BANDS, CHOICES, LISTS, SIM_HOLDERS
from lending.referral_pages import words_of
from lending.referral_tables import Intake
from lending.region import Region

PURPOSE = "referral intake"
KEPT = timedelta(hours=24)
MOST_ROWS = 500
LARGEST = 1_000_000
"""Bytes of a file: 500 rows are about 100,000."""

YES_NO: Mapping[str, str] = {"yes": "Only through the partner", "no": "An adult in the household"}
WORDS: Mapping[str, Mapping[str, str]] = {**CHOICES, "sim_holder": SIM_HOLDERS, "via_partner": YES_NO}
COLUMNS: Mapping[str, str] = {
    "client_reference": "Your own reference, not a name, up to 40 characters",
    "postcode": "Full postcode, for example L1 8JQ",
    "borough": "Only where the postcode is new: the authority's name",
    "adults": "A number from 1 to 20",
    **{f"children_{band}": f"Children aged {text}: a number, empty for none" for band, text in BANDS.items()},
    "need": "",
    "internet": "",
    "connection": "",
    "sim_holder": "",
    "purpose": "",
    "works_with": "",
    "ground": "",
    "via_partner": "",
    "contact_name": "The adult's name; empty where contact is through you",
    "contact_phone": "Telephone number; empty where contact is through you",
    "safe_contact": "",
    "language": "For example English, Arabic, Polish",
    "support": "",
    "told_how": "",
}
"""Every column of the file, in the order of the template, and what to write where it is no word of a list."""

OPTIONAL = frozenset({"borough", "connection", "sim_holder", "works_with", "support"})


@dataclass(frozen=True)
class Mistake:
    """What is wrong in one cell. `row` is its number in the file (the header is 1); empty column: the row itself."""

    row: int
    column: str
    value: str
    text: str


@dataclass(frozen=True)
class IntakeRow:
    """One row: its cells as typed, as answers of the pages, and what is wrong with it."""

    row: int
    cells: Mapping[str, str]
    answers: Mapping[str, str]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Staged:
    """An uploaded file and what would become of it."""

    id: str
    rows: tuple[IntakeRow, ...]
    created_at: datetime

    @property
    def good(self) -> tuple[IntakeRow, ...]:
        """Return the rows that can be taken in."""
        return tuple(row for row in self.rows if not row.mistakes)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Return every mistake, in the order of the file."""
        return tuple(one for row in self.rows for one in row.mistakes)


def template() -> str:
    """Return an empty file with the right header."""
    return _written([list(COLUMNS)])


def explained() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return each column, what to write, and the words that may stand there."""
    several = dict.fromkeys(LISTS, "Any of these, comma between; may be empty")
    found = []
    for column, text in COLUMNS.items():
        words = LISTS.get(column) or WORDS.get(column) or {}
        found.append((column, text or several.get(column, "One of these"), tuple(words)))
    return found


def read(data: bytes, region: Region) -> list[IntakeRow]:
    """Read a file. Raises `Refused` `file`: not text, a wrong header, no rows or too many, with what to do."""
    if len(data) > LARGEST:
        raise refused("file", f"the file has {len(data):,} bytes; at most {LARGEST:,} are read. Send it in parts")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise refused("file", "the file is no text; save it as “CSV UTF-8” and choose it again") from None
    if "\0" in text:
        raise refused("file", "the file is no CSV; if it is a workbook, save it as “CSV UTF-8” and choose it again")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise refused("file", f"the file is no CSV ({error}); save it again as “CSV UTF-8”") from None
    head = [name.strip().casefold().replace(" ", "_") for name in (table[0] if table else [])]
    _check_head(head)
    body = [(line, cells) for line, cells in enumerate(table[1:], 2) if any(cell.strip() for cell in cells)]
    if not body:
        raise refused("file", "the file has no rows below its header")
    if len(body) > MOST_ROWS:
        raise refused("file", f"the file has {len(body)} rows; at most {MOST_ROWS} are taken at a time")
    rows = [_row(line, head, cells, region) for line, cells in body]
    return _twice(rows)


def stage(tx: Tx, by: Actor, data: bytes, region: Region, now: datetime) -> str:
    """Keep an uploaded file sealed until the worker has seen it; return its random name. Raises `Refused` as `read`."""
    need(by, "partner", "desk")
    forget_old(tx, now)
    rows = read(data, region)
    name = secrets.token_urlsafe(12)
    text = _written([list(COLUMNS), *([row.cells.get(column, "") for column in COLUMNS] for row in rows)])
    sealed = tx.vault.seal(PURPOSE, name, {"csv": text, "lines": ",".join(str(row.row) for row in rows)})
    tx.s.add(Intake(id=name, account_id=by.account_id, sealed=sealed, created_at=now))
    tx.s.flush()
    return name


def get(tx: Tx, by: Actor, name: str, region: Region) -> Staged:
    """Return one's own file, judged as things stand now. Raises `Refused` `unknown-file`."""
    need(by, "partner", "desk")
    row = tx.s.get(Intake, name)
    if row is None or row.account_id != by.account_id:
        raise refused("unknown-file", "this file was taken in or thrown away, or is not yours", name[:20])
    kept = tx.vault.open_(PURPOSE, name, row.sealed)
    table = list(csv.reader(io.StringIO(kept["csv"])))
    lines = [int(one) for one in kept["lines"].split(",")]
    rows = [_row(line, list(COLUMNS), cells, region) for line, cells in zip(lines, table[1:], strict=True)]
    return Staged(name, tuple(_known(tx, by, _twice(rows))), row.created_at)


def take(
    tx: Tx, by: Actor, name: str, region: Region, now: datetime, *, good_only: bool, partner: int | None = None
) -> tuple[list[str], Staged | None]:
    """Store the referrals of a file; return their references, and what was left out (None where nothing was).

    Raises `Refused`: `unknown-file`; `mistakes` where a row is wrong and not `good_only`; what `referrals.refer`
    raises, its `subject` then being the row. Nothing is stored then.
    """
    staged = get(tx, by, name, region)
    if staged.mistakes and not good_only:
        count = len(staged.rows) - len(staged.good)
        raise refused("mistakes", f"{count} rows have mistakes; put them right, or take only the good ones")
    if not staged.good:
        raise refused("mistakes", "no row can be taken in; put them right and upload the file again")
    refs = []
    for row in staged.good:
        form, _ = referral_pages.form_of(row.answers)
        try:
            refs.append(referrals.refer(tx, by, form, now, route="csv", within=region, partner=partner))
        except Refused as no:
            where = f"row {row.row}"
            raise Refused([Reason(one.code, f"{where.capitalize()}: {one.text}", where) for one in no.reasons]) from no
    tx.s.delete(tx.s.get_one(Intake, name))
    tx.s.flush()
    left = tuple(row for row in staged.rows if row.mistakes)
    return refs, Staged(name, left, staged.created_at) if left else None


def throw_away(tx: Tx, by: Actor, name: str) -> None:
    """Forget an uploaded file. Raises `Refused` `unknown-file`."""
    row = tx.s.get(Intake, name)
    if row is None or row.account_id != by.account_id:
        raise refused("unknown-file", "this file was taken in or thrown away, or is not yours", name[:20])
    tx.s.delete(row)
    tx.s.flush()


def forget_old(tx: Tx, now: datetime) -> int:
    """Delete files that nobody took in for `KEPT`, and return how many."""
    old = tx.s.scalars(select(Intake.id).where(Intake.created_at < now - KEPT)).all()
    tx.s.execute(delete(Intake).where(Intake.id.in_(old)))
    return len(old)


def error_file(rows: Iterable[IntakeRow]) -> str:
    """Return the rows that have mistakes as they were, with one more column that says what to do.

    Put right there, the same file can be uploaded: the last column is not read.
    """
    wrong = [row for row in rows if row.mistakes]
    body = [
        [*(_harmless(row.cells.get(column, "")) for column in COLUMNS),
         " | ".join(f"{one.column}: {one.text}" if one.column else one.text for one in row.mistakes)]
        for row in wrong
    ]  # fmt: skip
    return _written([[*COLUMNS, "what_to_do"], *body])


def _check_head(head: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in head and name not in OPTIONAL]
    twice = sorted({name for name in head if name and head.count(name) > 1})
    if missing:
        raise refused(
            "file", f"the first row lacks the column {', '.join(missing)}; take the template and copy your rows into it"
        )
    if twice:
        raise refused("file", f"the column {twice[0]} stands twice in the first row; keep one of them")


def _row(line: int, head: Sequence[str], cells: Sequence[str], region: Region) -> IntakeRow:
    named = {name: cell.strip()[:500] for name, cell in zip(head, cells, strict=False) if name in COLUMNS}
    answers = {column: _key(column, named.get(column, ""), region) for column in COLUMNS}
    mistakes = []
    if len(cells) > len(head):
        mistakes.append(Mistake(line, "", "", f"has {len(cells)} cells, the header {len(head)}: check the commas"))
    mistakes += [
        Mistake(line, one.subject, named.get(one.subject, ""), one.text) for one in referral_pages.wrong(answers)
    ]
    if named.get("borough") and answers["borough"] not in region.authorities:
        text = f"Write one of {', '.join(region.authorities.values())}, or leave it empty"
        mistakes.append(Mistake(line, "borough", named["borough"], text))
    return IntakeRow(line, named, answers, tuple(mistakes))


def _key(column: str, typed: str, region: Region) -> str:
    """Return the word of the list that a cell means, the cell itself where it means none."""
    if column == "borough":
        return next((code for code, name in region.authorities.items() if name.casefold() == typed.casefold()), typed)
    options = LISTS.get(column) or WORDS.get(column)
    if options is None:
        return typed
    by_text = {text.casefold(): key for key, text in options.items()} | {key.casefold(): key for key in options}
    if column in LISTS and typed.casefold() not in by_text:
        return ",".join(by_text.get(word.casefold(), word) for word in words_of(typed))
    return by_text.get(typed.casefold(), typed)


def _twice(rows: Sequence[IntakeRow]) -> list[IntakeRow]:
    """Mark rows whose reference stood in an earlier row."""
    first: dict[str, int] = {}
    found = []
    for row in rows:
        reference = row.answers["client_reference"].casefold()
        text = f"stands in row {first[reference]} already" if reference in first else ""
        found.append(_with(row, text) if text and reference else row)
        first.setdefault(reference, row.row)
    return found


def _known(tx: Tx, by: Actor, rows: Sequence[IntakeRow]) -> list[IntakeRow]:
    """Mark rows whose reference the same organisation has in a referral that waits: the file was sent already."""
    if by.partner_id is None:
        return list(rows)
    row = tables.ReferralRow
    wanted = [" ".join(one.answers["client_reference"].split()) for one in rows]
    query = select(row.client_reference, row.ref).where(
        row.partner_id == by.partner_id, row.state == "waiting", row.client_reference.in_(wanted)
    )
    held = {found.client_reference: found.ref for found in tx.s.execute(query)}
    texts = [held.get(reference, "") for reference in wanted]
    pairs = zip(rows, texts, strict=True)
    return [_with(one, f"waits already as {ref}") if ref else one for one, ref in pairs]


def _with(row: IntakeRow, text: str) -> IntakeRow:
    mistake = Mistake(row.row, "client_reference", row.cells.get("client_reference", ""), f"This reference {text}")
    return IntakeRow(row.row, row.cells, row.answers, (*row.mistakes, mistake))


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula. A telephone number's plus stays."""
    plain = cell[1:].replace(" ", "").isdecimal()
    formula = cell.startswith(("=", "@", "\t", "\r")) or (cell.startswith(("+", "-")) and not plain)
    return "'" + cell if formula else cell


def _written(table: Iterable[Sequence[str]]) -> str:
    made = io.StringIO(newline="")
    csv.writer(made).writerows(table)
    return made.getvalue()
