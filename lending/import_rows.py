"""One row of another system's file: what it says here, what is wrong with it, and adding it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from sqlalchemy import select

from custody.errors import Refused
from custody.events import serial_subject
from labels import codes
from lending import history, people, tables
from lending.db import Tx
from lending.import_columns import FIELDS, WIPED
from lending.office_tables import ImportKey, ImportRow
from lending.people import Actor
from lending.record import storable

LONGEST = 100
"""Characters of make, model and serial that an event takes (`custody.kinds`)."""

DONOR = re.compile(r"D-[0-9A-Z]{2,12}")
NO_SERIAL = frozenset({"", "-", "n/a", "na", "none", "unknown", "to be filled by o.e.m.", "default string", "0"})


@dataclass(frozen=True)
class Problem:
    """What is wrong in a row: the column, the value and what to do."""

    column: str
    value: str
    text: str

    def to_json(self) -> dict[str, str]:
        """Return it as it is kept."""
        return {"column": self.column, "value": self.value, "text": self.text}


@dataclass(frozen=True)
class Judged:
    """What would happen to a row: `add`, `same` (here already as `target`) or `wrong`; `notes` are said beside it."""

    line: int
    said: Mapping[str, str]
    verdict: str
    target: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def failed(self, no: Refused) -> "Judged":
        """Return the row as one that could not be added, with the reasons."""
        found = tuple(Problem(reason.subject or reason.code, "", reason.text) for reason in no.reasons)
        return replace(self, verdict="wrong", problems=found)


def judge(
    tx: Tx, what: str, source: str, header: Sequence[str], fields: Mapping[str, int], rows: Sequence[ImportRow],
    seen: dict[str, int],
) -> list[Judged]:  # fmt: skip
    """Say what would happen to each row. `seen` remembers the entries of rows before, by their key."""
    judged = []
    for row in rows:
        said = {field: str(row.columns.get(str(fields[field]), "")) for field in FIELDS[what] if field in fields}
        read = _Row(what, source, header, fields, row, said)
        judged.append(read.device(tx, seen) if what == "devices" else read.named(tx, seen))
    return judged


def add(tx: Tx, what: str, source: str, row: Judged, by: Actor, now: datetime, random: Random) -> str:
    """Add one judged row and return what it is here. Raises `Refused` with what the use case says."""
    if what == "partners":
        return str(people.create_partner(tx, row.said["name"], now))
    if what == "accounts":
        partner = row.said.get("partner", "")
        number = people.create_partner(tx, partner, now) if partner else None
        account = people.create_account(tx, row.said["email"], row.said["name"], _roles(row.said), number, now)
        return account.ref
    code = row.said.get("code") or codes.new(random)
    while tx.s.get(tables.DeviceRow, code) is not None:
        code = codes.new(random)  # a label that another device wears would make two devices one
    body = {
        "code": code, "make": row.said.get("make", ""), "model": row.said.get("model", ""),
        "serial": row.said.get("serial") or None, "donor": row.said.get("donor") or None, "donor_wants": None,
    }  # fmt: skip
    history.append(tx, "device.registered", code, body, now)
    tx.s.merge(ImportKey(source=source, key=row.target, target=code))
    tx.s.flush()
    return code


@dataclass(frozen=True)
class _Row:
    what: str
    source: str
    header: Sequence[str]
    fields: Mapping[str, int]
    row: ImportRow
    said: dict[str, str]

    def device(self, tx: Tx, seen: dict[str, int]) -> Judged:
        said = {name: " ".join(storable(value).split()) for name, value in self.said.items()}
        if said.get("serial", "").casefold() in NO_SERIAL:
            said["serial"] = ""
        problems = list(self._lengths(said))
        said["code"], wrong = self._label(said.get("code", ""))
        problems += wrong
        if not said.get("make") and not said.get("model"):
            problems.append(self._problem("model", "say at least a make or a model"))
        if said.get("donor") and not DONOR.fullmatch(said["donor"]):
            problems.append(self._problem("donor", "write the donor's reference (D-…), never a name, or nothing"))
        key = self._key(said)
        if not key:
            problems.append(self._problem("key", "needs its number in the other system, or a serial: without one, "
                                                 "reading the file twice would add it twice"))  # fmt: skip
        elif key in seen:
            problems.append(self._problem("key", f"stands in row {seen[key]} already; keep one of the two"))
        seen.setdefault(key, self.row.line)
        if problems:
            return Judged(self.row.line, said, "wrong", "", tuple(problems), self._notes())
        here = self._here(tx, key, said)
        if isinstance(here, Problem):
            return Judged(self.row.line, said, "wrong", "", (here,), self._notes())
        if here:
            return Judged(self.row.line, said, "same", here)
        return Judged(self.row.line, said, "add", key, (), self._notes())

    def named(self, tx: Tx, seen: dict[str, int]) -> Judged:
        said = {name: " ".join(storable(value).split()) for name, value in self.said.items()}
        first = "name" if self.what == "partners" else "email"
        key, problems = said.get(first, "").casefold(), []
        if not key:
            problems.append(self._problem(first, "is empty"))
        elif key in seen:
            problems.append(self._problem(first, f"stands in row {seen[key]} already; keep one of the two"))
        seen.setdefault(key, self.row.line)
        here: str | int | None
        if self.what == "accounts":
            unknown = sorted(set(_roles(said)) - set(people.ROLES))
            if unknown or not _roles(said):
                problems.append(self._problem("roles", f"write roles out of {', '.join(people.ROLES)}"))
            if not said.get("name"):
                problems.append(self._problem("name", "is empty"))
            here = tx.s.scalar(select(tables.AccountRow.ref).where(tables.AccountRow.email == key))
        else:
            here = tx.s.scalar(select(tables.Partner.id).where(tables.Partner.name == said.get("name", "")))
        if problems:
            return Judged(self.row.line, said, "wrong", "", tuple(problems))
        return Judged(self.row.line, said, "same" if here else "add", str(here or ""))

    def _lengths(self, said: Mapping[str, str]) -> list[Problem]:
        return [
            self._problem(name, f"has {len(said[name])} characters; shorten it to {LONGEST}")
            for name in ("make", "model", "serial", "key")
            if len(said.get(name, "")) > LONGEST
        ]

    def _label(self, typed: str) -> tuple[str, list[Problem]]:
        if not typed:
            return "", []
        try:
            return codes.parse(typed), []
        except codes.BadCode as error:
            offer = f" Did you mean {codes.pretty(error.suggestion)}?" if error.suggestion else ""
            return "", [self._problem("code", f"is no label of ours: {error}{offer} Put it right or leave it empty")]

    def _key(self, said: Mapping[str, str]) -> str:
        if said.get("key"):
            return f"id:{said['key'].casefold()}"
        return serial_subject(said.get("make", ""), said.get("model", ""), said.get("serial", ""))

    def _here(self, tx: Tx, key: str, said: Mapping[str, str]) -> str | Problem:
        """Return the label under which this device is here already, "" when it is new, or what stands against it."""
        known = tx.s.get(ImportKey, (self.source, key))
        if known is not None:
            return known.target
        subject = serial_subject(said.get("make", ""), said.get("model", ""), said.get("serial", ""))
        event, mention = tables.EventRow, tables.Mention
        query = select(event.subject).join(mention, mention.n == event.n).where(
            mention.subject == subject, event.kind == "device.registered", event.refused.is_(None)
        )  # fmt: skip
        same = tx.s.scalar(query.order_by(event.n).limit(1)) if subject else None
        if same is not None:
            return same
        if said["code"] and tx.s.get(tables.DeviceRow, said["code"]) is not None:
            return self._problem("code", "is the label of another device here; look at both")
        return ""

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.said.get("out"):
            notes.append("The file says somebody has it. It is registered all the same; receive it when it comes back.")
        told = [name for n, name in enumerate(self.header) if WIPED.search(name) and self.row.columns.get(str(n))]
        if told:
            notes.append(f"The file says something about wiping ({told[0]}). That is not believed: a station wipes it.")
        return tuple(notes)

    def _problem(self, field: str, text: str) -> Problem:
        column = self.header[self.fields[field]] if field in self.fields else FIELDS[self.what][field].words
        return Problem(column, self.said.get(field, "")[:80], text)


def _roles(said: Mapping[str, str]) -> list[str]:
    words = said.get("roles", "").casefold().replace(";", ",").split(",")
    return [one for one in ("-".join(word.split()) for word in words) if one]
