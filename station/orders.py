"""Orders to the bench: a SQLite file in which the unprivileged screen leaves orders, and the bench its answers.

The screen may write orders and never history: the journal is another file, which it cannot open for writing. Who may
leave an order is decided by the file's group. The bench believes nothing in this file:

- an order is a few short texts, checked here; what is no order is answered with a sentence, and never raises;
- an order is taken once (the bench remembers which), and only within `STALE` seconds of the machine's monotonic
  clock in the same start of the machine, so that nothing left over is obeyed hours later;
- a file that is locked, damaged or gone stops no wipe: it is tried again, or put aside and made anew.
"""

import json
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlite_utils import Database

from station.bays_state import boot_id, now_beat
from station.errors import NotDone, UsageError

STALE = 30.0  # seconds; an order that was not taken by then is answered, not obeyed
PATIENCE = 0.2  # seconds the bench waits for the file: it has drives to look after
WRITER_PATIENCE = 5.0  # seconds the one who writes an order waits for the file
LONGEST = 500  # characters of any text in an order
MOST = 20  # orders looked at in one go; a flood waits its turn
KEPT = 1_000  # answered orders kept to look back at


@dataclass(frozen=True)
class Order:
    """One order. What does not belong to its kind is "".

    - arm: `bay`, `typed` (the last four, read off the drive)
    - start: `bay`, and `operator` (a reference) or `badge` and `pin`; where wanted `profile`, `device` (label code),
      `exit` (hash, from a return slip), and the supervisor's reference who accepts a lower claim (`accept_lower`) or
      a failing drive (`despite_health`), or `supervisor_badge` and `supervisor_pin`, which accept what must be accepted
    - cancel: `bay`, `operator`
    - acknowledge: `bay`: take away what the tile says of a wipe that is over and settled
    - resolve: `medium` (the tile's medium id), `how`: "again" or "destroy", and the supervisor: `operator` or
      `supervisor_badge` and `supervisor_pin`

    Badges and PINs are taken out of the file when the order is answered, and are in no message.
    """

    kind: str
    bay: str = ""
    typed: str = ""
    operator: str = ""
    profile: str = ""
    accept_lower: str = ""
    despite_health: str = ""
    device: str = ""
    exit: str = ""
    medium: str = ""
    how: str = ""
    badge: str = field(default="", repr=False)
    pin: str = field(default="", repr=False)
    supervisor_badge: str = field(default="", repr=False)
    supervisor_pin: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the order as JSON data, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, data: object) -> "Order":
        """Read and check an order; raises UsageError with a sentence when it is none."""
        if not isinstance(data, Mapping):
            raise UsageError("an order is an object with a kind")
        known = [one.name for one in fields(cls)]
        odd = sorted(str(name)[:40] for name in data if name not in known)
        if odd:
            raise UsageError(f"an order has no field {', '.join(odd)}; it has: {', '.join(known)}")
        for name, value in data.items():
            if not isinstance(value, str) or len(value) > LONGEST or not (value.isprintable()):
                raise UsageError(f"{name} of an order must be one line of text of at most {LONGEST} characters")
        order = cls(**{"kind": "", **data})
        needs = NEEDS.get(order.kind)
        if needs is None:
            raise UsageError(f"{order.kind!r} is no kind of order; there are: {', '.join(NEEDS)}")
        missing = [
            name for name in needs if not any(getattr(order, either).strip() for either in name.split(" or "))
        ]
        if missing:
            raise UsageError(f"an order to {order.kind} must say: {', '.join(missing)}")
        if order.kind == "resolve" and order.how not in HOW:
            raise UsageError(f"a supervisor resolves with how = {' or '.join(HOW)}, not {order.how!r}")
        return order


HOW = ("again", "destroy")
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "arm": ("bay", "typed"),
        "start": ("bay", "operator or badge"),
        "cancel": ("bay", "operator"),
        "acknowledge": ("bay",),
        "resolve": ("medium", "operator or supervisor_badge", "how"),
    }
)
"""Kind of order -> what it must say."""


@dataclass(frozen=True)
class Answer:
    """What became of an order: whether it was obeyed, and a sentence that says so or why not."""

    obeyed: bool
    sentence: str


@dataclass(frozen=True)
class Waiting:
    """One row that was not answered yet: an order, or the sentence that says why it is none."""

    id: str
    order: Order | None
    why_not: str = ""


@dataclass(frozen=True)
class Clock:
    """The machine's monotonic seconds and the name of its start, to tell how old an order is."""

    monotonic: Callable[[], float] = now_beat
    boot: str = field(default_factory=boot_id)


class Orders:
    """The orders file, open. The bench makes it (`create`); a screen only opens it."""

    def __init__(self, file: Path, *, patience: float = WRITER_PATIENCE, clock: Clock | None = None) -> None:
        """Open the file; raises NotDone when it is not there, not ours to use, or no orders file."""
        self.file, self._clock = file, clock or Clock()
        _look_safe(file)
        self._db = _open(file, patience)
        self._files = _numbers(file)

    def intact(self) -> bool:
        """Tell whether the file and its side file are still those that were opened, and still SQLite's."""
        try:
            with self.file.open("rb") as data:
                begins = data.read(16)
        except OSError:
            return False
        return begins == b"SQLite format 3\0" and _numbers(self.file) == self._files

    @classmethod
    def create(cls, file: Path, group: int | None = None, *, clock: Clock | None = None) -> "Orders":
        """Make the file where there is none, or put a damaged one aside, and open it for the bench; raises NotDone.

        With a group its members may leave orders: the folder is then sticky, so that they cannot replace the file.
        """
        try:
            _lay_out(file, group)
            return cls(file, patience=PATIENCE, clock=clock)
        except NotDone:
            if not file.is_file() or file.is_symlink() or not _damaged(file):
                raise
        _put_aside(file)
        _lay_out(file, group)
        return cls(file, patience=PATIENCE, clock=clock)

    def leave(self, order: Order) -> str:
        """Leave an order and return its id; raises UsageError for what is no order, NotDone when the file refuses."""
        Order.from_json(order.to_json())
        name = secrets.token_hex(8)
        row = {
            "id": name, "body": json.dumps(order.to_json()), "at": self._clock.monotonic(), "boot": self._clock.boot,
            "obeyed": -1, "answer": "",
        }  # fmt: skip
        with self._writing():
            self._db.table("orders").insert(row)
        return name

    def answer_to(self, name: str) -> Answer | None:
        """Return what became of an order, None while it waits; raises NotDone when the file cannot be read."""
        try:
            rows = list(self._db.query("SELECT obeyed, answer FROM orders WHERE id = ?", [name]))
        except sqlite3.Error as error:
            raise _not_done(self.file, error) from error
        if not rows or rows[0]["obeyed"] not in (0, 1):
            return None
        return Answer(rows[0]["obeyed"] == 1, str(rows[0]["answer"]))

    def waiting(self) -> list[Waiting]:
        """Return what was not answered yet, oldest first; raises NotDone when the file cannot be read now."""
        try:
            sql = "SELECT rowid, id, body, at, boot FROM orders WHERE obeyed = -1 ORDER BY rowid LIMIT ?"
            rows = list(self._db.query(sql, [MOST]))
        except (sqlite3.Error, UnicodeError) as error:
            raise _not_done(self.file, error) from error
        return [self._read(row) for row in rows]

    def _read(self, row: Mapping[str, Any]) -> Waiting:
        name = str(row["id"])
        try:
            age = self._clock.monotonic() - float(row["at"])
            if row["boot"] != self._clock.boot or not -1.0 <= age <= STALE:
                return Waiting(name, None, "Too old: the bench was not there when it was ordered. Nothing was done.")
            return Waiting(name, Order.from_json(json.loads(row["body"])))
        except UsageError as error:
            return Waiting(name, None, f"Not understood: {error}. Nothing was done.")
        except (ValueError, TypeError, RecursionError):
            return Waiting(name, None, "Not understood: this is no order. Nothing was done.")

    def answer(self, name: str, answer: Answer) -> None:
        """Write the answer to an order, and forget old ones; raises NotDone when the file refuses now."""
        with self._writing():
            change = "UPDATE orders SET obeyed = ?, answer = ?, body = '' WHERE id = ?"
            sentence = answer.sentence.encode("utf-8", "replace").decode()  # it may repeat half a character of an order
            self._db.execute(change, [int(answer.obeyed), sentence, name])
            self._db.execute(
                "DELETE FROM orders WHERE obeyed >= 0 AND rowid <= (SELECT max(rowid) FROM orders) - ?", [KEPT]
            )
        with suppress(sqlite3.Error):  # the side file holds what was overwritten: a PIN may have been in it
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise
        except sqlite3.Error as error:
            raise _not_done(self.file, error) from error

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()


def _numbers(file: Path) -> tuple[int, ...]:
    """Return the inode numbers of the file and its side file; SQLite itself does not see when they are exchanged."""
    try:
        return os.stat(file).st_ino, os.stat(file.with_name(f"{file.name}-wal")).st_ino
    except OSError:
        return ()


def _open(file: Path, patience: float) -> Database:
    """Open an existing file: nothing that its schema says is trusted (SQLite, "Defense Against The Dark Arts")."""
    try:
        db = Database(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=patience))
        db.conn.text_factory = lambda data: data.decode("utf-8", "replace")  # one bad row must not keep the others out
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("PRAGMA cell_size_check=ON")
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA synchronous=NORMAL")  # an order is not obeyed after a power cut anyway
        db.execute("SELECT id, body, at, boot, obeyed, answer FROM orders LIMIT 1").fetchall()
        ours = "type IN ('table', 'index') AND tbl_name = 'orders'"
        odd = list(db.query(f"SELECT name FROM sqlite_master WHERE NOT ({ours})"))  # noqa: S608
    except sqlite3.Error as error:
        raise _not_done(file, error) from error
    if odd:
        raise NotDone(f"{file} holds more than orders ({odd[0]['name']}); it is not used")
    return db


def _lay_out(file: Path, group: int | None) -> None:
    """Make folder and file with the rights that they need, where they are not there yet."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if group is not None:
            os.chown(file.parent, -1, group)
            os.chmod(file.parent, 0o1770)  # noqa: S103 - the screen must be able to make SQLite's side files
        if file.exists():
            return
        made = file.with_name(f"{file.name}.new")  # a screen never sees a file without its table
        made.unlink(missing_ok=True)
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        if group is not None:
            os.chown(made, -1, group)
            os.chmod(made, 0o660)
        db = Database(sqlite3.connect(made))
        columns = {"id": str, "body": str, "at": float, "boot": str, "obeyed": int, "answer": str}
        db.enable_wal()
        db.table("orders").create(columns, not_null=set(columns), strict=True)
        db.table("orders").create_index(["id"], unique=True)
        db.close()
        os.rename(made, file)
    except (OSError, sqlite3.Error) as error:
        raise NotDone(f"the orders file {file} cannot be made ({error})") from error


def _look_safe(file: Path) -> None:
    """Refuse a file that somebody else could have put there; raises NotDone."""
    try:
        status, folder = os.lstat(file), os.stat(file.parent)
    except OSError as error:
        raise NotDone(f"there is no orders file at {file}; is the bench running? (kitbank-station bench)") from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise NotDone(f"{file} is no plain file; it is not used")
    if os.geteuid() == 0 and (status.st_uid != 0 or folder.st_uid != 0):
        raise NotDone(f"{file} or its folder belongs to somebody else than root; it is not used")
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise NotDone(f"others may replace {file}, because its folder is not sticky; it is not used")


def _damaged(file: Path) -> bool:
    """Tell whether the file is no orders file at all, rather than locked or out of reach for a moment."""
    try:
        _open(file, PATIENCE).close()
    except NotDone as error:
        cause = error.__cause__
        name = getattr(cause, "sqlite_errorname", "") or ""
        return cause is None or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"))
    return False


def _put_aside(file: Path) -> None:
    """Rename a damaged file and take away what belongs to it; raises NotDone."""
    try:
        os.replace(file, file.with_name(f"{file.name}.damaged"))
        for end in ("-wal", "-shm"):
            file.with_name(file.name + end).unlink(missing_ok=True)
    except OSError as error:
        raise NotDone(f"the damaged orders file {file} cannot be put aside ({error.strerror})") from error


def _not_done(file: Path, error: Exception) -> NotDone:
    return NotDone(f"the orders file {file} cannot be used now ({error}); nothing was ordered or answered")
