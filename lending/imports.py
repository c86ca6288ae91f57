"""Reading in what another system knew: devices, partners, accounts. Nothing happens before somebody has seen it.

- `begin` reads a file and keeps its rows, without the columns that hold persons; nothing is registered yet;
- `look` says for every row what `go_on` would do: add, have already, or what is wrong, which value and what to do;
- `go_on` does it, some rows at a time, each batch whole or not at all; stopped anywhere, it goes on where it was;
- the same file twice adds nothing: `import_key` remembers what each entry became, and a serial that is here is here.

A device is registered by a signed `device.registered` of this server and nothing else. Whatever the file says about
wiping is not believed: without a station's own certificate no device is ever lent.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import delete, func, select, update

from custody.errors import Refused
from lending import audit_log, import_columns, sheets
from lending.db import Tx
from lending.errors import refused
from lending.import_rows import Judged, add, judge
from lending.office_tables import ImportMapping, ImportRow, ImportRun
from lending.people import Actor, need

WHO: Mapping[str, tuple[str, ...]] = {
    "devices": ("supervisor", "administrator"),
    "partners": ("administrator",),
    "accounts": ("administrator",),
}
"""What may be read in, and who may do it."""

BATCH = 100
KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Run:
    """One file that is being read in. `fields` says which column (from 0) holds what."""

    id: int
    what: str
    source: str
    filename: str
    header: tuple[str, ...]
    fields: Mapping[str, int]
    left_out: tuple[str, ...]
    state: str
    made_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Return how many rows the file has."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Look:
    """What would happen: how many rows of each verdict, and the first lines of each."""

    counts: Mapping[str, int]
    lines: tuple[Judged, ...]


def begin(tx: Tx, by: Actor, what: str, filename: str, data: bytes, now: datetime) -> int:
    """Read a file and keep its rows for looking; return the number of the run.

    Raises `Refused`: `role`, `file`.
    """
    need(by, *WHO.get(what, ("nobody",)))
    sheet = sheets.read(data, filename)
    dropped = set(import_columns.personal(what, sheet.header))
    source = import_columns.source_of(sheet.header) if what == "devices" else "plain"
    fields = _remembered(tx, what, sheet.header) or import_columns.guess(what, sheet.header)
    run = ImportRun(
        what=what, source=source, filename=" ".join(filename.split())[:120], digest=hashlib.sha256(data).hexdigest(),
        mapping={"header": list(sheet.header), "fields": fields},
        left_out=[sheet.header[number] for number in sorted(dropped)], state="look", made_by=by.account_id, made_at=now,
        ended_at=None,
    )  # fmt: skip
    tx.s.add(run)
    tx.s.flush()
    for line, cells in sheet.rows:
        kept = {
            str(number): ("yes" if number in dropped else cell) for number, cell in enumerate(cells) if cell
        }
        tx.s.add(ImportRow(run=run.id, line=line, columns=kept, state="new", target="", problems=[]))
    tx.s.flush()
    audit_log.note(tx, by, "import-begun", f"import:{run.id}", f"{what}, {len(sheet.rows)} rows", now=now)
    return run.id


def get(tx: Tx, by: Actor, number: int) -> Run:
    """Return one run. Raises `Refused`: `unknown-import`, `role`."""
    row = tx.s.get(ImportRun, number)
    if row is None:
        raise refused("unknown-import", f"there is no import number {number}")
    need(by, *WHO[row.what])
    return _run(tx, row)


def listing(tx: Tx, by: Actor) -> list[Run]:
    """Return the last runs that `by` may see, newest first."""
    allowed = [what for what, roles in WHO.items() if by.roles & set(roles)]
    query = select(ImportRun).where(ImportRun.what.in_(allowed)).order_by(ImportRun.id.desc()).limit(50)
    return [_run(tx, row) for row in tx.s.scalars(query)]


def choose(tx: Tx, by: Actor, number: int, source: str, fields: Mapping[str, int], now: datetime) -> None:
    """Say which column is what, and remember it for files with the same header.

    Raises `Refused`: `role`, `unknown-import`, `started`, `columns`.
    """
    run = get(tx, by, number)
    row = tx.s.get_one(ImportRun, number)
    if run.state != "look":
        raise refused("started", "this import has begun; begin a new one to choose other columns")
    known = import_columns.FIELDS[run.what]
    if not fields or set(fields) - set(known) or any(not 0 <= n < len(run.header) for n in fields.values()):
        raise refused("columns", "choose for at least one thing the column that holds it", "columns")
    if source not in import_columns.SOURCES:
        raise refused("columns", f"{source[:40]!r} is no source that is known", "source")
    row.source, row.mapping = source, {"header": list(run.header), "fields": dict(fields)}
    digest = import_columns.header_digest(run.header)
    kept = ImportMapping(what=run.what, header=digest, source=source, mapping=dict(fields), saved_at=now)
    tx.s.merge(kept)
    tx.s.flush()


def look(tx: Tx, by: Actor, number: int, most: int = 25) -> Look:
    """Say what reading this file in would do, for every row, without doing anything: the dry run."""
    run = get(tx, by, number)
    counts: dict[str, int] = {}
    shown: list[Judged] = []
    seen: dict[str, int] = {}
    last = 0
    while rows := _rows(tx, number, last, 500):
        for one in judge(tx, run.what, run.source, run.header, run.fields, rows, seen):
            counts[one.verdict] = counts.get(one.verdict, 0) + 1
            if one.problems or one.notes or counts[one.verdict] <= most:
                shown.append(one)
        last = rows[-1].line
        tx.s.expunge_all()
    shown.sort(key=lambda one: (not one.problems, one.line))
    return Look(counts, tuple(shown[: 8 * most]))


def go_on(tx: Tx, by: Actor, number: int, now: datetime, random: Random) -> bool:
    """Do the next rows; return whether there are more. Raises `Refused`: `role`, `unknown-import`, `ended`."""
    run = get(tx, by, number)
    row = tx.s.get_one(ImportRun, number)
    if run.state in ("done", "discarded"):
        raise refused("ended", "this import has ended")
    waiting = select(ImportRow).where(ImportRow.run == number, ImportRow.state == "new")
    rows = list(tx.s.scalars(waiting.order_by(ImportRow.line).limit(BATCH)))
    row.state = "running"
    for one in rows:
        # One by one: what a row adds must be seen by the next.
        judged = judge(tx, run.what, run.source, run.header, run.fields, [one], {})[0]
        target, problems = judged.target, [problem.to_json() for problem in judged.problems]
        if judged.verdict == "add":
            try:
                target = add(tx, run.what, run.source, judged, by, now, random)
            except Refused as no:
                judged = judged.failed(no)
                problems = [problem.to_json() for problem in judged.problems]
        one.state, one.target, one.problems = _state(judged), target, problems
        if one.state != "wrong":
            one.columns = {}  # what is done need not be kept
        tx.s.flush()
    if len(rows) == BATCH:
        return True
    row.state, row.ended_at = "done", now
    tx.s.flush()
    done = _counts(tx, number)
    said = ", ".join(f"{count} {state}" for state, count in sorted(done.items()))
    audit_log.note(tx, by, "import-done", f"import:{number}", f"{run.what}: {said}", now=now)
    return False


def discard(tx: Tx, by: Actor, number: int, now: datetime) -> None:
    """Throw away the rows that are kept of a run; what it registered stays."""
    run = get(tx, by, number)
    tx.s.execute(delete(ImportRow).where(ImportRow.run == number, ImportRow.state.in_(("new", "wrong"))))
    if run.state != "done":
        tx.s.execute(update(ImportRun).where(ImportRun.id == number).values(state="discarded", ended_at=now))


def wrong_rows(tx: Tx, by: Actor, number: int) -> list[tuple[int, str, str, str]]:
    """Return every row that was not read in: line, column, value, and what to do; for a spreadsheet."""
    get(tx, by, number)
    query = select(ImportRow).where(ImportRow.run == number, ImportRow.state == "wrong").order_by(ImportRow.line)
    return [
        (row.line, one["column"], one["value"], one["text"]) for row in tx.s.scalars(query) for one in row.problems
    ]


def made(tx: Tx, by: Actor, number: int) -> list[tuple[int, str]]:
    """Return what a run added: line in the file, and what it is here."""
    get(tx, by, number)
    query = select(ImportRow.line, ImportRow.target).where(ImportRow.run == number, ImportRow.state == "added")
    return [(line, target) for line, target in tx.s.execute(query.order_by(ImportRow.line))]


def forget(tx: Tx, now: datetime) -> int:
    """Let go of the rows of runs that are older than 30 days; return how many. For the nightly work."""
    old = select(ImportRun.id).where(ImportRun.made_at < now - KEPT)
    return int(tx.s.execute(delete(ImportRow).where(ImportRow.run.in_(old))).rowcount)  # type: ignore[attr-defined]


def _state(judged: Judged) -> str:
    return {"add": "added", "same": "same"}.get(judged.verdict, "wrong")


def _rows(tx: Tx, number: int, after: int, most: int) -> Sequence[ImportRow]:
    query = select(ImportRow).where(ImportRow.run == number, ImportRow.state == "new", ImportRow.line > after)
    return tx.s.scalars(query.order_by(ImportRow.line).limit(most)).all()


def _remembered(tx: Tx, what: str, header: Sequence[str]) -> dict[str, int] | None:
    row = tx.s.get(ImportMapping, (what, import_columns.header_digest(header)))
    return None if row is None else {str(field): int(number) for field, number in row.mapping.items()}


def _run(tx: Tx, row: ImportRun) -> Run:
    mapping: Mapping[str, Any] = row.mapping
    return Run(
        row.id, row.what, row.source, row.filename, tuple(mapping["header"]), mapping["fields"], tuple(row.left_out),
        row.state, row.made_at, row.ended_at, _counts(tx, row.id),
    )  # fmt: skip


def _counts(tx: Tx, number: int) -> dict[str, int]:
    query = select(ImportRow.state, func.count()).where(ImportRow.run == number).group_by(ImportRow.state)
    return {state: int(count) for state, count in tx.s.execute(query)}


