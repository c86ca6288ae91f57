"""Which councils' own sign-in we trust, and for which e-mail domains: set up by administrators.

The client's secret is sealed with the key outside the database. A council is named by its issuer, exactly as its
tokens name it (OpenID Connect Discovery 1.0); an issuer cannot be changed, only replaced by another council.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select

from custody.errors import Reason, Refused
from custody.events import World
from lending import audit_log
from lending.access_config import is_loopback
from lending.access_tables import CouncilRow
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need

PURPOSE = "council"
DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
EVERYBODYS = frozenset({
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "live.com", "live.co.uk", "msn.com",
    "yahoo.com", "yahoo.co.uk", "icloud.com", "me.com", "aol.com", "proton.me", "protonmail.com", "btinternet.com",
    "sky.com", "gmx.com", "mail.com",
})  # fmt: skip
"""Domains at which anybody gets an address: no council answers for those."""


@dataclass(frozen=True)
class Council:
    """One council as administrators see it; its secret is not part of it."""

    id: int
    name: str
    issuer: str
    client_id: str
    domains: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, repr=False)
class Wish:
    """What an administrator filled in. An empty secret keeps the one that is there."""

    name: str
    issuer: str
    client_id: str
    secret: str
    domains: Sequence[str]
    enabled: bool = True

    def __repr__(self) -> str:
        """Show no secret."""
        return f"Wish({self.name!r}, {self.issuer!r})"


def add(tx: Tx, by: Actor, wish: Wish, now: datetime) -> Council:
    """Add a council, switched on or not yet. Administrator.

    Raises `Refused`: `role`, and per field `name issuer client_id secret domains`; the middle two only when it is on.
    """
    need(by, "administrator")
    wrong = _wrong(tx, wish, "")
    if tx.s.scalar(select(CouncilRow.id).where(CouncilRow.issuer == wish.issuer)):
        wrong.append(Reason("issuer", "this issuer is set up already", "issuer"))
    if wrong:
        raise Refused(wrong)
    row = CouncilRow(
        name=wish.name, issuer=wish.issuer, client_id=wish.client_id, domains=_domains(wish), enabled=wish.enabled,
        sealed=tx.vault.seal(PURPOSE, wish.issuer, {"secret": wish.secret}), created_at=now,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    _note(tx, by, row, "added", now)
    return _council(row)


def change(tx: Tx, by: Actor, number: int, wish: Wish, now: datetime) -> None:
    """Change a council; its issuer stays. Administrator. Raises `Refused` as `add`, and `unknown-council`."""
    need(by, "administrator")
    row = _row(tx, number)
    wrong = [one for one in _wrong(tx, wish, secret(tx, number)) if one.code != "issuer"]
    if wrong:
        raise Refused(wrong)
    row.name, row.client_id, row.domains, row.enabled = wish.name, wish.client_id, _domains(wish), wish.enabled
    if wish.secret:
        row.sealed = tx.vault.seal(PURPOSE, row.issuer, {"secret": wish.secret})
    tx.s.flush()
    _note(tx, by, row, "changed" if row.enabled else "switched off", now)


def listing(tx: Tx) -> list[Council]:
    """Return every council, by name."""
    return [_council(row) for row in tx.s.scalars(select(CouncilRow).order_by(CouncilRow.name))]


def council(tx: Tx, number: int) -> Council:
    """Return a council. Raises `Refused` with code `unknown-council`."""
    return _council(_row(tx, number))


def secret(tx: Tx, number: int) -> str:
    """Return the secret that we show to a council. Raises `Refused` with code `unknown-council`, or `VaultError`."""
    row = _row(tx, number)
    return tx.vault.open_(PURPOSE, row.issuer, row.sealed)["secret"]


def _wrong(tx: Tx, wish: Wish, held: str) -> list[Reason]:
    """Return what is wrong with a wish; `held` is the secret that is there already."""
    found = []
    if not wish.name.strip():
        found.append(Reason("name", "the council's name is needed; it stands on the button", "name"))
    parts = urlsplit(wish.issuer)
    local = tx.world is World.PRACTICE and is_loopback(parts.netloc)
    if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or local):
        text = "the issuer is an address that begins with https://, exactly as the council writes it"
        found.append(Reason("issuer", text, "issuer"))
    if wish.enabled and not wish.client_id.strip():
        text = "the client number that the council gave for this service is needed"
        found.append(Reason("client_id", text, "client_id"))
    if wish.enabled and not (wish.secret or held):
        found.append(Reason("secret", "the secret that the council gave for this service is needed", "secret"))
    domains = _domains(wish)
    bad = [one for one in domains if not DOMAIN.fullmatch(one)]
    common = [one for one in domains if one in EVERYBODYS]
    if bad or not domains:
        text = f"{bad[0]!r} is no e-mail domain" if bad else "name at least one e-mail domain, such as council.gov.uk"
        found.append(Reason("domains", text, "domains"))
    elif common:
        text = f"anybody can get an address at {common[0]}; no council answers for it"
        found.append(Reason("domains", text, "domains"))
    return found


def _domains(wish: Wish) -> list[str]:
    return sorted({one.strip().lower().removeprefix("@") for one in wish.domains if one.strip()})


def _row(tx: Tx, number: int) -> CouncilRow:
    row = tx.s.get(CouncilRow, number)
    if row is None:
        raise refused("unknown-council", f"no council number {number} is set up here")
    return row


def _council(row: CouncilRow) -> Council:
    return Council(row.id, row.name, row.issuer, row.client_id, tuple(row.domains), row.enabled)


def _note(tx: Tx, by: Actor, row: CouncilRow, what: str, now: datetime) -> None:
    audit_log.note(tx, by, "council-changed", f"council:{row.id}", f"{what}: {', '.join(row.domains)}", now=now)
