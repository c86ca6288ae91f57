"""Webhooks: what happens here is told to addresses that administrators registered. Told at least once, with one id.

- what is told comes from the history itself: every accepted event of a chosen kind after the endpoint was made, in
  its order of arrival; so no way of working can forget to tell, and a crash loses nothing;
- a message is references only (device code, loan reference, event hash): no person, no household;
- its id is made from the event, so every try and every redelivery has the same one, and a receiver can tell;
- tries go on with growing pauses for about three days; an answer of 410 switches the endpoint off;
- secrets are sealed; an address inside our own network is refused, when registered and at every try.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from custody.events import Event
from lending import audit_log, tables, webhook_send
from lending.db import Database, Tx
from lending.errors import refused
from lending.office_tables import WebhookDelivery, WebhookEndpoint
from lending.people import Actor, need
from lending.record import is_code, opened
from lending.webhook_send import Blocked, Resolve, resolve

KINDS: Mapping[str, str] = {
    "device.registered": "A device was registered",
    "device.left": "A device left on a loan",
    "device.returned": "A device was reported returned",
    "device.received": "A device is back in our hands",
    "medium.wiped": "A wipe was tried, with this outcome",
    "loan.closed": "A loan ended",
}
"""What can be told, in words: kinds of events."""

TOLD: Mapping[str, tuple[str, ...]] = {
    "device.registered": ("code",),
    "device.left": ("device", "loan", "why"),
    "device.returned": ("code", "loan"),
    "device.received": ("device", "loan"),
    "medium.wiped": ("device", "outcome", "claim"),
    "loan.closed": ("loan", "device", "how"),
}
"""Of each kind, the parts of its body that are told: references and words, never who."""

PAUSES = tuple(
    timedelta(seconds=one)
    for one in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long to wait after each failed try, as Standard Webhooks recommends."""

LEASE = timedelta(minutes=2)
"""How long a try may take before it counts as lost with its process and is made again."""

KEPT = timedelta(days=30)
MOST_EVENTS = 500
MOST_ENDPOINTS = 50
PURPOSE = "webhook"


@dataclass(frozen=True)
class Endpoint:
    """One registered address, and how its messages stand."""

    id: int
    url: str
    kinds: tuple[str, ...]
    enabled: bool
    why_off: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Delivery:
    """One message to one address. `state` is waiting, delivered or failed."""

    id: int
    message: str
    kind: str
    body: str
    state: str
    tries: int
    made_at: datetime
    next_at: datetime
    ended_at: datetime | None
    said: str


def register(
    tx: Tx, by: Actor, url: str, kinds: Sequence[str], now: datetime, *, private: bool, look_up: Resolve = resolve
) -> tuple[int, str]:
    """Register an address and return its number and its signing secret, shown this once. Administrator.

    Raises `Refused`: `role`, `url` (not https, not public, does not resolve), `kinds`, `many`.
    """
    need(by, "administrator")
    url = url.strip()
    if not kinds or set(kinds) - set(KINDS):
        raise refused("kinds", "choose at least one thing that is told", "kinds")
    if (tx.s.scalar(select(func.count()).select_from(WebhookEndpoint)) or 0) >= MOST_ENDPOINTS:
        raise refused("many", f"there are {MOST_ENDPOINTS} addresses already; remove one first", "url")
    try:
        webhook_send.checked(url, private=private, look_up=look_up)
    except (Blocked, OSError) as error:
        raise refused("url", f"this address cannot be used: {error}", "url") from error
    secret = webhook_send.new_secret()
    newest = tx.s.scalar(select(func.max(tables.EventRow.n))) or 0
    row = WebhookEndpoint(
        url=url, kinds=sorted(set(kinds)), secret=b"", seen=newest, enabled=True, why_off="", made_at=now
    )
    tx.s.add(row)
    tx.s.flush()
    row.secret = tx.vault.seal(PURPOSE, str(row.id), {"secret": secret})
    tx.s.flush()
    audit_log.note(tx, by, "webhook-registered", f"webhook:{row.id}", ", ".join(row.kinds), now=now)
    return row.id, secret


def remove(tx: Tx, by: Actor, number: int, now: datetime) -> None:
    """Take an address away, with its messages. Administrator. Raises `Refused`: `role`, `unknown-webhook`."""
    need(by, "administrator")
    _row(tx, number)
    tx.s.execute(delete(WebhookDelivery).where(WebhookDelivery.endpoint == number))
    tx.s.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == number))
    audit_log.note(tx, by, "webhook-removed", f"webhook:{number}", now=now)


def switch(tx: Tx, by: Actor, number: int, on: bool, now: datetime) -> None:
    """Switch an address on or off; what happens meanwhile waits. Administrator."""
    need(by, "administrator")
    row = _row(tx, number)
    row.enabled, row.why_off = on, "" if on else "switched off by an administrator"
    tx.s.flush()
    audit_log.note(tx, by, "webhook-switched", f"webhook:{number}", "on" if on else "off", now=now)


def listing(tx: Tx, by: Actor) -> list[Endpoint]:
    """Return every address. Administrator."""
    need(by, "administrator")
    grouped = select(WebhookDelivery.endpoint, WebhookDelivery.state, func.count()).group_by(
        WebhookDelivery.endpoint, WebhookDelivery.state
    )
    counts: dict[int, dict[str, int]] = {}
    for number, state, count in tx.s.execute(grouped):
        counts.setdefault(number, {})[state] = int(count)
    rows = tx.s.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.id))
    return [
        Endpoint(row.id, row.url, tuple(row.kinds), row.enabled, row.why_off, counts.get(row.id, {})) for row in rows
    ]


def log(tx: Tx, by: Actor, number: int, most: int = 100) -> list[Delivery]:
    """Return the newest messages to an address. Administrator. Raises `Refused`: `role`, `unknown-webhook`."""
    need(by, "administrator")
    _row(tx, number)
    row = WebhookDelivery
    found = tx.s.scalars(select(row).where(row.endpoint == number).order_by(row.id.desc()).limit(most))
    return [
        Delivery(
            one.id, one.message, one.kind, one.body, one.state, one.tries, one.made_at, one.next_at, one.ended_at,
            one.said,
        )
        for one in found
    ]  # fmt: skip


def redeliver(tx: Tx, by: Actor, number: int, delivery: int, now: datetime) -> None:
    """Send a message again, with the same id. Administrator. Raises `Refused`: `role`, `unknown-delivery`."""
    need(by, "administrator")
    row = tx.s.get(WebhookDelivery, delivery)
    if row is None or row.endpoint != number:
        raise refused("unknown-delivery", f"there is no message number {delivery} to this address")
    row.state, row.tries, row.next_at, row.ended_at = "waiting", 0, now, None
    tx.s.flush()


def deliver_due(
    db: Database, now: datetime, *, private: bool = False, most: int = 50, look_up: Resolve = resolve
) -> int:
    """Collect what happened and send what is due; return how many tries were made. For the worker, again and again.

    Two workers at once do no harm: a try is claimed by a conditional change. A process that dies between sending and
    noting it lets the message be sent again with the same id.
    """
    with db.transaction() as tx:
        collect(tx, now)
    tried = 0
    while tried < most:
        with db.transaction() as tx:
            claimed = _claim(tx, now)
        if claimed is None:
            break
        number, url, secret, message, body = claimed
        answer = webhook_send.send(url, secret, message, body, now, private=private, look_up=look_up)
        with db.transaction() as tx:
            _note(tx, number, answer, now)
        tried += 1
    return tried


def collect(tx: Tx, now: datetime) -> int:
    """Turn the events since each endpoint last looked into messages; return how many were made."""
    made = 0
    for endpoint in tx.s.scalars(select(WebhookEndpoint).where(WebhookEndpoint.enabled)):
        newest = tx.s.scalar(select(func.max(tables.EventRow.n))) or 0
        if newest <= endpoint.seen:
            continue
        row = tables.EventRow
        wanted = (row.n > endpoint.seen, row.kind.in_(endpoint.kinds), row.refused.is_(None))
        rows = tx.s.scalars(select(row).where(*wanted).order_by(row.n).limit(MOST_EVENTS)).all()
        for event in opened(tx, [one.envelope for one in rows]):
            tx.s.add(_message(endpoint.id, event, now))
            made += 1
        endpoint.seen = rows[-1].n if len(rows) == MOST_EVENTS else newest
        tx.s.flush()
    return made


def forget(tx: Tx, now: datetime) -> int:
    """Let go of messages that ended more than 30 days ago; return how many. For the nightly work."""
    old = delete(WebhookDelivery).where(WebhookDelivery.ended_at < now - KEPT)
    return int(tx.s.execute(old).rowcount)  # type: ignore[attr-defined]


def _message(endpoint: int, event: Event, now: datetime) -> WebhookDelivery:
    told = {name: _reference(name, event.body.get(name)) for name in TOLD[event.kind]}
    body = {"type": event.kind, "timestamp": event.at.isoformat(), "data": {**told, "event": event.hash}}
    return WebhookDelivery(
        endpoint=endpoint, message=f"msg_{event.hash}", kind=event.kind, body=json.dumps(body), state="waiting",
        tries=0, next_at=now, made_at=now, ended_at=None, said="",
    )  # fmt: skip


def _reference(name: str, value: object) -> str | None:
    """Return what may be told: short words; of a scan only a label code, since anything can be scanned at a kiosk."""
    if not isinstance(value, str) or len(value) > 60 or (name == "code" and not is_code(value)):
        return None
    return value


def _claim(tx: Tx, now: datetime) -> tuple[int, str, str, str, bytes] | None:
    """Take the next message that is due for this process: nobody else tries it before the lease ends."""
    row, endpoint = WebhookDelivery, WebhookEndpoint
    query = (
        select(row, endpoint)
        .join(endpoint, endpoint.id == row.endpoint)
        .where(row.state == "waiting", row.next_at <= now, endpoint.enabled)
        .order_by(row.next_at, row.id)
        .limit(1)
    )
    found = tx.s.execute(query).first()
    if found is None:
        return None
    one, to = found
    mine = update(row).where(row.id == one.id, row.state == "waiting", row.next_at == one.next_at)
    tx.s.execute(mine.values(next_at=now + LEASE, tries=one.tries + 1))
    secret = tx.vault.open_(PURPOSE, str(to.id), to.secret)["secret"]
    return one.id, to.url, secret, one.message, one.body.encode()


def _note(tx: Tx, number: int, answer: webhook_send.Answer, now: datetime) -> None:
    row = tx.s.get(WebhookDelivery, number)
    if row is None:
        return  # the address was removed meanwhile
    row.said = f"{answer.status or 'no answer'}: {answer.words}"[:300]
    if answer.taken:
        row.state, row.ended_at = "delivered", now
    elif row.tries > len(PAUSES):
        row.state, row.ended_at = "failed", now
    else:
        row.next_at = now + PAUSES[row.tries - 1]
    if answer.status == 410:  # Standard Webhooks: gone, do not ask again
        endpoint = tx.s.get_one(WebhookEndpoint, row.endpoint)
        endpoint.enabled, endpoint.why_off = False, "it answered 410: nobody wants these messages any more"
    tx.s.flush()


def _row(tx: Tx, number: int) -> WebhookEndpoint:
    row = tx.s.get(WebhookEndpoint, number)
    if row is None:
        raise refused("unknown-webhook", f"there is no webhook number {number}")
    return row
