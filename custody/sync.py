"""Bring an origin and its server to the same history: one exchange, over the network or over a stick.

The order is always the same, every step may be repeated and any may be the last one that worked:

1. learn what the server has of us; 2. send evidence, then the events that name it, in chain order;
3. fetch the server's history to its end; 4. compare it with the server's newest checkpoint; 5. at a station, keep
the roster by which people sign in, if that history names it.

Nothing leaves the outbox before the server said it has it. What was refused, forked or missing is told in
sentences; only a road that fails (`RoadDown`) or a server that turns us away (`SyncRefused`) raises.
"""

from dataclasses import dataclass

from custody import rosters
from custody.errors import Fork, Gap, RoadDown, SyncRefused
from custody.events import Role
from custody.httproad import Enrolled, HttpRoad, enrol
from custody.journal import CLOCK_TOLERANCE, Journal
from custody.roads import Ack, FeedPage, RefusedEvent, Road, ServerSide
from custody.signing import ClockWrong, UnknownOrigin, answer_for, check_request, sign_request, spoken
from custody.stick import StickReport, StickRoad, serve_stick

__all__ = [
    "Ack",
    "ClockWrong",
    "Enrolled",
    "Exchanged",
    "FeedPage",
    "HttpRoad",
    "RefusedEvent",
    "Road",
    "ServerSide",
    "StickReport",
    "StickRoad",
    "UnknownOrigin",
    "answer_for",
    "check_request",
    "enrol",
    "exchange",
    "serve_stick",
    "sign_request",
]

BATCH_EVENTS = 200
BATCH_BYTES = 4 << 20
"""Limits of one request: envelopes, and bytes of envelopes."""


@dataclass(frozen=True)
class Exchanged:
    """What one exchange did. `sent` events were handed over, `acked` are newly confirmed, `waiting` are not yet.

    `refused` are events of ours that the server keeps but that do not count. `stuck` says that the server will
    not take our next event until a person decided something; `messages` says what.
    """

    sent: int
    acked: int
    taken: int
    refused: tuple[RefusedEvent, ...]
    waiting: int
    clock_offset_seconds: float | None
    stuck: bool
    messages: tuple[str, ...]


def exchange(journal: Journal, road: Road) -> Exchanged:
    """Do all that the road allows now; see the module for the order.

    Raises `RoadDown` or `SyncRefused` with what happened to the events; they are all still in the journal, and
    what was confirmed before stays confirmed. Raises `JournalError` when our own store fails.
    """
    if journal.server() is None:
        raise SyncRefused(f"{journal.origin} is not enrolled with a server yet; enrol it with a code, nothing is lost")
    talk = _Talk(journal, road)
    try:
        talk.learn_what_it_has()
        talk.send_attachments()
        talk.send_events()
        talk.fetch()
    except (RoadDown, SyncRefused) as error:
        waiting = journal.unsent_count()
        told = f"{error} ({waiting} event{'' if waiting == 1 else 's'} of ours wait here, none is lost)"
        if isinstance(error, RoadDown):
            raise RoadDown(told) from error
        raise (UnknownOrigin if isinstance(error, UnknownOrigin) else SyncRefused)(told) from error
    finally:
        talk.note_clock()
    return talk.result()


class _Talk:
    """One exchange under way: what was done so far, and what is to be said about it."""

    def __init__(self, journal: Journal, road: Road) -> None:
        self._journal, self._road = journal, road
        self._started_at = journal.acknowledged()
        self._sent, self._taken, self._stuck = 0, 0, False
        self._refused: list[RefusedEvent] = []
        self._messages: list[str] = []

    def learn_what_it_has(self) -> None:
        """Ask what the server has of us, and note it."""
        try:
            ack = self._road.acknowledged(self._journal.origin)
        except Gap as error:
            self._resend(error)
        except Fork as error:
            self._stop(str(error))
        else:
            if ack is not None:
                self._note(ack)

    def send_attachments(self) -> None:
        """Send evidence before the events that name it; one that is refused holds nothing else up."""
        for digest in self._journal.unsent_attachments():
            data = self._journal.attachment(digest)
            try:
                if data is not None and self._road.put_attachment(digest, data):
                    self._journal.attachment_sent(digest)
            except SyncRefused as error:
                self._messages.append(f"evidence {digest[:12]} was not taken: {error}")

    def send_events(self) -> None:
        """Send what is unsent, in batches, from wherever the server says it stands."""
        after, resent = self._journal.acknowledged(), 0
        while not self._stuck and (batch := self._batch(after)):
            try:
                ack = self._road.push(self._journal.origin, batch)
            except Gap as error:
                resent += 1
                if resent > 2 or error.expected > self._journal.head().seq:
                    self._stop(f"{error}; this journal cannot give it that, tell an administrator")
                    return
                after = self._resend(error)
                continue
            except (ClockWrong, UnknownOrigin):
                raise
            except (Fork, SyncRefused) as error:
                self._stop(str(error))
                return
            self._sent += len(batch)
            if ack is None:
                after += len(batch)
                continue
            self._note(ack)
            if self._journal.acknowledged() <= after:
                self._stop(f"the server took none of the events from {after + 1} on, without saying why")
            after = self._journal.acknowledged()

    def fetch(self) -> None:
        """Take the server's history to its end, compare it with its newest checkpoint, keep the newest roster."""
        newest, complete = self._road.checkpoint(), False
        roster = self._road.roster() if self._journal.role is Role.STATION else None
        trusted = self._journal.server()
        while (page := self._road.feed(self._journal.position())) is not None:
            if page.server and trusted and page.server != trusted.id:
                self._messages.append(f"this history is of {page.server}, not of our server {trusted.id}; not taken")
                return
            before = self._journal.position()
            taken = self._journal.take(page.envelopes, page.position)
            self._taken += taken.new
            self._messages.extend(taken.messages)
            complete = not page.more
            if (complete and self._road.live) or taken.position <= before:
                break
        if newest is not None and complete:
            self._messages.extend(reason.text for reason in self._journal.witness(newest))
        if told := rosters.keep(self._journal, roster):
            self._messages.append(told)
        if self._journal.writers()[self._journal.origin].suspended:
            self._stop(
                f"the history of {self._journal.origin} exists twice: its key is used on two machines, or an "
                "old copy was put back. An administrator must revoke it; then make a new key and journal and enrol"
            )

    def note_clock(self) -> None:
        """Remember what the road learnt about our clock, and say it when it is wrong."""
        offset = self._road.clock_offset
        if offset is None:
            return
        self._journal.note_clock(offset)
        if abs(offset) > CLOCK_TOLERANCE:
            way = "behind" if offset > 0 else "ahead of"
            self._messages.append(
                f"this machine's clock is {spoken(offset)} {way} the server's; set it. Until then records say that it "
                "is not to be trusted"
            )

    def result(self) -> Exchanged:
        """Return what was done."""
        journal = self._journal
        acked = max(0, journal.acknowledged() - self._started_at)
        messages = dict.fromkeys([*self._road.messages, *self._messages])
        return Exchanged(
            self._sent,
            acked,
            self._taken,
            tuple(self._refused),
            journal.unsent_count(),
            self._road.clock_offset,
            self._stuck,
            tuple(messages),
        )

    def _note(self, ack: Ack) -> None:
        """Believe an acknowledgement as far as it fits what we wrote."""
        journal, head = self._journal, self._journal.head()
        before = journal.acknowledged()
        old = not self._road.live and ack.through < before and (ack.position or 0) < journal.position()
        if 0 < ack.through <= head.seq and journal.hash_at(journal.origin, ack.through) != ack.hash:
            theirs = journal.hash_at(journal.origin, ack.through) or ""
            self._stop(str(Fork(journal.origin, ack.through, theirs, ack.hash)))
            return
        if ack.through > head.seq:
            self._messages.append(
                f"the server has {ack.through} events of this machine, but only {head.seq} are here: this journal is "
                "an older copy. What is missing is fetched now"
            )
        if ack.through < before and not old:
            self._messages.append(
                f"the server has our events only up to {ack.through}, though it had confirmed {before}: it was put "
                "back to an earlier state. They are sent again, and our evidence too; tell an administrator"
            )
            journal.send_attachments_again()
        journal.acknowledge(before if old else ack.through, ack.refused)
        self._refused.extend(ack.refused)
        for digest in ack.attachments:
            journal.attachment_sent(digest)
        if self._road.live and ack.position is not None and ack.position < journal.position():
            self._messages.append(
                f"the server's history now ends at {ack.position}, but it had given us {journal.position()}: it was "
                "cut; tell an administrator"
            )

    def _resend(self, gap: Gap) -> int:
        """Go back to where the server says it stands; return the number after which to send."""
        after = max(0, gap.expected - 1)
        if after < self._journal.acknowledged():
            self._messages.append(f"the server asked for our events from {gap.expected} on again; they are sent again")
            self._journal.send_attachments_again()
        self._journal.acknowledge(after)
        return self._journal.acknowledged()

    def _batch(self, after: int) -> list[bytes]:
        """Return the next events to send, within the limits of one request, one at least."""
        batch: list[bytes] = []
        size = 0
        for envelope in self._journal.unsent(after, BATCH_EVENTS):
            size += len(envelope)
            if batch and size > BATCH_BYTES:
                break
            batch.append(envelope)
        return batch

    def _stop(self, why: str) -> None:
        self._stuck = True
        self._messages.append(why)
