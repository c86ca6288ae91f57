"""Armed scanning: a mode card once, then every scan does it.

What this module promises:

- a verdict is true when it is shown: the act, what it signed and its line in the list are one transaction;
- each browser is armed for itself; two desks know of each other and never disturb each other;
- the same label again within `REPEAT` is the same scan: it is answered as before and does nothing;
- a desk that nobody has used for the set time is paused: the scan that finds it so only says so;
- a badge is refused and never kept; a wrong character is said, and the right code offered, never taken by itself;
- an undo (`lending.armed_undo`) is possible for `UNDO` after the scan where there is an honest one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from custody.badges import looks_like_a_badge
from labels.codes import pretty
from lending import forms, tables
from lending.armed_acts import Verdict, act
from lending.armed_tables import ArmedRow, ArmedScan
from lending.db import Tx
from lending.errors import refused
from lending.mode_cards import Mode, looks_like_a_card, read_card
from lending.people import Actor, need, random_ref

UNDO = timedelta(seconds=10)
GRACE = timedelta(seconds=2)
"""More than the screen shows: a button that was pressed in time must not come too late for the network."""

REPEAT = timedelta(seconds=2)
LAST = 10
FORGET = timedelta(days=30)
"""How long lists of scans are kept; the acts themselves are history."""

UNDOABLE = {"RECEIVE", "PREPARE"}


@dataclass(frozen=True)
class Scanned:
    """One scan as the screen shows it. `undo_left`: seconds in which it may still be undone, 0 for no longer."""

    id: int
    at: datetime
    code: str
    kind: str
    words: str
    detail: str
    offer: str
    undone: bool
    undo_left: int

    @property
    def label(self) -> str:
        """Return the code as it is printed, "" where none was read."""
        return pretty(self.code) if self.code else ""


@dataclass(frozen=True)
class Desk:
    """One armed browser: its mode, the newest scan, the last ten, and how many went well since the mode card."""

    ref: str
    mode: Mode
    state: str
    why: str
    sound: bool
    since: datetime
    count: int
    newest: Scanned | None
    last: tuple[Scanned, ...]


@dataclass(frozen=True)
class Watch:
    """Another browser that is armed now, as colleagues see it."""

    who: str
    title: str
    since: datetime
    last_at: datetime
    count: int
    mine: bool


def arm(tx: Tx, mode: Mode, by: Actor, now: datetime) -> str:
    """Begin to scan in a mode; return the desk's reference. Raises `Refused`: `role`, `unknown-loan`, `loan-closed`."""
    _may(tx, mode, by)
    old = select(ArmedRow.ref).where(ArmedRow.last_at < now - FORGET)
    for ref in tx.s.scalars(old).all():
        tx.s.delete(tx.s.get_one(ArmedRow, ref))
    row = ArmedRow(
        ref=random_ref("A", 10), account_id=by.account_id, mode=mode.key, loan=mode.loan or None, state="armed",
        why="", sound=True, since=now, last_at=now,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    _log(tx, row, "", _armed(mode), now)
    return row.ref


def change(tx: Tx, ref: str, mode: Mode, by: Actor, now: datetime) -> None:
    """Scan in another mode from now on; also goes on after a pause. Raises what `arm` raises, and `not-armed`."""
    row = _own(tx, ref, by)
    _may(tx, mode, by)
    row.mode, row.loan, row.state, row.why = mode.key, mode.loan or None, "armed", ""
    row.since = row.last_at = now
    _log(tx, row, "", _armed(mode), now)


def pause(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Stop acting on scans until somebody goes on. Raises `Refused` `not-armed`."""
    row = _own(tx, ref, by)
    row.state, row.why, row.last_at = "paused", "", now
    tx.s.flush()


def go_on(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Go on in the same mode. Raises `Refused`: `not-armed`, and what `arm` raises."""
    row = _own(tx, ref, by)
    _may(tx, mode_of(row), by)
    row.state, row.why, row.last_at = "armed", "", now
    tx.s.flush()


def set_sound(tx: Tx, ref: str, on: bool, by: Actor) -> None:
    """Switch the tones on or off; they are never the only signal. Raises `Refused` `not-armed`."""
    _own(tx, ref, by).sound = on
    tx.s.flush()


def end(tx: Tx, ref: str, by: Actor) -> None:
    """End it: this browser scans in no mode any more. Raises `Refused` `not-armed`."""
    _own(tx, ref, by).state = "ended"
    tx.s.flush()


def scan(tx: Tx, ref: str, typed: str, by: Actor, now: datetime, idle: timedelta) -> bool:
    """Do with one scan what the mode says and write down the verdict; tell whether it was a repeat of the last scan.

    Raises `Refused`: `not-armed`, and what `arm` raises for a mode card.
    """
    row = _own(tx, ref, by)
    if looks_like_a_card(typed) and (mode := read_card(typed)) is not None:
        change(tx, ref, mode, by, now)
        return False
    if row.state == "armed" and now - row.last_at > idle:
        row.state, row.why = "paused", "idle"
    if row.state == "paused":
        text = "This scan did nothing. Press “Go on”, or scan a mode card; then scan again."
        _log(tx, row, "", Verdict("info", "Paused", text), now)
        return False
    return _scan(tx, row, typed, by, now)


def _scan(tx: Tx, row: ArmedRow, typed: str, by: Actor, now: datetime) -> bool:
    row.last_at = now
    if looks_like_a_badge(typed):
        _log(tx, row, "", Verdict("no", "That is a badge", "It was not kept. Scan the label of a device."), now)
        return False
    if looks_like_a_card(typed):
        _log(tx, row, "", Verdict("no", "Not a mode here", "This card is not known. Print the cards again."), now)
        return False
    read = forms.read_scan(typed)
    if read.problem:
        _log(tx, row, "", Verdict("no", "Not read", read.problem), now, read.suggestion)
        return False
    newest = _newest(tx, row)
    if newest is not None and newest.code == read.code and newest.undone_at is None and now - newest.at < REPEAT:
        return True
    _log(tx, row, read.code, act(tx, mode_of(row), read.code, read.exit, by, now), now)
    return False


def desk(tx: Tx, ref: str, by: Actor, now: datetime, idle: timedelta) -> Desk | None:
    """Return how an armed browser stands; None when it is not armed, or is somebody else's."""
    row = tx.s.get(ArmedRow, ref)
    if row is None or row.account_id != by.account_id or row.state == "ended":
        return None
    query = select(ArmedScan).where(ArmedScan.armed == ref).order_by(ArmedScan.id.desc()).limit(LAST + 1)
    found = [_scanned(one, now) for one in tx.s.scalars(query)]
    asleep = row.state == "armed" and now - row.last_at > idle
    return Desk(
        ref=row.ref, mode=mode_of(row), state="paused" if asleep else row.state, why="idle" if asleep else row.why,
        sound=row.sound, since=row.since, count=_count(tx, row), newest=found[0] if found else None,
        last=tuple(found[:LAST]),
    )  # fmt: skip


def watch(tx: Tx, by: Actor, ref: str, now: datetime, idle: timedelta) -> list[Watch]:
    """Return who scans in a mode now, `ref` being one's own. Paused and forgotten ones are not armed."""
    need(by, "volunteer", "desk", "supervisor", "administrator")
    query = (
        select(ArmedRow, tables.AccountRow.name)
        .join(tables.AccountRow, tables.AccountRow.id == ArmedRow.account_id)
        .where(ArmedRow.state == "armed", ArmedRow.last_at > now - idle)
        .order_by(ArmedRow.since)
    )
    return [
        Watch(name, mode_of(row).title, row.since, row.last_at, _count(tx, row), row.ref == ref)
        for row, name in tx.s.execute(query).all()
    ]


def pause_everywhere(tx: Tx, account: int, now: datetime) -> None:
    """Pause every browser of an account, for when it signs out."""
    change_ = update(ArmedRow).where(ArmedRow.account_id == account, ArmedRow.state == "armed")
    tx.s.execute(change_.values(state="paused", why="signed out", last_at=now))


def mode_of(row: ArmedRow) -> Mode:
    """Return the mode of a row."""
    return Mode(row.mode, row.loan or "")


def undo_left(one: ArmedScan, now: datetime) -> int:
    """Return the whole seconds in which a scan may still be undone, as the screen shows them."""
    if one.mode not in UNDOABLE or one.verdict != "yes" or not one.code or one.undone_at is not None:
        return 0
    return max(0, -(-(UNDO - (now - one.at)) // timedelta(seconds=1)))


def _armed(mode: Mode) -> Verdict:
    return Verdict("mode", mode.title, mode.kind.about)


def _may(tx: Tx, mode: Mode, by: Actor) -> None:
    need(by, *mode.kind.roles)
    if mode.loan:
        row = tx.s.get(tables.LoanRow, mode.loan)
        if row is None:
            raise refused("unknown-loan", f"there is no loan {mode.loan}; print its cards again", mode.loan)
        if row.state == "closed":
            raise refused("loan-closed", f"loan {mode.loan} is closed", mode.loan)


def _own(tx: Tx, ref: str, by: Actor) -> ArmedRow:
    row = tx.s.get(ArmedRow, ref)
    if row is None or row.account_id != by.account_id or row.state == "ended":
        raise refused("not-armed", "scan a mode card first: then every scan does what it says", ref)
    return row


def _newest(tx: Tx, row: ArmedRow) -> ArmedScan | None:
    return tx.s.scalar(select(ArmedScan).where(ArmedScan.armed == row.ref).order_by(ArmedScan.id.desc()).limit(1))


def _count(tx: Tx, row: ArmedRow) -> int:
    one = ArmedScan
    query = select(func.count()).where(
        one.armed == row.ref, one.at >= row.since, one.code != "", one.verdict.in_(("yes", "info")),
        one.undone_at.is_(None),
    )  # fmt: skip
    return tx.s.scalar(query) or 0


def _log(tx: Tx, row: ArmedRow, code: str, verdict: Verdict, now: datetime, offer: str = "") -> None:
    tx.s.add(
        ArmedScan(
            armed=row.ref, at=now, mode=row.mode, loan=row.loan, code=code, verdict=verdict.kind, words=verdict.words,
            detail=verdict.detail, offer=offer, event=verdict.event, closing=verdict.closing, undone_at=None,
        )
    )  # fmt: skip
    tx.s.flush()


def _scanned(one: ArmedScan, now: datetime) -> Scanned:
    return Scanned(
        one.id, one.at, one.code, one.verdict, one.words, one.detail, one.offer, one.undone_at is not None,
        undo_left(one, now),
    )  # fmt: skip
