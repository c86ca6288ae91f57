"""Lists as spreadsheets: devices, loans, referrals, partners, accounts. Row by row, each list for those who may see it.

What is personal stays with those who may: accounts (names, addresses) are for administrators, and no export holds a
household's contact data at all: that is shown one at a time, for a reason. A partner's export has its own rows. Every
export leaves a line in the audit: who, what, how it was filtered.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lending import audit_log, lists, people
from lending.db import Database, Tx
from lending.paging import Line, Page
from lending.people import Actor, need
from lending.search import DEVICE_READERS
from lending.sheets import Cell

BATCH = 500
Rows = Iterator[Sequence[Cell]]


@dataclass(frozen=True)
class Export:
    """One list: its columns, and who may take it away."""

    title: str
    columns: tuple[str, ...]
    roles: tuple[str, ...]
    rows: Callable[[Database, Actor, str], Rows]


def begin(tx: Tx, by: Actor, what: str, state: str, form: str, now: datetime) -> Export:
    """Note in the audit that somebody takes a list away, and return it. Raises `Refused` `role`."""
    export = EXPORTS[what]
    need(by, *export.roles)
    audit_log.note(tx, by, "exported", f"list:{what}", f"{state or 'all'} as {form}", now=now)
    return export


def _devices(db: Database, by: Actor, state: str) -> Rows:
    for one in _all(db, lambda tx, after: lists.devices(tx, "", state, after, BATCH).page):
        yield one.pretty, one.make, one.model, one.serial, one.words, one.reserved_for


def _loans(db: Database, by: Actor, state: str) -> Rows:
    for one in _all(db, lambda tx, after: lists.loan_page(tx, by, state, after, BATCH)):
        items = "; ".join(f"{item.label or item.kind} ({item.state})" for item in one.items)
        yield one.ref, one.state, one.client_reference, one.partner, one.due, one.created_at.date(), items


def _referrals(db: Database, by: Actor, state: str) -> Rows:
    for one in _all(db, lambda tx, after: lists.referral_page(tx, by, state, after, BATCH)):
        yield (
            one.ref, one.state, one.client_reference, one.partner, one.need, one.adults, sum(one.children.values()),
            one.created_at.date(), one.loan,
        )  # fmt: skip


def _partners(db: Database, by: Actor, state: str) -> Rows:
    with db.read() as tx:
        found = people.partners(tx)
    yield from found


def _accounts(db: Database, by: Actor, state: str) -> Rows:
    with db.read() as tx:
        found = people.list_accounts(tx)
    for one in found:
        yield one.email, one.name, ", ".join(one.roles), one.partner, "closed" if one.disabled else "open"


def _all(db: Database, page: Callable[[Tx, str], Page[Line]]) -> Iterator[Line]:
    """Turn a list's pages to the end, each in a read of its own: a long export holds up nobody."""
    after = ""
    while True:
        with db.read() as tx:
            found = page(tx, after)
        yield from found.lines
        after = found.after
        if not after:
            return


EXPORTS: Mapping[str, Export] = {
    "devices": Export(
        "Devices", ("Label", "Make", "Model", "Serial", "State", "Kept for"), tuple(sorted(DEVICE_READERS)), _devices
    ),
    "loans": Export(
        "Loans", ("Loan", "State", "Partner's reference", "Partner", "Due", "Since", "Items"),
        ("desk", "supervisor", "partner"), _loans,
    ),
    "referrals": Export(
        "Referrals",
        ("Referral", "State", "Partner's reference", "Partner", "Need", "Adults", "Children", "Since", "Loan"),
        ("desk", "supervisor", "partner", "data-protection"), _referrals,
    ),
    "partners": Export("Partners", ("Number", "Organisation"), ("desk", "supervisor", "administrator"), _partners),
    "accounts": Export(
        "Accounts", ("E-mail", "Name", "Roles", "Organisation", "State"), ("administrator",), _accounts
    ),
}  # fmt: skip
"""Every list that can be taken away."""
