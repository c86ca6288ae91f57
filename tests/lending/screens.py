"""A charity with something on every screen, and a browser without a window: for the tests of the pages."""

import copy
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine, update
from werkzeug.test import TestResponse

from custody.claims import CanaryFigures, Evidence, PassDone, ReadBack
from custody.errors import Fork
from custody.events import Digest, MediumIdentity
from lending import history, loans, people, referrals, tables
from lending.access_config import AccessConfig
from lending.app import create_app
from lending.config import Config
from tests.factories import Scribe, filtered, inventoried, passed
from tests.lending.house import FORM, House, code

PASSWORD = "correct horse battery"
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
ACCOUNTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "administrator": ("Ada", ("administrator",)),
    "supervisor": ("Sue", ("supervisor",)),
    "desk": ("Dee", ("desk",)),
    "volunteer": ("Vic", ("volunteer",)),
    "partner": ("Pat", ("partner",)),
    "auditor": ("Aud", ("auditor",)),
    "data-protection": ("Dan", ("data-protection",)),
}
"""Role: the person's name. The outsider is Ola, of another partner."""

READY, UNWIPED, LENT, REPORTED, SWAPPED, RESERVED, UNKNOWN_WIPE = (code(n) for n in range(1, 8))
MODELS = (
    ("Lenovo", "ThinkPad T480", "Samsung MZVLB256HAHQ"), ("Dell", "Latitude 7490", "Toshiba KXG50ZNV512G"),
    ("HP", "EliteBook 840 G5", "WDC PC SN720"), ("Apple", "MacBook Air 2017", "APPLE SSD SM0128G"),
    ("Lenovo", "ThinkCentre M710q", "Seagate ST500LM021"), ("Acer", "TravelMate P214", "KINGSTON SA400S37240G"),
    ("Dell", "OptiPlex 3060", "WDC WD10EZEX"),
)  # fmt: skip


def configuration(folder: Path, host: str = "http://localhost") -> Config:
    """Return a configuration for tests; its database address is not used."""
    return Config(
        home=folder, database_url="sqlite://", world=None, host_address=host, secret_key="not a secret",
        access=AccessConfig(factor_roles=frozenset()),
    )  # fmt: skip


@dataclass
class Town:
    """The charity, its application, and the references that tests visit."""

    house: House
    app: Flask
    waiting: str
    loan: str
    out: str
    wipe: str
    report: str

    def on(self, engine: Engine, folder: Path) -> "Town":
        """Return the same charity on a copy of its database."""
        db = replace(self.house.db, engine=engine)
        was = self.house
        bench, other, kiosk = _twin(was.bench), _twin(was.other_bench), _twin(was.kiosk)
        house = replace(was, db=db, sent=dict(was.sent), bench=bench, other_bench=other, kiosk=kiosk)
        return replace(self, house=house, app=application(house, folder))

    def browser(self, role: str = "", name: str = "") -> "Browser":
        """Return a browser, signed in when a role or a name is given."""
        found = Browser(self.app.test_client())
        if role or name:
            found.sign_in(name or ACCOUNTS[role][0])
        return found


@dataclass
class Browser:
    """A browser without a window: it sends forms with the token that the page gave it."""

    client: FlaskClient
    token: str = ""

    def get(self, path: str, follow: bool = True) -> TestResponse:
        """Open a page."""
        return self._seen(self.client.get(path, follow_redirects=follow))

    def post(
        self, path: str, more: Mapping[str, str] | None = None, *, follow: bool = True, **answers: Any
    ) -> TestResponse:
        """Send a form; `more` holds answers whose names are no names in Python."""
        data = {"form_token": self.token, **answers, **(more or {})}
        return self._seen(self.client.post(path, data=data, follow_redirects=follow))

    def sign_in(self, name: str, password: str = PASSWORD) -> TestResponse:
        """Sign in as a person would."""
        self.get("/sign-in")
        answer = self.post("/sign-in", email=f"{name}@example.org", password=password, next="")
        self.get("/")
        return answer

    def _seen(self, answer: TestResponse) -> TestResponse:
        found = TOKEN.search(answer.get_data(as_text=True)) if answer.mimetype == "text/html" else None
        self.token = found.group(1) if found else self.token
        return answer


def populate(house: House, folder: Path, host: str = "http://localhost") -> Town:
    """Fill the charity: a device in every state, a referral that waits, a loan in every state, an alarm."""
    _open_accounts(house)
    ready = [_bench(house, number) for number in (1, 3, 4, 5, 6)]
    _bench(house, 2, wipe=False)
    _bench(house, 7, stopped="the drive no longer answered after 41 GB")
    loan, out, third = (_loan(house, reference) for reference in ("HH-204", "HH-188", "HH-190"))
    with house.db.transaction() as tx:
        loans.reserve(tx, loan, RESERVED, house.desk, house.tick())
        loans.extend(tx, out, (house.now + timedelta(days=120)).date(), house.desk, house.tick())
    later(house, 60 * 20)
    left = house.hand_over(out, LENT)
    reported_left = house.hand_over(third, REPORTED)
    later(house, 60 * 24 * 31)
    report = house.report(REPORTED, reported_left.hash, third)
    _swap(house, out)
    with house.db.transaction() as tx:
        waiting = referrals.refer(tx, house.partner, replace(FORM, client_reference="HH-211"), house.tick())
        history.quarantine(tx, b"not an event", Fork(house.other_bench.id, 9, "a" * 64, "b" * 64), house.tick())
        history.checkpoint(tx, house.tick())
    app = application(house, folder, host)
    assert left.subject == LENT
    return Town(house, app, waiting, loan, out, ready[0], report.hash)


def application(house: House, folder: Path, host: str = "http://localhost") -> Flask:
    """Return the web application of a charity; templates are compiled once, not once per test."""
    app = create_app(configuration(folder, host), db=house.db, now=house.tick)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache()
    return app


def _twin(scribe: Scribe) -> Scribe:
    """Return a machine with the same key that goes on writing by itself."""
    twin = copy.copy(scribe)
    twin.envelopes, twin.events = list(scribe.envelopes), list(scribe.events)
    return twin


@cache
def hashed(password: str) -> str:
    """Return what is kept of a password; once per run, since it is slow on purpose."""
    return PasswordHasher().hash(password)


def _open_accounts(house: House) -> None:
    with house.db.transaction() as tx:
        for role in ("auditor", "data-protection"):
            people.create_account(tx, f"{ACCOUNTS[role][0]}@example.org", ACCOUNTS[role][0], [role], None, house.tick())
        people.create_account(tx, "new@example.org", "Nia Newcomer", ["volunteer"], None, house.tick())
        account = tables.AccountRow
        tx.s.execute(update(account).where(account.email != "new@example.org").values(password_hash=hashed(PASSWORD)))


def later(house: House, minutes: int) -> None:
    """Let time pass for everybody."""
    step = timedelta(minutes=minutes)
    house.now += step
    for scribe in (house.bench, house.other_bench, house.kiosk):
        scribe.clock += step


def _loan(house: House, reference: str) -> str:
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, replace(FORM, client_reference=reference), house.tick())
        return loans.approve(tx, ref, house.desk, house.tick())


def _disk(number: int) -> MediumIdentity:
    return MediumIdentity(
        "nvme", MODELS[number - 1][2], f"S3X{number:02d}NB0K{number * 7919:06d}", "", "1", 256_060_514_304
    )


def _bench(house: House, number: int, wipe: bool = True, stopped: str = "") -> str:
    """Register, look inside, test and perhaps wipe a device; return the hash of the wipe."""
    later(house, 47)
    name, disk = code(number), _disk(number)
    make, model, _ = MODELS[number - 1]
    body = {
        "code": name,
        "make": make,
        "model": model,
        "serial": f"PF{number}2X{number * 131}",
        "donor": "D-0042",
        "donor_wants": None,
    }
    house.bench.say("device.registered", name, body)
    house.bench.say("device.inventoried", name, inventoried(name, None, disk))
    house.bench.say("device.tested", name, passed(name, None))
    later(house, 21)
    found = _wipe(house, name, disk, None, stopped) if wipe else ""
    if found:
        house.bench.say("device.filtered", name, filtered(name, None))
    house.sync(house.bench)
    return found


def _wipe(house: House, name: str, disk: MediumIdentity, after: str | None, stopped: str = "") -> str:
    data = json.dumps(evidence(disk, stopped).to_json()).encode()
    digest = Digest(hashlib.sha256(data).hexdigest())
    house.server.put_attachment(digest, data, house.bench.id)
    body: dict[str, Any] = {
        "after": after, "device": name, "medium": disk.to_json(), "profile": "clear", "profile_digest": "c" * 64,
        "evidence": digest, "outcome": "UNKNOWN" if stopped else "DONE", "claim": "none" if stopped else "clear",
        "rules": "2026-11-22.1", "who": {"ref": "S-4K7Q2M", "authenticated": True}, "exceptions": [],
    }  # fmt: skip
    return house.bench.say("medium.wiped", disk.id, body).hash


def evidence(disk: MediumIdentity, stopped: str = "") -> Evidence:
    """Return what a station measures in an overwrite that went well, or that ended early."""
    size = disk.size
    done = PassDone("zero", size, size if not stopped else 41_000_000_000, (), not stopped, 612.4, True, 1, 33_554_432)
    read = ReadBack("full", "zero", size, size, 0, None, (), True, True, True, 540.2, "5eed")
    return Evidence(
        technique="overwrite", recipe="block", media_kind="nvme", medium=disk, medium_after=disk, size_before=size,
        size_after=size, started=True, passes=(done,), passes_planned=1,
        canaries=CanaryFigures(64, 64, 0, 0, "5eed") if not stopped else None, readbacks=() if stopped else (read,),
        firmware=None, smoke=True, hidden_areas="unknown", via_bridge=False, stopped=stopped,
    )  # fmt: skip


def _swap(house: House, loan: str) -> None:
    """One device went out and came back with its old certificate, and a refused statement in its history."""
    with house.db.transaction() as tx:
        loans.reserve(tx, loan, SWAPPED, house.desk, house.tick())
    left = house.hand_over(loan, SWAPPED)
    later(house, 60 * 24 * 40)
    house.take_back(SWAPPED)
    later(house, 95)
    house.bench.say("device.inventoried", SWAPPED, inventoried(SWAPPED, left.hash, _disk(5)))
    house.bench.say("device.filtered", SWAPPED, filtered(SWAPPED, left.hash))
    house.kiosk.forge(
        "medium.wiped", _disk(5).id, {"medium": _disk(5).to_json(), "after": left.hash, "device": SWAPPED}
    )
    house.sync(house.bench)
    house.sync(house.kiosk)
