"""An open journal: whose it is, its one way to write, and rows that are verified again whenever they are read."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from custody.chain import KeySpan, Writer
from custody.disk import fsync_folder
from custody.errors import BadEvent, JournalError, Reason
from custody.events import Event, OriginId, PublicKey, Role, World, open_
from custody.intake import Aside
from custody.journalchains import Chains, columns_of
from custody.journalfile import connect, damaged, told, writing


@dataclass(frozen=True)
class Row:
    """One event as held: its number here, why it does not count (if so), and the very bytes that were signed."""

    n: int
    event: Event
    refused: tuple[Reason, ...]
    envelope: bytes


class OpenJournal:
    """The part of `custody.journal.Journal` that reads and writes rows; use that class."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open an existing journal; raises `JournalError` or `JournalDamaged`."""
        self.path = path
        self._db = connect(path, readonly=readonly)
        self._folder_is_safe = False
        try:
            with told(path):
                found = next(self._db.query("SELECT * FROM identity"), None)
            if found is None:
                raise JournalError(f"{path} is a journal that belongs to nobody; make a new one")
        except JournalError:
            self._db.close()
            raise
        self.origin, self.role, self.world = (
            OriginId(found["origin"]), Role(found["role"]), World(found["world"])
        )  # fmt: skip
        self._key = PublicKey.from_hex(found["key"])

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> Self:
        """Open an existing journal; raises `JournalError` or `JournalDamaged`."""
        return cls(path, readonly=readonly)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def note(self, name: str) -> Any:
        """Return what was noted under this name, None when nothing was. Notes are no history: they may be replaced."""
        return self._get(f"note {name}")

    def change_note(self, name: str, change: Callable[[Any], Any]) -> Any:
        """Replace a note by what `change` makes of it, under the write lock; it is on the disk when this returns.

        `change` may raise to leave it as it was.
        """
        with self._writing():
            changed = change(self._get(f"note {name}"))
            self._set(f"note {name}", changed)
        return changed

    @contextmanager
    def _writing(self) -> Iterator[Chains]:
        """Hold the write lock, write what was added to the chains, and see to it that it is on the disk."""
        with writing(self._db, self.path):
            chains = Chains(self._db, self.path)
            yield chains
            chains.flush()
        if not self._folder_is_safe:
            try:
                fsync_folder(self.path.parent)
            except OSError as error:
                raise JournalError(f"the folder of {self.path} cannot be made safe: {error.strerror}") from error
            self._folder_is_safe = True

    def _check_head(self, chains: Chains) -> None:
        """Make sure that what we are about to build upon is what was written."""
        for row in self._db.query("SELECT * FROM event WHERE origin = ? ORDER BY seq DESC LIMIT 1", [self.origin]):
            self._row(dict(row, server=None), chains)

    def _rows(self, where: str, *values: object) -> list[Row]:
        sql = f"SELECT e.*, r.reasons AS server FROM event e LEFT JOIN refusal r ON r.hash = e.hash WHERE {where}"  # noqa: S608
        with told(self.path):
            chains = Chains(self._db, self.path)
            return [self._row(row, chains) for row in self._db.query(sql, values)]

    def _row(self, row: Mapping[str, Any], chains: Chains) -> Row:
        """Read one row, believing nothing: the signature and every column are checked."""
        envelope = bytes(row["envelope"])
        try:
            event = open_(envelope, chains.key, self.world)
            said = [*json.loads(row["refused"]), *json.loads(row["server"] or "[]")]
            reasons = tuple(dict.fromkeys(Reason(one["code"], one["text"], one["subject"]) for one in said))
        except (BadEvent, ValueError, KeyError, TypeError) as error:
            raise damaged(self.path, f"event {row['n']}: {error}") from error
        if columns_of(event) != {name: row[name] for name in columns_of(event)}:
            raise damaged(self.path, f"the columns of event {row['n']} do not say what its envelope says")
        return Row(row["n"], event, reasons, envelope)

    def _quarantine(self, aside: Aside) -> None:
        digest = hashlib.sha256(aside.envelope + aside.sentence.encode()).hexdigest()
        if not self._found("SELECT 1 FROM quarantine WHERE digest = ?", digest):
            row = {"digest": digest, "origin": aside.origin, "sentence": aside.sentence, "envelope": aside.envelope}
            self._db.table("quarantine").insert(row)

    def _found(self, sql: str, *values: object) -> list[dict[str, Any]]:
        return list(self._db.query(sql, values))

    def _get(self, name: str, default: Any = None) -> Any:
        with told(self.path):
            found = self._found("SELECT value FROM progress WHERE name = ?", name)
        try:
            return json.loads(found[0]["value"]) if found else default
        except ValueError as error:
            raise damaged(self.path, f"the note {name!r} cannot be read") from error

    def _set(self, name: str, value: object) -> None:
        self._db.table("progress").upsert({"name": name, "value": json.dumps(value)}, pk="name")


def as_created(origin: OriginId, role: Role, key: PublicKey) -> Writer:
    """Return ourselves as a writer, before any server has said anything about us."""
    return Writer(origin, role, origin, (KeySpan(key, 1, None),))
