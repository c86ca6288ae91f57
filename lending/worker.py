"""The one worker that drains the outbox.

Who may drain is a row of the database with an end (`until`) and a number that only grows (`fence`). Correctness never
rests on it: every step of a message names the fence under which it was taken, so a worker that was thought dead and
wakes up changes nothing and hands nothing over. The row only keeps two workers from doing the same work.

A worker that was killed leaves its row behind. On the same machine the next one knows at once that it is dead: each
holds a lock of the kernel on a file beside the server's key, which ends with the process however it ended. From
another machine the next one waits until the row's end.
"""

import fcntl
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from lending import outbox
from lending.db import Database, Tx
from lending.errors import LendingError
from lending.message_tables import OutboxWorker
from lending.outbox import Claim, Verdict
from lending.transports import NotSent, Superseded, Transport, Unsure
from lending.vault import VaultError

LEASE = timedelta(seconds=120)
"""Longer than any one step of a transport may take by its time-outs."""
BATCH = 10
PLAN_EVERY = timedelta(minutes=10)


class Busy(LendingError):
    """Another worker drains this outbox; the message says which, and until when it is believed to live."""


@dataclass
class Worker:
    """A worker at work. `plan` puts the day's reminders into the outbox; `verdict` is asked before each message."""

    db: Database
    transports: dict[str, Transport]
    verdict: Verdict
    plan: Callable[[Tx, datetime], object]
    place: str
    now: Callable[[], datetime]
    besides: Callable[[datetime], int] = lambda now: 0
    """What else is told to others in each round (webhooks); returns how many tries were made. Never raises."""
    fence: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def take_office(self) -> None:
        """Become the worker and take up what the last one left in the middle.

        Raises:
            Busy: another one holds the office, here or on another machine.
        """
        with self.db.transaction() as tx:
            now = self.now()
            row = tx.s.get(OutboxWorker, 1)
            if row is None:
                row = OutboxWorker(id=1, fence=0, holder="", until=now, planned_at=None)
                tx.s.add(row)
            if row.until > now and row.holder.partition(" ")[0] != self.place:
                raise Busy(f"{row.holder} drains the outbox; it is believed to live until {row.until:%H:%M:%S} UTC")
            row.fence, row.until = row.fence + 1, now + LEASE
            row.holder = f"{self.place} {socket.gethostname()} process {os.getpid()}"
            self.fence = row.fence
            tx.s.flush()
            outbox.recover(tx, self.fence, self.transports, now)

    def leave(self) -> None:
        """Give the office up in good order, so that nobody waits for its end."""
        with self.db.transaction() as tx:
            row = tx.s.get(OutboxWorker, 1)
            if row is not None and row.fence == self.fence:
                row.until = self.now()

    def round(self) -> int:
        """Plan if it is time, then hand over what is due; return how many messages were dealt with.

        Raises `Superseded` when another worker has taken over.
        """
        with self.db.transaction() as tx:
            now = self.now()
            row = self._hold(tx, now)
            if row.planned_at is None or now - row.planned_at >= PLAN_EVERY or now < row.planned_at:
                self.plan(tx, now)
                row.planned_at = now
            open_ = {*self.transports} | ({"partner"} if "email" in self.transports else set())
            claims = outbox.claim(tx, self.fence, now, self.verdict, open_, BATCH)
        for one in claims:
            self._deal_with(one)
        return len(claims) + self.besides(self.now())

    def _deal_with(self, one: Claim) -> None:
        transport = self.transports["email" if one.channel == "partner" else one.channel]
        try:
            with self.db.read() as tx:
                out = one.outgoing(tx, self.now())
        except VaultError:
            self._write(lambda tx, now: outbox.not_sent(tx, one, NotSent("its contact data cannot be opened"), now))
            raise
        if one.asking:
            answer = transport.ask(out)
            self._count(str(answer.found))
            self._write(lambda tx, now: outbox.answered(tx, one, answer, now))
            return
        try:
            receipt = transport.send(out, lambda: self._going(one, transport))
        except Superseded:
            raise
        except NotSent as why:
            said = why
            self._count("not-sent")
            self._write(lambda tx, now: outbox.not_sent(tx, one, said, now))
        except Exception as why:  # noqa: BLE001 (one message must not stop all others; the row says what happened)
            text = str(why) if isinstance(why, Unsure) else f"unexpected: {type(why).__name__}"
            self._count("unsure")
            self._write(lambda tx, now: self._cut(tx, one, transport, text, now))
        else:
            self._count("sent")
            self._write(lambda tx, now: outbox.sent(tx, one, receipt, now))

    def _cut(self, tx: Tx, one: Claim, transport: Transport, text: str, now: datetime) -> None:
        """Write down a hand-over that went wrong: after the step without return, or else certainly before it."""
        if not outbox.unsure(tx, one, transport, text, now):
            outbox.not_sent(tx, one, NotSent(text), now)

    def _going(self, one: Claim, transport: Transport) -> None:
        with self.db.transaction() as tx:
            now = self.now()
            self._hold(tx, now)
            if not outbox.handing_over(tx, one, transport.name, now):
                raise Superseded(f"message {one.ref} is in other hands")

    def _hold(self, tx: Tx, now: datetime) -> OutboxWorker:
        """Make the office last, if it is still ours."""
        row = tx.s.get(OutboxWorker, 1)
        if row is None or row.fence != self.fence:
            raise Superseded("another worker has taken over")
        row.until = now + LEASE
        return row

    def _write(self, change: Callable[[Tx, datetime], object]) -> None:
        with self.db.transaction() as tx:
            change(tx, self.now())

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


@contextmanager
def only_one_here(home: Path) -> Iterator[str]:
    """Hold this machine's lock while the block runs and yield the name of this place.

    Raises:
        Busy: another worker of this installation runs on this machine.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(home / "outbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("another worker of this installation runs on this machine") from None
        name = os.read(handle, 64).decode("ascii", "replace").strip()
        if len(name) != 16:
            name = secrets.token_hex(8)
            os.truncate(handle, 0)
            os.pwrite(handle, name.encode(), 0)
            os.fsync(handle)
        yield name
    finally:
        os.close(handle)


def work(
    worker: Worker, *, once: bool, wait: bool, idle: float = 2.0, stop: Callable[[], bool] = lambda: False
) -> None:
    """Drain until `stop` says so, or (once) until nothing is due. With `wait` another worker is waited for.

    `idle`: seconds between looks at an empty outbox. Raises `Busy` without `wait`.
    """
    while not stop():
        try:
            worker.take_office()
        except Busy:
            if not wait:
                raise
            time.sleep(idle)
            continue
        try:
            while not stop():
                if worker.round() == 0:
                    if once:
                        return
                    time.sleep(idle)
            return
        except Superseded:
            if once:
                return
        finally:
            worker.leave()
