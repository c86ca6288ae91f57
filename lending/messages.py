"""What people at the desk do with messages: write one, recall a device, look at the log, decide about an unknown one.

Whoever is not sure that a household may be written to need not decide it here: the safe ways come from the referral,
and a way that is not safe is not offered. `lending.reminders` sends what is due by itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from custody.errors import Reason, Refused
from lending import cards, outbox, recipients, reminders, tables
from lending.db import Tx
from lending.errors import refused
from lending.message_tables import MessageRow, MessageSetting, MessageWording
from lending.message_texts import PLACEHOLDERS, wrong_with
from lending.outbox import Draft
from lending.people import Actor, need
from lending.recipients import WAYS, masked
from lending.reminders import Post
from lending.segments import plain, size
from lending.vault import VaultError

DESK = ("desk", "supervisor")
READERS = ("desk", "supervisor", "data-protection")
LONGEST_TEXT = 400
PAGE = 200
WORD = re.compile(r"\w+")
MANUAL_LIFE = timedelta(days=3)
KEEP = timedelta(days=90)
"""How long what a message said and to whom stays readable; afterwards only when, how and what became of it."""
SETTINGS: Mapping[str, str] = {
    "places": "Where things can be returned, one place per line",
    "phone": "Telephone number for questions",
    "leave": "Where the button “Leave this page” goes",
}


@dataclass(frozen=True)
class Message:
    """One message as the log shows it. `to` is masked; `body` is empty once erased, or where nobody may read it."""

    id: int
    ref: str
    loan: str | None
    kind: str
    channel: str
    language: str
    to: str
    body: str
    segments: int
    cost: int
    state: str
    due_at: datetime
    queued_at: datetime
    handed_at: datetime | None
    finished_at: datetime | None
    attempt: int
    transport: str | None
    transport_id: str | None
    error: str


def write(
    tx: Tx, post: Post, loan: str, way: str, text: str, nonce: str, by: Actor, now: datetime
) -> str | None:
    """Put a message written by the desk into the outbox and return its reference; None when `nonce` sent it already.

    The text gets the sender in front and the link behind. Raises `Refused`: `role`, `unknown-loan`, `form` with the
    field as its subject (`text`, `way`).
    """
    need(by, *DESK)
    home = _home(tx, loan)
    words = " ".join(text.split())
    reasons = _wrong_text(words, home)
    if way not in home.ways or not post.config.carries(way):
        why = home.why_not.get(way, "") or "nothing is set up that sends it"
        reasons.append(Reason("form", f"{recipients.WAY_WORDS.get(way, 'This way')} is not open: {why}", "way"))
    if reasons:
        raise Refused(reasons)
    link = f"{post.host}/l/{cards.keep(tx, loan, now)}" if way != "partner" else f"{post.host}/loans/{loan}"
    body = f"{post.config.sender}: {words} {link}"
    return _enqueue(tx, post, home, way, "manual", home.language, body, f"manual:{loan}:{nonce}", now, by,
                    now + MANUAL_LIFE)  # fmt: skip


def recall(tx: Tx, post: Post, loan: str, campaign: str, by: Actor | None, now: datetime) -> list[str]:
    """Ask a household to stop using its device, by every way that is open and safe; return the new messages.

    Once per loan and campaign, whoever calls it how often; not counted in the weekly limit, and not held back by an
    exception: it is about safety. The partner is told as well. An empty list with nothing queued before means that
    nobody can be reached in writing: call, or go there. Raises `Refused` `role`, `unknown-loan`.
    """
    if by is not None:
        need(by, *DESK)
    home = _home(tx, loan)
    made = []
    for way in WAYS:
        if way not in home.ways or not post.config.carries(way):
            continue
        if way == "partner":
            language, body = "en", (
                f"{post.config.sender}: please ask the household of loan {loan} to stop using what they borrowed, "
                f"and to call us. {post.host}/loans/{loan}"
            )  # fmt: skip
        else:
            text = reminders.wording(tx, "recall", home.language)
            link = f"{post.host}/l/{cards.keep(tx, loan, now)}"
            language, body = text.language, text.filled(sender=post.config.sender, link=link)
        cause = f"recall:{campaign}:{loan}:{way}"
        ref = _enqueue(tx, post, home, way, "recall", language, body, cause, now, by, None)
        made += [ref] if ref else []
    return made


def ways(tx: Tx, post: Post, loan: str, by: Actor) -> tuple[dict[str, str], dict[str, str]]:
    """Return the open ways of a loan with masked addresses, and why the others are closed. Raises `Refused` `role`."""
    need(by, *DESK)
    home = _home(tx, loan)
    open_ = {way: masked(way, home.ways[way]) for way in WAYS if way in home.ways and post.config.carries(way)}
    shut = {
        way: home.why_not.get(way, "") or "nothing is set up that sends it" for way in WAYS if way not in open_
    }
    return open_, shut


def log(tx: Tx, by: Actor, *, loan: str = "", state: str = "", before: int = 0) -> list[Message]:
    """Return messages, newest first, at most `PAGE`, older than number `before`. Raises `Refused` `role`."""
    need(by, *READERS)
    query = select(MessageRow).order_by(MessageRow.id.desc()).limit(PAGE)
    if loan:
        query = query.where(MessageRow.loan == loan)
    if state:
        query = query.where(MessageRow.state.in_(outbox.OPEN if state == "open" else (state,)))
    if before:
        query = query.where(MessageRow.id < before)
    return [_message(tx, row) for row in tx.s.scalars(query)]


def get(tx: Tx, by: Actor, ref: str) -> Message:
    """Return one message. Raises `Refused` `role`, `unknown-message`."""
    need(by, *READERS)
    return _message(tx, _row(tx, ref))


def counts(tx: Tx) -> dict[str, int]:
    """Return how many messages are in each state."""
    query = select(MessageRow.state, func.count()).group_by(MessageRow.state)
    return {row[0]: row[1] for row in tx.s.execute(query)}


def settle(tx: Tx, ref: str, how: str, by: Actor, now: datetime) -> None:
    """Decide about an unknown message: it arrived (`sent`), it did not (`failed`), or send it again (`queued`).

    Raises `Refused`: `role`, `unknown-message`, `settled` (it is not unknown any more), `how`.
    """
    need(by, *DESK)
    if how not in ("sent", "failed", "queued"):
        raise refused("how", "choose what became of the message", "how")
    row = _row(tx, ref)
    if row.state != "unknown":
        raise refused("settled", f"message {ref} is not unknown any more: {outbox.STATES[row.state].lower()}", ref)
    row.state, row.settled_by = how, by.account_id
    row.finished_at = None if how == "queued" else now
    row.error = {"sent": "", "failed": "a person found that it did not arrive", "queued": "sent again by a person"}[how]
    if how == "queued":
        row.due_at, row.not_after = now, None
        row.attempt += 1  # whoever handed it over before can say nothing about this one
    tx.s.flush()


def call_off(tx: Tx, ref: str, by: Actor, now: datetime) -> None:
    """Call a waiting message off. Raises `Refused`: `role`, `unknown-message`, `under-way`."""
    need(by, *DESK)
    row = _row(tx, ref)
    if row.state != "queued":
        raise refused("under-way", f"message {ref} cannot be called off: {outbox.STATES[row.state].lower()}", ref)
    row.state, row.finished_at, row.error, row.settled_by = "cancelled", now, "called off by a person", by.account_id
    tx.s.flush()


def reword(tx: Tx, kind: str, language: str, body: str, reviewed: bool, by: Actor, now: datetime) -> None:
    """Set the office's own wording, or with an empty `body` go back to the shipped one.

    Raises `Refused`: `role`, `unknown-text`, `form`.
    """
    need(by, "supervisor", "administrator")
    if kind not in PLACEHOLDERS or kind == "manual" or language not in recipients.LANGUAGES:
        raise refused("unknown-text", f"there is no text {kind[:20]!r} in {language[:10]!r}")
    words, row = " ".join(body.split()), tx.s.get(MessageWording, (kind, language))
    if not words:
        if row is not None:
            tx.s.delete(row)
        tx.s.flush()
        return
    problem = wrong_with(kind, words)
    if problem:
        raise refused("form", problem, "body")
    row = row or MessageWording(kind=kind, language=language)
    row.body, row.reviewed, row.changed_at, row.changed_by = words, reviewed, now, by.account_id
    tx.s.add(row)
    tx.s.flush()


def settings(tx: Tx) -> dict[str, str]:
    """Return the short texts of the loan's page."""
    kept = {row.name: row.value for row in tx.s.scalars(select(MessageSetting))}
    return {name: kept.get(name, "") for name in SETTINGS}


def set_settings(tx: Tx, values: Mapping[str, str], by: Actor) -> None:
    """Change the short texts of the loan's page. Raises `Refused`: `role`, `form` (`leave`)."""
    need(by, "supervisor", "administrator")
    leave = values.get("leave", "").strip()
    if leave and not leave.startswith("https://"):
        raise refused("form", "The page to leave to must begin with https://", "leave")
    for name in SETTINGS:
        row = tx.s.get(MessageSetting, name) or MessageSetting(name=name)
        row.value = values.get(name, "").strip()[:2000]
        tx.s.add(row)
    tx.s.flush()


def forget(tx: Tx, loan: str) -> int:
    """Erase what was said to a loan's household and how it is reached; return how many messages. For erasure."""
    done = tx.s.execute(
        update(MessageRow).where(MessageRow.loan == loan).values(sealed=None, address="")
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return int(getattr(done, "rowcount", 0))


def expire(tx: Tx, now: datetime) -> int:
    """Erase what messages said whose time is over; return how many. For the nightly run."""
    over = MessageRow.finished_at < now - KEEP
    done = tx.s.execute(
        update(MessageRow).where(over, MessageRow.sealed.is_not(None)).values(sealed=None, address="")
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return int(getattr(done, "rowcount", 0))


def _enqueue(
    tx: Tx, post: Post, home: recipients.Household, way: str, kind: str, language: str, body: str, cause: str,
    now: datetime, by: Actor | None, not_after: datetime | None,
) -> str | None:  # fmt: skip
    policy = reminders.policies(tx)["device"]
    if way == "sms" and policy.plain:
        body = plain(body)
    parts = size(body).parts if way == "sms" else 1
    draft = Draft(
        cause=cause, kind=kind, channel=way, language=language, to=home.ways[way],
        subject=reminders.subject(way, home.loan, language), body=body, address=home.address_key(tx, way),
        loan=home.loan, segments=parts, cost=post.config.cost(way, parts),
        due_at=reminders.allowed_from(now, policy.quiet_from, policy.quiet_to), not_after=not_after,
        written_by=by.account_id if by else None,
    )  # fmt: skip
    return outbox.enqueue(tx, draft, now)


def _home(tx: Tx, loan: str) -> recipients.Household:
    if tx.s.get(tables.LoanRow, loan) is None:
        raise refused("unknown-loan", f"there is no loan {loan[:20]!r}", loan)
    return recipients.household(tx, loan)


def _wrong_text(words: str, home: recipients.Household) -> list[Reason]:
    reasons = []
    if not words:
        reasons.append(Reason("form", "Write what the household should read", "text"))
    if len(words) > LONGEST_TEXT:
        reasons.append(Reason("form", f"The text has {len(words)} characters; {LONGEST_TEXT} is the most", "text"))
    said_words, run_together = set(WORD.findall(words.casefold())), "".join(words.split()).casefold()
    parts = {part for text in home.private for part in WORD.findall(text.casefold()) if len(part) >= 3}
    if parts & said_words or any("".join(text.split()).casefold() in run_together for text in home.private):
        said = "Leave out name, number and postcode: somebody else may read this telephone"
        reasons.append(Reason("form", said, "text"))
    return reasons


def _row(tx: Tx, ref: str) -> MessageRow:
    row = tx.s.scalar(select(MessageRow).where(MessageRow.ref == ref))
    if row is None:
        raise refused("unknown-message", f"there is no message {ref[:20]!r}", ref)
    return row


def _message(tx: Tx, row: MessageRow) -> Message:
    to, body = "erased", ""
    if row.sealed is not None:
        try:
            said = tx.vault.open_(outbox.PURPOSE, row.ref, row.sealed)
            to, body = masked(row.channel, said["to"]), said["body"]
            if row.kind == outbox.ACCOUNT:  # it may hold a link that signs somebody in
                body = ""
        except VaultError:
            to = "cannot be opened"
    return Message(
        row.id, row.ref, row.loan, row.kind, row.channel, row.language, to, body, row.segments, row.cost, row.state,
        row.due_at, row.queued_at, row.handed_at, row.finished_at, row.attempt, row.transport, row.transport_id,
        row.error,
    )  # fmt: skip
