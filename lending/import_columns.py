"""Which column of another system's file is what here. Pure.

Sources of the names: Snipe-IT's and DeviceHub's own sample files; Lend Engine's `ItemImportController::getHeaderKeys`
and `ItemExportController`; leihs' inventory export. Columns that hold persons are not read in: of them is kept only
whether there was anything in them, and that only where it says that a device is with somebody.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One thing that a row may say. `names` are the column names by which it is guessed, in order of trust."""

    words: str
    hint: str
    names: tuple[str, ...]


DEVICES: Mapping[str, Field] = {
    "key": Field("Its number in the other system", "So that reading the same file twice adds nothing",
                 ("asset tag", "code", "id device internal", "inventory code", "inventory_code", "id", "number")),
    "code": Field("Our label", "The 12 characters under a label that it wears already",
                  ("label", "our label", "kitbank")),
    "make": Field("Make", "", ("manufacturer", "make", "brand")),
    "model": Field("Model", "", ("model", "product", "name", "model_id")),
    "serial": Field("Serial", "", ("serial number", "serial", "serial_number", "serial no")),
    "donor": Field("Donor's reference", "D-… and never a name", ("donor reference", "donor ref")),
    "out": Field("Is with somebody", "Anything in this column means that it is out",
                 ("checked out to: username", "checkout type", "borrower last name", "checked out")),
}  # fmt: skip
PARTNERS: Mapping[str, Field] = {
    "name": Field("Organisation", "", ("organisation", "organization", "partner", "company", "name")),
}
ACCOUNTS: Mapping[str, Field] = {
    "email": Field("E-mail address", "", ("email", "e-mail", "e-mail address", "email address")),
    "name": Field("Name", "", ("name", "full name")),
    "roles": Field("Roles", "Words with a comma between: partner, desk, volunteer …", ("roles", "role")),
    "partner": Field("Organisation", "For partners only", ("partner", "organisation", "company")),
}
FIELDS: Mapping[str, Mapping[str, Field]] = {"devices": DEVICES, "partners": PARTNERS, "accounts": ACCOUNTS}

SOURCES: Mapping[str, str] = {
    "snipe-it": "Snipe-IT",
    "devicehub": "eReuse DeviceHub",
    "lend-engine": "Lend Engine",
    "leihs": "leihs",
    "plain": "A spreadsheet",
}
SIGNS: Mapping[str, frozenset[str]] = {
    "snipe-it": frozenset({"asset tag", "manufacturer"}),
    "devicehub": frozenset({"id device internal", "id device supplier"}),
    "lend-engine": frozenset({"code", "brand", "loan fee"}),
    "leihs": frozenset({"inventory code", "borrowable"}),
}
"""Columns that only files of this system have together."""

PERSONAL = re.compile(
    r"checked out to|username|first ?name|last ?name|e-?mail|phone|mobile|street|address|post ?code|borrower|member|"
    r"contact|donated by|owned by|owner|responsible person|date of birth|\bdob\b|supplier name|city|county",
    re.IGNORECASE,
)
WIPED = re.compile(r"wip(e|ed|ing)|eras|saniti[sz]", re.IGNORECASE)
"""Columns that say something about wiping: never believed, but said so."""


def source_of(header: Sequence[str]) -> str:
    """Return which system a header is from, `plain` for none that is known."""
    names = {_plain(one) for one in header}
    return next((source for source, signs in SIGNS.items() if signs <= names), "plain")


def guess(what: str, header: Sequence[str]) -> dict[str, int]:
    """Return for each field the column that probably holds it; a column is used once."""
    plain = [_plain(one) for one in header]
    found: dict[str, int] = {}
    for field, about in FIELDS[what].items():
        for name in about.names:
            if name in plain and plain.index(name) not in found.values():
                found[field] = plain.index(name)
                break
    return found


def personal(what: str, header: Sequence[str]) -> list[int]:
    """Return the columns that hold persons and are therefore not kept; of accounts, what an account is made of is."""
    if what == "accounts":
        return []
    return [number for number, name in enumerate(header) if PERSONAL.search(name)]


def header_digest(header: Sequence[str]) -> str:
    """Return what names a header, to find the mapping somebody chose for it."""
    return hashlib.sha256("\x1f".join(map(_plain, header)).encode()).hexdigest()


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
