"""The outbox: every message that is wanted, until it is known what became of it.

    queued -> claimed -> handed-over -> sent | failed | unknown        and: queued, claimed -> cancelled
                                unknown -> sent | failed | queued      only by a person, or by a late answer

Rules:

- a message exists once per `cause`; `enqueue` of a cause that exists does nothing;
- `claimed` is written before anything is prepared and `handed-over` before the step that cannot be taken back, each
  in a transaction of its own and only if the row is still ours: its state, attempt and *fence* (the number of the
  worker that took it) are part of the condition, and "0 rows" means that another worker has it;
- so a worker that died left either `claimed` (certainly not sent: back to `queued`) or `handed-over` (nobody knows:
  the transport is asked by our reference, or repeats it under the same key, or the row becomes `unknown`);
- `unknown` is never sent again by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from lending.db import Tx
from lending.message_tables import MessageRow
from lending.people import random_ref
from lending.transports import Answer, Found, NotSent, Outgoing, Receipt, Transport

OPEN = ("queued", "claimed", "handed-over", "asking")
STATES = {
    "queued": "Waiting",
    "claimed": "Being prepared",
    "handed-over": "Being handed over",
    "asking": "Being asked after",
    "sent": "Sent",
    "failed": "Not sent",
    "unknown": "Unknown: look at it",
    "cancelled": "Called off",
}
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1), timedelta(hours=3))
MOST_ATTEMPTS = 12
MOST_ASKED = 10
ASK_AGAIN = timedelta(minutes=2)
PURPOSE = "message"
ACCOUNT = "account"
"""Kind of the messages to people who sign in: about their account, never about a loan."""


@dataclass(frozen=True)
class Draft:
    """A message to be: its cause (unique), where it goes and what it says. `address` is its keyed digest."""

    cause: str
    kind: str
    channel: str
    language: str
    to: str
    subject: str
    body: str
    address: str
    loan: str | None
    segments: int
    cost: int
    due_at: datetime
    not_after: datetime | None = None
    written_by: int | None = None


@dataclass(frozen=True)
class Claim:
    """One message in a worker's hands."""

    id: int
    ref: str
    kind: str
    channel: str
    loan: str | None
    attempt: int
    fence: int
    asking: bool
    sealed: bytes | None

    def outgoing(self, tx: Tx, at: datetime) -> Outgoing:
        """Open what is sealed. Raises `VaultError`."""
        said = tx.vault.open_(PURPOSE, self.ref, self.sealed or b"")
        channel = "email" if self.channel == "partner" else self.channel
        return Outgoing(self.ref, channel, said["to"], said["subject"], said["body"], at)


Verdict = Callable[[Tx, MessageRow, datetime], str | datetime | None]
"""Asked at the last moment: a text why a message must not go any more, a moment to wait for, or None: let it go."""


def enqueue(tx: Tx, draft: Draft, now: datetime) -> str | None:
    """Put a message into the outbox and return its reference, or None when its cause has made one already."""
    if tx.s.scalar(select(MessageRow.id).where(MessageRow.cause == draft.cause)) is not None:
        return None
    ref = random_ref("M", 10)
    said = {"to": draft.to, "subject": draft.subject, "body": draft.body}
    tx.s.add(
        MessageRow(
            ref=ref, cause=draft.cause, loan=draft.loan, kind=draft.kind, channel=draft.channel,
            language=draft.language, sealed=tx.vault.seal(PURPOSE, ref, said), address=draft.address,
            segments=draft.segments, cost=draft.cost, state="queued", due_at=draft.due_at, not_after=draft.not_after,
            queued_at=now, attempt=0, asked=0, fence=0, transport=None, claimed_at=None, handed_at=None,
            finished_at=None, transport_id=None, error="", written_by=draft.written_by, settled_by=None,
        )
    )  # fmt: skip
    tx.s.flush()
    return ref


def claim(tx: Tx, fence: int, now: datetime, verdict: Verdict, channels: set[str], limit: int = 10) -> list[Claim]:
    """Take messages whose time has come, oldest first; those that must not go any more are called off here."""
    query = (
        select(MessageRow)
        .where(MessageRow.state.in_(("queued", "asking")), MessageRow.due_at <= now, MessageRow.channel.in_(channels))
        .order_by(MessageRow.due_at, MessageRow.id)
        .limit(limit)
    )
    taken = []
    for row in tx.s.scalars(query).all():
        if row.state == "queued" and not _let_go(tx, row, verdict, now):
            continue
        asking = row.state == "asking"
        row.state, row.fence, row.claimed_at = "asking" if asking else "claimed", fence, now
        row.attempt += 0 if asking else 1
        if asking:  # whoever dies while asking leaves a row that is asked again
            row.due_at = now + ASK_AGAIN
        taken.append(
            Claim(row.id, row.ref, row.kind, row.channel, row.loan, row.attempt, fence, asking, row.sealed)
        )
    tx.s.flush()
    return taken


def _let_go(tx: Tx, row: MessageRow, verdict: Verdict, now: datetime) -> bool:
    if row.sealed is None:
        return _end(row, "cancelled", now, "what it said was erased before it left")
    if row.not_after is not None and now > row.not_after:
        return _end(row, "failed", now, "it could not be sent in time, and would have been wrong by now")
    said = verdict(tx, row, now)
    if isinstance(said, datetime):
        row.due_at = said
        return False
    return True if said is None else _end(row, "cancelled", now, said)


def _end(row: MessageRow, state: str, now: datetime, why: str) -> bool:
    row.state, row.finished_at, row.error = state, now, why
    return False


def handing_over(tx: Tx, one: Claim, transport: str, now: datetime) -> bool:
    """Write down that the step without return comes now; False when the message is no longer in these hands."""
    return _move(
        tx, one, ("claimed",), state="handed-over", transport=transport, handed_at=now, error="", transport_id=None
    )


def sent(tx: Tx, one: Claim, receipt: Receipt, now: datetime) -> bool:
    """Write down that the other side has it. Holds also when a newer worker gave the message up as unknown."""
    states = ("handed-over", "asking", "unknown")
    return _move(tx, one, states, state="sent", finished_at=now, transport_id=receipt.id or None, error="")


def not_sent(tx: Tx, one: Claim, why: NotSent, now: datetime) -> bool:
    """Write down that it did certainly not leave: try later, or give up when trying again does not help."""
    if why.permanent or one.attempt >= MOST_ATTEMPTS:
        return _move(tx, one, ("claimed", "handed-over"), state="failed", finished_at=now, error=why.text)
    wait = max(BACKOFF[min(one.attempt - 1, len(BACKOFF) - 1)], timedelta(seconds=why.wait))
    return _move(tx, one, ("claimed", "handed-over"), state="queued", due_at=now + wait, error=why.text)


def unsure(tx: Tx, one: Claim, transport: Transport, why: str, now: datetime) -> bool:
    """Decide about a hand-over that was cut short: ask later, repeat under the same key, or leave it to a person."""
    return _move(tx, one, ("handed-over",), **_after_a_cut(transport, now, why, now))


def answered(tx: Tx, one: Claim, answer: Answer, now: datetime) -> bool:
    """Write down what the other side said when asked."""
    if answer.found is Found.SENT:
        return sent(tx, one, Receipt(answer.id), now)
    if answer.found is Found.FAILED:
        return _move(tx, one, ("asking",), state="failed", finished_at=now, error=answer.text)
    if answer.found is Found.ABSENT:
        return _move(tx, one, ("asking",), state="queued", due_at=now, error="it had not arrived: sent again")
    row = tx.s.get_one(MessageRow, one.id)
    if row.asked + 1 >= MOST_ASKED:
        return _move(tx, one, ("asking",), state="unknown", finished_at=now, error=answer.text)
    return _move(tx, one, ("asking",), asked=row.asked + 1, due_at=now + ASK_AGAIN, error=answer.text)


def recover(tx: Tx, fence: int, transports: dict[str, Transport], now: datetime) -> int:
    """Take up what earlier workers left in the middle; return how many messages. Call it once, with a new fence."""
    query = select(MessageRow).where(
        MessageRow.fence < fence, MessageRow.state.in_(("claimed", "handed-over", "asking"))
    )
    by_name = {one.name: one for one in transports.values()}
    rows = tx.s.scalars(query).all()
    for row in rows:
        if row.state == "claimed":
            row.state, row.due_at = "queued", now
            continue
        transport = by_name.get(row.transport or "")
        for name, value in _after_a_cut(transport, row.handed_at or now, "cut short", now).items():
            setattr(row, name, value)
    tx.s.flush()
    return len(rows)


def _after_a_cut(transport: Transport | None, handed_at: datetime, why: str, now: datetime) -> dict[str, object]:
    if transport is not None and transport.asks:
        return {"state": "asking", "due_at": handed_at + timedelta(seconds=transport.settle), "asked": 0, "error": why}
    if transport is not None and transport.keyed:
        return {"state": "queued", "due_at": now, "error": f"{why}; sent again under the same key"}
    return {"state": "unknown", "finished_at": now, "error": f"{why}; nobody can be asked whether it left"}


def _move(tx: Tx, one: Claim, states: tuple[str, ...], **values: object) -> bool:
    """Change a row only while it is in these hands; say whether it was."""
    done = tx.s.execute(
        update(MessageRow)
        .where(
            MessageRow.id == one.id, MessageRow.attempt == one.attempt, MessageRow.state.in_(states),
            or_(MessageRow.fence == one.fence, MessageRow.state == "unknown"),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return bool(getattr(done, "rowcount", 0))
