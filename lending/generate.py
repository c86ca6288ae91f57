"""A charity of any size for practice and for measuring: real signed history, written in portions.

What this module promises:

- only a practice server is filled; the stations that sign are enrolled for it, and their keys lie in the given folder;
- history is what a busy charity's would be: every event is signed and chained, so `verify` and `rebuild` agree with it;
- it is the same for the same seed, and goes on where it stopped: a portion is one transaction;
- of ten devices nine went to households: some are out, some came back and are ready again, some wait for the bench.

Households are invented: numbers from the range that Ofcom keeps for drama (07700 900000 to 900999), names from a list.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, update

from custody import rules
from custody.chain import Head
from custody.events import Event, EventHash, MediumIdentity, OriginId, PrivateKey, World, mentions, seal
from custody.keyfile import read_key, write_key
from labels import codes
from lending import contacts, history, origins, tables
from lending.caches import device_values, media_held, medium_values
from lending.contacts import Contact
from lending.db import Database, Tx
from lending.errors import LendingError, NotReady
from lending.origins import EnrolRequest
from lending.people import SYMBOLS
from lending.record import Store, next_number

TEN = 10
STATIONS = 2
DIGEST = "d" * 64
WHO: dict[str, Any] = {"ref": "S-GENER8", "authenticated": True}
MODELS = (
    ("Lenovo", "ThinkPad T480"), ("Dell", "Latitude 7490"), ("HP", "EliteBook 840 G5"), ("Acer", "TravelMate P214"),
    ("Lenovo", "ThinkPad X270"), ("Dell", "OptiPlex 3060"), ("Apple", "MacBook Air 2017"), ("HP", "ProBook 430 G6"),
)  # fmt: skip
EXTRAS = ("charger", "charger", "charger", "case", "case", "mouse", "dongle")
NAMES = ("Amina Khan", "Jo Evans", "Maria Silva", "Tomasz Nowak", "Chidi Okafor", "Leila Ahmadi", "Ann Kelly")
AREAS = ("L1", "L4", "L8", "L13", "L20", "L36", "CH41", "CH62", "WA9", "WA7", "PR8")


@dataclass(frozen=True)
class Progress:
    """How far it is: devices done, of how many, and when it will be finished at this speed."""

    done: int
    total: int
    finish: datetime


@dataclass
class _Pen:
    """One origin's chain as it grows, and the rows of a portion."""

    origin: OriginId
    key: PrivateKey
    head: Head
    world: World


@dataclass
class _Portion:
    """The rows of one transaction."""

    n: int
    now: datetime
    rows: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def add(self, table: Any, **values: Any) -> None:
        self.rows.setdefault(table, []).append(values)

    def say(self, pen: _Pen, kind: str, subject: str, body: dict[str, Any], at: datetime) -> Event:
        envelope, event = seal(
            origin=pen.origin, seq=pen.head.seq + 1, prev=pen.head.hash, kind=kind, subject=subject, at=at, body=body,
            key=pen.key, world=pen.world,
        )  # fmt: skip
        pen.head = Head(event.seq, event.hash)
        self.add(tables.EventRow, **history.row_of(self.n, envelope, event, (), self.now))
        for one in sorted(mentions(event)):
            self.add(tables.Mention, subject=one, n=self.n)
        self.n += 1
        self.events.append(event)
        return event


def generate(
    db: Database, folder: Path, devices: int, households: int | None, clock: Callable[[], datetime], *,
    seed: str = "kitbank", portion: int = 500, say: Callable[[Progress], None] = lambda _: None,
) -> int:  # fmt: skip
    """Fill a practice server up to this many devices and return how many were new. Rounded up to whole tens.

    `households` is at most nine of ten devices (default: three of ten). `folder` keeps the stations' keys.
    Raises `LendingError` for a real server or numbers that do not fit, `NotReady` without the server's key.
    """
    if db.world is not World.PRACTICE:
        raise LendingError("this is a real server; invented devices are for a practice server only")
    if db.key is None:
        raise NotReady("the server's key is needed to write history")
    per_ten = 3 if households is None else -(-households * TEN // max(devices, 1))
    if devices < 1 or not 1 <= per_ten <= 9:
        raise LendingError("give at least one device, and from one household per ten devices to nine")
    with db.transaction() as tx:
        stations = [_station(tx, folder, number, clock()) for number in range(1, STATIONS + 1)]
        first = _done(tx)
    began, start = clock(), first
    while first < devices:
        last = min(-(-devices // TEN) * TEN, first + max(TEN, portion // TEN * TEN))
        with db.transaction() as tx:
            _write(tx, stations, range(first, last), per_ten, seed, clock())
        first = last
        left = (clock() - began) / (first - start) * max(0, devices - first)
        say(Progress(min(first, devices), devices, clock() + left))
    if db.engine.dialect.name == "postgresql":
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")  # a bulk load leaves the planner without figures
    return first - start


def _done(tx: Tx) -> int:
    row = tables.DeviceRow
    return tx.s.scalar(select(func.count()).select_from(row).where(row.serial.startswith("GEN-"))) or 0


def _station(tx: Tx, folder: Path, number: int, now: datetime) -> _Pen:
    """Return a station's pen; its key is made and enrolled the first time."""
    path = folder / f"generated-station-{number}.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(path, PrivateKey.generate(), tx.world)
    key = read_key(path).key
    origin = next((row.origin for row in [tx.s.get(tables.WriterKey, key.public.keyid)] if row is not None), None)
    if origin is None:
        code = origins.make_code(tx, "station", f"Practice bench {number}", None, now)
        request = EnrolRequest("station", key.public.hex, PrivateKey.generate().public.hex, str(tx.world))
        origin = origins.enrol(tx, code, request, now).origin
    return _Pen(OriginId(origin), key, Store(tx).head(OriginId(origin)), tx.world)


def _write(tx: Tx, stations: list[_Pen], numbers: range, per_ten: int, seed: str, now: datetime) -> None:
    """Write one portion: history, caches and office together, or nothing."""
    if tx.key is None:
        raise NotReady("the server's key is needed to write history")
    server = _Pen(tx.server, tx.key, Store(tx).head(tx.server), tx.world)
    made = _Portion(next_number(tx), now)
    for ten in range(numbers.start, numbers.stop, TEN):
        _ten(tx, made, stations[ten // TEN % len(stations)], server, ten, per_ten, seed)
    for table in (tables.EventRow, tables.Mention, tables.DeviceRow, tables.MediumRow, tables.ReferralRow,
                  tables.LoanRow, tables.LoanItem):  # fmt: skip
        if made.rows.get(table):
            tx.s.execute(insert(table), made.rows[table])
    for pen in (*stations, server):
        change = update(tables.Origin).where(tables.Origin.id == pen.origin)
        tx.s.execute(change.values(head_seq=pen.head.seq, head_hash=pen.head.hash, last_seen=now))


def _ten(tx: Tx, made: _Portion, bench: _Pen, server: _Pen, ten: int, per_ten: int, seed: str) -> None:
    """Write ten devices: nine shared among `per_ten` households, and one that never left."""
    each = (TEN - 1) // per_ten
    for turn in range(per_ten):
        chance = random.Random(f"{seed}/household/{ten}/{turn}")
        at = made.now - timedelta(days=chance.randint(20, 500))
        loan, closed = _household(tx, made, chance, ten, at)
        still = False
        for place in range(each):
            life = _Life(made, bench, server, seed, ten + turn * each + place, at)
            fate = "back" if closed else ("out", "back", "bench")[place % 3]
            still |= fate == "out"
            _lend(tx, life, loan, fate)
            _cache(tx, made, life)
        _extras(made, loan, at, out=still)
    for number in range(ten + per_ten * each, ten + TEN):
        life = _Life(made, bench, server, seed, number, made.now - timedelta(days=10))
        life.register()
        life.make_ready(None, wipe=number % 70 != 69)
        _cache(tx, made, life)


class _Life:
    """One device's events in their order; `at` moves on."""

    def __init__(self, made: _Portion, bench: _Pen, server: _Pen, seed: str, number: int, at: datetime) -> None:
        self.made, self.bench, self.server, self.number, self.at = made, bench, server, number, at
        self.code = codes.new(random.Random(f"{seed}/device/{number}"))
        self.disk = MediumIdentity("nvme", "Practice SSD", f"PSSD{number:09d}", "", "1", 256_060_514_304)
        self.first = len(made.events)

    def register(self) -> None:
        make, model = MODELS[self.number % len(MODELS)]
        body = {"code": self.code, "make": make, "model": model, "serial": f"GEN-{self.number:08d}", "donor": None,
                "donor_wants": None}  # fmt: skip
        self._bench("device.registered", self.code, body)

    def make_ready(self, after: EventHash | None, *, wipe: bool = True) -> None:
        inside: dict[str, Any] = {"device": self.code, "after": after, "media": [self.disk.to_json()], "hardware": {},
                                  "snapshot": DIGEST}  # fmt: skip
        self._bench("device.inventoried", self.code, inside)
        tested = {"device": self.code, "after": after, "results": {"electrical": "pass"}, "grade": "B", "who": WHO}
        self._bench("device.tested", self.code, tested)
        if wipe:
            body: dict[str, Any] = {
                "after": after, "device": self.code, "medium": self.disk.to_json(), "profile": "clear",
                "profile_digest": DIGEST, "evidence": DIGEST, "outcome": "DONE", "claim": "clear",
                "rules": "practice", "who": WHO, "exceptions": [],
            }  # fmt: skip
            self._bench("medium.wiped", self.disk.id, body)

    def leave(self, loan: str, policy: dict[str, Any]) -> Event:
        body = {"device": self.code, "why": "loan", "loan": loan, "media": [self.disk.id], "who": WHO, "policy": policy}
        return self._server("device.left", self.code, body)

    def come_back(self, loan: str, left: EventHash) -> None:
        body = {"device": self.code, "after": left, "loan": loan, "condition": "good", "items": {}, "who": WHO}
        self._bench("device.received", self.code, body)
        closed = {"loan": loan, "device": self.code, "how": "returned", "who": WHO}
        self._server("loan.closed", f"loan:{loan}", closed)

    def _bench(self, kind: str, subject: str, body: dict[str, Any]) -> Event:
        return self._say(self.bench, kind, subject, body)

    def _server(self, kind: str, subject: str, body: dict[str, Any]) -> Event:
        return self._say(self.server, kind, subject, body)

    def _say(self, pen: _Pen, kind: str, subject: str, body: dict[str, Any]) -> Event:
        self.at += timedelta(minutes=7)
        return self.made.say(pen, kind, subject, body, self.at)


def _lend(tx: Tx, life: _Life, loan: str, fate: str) -> None:
    """Let a device be made ready, lent, and perhaps come back (`bench`: and wait there, not wiped yet)."""
    life.register()
    life.make_ready(None)
    left = life.leave(loan, asdict(tx.policy))
    out_at, closed_at = life.at, None
    if fate != "out":
        life.at += timedelta(days=9)
        life.come_back(loan, left.hash)
        closed_at = life.at
    if fate == "back":
        life.make_ready(left.hash)
    make, model = MODELS[life.number % len(MODELS)]
    life.made.add(
        tables.LoanItem, loan=loan, kind="device", device=life.code, label=f"{make} {model}", network=None,
        allowance=None, state="returned" if closed_at else "out", reserved_at=out_at, out_at=out_at, exit=left.hash,
        closed_at=closed_at, closed_how="returned" if closed_at else None,
    )  # fmt: skip


def _household(tx: Tx, made: _Portion, chance: random.Random, ten: int, at: datetime) -> tuple[str, bool]:
    """Write a referral and its loan; return the loan's reference and whether all of it came back."""
    tail = "".join(chance.choice(SYMBOLS) for _ in range(10))
    referral, loan, closed = f"F-{tail}", f"L-{tail}", chance.random() < 0.25
    area = chance.choice(AREAS)
    contact = Contact(chance.choice(NAMES), f"07700 900{chance.randrange(1000):03d}", f"{area} 1AA")
    made.add(
        tables.ReferralRow, ref=referral, partner_id=None, referred_by=None, client_reference=f"GEN-{ten}",
        postcode=area, adults=chance.randint(1, 3), children={}, need="laptop", internet="phone-only", purpose="school",
        ground="low-income", contact_name="", contact_phone="", contact=contacts.seal(tx, referral, contact),
        via_partner=False, safe_contact="yes", language=chance.choice(("English", "Arabic", "Polish")),
        told_how="explained", state="approved", created_at=at, decided_at=at, decided_by=None,
    )  # fmt: skip
    made.add(
        tables.LoanRow, ref=loan, referral=referral, state="closed" if closed else "out",
        due=(at + timedelta(days=365)).date(), created_at=at, closed_at=at + timedelta(days=10) if closed else None,
    )  # fmt: skip
    return loan, closed


def _extras(made: _Portion, loan: str, at: datetime, *, out: bool) -> None:
    closed = None if out else at + timedelta(days=10)
    for kind in EXTRAS:
        made.add(
            tables.LoanItem, loan=loan, kind=kind, device=None, label="", network=None, allowance=None,
            state="out" if out else "returned", reserved_at=at, out_at=at, exit=None, closed_at=closed,
            closed_how=None if out else "returned",
        )  # fmt: skip


def _cache(tx: Tx, made: _Portion, life: _Life) -> None:
    """Make the rows of both caches from this device's own events: nothing else speaks of it."""
    facts = rules.fold(made.events[life.first :])
    made.add(tables.DeviceRow, **device_values(tx, facts, life.code))
    for medium in {one.id: one for one in media_held(facts, life.code)}.values():
        made.add(tables.MediumRow, **medium_values(facts, medium))


def lines(progress: Progress) -> Iterator[str]:
    """Return how far it is, as a person reads it."""
    yield f"{progress.done:>9,} of {progress.total:,} devices, finished about {progress.finish:%d %B, %H:%M}"
