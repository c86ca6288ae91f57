"""Which devices and households a recall touches: found by index, then looked at closely, a portion at a time.

The first search is wide on purpose: every device that an event in doubt mentions. A close look then finds the
households that had a device while only the doubtful statement vouched for it, and sets aside what was never touched.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Select, func, insert, select

from custody import rules
from custody.events import Event
from custody.facts import Facts
from labels.codes import pretty
from lending import tables
from lending.db import Tx
from lending.errors import refused
from lending.holds import wrong_under
from lending.recall_scope import HELPS, KINDS, Scope, exposed_exits, fits, in_doubt_now, scope_in
from lending.recall_tables import RecallLine, RecallRow
from lending.record import Reader, is_code

CHUNK = 400


def checked(tx: Tx, scope: Scope) -> Scope:
    """Return the scope with its names made whole. Raises `Refused`, whose subject is the field to put right."""
    if scope.kind not in KINDS:
        raise refused("kind", "choose what is recalled", "kind")
    if scope.kind == "wipe":
        return Scope("wipe", wipe=_wipe(tx, scope.wipe))
    if scope.kind == "medium":
        return Scope("medium", medium=_medium(tx, scope.medium))
    if scope.kind == "origin":
        row = tx.s.get(tables.Origin, scope.origin)
        if row is None or row.role != "station":
            raise refused("origin", "choose the station whose statements are in doubt", "origin")
        return Scope("origin", origin=row.id)
    make, model = " ".join(scope.make.split()), " ".join(scope.model.split())
    if not make or not model:
        raise refused("model", "give both the make and the model, as they stand in the list of devices", "make")
    return Scope("model", make=make, model=model, first=scope.first.strip(), last=scope.last.strip())


def candidates(tx: Tx, scope: Scope) -> list[str]:
    """Return the label code of every device that a recall may touch, in order."""
    if scope.kind == "model":
        row = tables.DeviceRow
        query = select(row.code, row.make, row.model, row.serial).where(
            func.lower(row.make).like(f"{_first_word(scope.make)}%", escape="\\")
        )
        return sorted(one.code for one in tx.s.execute(query) if fits(one.make, one.model, one.serial, scope))
    events = _doubtful(scope)
    query_ = select(tables.Mention.subject).distinct().where(tables.Mention.n.in_(events))
    return sorted(subject for subject in tx.s.scalars(query_) if is_code(subject))


def current_loans(tx: Tx, codes: list[str]) -> dict[str, str]:
    """Return for each of these devices that is out with a household its loan; reserved ones are not out."""
    item, found = tables.LoanItem, {}
    for start in range(0, len(codes), CHUNK):
        query = select(item.device, item.loan).where(item.device.in_(codes[start : start + CHUNK]), item.state == "out")
        found.update({str(device): loan for device, loan in tx.s.execute(query)})
    return found


def list_devices(tx: Tx, row: RecallRow, codes: Iterable[str]) -> int:
    """Write a line for every device that has none yet; return how many were new."""
    held = set(tx.s.scalars(select(RecallLine.device).where(RecallLine.recall == row.ref)))
    new = [code for code in codes if code not in held]
    out = current_loans(tx, new)
    lines = [
        {"recall": row.ref, "device": code, "loan": out.get(code, ""), "part": "device", "refined": False,
         "released_at": None, "released_by": None, "finished_at": None, "how": ""}
        for code in new
    ]  # fmt: skip
    if lines:
        tx.s.execute(insert(RecallLine), lines)
    return len(lines)


def look_closely(tx: Tx, row: RecallRow, most: int, now: datetime) -> int:
    """Look at the next `most` lines nobody looked at closely: find earlier households, set aside what is untouched.

    Returns how many are still to be looked at.
    """
    todo = select(RecallLine).where(RecallLine.recall == row.ref, RecallLine.refined.is_(False))
    reader = Reader(tx)
    for line in tx.s.scalars(todo.order_by(RecallLine.id).limit(most)).all():
        _look(tx, reader, row, line, now)
        line.refined = True
    tx.s.flush()
    left = select(func.count()).where(RecallLine.recall == row.ref, RecallLine.refined.is_(False))
    return tx.s.scalar(left) or 0


def _look(tx: Tx, reader: Reader, row: RecallRow, line: RecallLine, now: datetime) -> None:
    if row.kind == "model":
        return
    scope, (facts, wrong) = scope_in(row.scope), doubt_of(tx, reader, row, line.device)
    exits = exposed_exits(line.device, facts, wrong, scope)
    loans = {str(e.body["loan"]) for e in exits if e.body["loan"]}
    for loan in sorted(loans - {line.loan}):
        held = select(RecallLine.id).where(
            RecallLine.recall == row.ref, RecallLine.device == line.device, RecallLine.loan == loan
        )
        if tx.s.scalar(held) is None:
            tx.s.add(_earlier(row, line.device, loan))
    last = rules.last_exit(facts, line.device)
    gone = not facts.in_hand(line.device) and any(e.hash == last for e in exits)
    if not gone and not in_doubt_now(line.device, facts, wrong, scope):
        line.finished_at, line.how = now, "untouched"


def doubt_of(tx: Tx, reader: Reader, row: RecallRow, device: str) -> tuple[Facts, Callable[[Event], bool]]:
    """Return a device's facts as if nothing were disputed, and the test for what is disputed or in doubt."""
    disputed = reader.facts_about(device).disputed
    said = rules.gather(device, lambda asked: [e for e in reader.about(asked) if e.kind != "record.disputed"])
    in_doubt = wrong_under(tx, row)
    return said, lambda event: event.hash in disputed or in_doubt(event)


def _earlier(row: RecallRow, device: str, loan: str) -> RecallLine:
    return RecallLine(
        recall=row.ref, device=device, loan=loan, part="earlier", refined=True, released_at=None, released_by=None,
        finished_at=None, how="",
    )  # fmt: skip


def _doubtful(scope: Scope) -> Select[int]:
    row = tables.EventRow
    query = select(row.n).where(row.refused.is_(None))
    if scope.kind == "wipe":
        return query.where(row.hash == scope.wipe)
    if scope.kind == "medium":
        return query.where(row.kind == "medium.wiped", row.subject == scope.medium)
    return query.where(row.origin == scope.origin, row.kind.in_([*sorted(HELPS), "device.inventoried"]))


def _wipe(tx: Tx, text: str) -> str:
    """Find a wipe by its whole hash or its first twelve digits or more."""
    typed = text.strip().lower()
    row = tables.EventRow
    found: list[str] = []
    if len(typed) >= 12 and all(one in "0123456789abcdef" for one in typed):
        query = select(row.hash).where(row.hash.like(f"{typed}%"), row.kind == "medium.wiped")
        found = list(tx.s.scalars(query.limit(2)))
    if len(found) != 1:
        text = "no wipe has this number; copy it from the device's page or from the certificate (12 digits or more)"
        raise refused("wipe", text, "wipe")
    return found[0]


def _medium(tx: Tx, text: str) -> str:
    """Find a medium by its identifier, or by the serial number of exactly one drive."""
    row, typed = tables.MediumRow, text.strip()
    found = list(tx.s.scalars(select(row.id).where(row.id == typed)))
    found = found or list(tx.s.scalars(select(row.id).where(func.lower(row.serial) == typed.lower()).limit(2)))
    if not typed or len(found) != 1:
        count = "more than one drive has" if found else "no drive here has"
        raise refused("medium", f"{count} the serial number {pretty(typed[:40]) if is_code(typed) else typed[:40]!r}",
                      "medium")  # fmt: skip
    return found[0]


def _first_word(text: str) -> str:
    first = text.split(maxsplit=1)[0].lower()
    return first.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
