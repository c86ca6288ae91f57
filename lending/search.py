"""One box that finds everything by what is printed or written somewhere: a scan, a serial, a reference, a name.

What is looked up, and for whom:

- a scanned label or its code, a device's serial, a medium's serial: whoever may see devices;
- a loan or referral by its reference, a referral by the partner's own reference: whoever may see loans or referrals,
  a partner only its own;
- a partner organisation, an account: whoever may see those.

Every look-up goes along an index (`search_word` holds serials and references in one spelling); no big table is read.
Exactly one exact hit is where the reader wanted to go.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import or_, select

from labels import codes
from lending import referrals, tables
from lending.db import Tx
from lending.office_tables import SearchWord
from lending.people import Actor

DEVICE_READERS = frozenset({"volunteer", "supervisor", "desk", "administrator", "auditor"})
LOAN_READERS = frozenset({"desk", "supervisor", "partner"})
"""Who opens loans; a volunteer who finds one must not read whose it is."""

MOST = 20
SHORTEST = 3
"""Characters of a beginning: fewer would find half the stock."""


@dataclass(frozen=True)
class Hit:
    """One thing found: `kind` says where `target` leads (device, loan, referral, partner, account)."""

    kind: str
    target: str
    title: str
    detail: str
    exact: bool


@dataclass(frozen=True)
class Found:
    """Everything found, in the order of `kinds`; `more` when a kind had more than are listed."""

    hits: tuple[Hit, ...]
    more: bool

    @property
    def only(self) -> Hit | None:
        """Return the one exact hit, if there is exactly one thing it can be."""
        exact = {(hit.kind, hit.target): hit for hit in self.hits if hit.exact}
        return next(iter(exact.values())) if len(exact) == 1 else None


def plain(text: str) -> str:
    """Return a text as it stands in `search_word`: capitals, no spaces, no dashes.

    Only the letters A to Z are made capitals: that is what both databases do with every text.
    """
    kept = text.replace(" ", "").replace("-", "")
    return "".join(one.upper() if one.isascii() else one for one in kept)


def by_prefix(tx: Tx, kind: str, text: str, most: int = MOST) -> list[str]:
    """Return what has a serial or reference that begins with `text`; for devices also a label code."""
    word = plain(text)
    if len(word) < SHORTEST or "\x00" in word:
        return []
    row = SearchWord
    query = select(row.target).where(row.kind == kind, row.word >= word, row.word < _next(word))
    found = list(dict.fromkeys(tx.s.scalars(query.order_by(row.word, row.target).limit(most + 1))))
    if kind == "device" and len(word) <= codes.LENGTH and word.isascii() and word.isalnum():
        code = tables.DeviceRow.code
        # Codes are digits and capitals only, which every collation orders alike.
        labelled = tx.s.scalars(select(code).where(code >= word, code <= word.ljust(codes.LENGTH, "Z")).limit(most + 1))
        found.extend(one for one in labelled if one.startswith(word) and one not in found)
    return found


def _next(word: str) -> str:
    """Return the first text, byte by byte, that does not begin with `word`."""
    last = min(ord(word[-1]) + 1, 0x10FFFF)
    return word[:-1] + chr(0xE000 if 0xD800 <= last <= 0xDFFF else last)


def search(tx: Tx, by: Actor, text: str) -> Found:
    """Return everything that `text` finds for `by`; nothing for fewer than two characters."""
    text = " ".join(text.encode("utf-8", "replace").decode().replace("\x00", "").split())[:200]
    if len(text) < 2:
        return Found((), more=False)
    hits: list[Hit] = []
    more = False
    for part in (_devices, _loans, _referrals, _partners, _accounts):
        found = list(part(tx, by, text))
        more = more or len(found) > MOST
        hits.extend(found[:MOST])
    return Found(tuple(hits), more)


def _devices(tx: Tx, by: Actor, text: str) -> Iterator[Hit]:
    if not by.roles & DEVICE_READERS:
        return
    scanned = _scanned(text)
    serials = by_prefix(tx, "device", text)
    media = _holders(tx, by_prefix(tx, "medium", text))
    wanted = list(dict.fromkeys([*([scanned] if scanned else []), *serials, *media]))
    row = tables.DeviceRow
    rows = {one.code: one for one in tx.s.scalars(select(row).where(row.code.in_(wanted[: MOST + 1])))}
    word = plain(text)
    for code in wanted[: MOST + 1]:
        if code in rows:
            one = rows[code]
            exact = code == scanned or plain(one.serial) == word or any(plain(s) == word for s in media.get(code, ()))
            detail = f"storage {media[code][0]} inside" if code in media else one.serial
            yield Hit("device", code, f"{one.make} {one.model}".strip() or codes.pretty(code), detail, exact)


def _scanned(text: str) -> str:
    try:
        return codes.parse(text)
    except codes.BadCode:
        return ""


def _holders(tx: Tx, media: list[str]) -> dict[str, list[str]]:
    """Return the devices that these media are in, each with the serials it was found by."""
    row, found = tables.MediumRow, dict[str, list[str]]()
    for device, serial in tx.s.execute(select(row.device, row.serial).where(row.id.in_(media))):
        if device is not None:
            found.setdefault(device, []).append(serial)
    return found


def _loans(tx: Tx, by: Actor, text: str) -> Iterator[Hit]:
    """Find loans by reference, or by the partner's reference of their referral."""
    if not by.roles & LOAN_READERS:
        return
    loan, referral = tables.LoanRow, tables.ReferralRow
    word = text.upper().replace(" ", "")
    query = select(loan.ref, referral.client_reference).outerjoin(referral, referral.ref == loan.referral)
    query = query.where(loan.ref.in_({word, f"L-{word.removeprefix('L').removeprefix('-')}"}))
    if not by.roles & (LOAN_READERS - {"partner"}):
        query = query.where(referral.partner_id == by.partner_id)
    for ref, reference in tx.s.execute(query):
        yield Hit("loan", ref, f"Loan {ref}", reference or "", exact=True)


def _referrals(tx: Tx, by: Actor, text: str) -> Iterator[Hit]:
    if not by.roles & set(referrals.READERS):
        return
    row, word = tables.ReferralRow, text.upper().replace(" ", "")
    query = select(row.ref, row.client_reference, tables.Partner.name, tables.LoanRow.ref)
    query = query.outerjoin(tables.Partner, tables.Partner.id == row.partner_id)
    query = query.outerjoin(tables.LoanRow, tables.LoanRow.referral == row.ref)
    refs = {word, f"R-{word.removeprefix('R').removeprefix('-')}"}
    if by.roles & {"desk", "supervisor", "data-protection"}:
        query = query.where(row.ref.in_({*refs, *by_prefix(tx, "referral", text)}))
    else:  # its own only: the words of other partners must not use up the limit
        begins = or_(row.ref.in_(refs), row.client_reference.istartswith(text, autoescape=True))
        query = query.where(row.partner_id == by.partner_id, begins).limit(MOST + 1)
    for ref, reference, partner, loan in tx.s.execute(query):
        exact = ref in refs or plain(reference) == plain(text)
        detail = ", ".join(one for one in (reference, partner, loan) if one)
        yield Hit("referral", ref, f"Referral {ref}", detail, exact)


def _partners(tx: Tx, by: Actor, text: str) -> Iterator[Hit]:
    """Find organisations by a part of the name: there are hundreds of them, not millions."""
    if not by.roles & {"desk", "supervisor", "administrator"} or len(text) < SHORTEST:
        return
    row = tables.Partner
    query = select(row.id, row.name).where(row.name.icontains(text, autoescape=True)).order_by(row.name).limit(MOST + 1)
    for number, name in tx.s.execute(query):
        yield Hit("partner", str(number), name, "Referral partner", name.casefold() == text.casefold())


def _accounts(tx: Tx, by: Actor, text: str) -> Iterator[Hit]:
    if "administrator" not in by.roles or len(text) < SHORTEST:
        return
    row = tables.AccountRow
    named = or_(row.name.icontains(text, autoescape=True), row.email.istartswith(text, autoescape=True))
    for number, name, email in tx.s.execute(select(row.id, row.name, row.email).where(named).limit(MOST + 1)):
        yield Hit("account", str(number), name, email, email == text.casefold())
