"""A charity to test with: a server on a real database, a bench, a kiosk, its people, and ways to get work done."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from custody.events import Event, EventHash, MediumIdentity, PrivateKey, Role
from labels import codes
from lending import loans, origins, people, referrals
from lending.db import Database, Tx
from lending.origins import EnrolRequest
from lending.people import Actor
from lending.receive import Server
from lending.referrals import ReferralForm
from tests.factories import NOON, Scribe, inventoried, medium, passed, received, registered, wiped

FORM = ReferralForm(
    client_reference="AB-17", postcode="l1 8jq", adults=1, children={"5-10": 2}, need="laptop", internet="phone-only",
    purpose="school", ground="low-income", contact_name="Nadia Rahman", contact_phone="07700 900123",
    via_partner=False, safe_contact="yes", language="Arabic", told_how="explained",
)  # fmt: skip
"""A household that appears nowhere but in the office's own tables."""

GROWN_UPS = replace(FORM, children={})
"""The same without children: nobody asks for a content filter."""

PERSONAL = ("Nadia", "Rahman", "07700", "900123", "AB-17", "L1 8JQ", "l1 8jq", "Arabic")


def code(number: int) -> str:
    """Return a label code, always the same for a number."""
    return codes.new(random.Random(number))


@dataclass
class House:
    """A server with enrolled machines. `now` moves a second with every reading, like a clock."""

    db: Database
    bench: Scribe
    other_bench: Scribe
    kiosk: Scribe
    transport: Mapping[str, PrivateKey]
    administrator: Actor
    supervisor: Actor
    desk: Actor
    volunteer: Actor
    partner: Actor
    outsider: Actor
    now: datetime = NOON
    sent: dict[str, int] = field(default_factory=dict)

    def tick(self) -> datetime:
        """Return the next moment."""
        self.now += timedelta(seconds=1)
        return self.now

    @property
    def server(self) -> Server:
        """Return the server as machines see it."""
        return Server(self.db, self.tick)

    def sync(self, scribe: Scribe) -> None:
        """Send what a machine has written since it last sent."""
        done = self.sent.get(scribe.id, 0)
        self.server.receive(scribe.id, scribe.envelopes[done:])
        self.sent[scribe.id] = len(scribe.envelopes)

    def make_ready(self, number: int, after: EventHash | None = None, disk: MediumIdentity | None = None) -> str:
        """Register (the first time), look inside, test and wipe a device at the bench; return its code."""
        name, disk = code(number), disk or medium(number)
        if after is None:
            self.bench.say("device.registered", name, registered(name, serial=f"SER{number}"))
        self.bench.say("device.inventoried", name, inventoried(name, after, disk))
        self.bench.say("device.tested", name, passed(name, after))
        self.bench.say("medium.wiped", disk.id, wiped(disk, after, device=name))
        self.sync(self.bench)
        return name

    def receive_at_bench(self, name: str, after: EventHash) -> Event:
        """Let a station say that it has the device in hand."""
        event = self.bench.say("device.received", name, received(name, after))
        self.sync(self.bench)
        return event

    def report(self, name: str, exit_hash: EventHash | None = None, loan: str | None = None) -> Event:
        """Let the kiosk report a return and sync."""
        body = {
            "code": name, "loan": loan, "exit": exit_hash, "items": {"charger": 1}, "condition": "fine",
            "call_staff": False, "visit": f"v{self.kiosk.head.seq}",
        }  # fmt: skip
        event = self.kiosk.say("device.returned", name, body)
        self.sync(self.kiosk)
        return event

    def new_loan(self, form: ReferralForm = GROWN_UPS) -> str:
        """Refer a household and approve it: grown-ups only, unless said otherwise."""
        with self.db.transaction() as tx:
            referral = referrals.refer(tx, self.partner, form, self.tick())
            return loans.approve(tx, referral, self.desk, self.tick())

    def hand_over(self, loan: str, name: str) -> Event:
        """Hand a device over, in a transaction of its own."""
        with self.db.transaction() as tx:
            return loans.hand_over(tx, loan, name, self.desk, self.tick())

    def take_back(self, name: str) -> Event:
        """Receive a device at the desk."""
        with self.db.transaction() as tx:
            return loans.take_back(tx, name, self.desk, self.tick(), "good", {"charger": 1})


def build(db: Database) -> House:
    """Enrol the machines and open the accounts."""
    machines = [
        Scribe(Role.STATION, world=db.world, seed=1, name="Bench 1"),
        Scribe(Role.STATION, world=db.world, seed=2, name="Bench 2"),
        Scribe(Role.KIOSK, world=db.world, seed=3, name="Library kiosk"),
    ]
    keys: dict[str, PrivateKey] = {
        one.id: PrivateKey(random.Random(f"transport{one.id}").randbytes(32)) for one in machines
    }
    with db.transaction() as tx:
        for one in machines:
            enrol(tx, one, keys[one.id])
        first, second = (people.create_partner(tx, name, NOON) for name in ("St Bride's", "Toxteth Hub"))
        actors = [
            _person(tx, name, role, partner)
            for name, role, partner in (
                ("Ada", "administrator", None), ("Sue", "supervisor", None), ("Dee", "desk", None),
                ("Vic", "volunteer", None), ("Pat", "partner", first), ("Ola", "partner", second),
            )
        ]  # fmt: skip
    ada, sue, dee, vic, pat, ola = actors
    return House(db, machines[0], machines[1], machines[2], keys, ada, sue, dee, vic, pat, ola)


def enrol(tx: Tx, scribe: Scribe, transport: PrivateKey, now: datetime = NOON) -> None:
    """Enrol a scribe's keys with a fresh code."""
    secret = origins.make_code(tx, str(scribe.role), scribe.name, None, now)
    request = EnrolRequest(str(scribe.role), scribe.key.public.hex, transport.public.hex, str(scribe.world))
    origins.enrol(tx, secret, request, now)


def _person(tx: Tx, name: str, role: str, partner: int | None) -> Actor:
    account = people.create_account(tx, f"{name}@example.org", name, [role], partner, NOON)
    found = people.actor(tx, account.id)
    assert found is not None
    return found
