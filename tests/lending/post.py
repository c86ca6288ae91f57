"""A loan that is out with a day agreed, and ways for messages to leave: for the tests of messages."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from lending import loans, reminders
from lending.db import Tx
from lending.message_config import FileSpec, MessageConfig
from lending.reminders import Post
from lending.transports import Answer, FileTransport, Found, Going, NotSent, Outgoing, Receipt, Transport, Unsure
from lending.worker import Worker
from tests.lending.house import GROWN_UPS, House

HOST = "https://kit.example.org"


def post(folder: Path) -> Post:
    """Return an installation whose messages of every channel go into a folder."""
    spec = FileSpec("folder", folder / "out")
    prices = {"sms": 250, "letter": 8000}
    return Post(MessageConfig(channels=dict.fromkeys(("sms", "email", "letter"), spec), prices=prices), HOST)


def lend(house: House, number: int, due: date | None, **answers: object) -> str:
    """Hand a device over to a household and agree a day; return the loan."""
    form = replace(GROWN_UPS, client_reference=f"HH-{number}", **answers)  # type: ignore[arg-type]
    loan, device = house.new_loan(form), house.make_ready(number)
    house.hand_over(loan, device)
    if due is not None:
        with house.db.transaction() as tx:
            loans.extend(tx, loan, due, house.desk, house.now)
    return loan


@dataclass
class Moody:
    """A transport that does what it is told: `ok`, `no`, `never`, `unsure`, `unsure-kept`, `broken`, `broken-early`."""

    name: str = "moody"
    asks: bool = True
    keyed: bool = False
    settle: float = 30.0
    moods: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    asked: int = 0

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Do as told."""
        mood = self.moods.pop(0) if self.moods else "ok"
        if mood == "broken-early":
            raise ZeroDivisionError(out.to)
        going()
        if mood in ("no", "never"):
            raise NotSent("they said no", permanent=mood == "never")
        if mood not in ("unsure", "broken") and not (self.keyed and out.ref in self.kept):
            self.kept.append(out.ref)
        if mood.startswith("unsure"):
            raise Unsure("the line broke")
        if mood == "broken":
            raise ZeroDivisionError(out.to)
        return Receipt(f"id-{out.ref}")

    def ask(self, out: Outgoing) -> Answer:
        """Say what was kept."""
        self.asked += 1
        return Answer(Found.SENT if out.ref in self.kept else Found.ABSENT)


def worker(
    house: House, transport: Transport, place: str = "here", plan: Callable[[Tx, datetime], object] | None = None
) -> Worker:
    """Return a worker whose every channel is one transport."""
    ways = dict.fromkeys(("sms", "email", "letter"), transport)
    return Worker(house.db, ways, lambda tx, row, now: None, plan or (lambda tx, now: None), place, house.tick)


def real_worker(house: House, now_post: Post, folder: Path) -> Worker:
    """Return a worker as the program makes it, into a folder."""
    ways: dict[str, Transport] = dict.fromkeys(
        ("sms", "email", "letter"), FileTransport(FileSpec("folder", folder / "out"))
    )
    return Worker(
        house.db, ways, reminders.verdict, lambda tx, now: reminders.enqueue_day(tx, now_post, now), "here", house.tick
    )


def later(house: House, **span: float) -> None:
    """Let time pass."""
    house.now += timedelta(**span)
