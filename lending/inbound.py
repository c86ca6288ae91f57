"""What households answer: by text, in any of our languages, or on the loan's page.

STOP is obeyed at once and answered once, HELP is answered, START takes STOP back. Everything else is kept, sealed,
for somebody at the desk to read. A text that arrives twice (the house repeats itself) counts once.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from lending import cards, outbox, recipients, reminders, tables
from lending.db import Tx
from lending.errors import refused
from lending.message_tables import MessageRow, MessageSaid, MessageStop
from lending.outbox import Draft
from lending.people import Actor, need
from lending.reminders import Post
from lending.segments import plain, size
from lending.vault import VaultError

PURPOSE = "message-said"
ON_THE_PAGE: Mapping[str, str] = {
    "longer": "Needs it longer",
    "return": "Wants to bring it back",
    "broken": "It is broken or something is missing",
    "moved": "Has moved or has a new number",
    "unsafe": "Cannot return it safely",
}
WHAT_WORDS: Mapping[str, str] = {
    **ON_THE_PAGE, "stop": "STOP: no more texts", "start": "START: texts again", "help": "HELP", "other": "Wrote to us",
}  # fmt: skip
ANSWER_LIFE = timedelta(days=1)

STOP = (
    "stop", "stopall", "unsubscribe", "opt-out", "optout", "koniec", "wypisz", "parar", "pare", "sair", "opreste",
    "dezabonare", "dezaboneaza", "стоп", "відписатися", "зупинити", "توقف", "قف", "ايقاف", "اوقف", "الغاء",
    "بوەستە", "وەستان", "ڕایگرە", "ڕاگرتن",
)  # fmt: skip
STOP_ALONE = ("end", "quit", "cancel", "cancelar", "anuluj", "anuleaza", "скасувати")
"""Words that mean STOP only where they are all that was written."""
HELP = ("help", "info", "pomoc", "ajuda", "ajutor", "допомога", "مساعده", "یارمەتی")
START = ("start", "unstop", "wznow", "iniciar", "recomecar", "incepe", "старт", "почати", "ابدا", "دەستپێکردنەوە")


@dataclass(frozen=True)
class Said:
    """One answer as the desk sees it. `text` is what they wrote."""

    id: int
    at: datetime
    via: str
    what: str
    loan: str | None
    text: str
    done_at: datetime | None


def meaning(text: str) -> str:
    """Return what a text asks for: `stop`, `help`, `start`, or `other`."""
    words = normal(text).split()
    if not words:
        return "other"
    alone = len(words) == 1
    for what, known in (("stop", STOP), ("start", START), ("help", HELP)):
        if words[0] in known and (alone or what == "stop" or len(words) <= 3):
            return what
    return "stop" if alone and words[0] in STOP_ALONE else "other"


def normal(text: str) -> str:
    """Return a text in small letters without accents, signs and the variants of an Arabic letter."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(char for char in spread if not unicodedata.combining(char) and char != "ـ")
    same = letters.translate(str.maketrans("أإآةىł", "اااهيl"))
    return " ".join("".join(char if char.isalnum() or char == "-" else " " for char in same).split())


def receive(tx: Tx, post: Post, sender: str, text: str, transport_id: str, via: str, now: datetime) -> str:
    """Take in one text and do what it asks; return what it was understood as (`again` for a repeated one).

    `transport_id` is the house's own name for the text; empty where it gives none.
    Raises `Refused` `form` where the sender is no telephone number.
    """
    number = recipients.mobile(sender)
    if not number:
        raise refused("form", "the sender is not a number that gets texts", "sender")
    if transport_id and tx.s.scalar(select(MessageSaid.id).where(MessageSaid.transport_id == transport_id)):
        return "again"
    what, key = meaning(text), recipients.address_key(tx, number)
    loan = _last_loan(tx, key)
    said = _keep(tx, what, via, loan, key, text, transport_id or None, now)
    if what == "stop":
        stop(tx, key, via, now)
    if what == "start":
        tx.s.execute(MessageStop.__table__.delete().where(MessageStop.address == key))  # type: ignore[attr-defined]
    if what in ("stop", "help"):
        _answer(tx, post, what, number, key, loan, said.id, now)
        said.done_at = now
    tx.s.flush()
    return what


def stop(tx: Tx, address: str, via: str, now: datetime) -> None:
    """Note that nothing may go to an address (keyed digest) any more, and call off what waits for it."""
    if tx.s.get(MessageStop, address) is None:
        tx.s.add(MessageStop(address=address, since=now, via=via))
    tx.s.execute(
        update(MessageRow).where(MessageRow.address == address, MessageRow.state == "queued")
        .values(state="cancelled", finished_at=now, error="they said STOP")
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    tx.s.flush()


def say(tx: Tx, loan: str, what: str, now: datetime) -> None:
    """Keep what somebody chose on the loan's page; `unsafe` and `longer` stop reminders until somebody looked.

    The same choice twice while the first is open changes nothing. Raises `Refused` `form`.
    """
    if what not in ON_THE_PAGE:
        raise refused("form", "choose one of the answers", "what")
    query = select(MessageSaid.id).where(
        MessageSaid.loan == loan, MessageSaid.what == what, MessageSaid.via == "page", MessageSaid.done_at.is_(None)
    )
    if tx.s.scalar(query) is None:
        _keep(tx, what, "page", loan, None, "", None, now)


def answers(tx: Tx, by: Actor, *, loan: str = "", done: bool = False) -> list[Said]:
    """Return what households said, oldest first where it is open. Raises `Refused` `role`."""
    need(by, "desk", "supervisor")
    query = select(MessageSaid).order_by(MessageSaid.id.desc() if done else MessageSaid.id).limit(200)
    query = query.where(MessageSaid.done_at.is_not(None) if done else MessageSaid.done_at.is_(None))
    if loan:
        query = query.where(MessageSaid.loan == loan)
    return [
        Said(row.id, row.at, row.via, row.what, row.loan, _text(tx, row), row.done_at) for row in tx.s.scalars(query)
    ]


def dealt_with(tx: Tx, number: int, by: Actor, now: datetime) -> None:
    """Note that somebody dealt with an answer. Raises `Refused`: `role`, `unknown-answer`."""
    need(by, "desk", "supervisor")
    row = tx.s.get(MessageSaid, number)
    if row is None:
        raise refused("unknown-answer", f"there is no answer number {number}")
    if row.done_at is None:
        row.done_at, row.done_by = now, by.account_id
        tx.s.flush()


def _keep(
    tx: Tx, what: str, via: str, loan: str | None, address: str | None, text: str, transport_id: str | None,
    now: datetime,
) -> MessageSaid:  # fmt: skip
    row = MessageSaid(
        at=now, via=via, what=what, loan=loan, address=address, sealed=None, transport_id=transport_id, done_at=None,
        done_by=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    if text:
        row.sealed = tx.vault.seal(PURPOSE, str(row.id), {"text": text[:1000]})
        tx.s.flush()
    return row


def _last_loan(tx: Tx, address: str) -> str | None:
    query = (
        select(MessageRow.loan)
        .where(MessageRow.address == address, MessageRow.loan.is_not(None))
        .order_by(MessageRow.id.desc())
    )
    return tx.s.scalar(query.limit(1))


def _answer(
    tx: Tx, post: Post, what: str, number: str, key: str, loan: str | None, said: int, now: datetime
) -> None:
    """Answer STOP once per stop and HELP once an hour; nothing where texts lead nowhere."""
    kind = "stopped" if what == "stop" else "help"
    if not post.config.carries("sms") or (kind == "help" and loan is None):
        return
    referral = tx.s.scalar(
        select(tables.ReferralRow.language)
        .join(tables.LoanRow, tables.LoanRow.referral == tables.ReferralRow.ref)
        .where(tables.LoanRow.ref == loan)
    )
    text = reminders.wording(tx, kind, recipients.language_code(referral or ""))
    link = f"{post.host}/l/{cards.keep(tx, loan, now)}" if loan and kind == "help" else ""
    body = plain(text.filled(sender=post.config.sender, link=link))
    parts = size(body).parts
    since = tx.s.get(MessageStop, key)
    once = since.since.isoformat() if since else now.strftime("%Y-%m-%dT%H")
    outbox.enqueue(tx, Draft(
        cause=f"answer:{kind}:{key[:24]}:{once}", kind=kind, channel="sms", language=text.language, to=number,
        subject="", body=body, address=key, loan=loan, segments=parts, cost=post.config.cost("sms", parts),
        due_at=now, not_after=now + ANSWER_LIFE,
    ), now)  # fmt: skip


def _text(tx: Tx, row: MessageSaid) -> str:
    if row.sealed is None:
        return ""
    try:
        return tx.vault.open_(PURPOSE, str(row.id), row.sealed)["text"]
    except VaultError:
        return "(cannot be opened)"
