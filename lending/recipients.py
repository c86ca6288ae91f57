"""Who may be written to about a loan, how, and in which language. The only place that knows where contact data lies.

Safe-contact flags of the referral decide: *no-text* closes the way of texts, *no-write* those of e-mail and letter,
*partner-only* all but the partner. A way that is not allowed is not looked up at all.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date

from sqlalchemy import select

from lending import contacts, exceptions, tables
from lending.db import Tx
from lending.message_tables import MessageSaid, MessageStop

HOUSEHOLD = ("sms", "email", "letter")
WAYS = ("sms", "email", "letter", "partner")
"""Every channel that a policy may order."""
WAY_WORDS: Mapping[str, str] = {"sms": "Text", "email": "E-mail", "letter": "Letter", "partner": "Partner"}
CLOSED: Mapping[str, frozenset[str]] = {
    "yes": frozenset(),
    "no-text": frozenset({"sms"}),
    "no-write": frozenset({"email", "letter"}),
    "partner-only": frozenset(HOUSEHOLD),
}
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "en": ("English", "english"),
    "ar": ("Arabic – العربية", "arabic", "العربية"),
    "pl": ("Polish – polski", "polish", "polski"),
    "pt": ("Portuguese – português", "portuguese", "português"),
    "ro": ("Romanian – română", "romanian", "română", "moldovan"),
    "uk": ("Ukrainian – українська", "ukrainian", "українська"),
    "ckb": ("Kurdish Sorani – کوردیی ناوەندی", "kurdish", "sorani", "kurdish sorani", "central kurdish", "کوردی"),
}
"""Language code: its name on our screens, then every way in which a referral may have written it."""
RIGHT_TO_LEFT = frozenset({"ar", "ckb"})


@dataclass(frozen=True)
class Household:
    """How one loan's household is reached. `ways` holds an address per open way; `why_not` a reason per closed one."""

    loan: str
    language: str
    ways: Mapping[str, str] = field(default_factory=dict)
    why_not: Mapping[str, str] = field(default_factory=dict)
    private: tuple[str, ...] = ()

    def address_key(self, tx: Tx, way: str) -> str:
        """Return the keyed digest of the address of a way: the same for the same number."""
        return address_key(tx, self.ways[way])


def household(tx: Tx, loan: str) -> Household:
    """Look up how a loan's household may be written to. Raises `VaultError` when contact data cannot be opened."""
    row = tx.s.get(tables.LoanRow, loan)
    referral = tx.s.get(tables.ReferralRow, row.referral) if row is not None and row.referral else None
    if referral is None:
        return Household(loan, "en", {}, dict.fromkeys(WAYS, "the referral is not kept any more"))
    closed = CLOSED.get(referral.safe_contact, CLOSED["partner-only"])
    if referral.via_partner:
        closed = CLOSED["partner-only"]
    ways, why_not = {}, dict.fromkeys(closed, "the referral says that this is not safe")
    kept: dict[str, str] = {}
    if closed != CLOSED["partner-only"]:
        kept = asdict(contacts.opened(tx, referral.ref))
        found = {
            "sms": mobile(str(kept.get("phone") or "")),
            "email": str(kept.get("email") or ""),
            "letter": str(kept.get("address") or ""),
        }
        for way in HOUSEHOLD:
            if way not in closed and found[way]:
                ways[way] = found[way]
            elif way not in closed:
                why_not[way] = "no mobile number is known" if way == "sms" else f"no {way_word(way)} address is known"
    partner = _worker(tx, referral)
    if partner:
        ways["partner"] = partner
    else:
        why_not["partner"] = "the worker who referred has no open account"
    for way, address in list(ways.items()):
        if way != "partner" and stopped(tx, address):
            del ways[way]
            why_not[way] = "they said STOP"
    private = tuple(str(text) for text in kept.values() if len(str(text or "")) > 3)
    return Household(loan, language_code(referral.language), ways, why_not, private)


def reminders_stopped(tx: Tx, loan: str) -> bool:
    """Tell whether no reminder may go out for a loan: an exception stands, or they said it cannot be done safely."""
    said = select(MessageSaid.id).where(
        MessageSaid.loan == loan, MessageSaid.what.in_(("unsafe", "longer")), MessageSaid.done_at.is_(None)
    )
    return exceptions.reminders_stopped(tx, loan) or tx.s.scalar(said.limit(1)) is not None


def stopped(tx: Tx, address: str) -> bool:
    """Tell whether the owner of an address said STOP."""
    return tx.s.get(MessageStop, address_key(tx, address)) is not None


def address_key(tx: Tx, address: str) -> str:
    """Return the keyed digest of a telephone number, e-mail or postal address."""
    return tx.vault.fingerprint("address", mobile(address) or " ".join(address.casefold().split()))


def mobile(text: str) -> str:
    """Return a number that can get texts as `+447700900123`, or "" for any other.

    Ofcom's National Telephone Numbering Plan: 07 are mobile numbers but for 070 (personal) and 076 (paging).
    """
    digits = re.sub(r"[\s().-]", "", text)
    digits = re.sub(r"^(\+44|0044)0", r"\1", digits)
    for start, instead in (("00", "+"), ("0", "+44")):
        if digits.startswith(start):
            digits = instead + digits.removeprefix(start)
            break
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", digits):
        return ""
    british = digits.startswith("+44")
    return digits if not british or re.fullmatch(r"\+447[1-57-9][0-9]{8}", digits) else ""


def masked(way: str, address: str) -> str:
    """Return an address as screens show it: enough to recognise, not enough to use."""
    if way == "sms":
        return f"number ending {address[-3:]}"
    if way in ("email", "partner"):
        name, _, host = address.partition("@")
        return f"{name[:1]}…@{host}" if way == "partner" else f"{name[:1]}…@…{host[-4:]}"
    return "postal address"


def language_code(text: str) -> str:
    """Return the code of a household's language, English for one that has no texts here."""
    plain = " ".join(text.casefold().replace("(", " ").replace(")", " ").split())
    for code, (_, *names) in LANGUAGES.items():
        if plain == code or plain.split("-")[0] == code or plain in names or plain.split(" ")[0] in names:
            return code
    return "en"


def way_word(way: str) -> str:
    """Return the name of a channel inside a sentence."""
    return {"sms": "text", "email": "e-mail", "letter": "postal", "partner": "partner"}[way]


def due_days(tx: Tx, first: date, last: date, only: str = "") -> list[tuple[str, str, date]]:
    """Return what is due from `first` to `last` and still out: loan, type of loan and day, each once.

    `only`: of one loan.
    A device, charger or router follows its own day or else its loan's; a SIM follows its newest data plan.
    """
    from lending.loan_tables import DataPlan, ItemDetail

    item, loan, detail = tables.LoanItem, tables.LoanRow, ItemDetail
    query = (
        select(item.id, item.loan, item.kind, loan.due, detail.due, detail.open_ended)
        .join(loan, loan.ref == item.loan)
        .outerjoin(detail, detail.item_id == item.id)
        .where(item.state == "out", loan.due.between(first, last) | detail.due.between(first, last))
    )
    if only:
        query = query.where(item.loan == only)
    found = set()
    for _, ref, kind, due, own, open_ended in tx.s.execute(query):
        day = own or (None if open_ended else due)
        if day is not None and first <= day <= last and kind != "sim":
            found.add((ref, "device", day))
    plans = (
        select(item.loan, item.id, DataPlan.expires)
        .join(DataPlan, DataPlan.item_id == item.id)
        .where(item.state == "out", item.id.in_(select(DataPlan.item_id).where(DataPlan.expires.between(first, last))))
        .order_by(DataPlan.expires)
    )
    if only:
        plans = plans.where(item.loan == only)
    newest = {number: (ref, expires) for ref, number, expires in tx.s.execute(plans)}
    found |= {(ref, "sim", day) for ref, day in newest.values() if first <= day <= last}
    return sorted(found, key=lambda one: (one[2], one[0], one[1]))


def still_due(tx: Tx, loan: str, loan_type: str, day: date) -> bool:
    """Tell whether this day still stands for something that is out: not returned, not extended meanwhile."""
    return (loan, loan_type, day) in due_days(tx, day, day, loan)


def _worker(tx: Tx, referral: tables.ReferralRow) -> str:
    account = tx.s.get(tables.AccountRow, referral.referred_by) if referral.referred_by else None
    if account is None or account.disabled or account.partner_id is None:
        return ""
    return account.email
