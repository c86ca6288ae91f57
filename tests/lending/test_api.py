"""A real station journal and the real server, over real HTTP and over a stick."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from werkzeug.serving import make_server

from custody.errors import RoadDown, SyncRefused
from custody.events import Digest, EventHash, PrivateKey, Role, World
from custody.httproad import HttpRoad, enrol
from custody.journal import Journal
from custody.signing import sign_request
from custody.stick import StickRoad, serve_stick
from custody.sync import exchange
from lending import audit, devices, loans, origins, tables
from lending.app import create_app
from lending.config import Config
from lending.receive import Server
from tests.factories import DIGEST, NOON, inventoried, medium, passed, received, registered, wiped
from tests.lending.house import House, code


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Live:
    """A listening server, a station's journal beside it, and the station's keys."""

    house: House
    url: str
    journal: Journal
    key: PrivateKey
    transport: PrivateKey

    def road(self) -> HttpRoad:
        return HttpRoad(self.url, self.journal.origin, self.transport, now)

    def say(self, kind: str, subject: str, body: dict[str, object]) -> None:
        self.journal.append(kind, subject, body, key=self.key, at=now())

    def make_ready(self, number: int, after: EventHash | None = None) -> str:
        name, disk = code(number), medium(number)
        if after is None:
            self.say("device.registered", name, registered(name))
        else:
            self.say("device.received", name, received(name, after))
        self.say("device.inventoried", name, inventoried(name, after, disk))
        self.say("device.tested", name, passed(name, after))
        evidence = self.journal.attach(json.dumps({"canaries": 64, "n": number}).encode(), "application/json")
        self.say("medium.wiped", disk.id, {**wiped(disk, after, device=name), "evidence": evidence})
        return name


@pytest.fixture
def live(house: House, free_port: int, tmp_path: Path) -> Iterator[Live]:
    """Serve the house over HTTP and make a journal that is not enrolled yet."""
    url = f"http://127.0.0.1:{free_port}"
    config = Config(tmp_path, "unused", World.REAL, url, "secret")
    server = make_server("127.0.0.1", free_port, create_app(config, db=house.db, now=now), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    key, transport = PrivateKey.generate(), PrivateKey.generate()
    try:
        with Journal.create(tmp_path / "journal.sqlite", role=Role.STATION, world=World.REAL, key=key) as journal:
            yield Live(house, url, journal, key, transport)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def enrol_it(live: Live) -> str:
    with live.house.db.transaction() as tx:
        secret = origins.make_code(tx, "station", "Bench live", live.house.administrator, now())
        fingerprint = origins.server(tx).fingerprint
    enrol(
        live.journal, live.url, secret, key=live.key, transport_key=live.transport, now=now(), fingerprint=fingerprint
    )
    return secret


def test_a_station_enrols_works_and_syncs_and_the_gate_is_the_same_on_both_sides(live: Live) -> None:
    enrol_it(live)
    name = live.make_ready(1)
    done = exchange(live.journal, live.road())
    assert (done.sent, done.acked, done.waiting, done.refused) == (4, 4, 0, ())
    with live.house.db.read() as tx:
        wipe = devices.page(tx, name, NOON).media[0].wipes[0]  # type: ignore[index]
        assert wipe.counts
        assert wipe.has_evidence
        assert devices.proof(tx, wipe.hash).evidence == {"canaries": 64, "n": 1}
    exit_event = live.house.hand_over(live.house.new_loan(), name)
    exchange(live.journal, live.road())
    assert live.journal.facts_about(name).last_exit(name) == exit_event
    live.make_ready(1, after=exit_event.hash)
    exchange(live.journal, live.road())
    live.house.hand_over(live.house.new_loan(), name)
    with live.house.db.read() as tx:
        assert audit.verify(tx).exits == 2


def test_the_same_sync_goes_over_a_stick(live: Live, tmp_path: Path) -> None:
    enrol_it(live)
    stick = tmp_path / "stick"
    stick.mkdir()
    name = live.make_ready(1)
    exchange(live.journal, StickRoad(stick, live.journal.origin))
    report = serve_stick(stick, Server(live.house.db, now))[0]
    assert (report.received, report.refused, report.attachments) == (4, 0, 1)
    exchange(live.journal, StickRoad(stick, live.journal.origin))
    assert live.journal.unsent_count() == 0
    live.house.hand_over(live.house.new_loan(), name)


def test_what_is_sent_twice_or_to_a_restored_journal_is_harmless(live: Live) -> None:
    enrol_it(live)
    live.make_ready(1)
    exchange(live.journal, live.road())
    live.journal.acknowledge(0)
    again = exchange(live.journal, live.road())
    assert (again.stuck, again.waiting) == (False, 0)


def test_a_refused_event_in_the_middle_is_told_and_the_rest_gets_through(live: Live) -> None:
    enrol_it(live)
    live.make_ready(1)
    with live.house.db.transaction() as tx:
        origins.revoke(tx, live.journal.origin, "test", live.house.administrator, now())
    with pytest.raises(SyncRefused, match="not enrolled here, or was revoked"):
        live.road().push(live.journal.origin, live.journal.unsent())


def test_a_clock_an_hour_wrong_is_told_the_time_and_gets_through(live: Live) -> None:
    enrol_it(live)
    live.make_ready(1)
    road = HttpRoad(live.url, live.journal.origin, live.transport, lambda: now() - timedelta(hours=1))
    done = exchange(live.journal, road)
    assert done.waiting == 0
    assert done.clock_offset_seconds == pytest.approx(3600, abs=60)


def test_a_stranger_is_told_so_and_what_it_sent_is_kept_apart(live: Live) -> None:
    live.make_ready(1)
    with pytest.raises(SyncRefused, match="enrol"):
        live.road().push(live.journal.origin, live.journal.unsent())
    with live.house.db.read() as tx:
        kept = tx.s.query(tables.Quarantine).all()
    assert {row.why for row in kept} == {"unknown-origin"}
    assert len(kept) == 4


def test_wrong_codes_are_counted_and_make_the_address_wait(live: Live) -> None:
    body = {"code": "AAAA", "role": "station", "key": "00" * 32, "transport_key": "11" * 32, "world": "real"}
    answers = [requests.post(f"{live.url}/api/enrol", json=body, timeout=20) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [403] * 8 + [429]
    assert answers[0].json()["error"] == "code"
    with pytest.raises(RoadDown):
        enrol_it(live)


def test_an_unsigned_or_wrongly_signed_request_is_refused(live: Live) -> None:
    enrol_it(live)
    assert requests.get(f"{live.url}/api/feed?after=0", timeout=20).status_code == 403
    headers = sign_request(live.transport, live.journal.origin, "GET", "/api/feed?after=0", b"", now())
    assert requests.get(f"{live.url}/api/feed?after=0", headers=headers, timeout=20).status_code == 200
    assert requests.get(f"{live.url}/api/feed?after=1", headers=headers, timeout=20).status_code == 403


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"envelopes": 1}', b'{"envelopes": ["?"]}', b'{"envelopes": [1]}']
)
def test_a_body_that_makes_no_sense_gets_a_sentence(live: Live, body: bytes) -> None:
    enrol_it(live)
    headers = sign_request(live.transport, live.journal.origin, "POST", "/api/events", body, now())
    answer = requests.post(f"{live.url}/api/events", data=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad-event")


def test_evidence_under_a_wrong_name_is_refused_and_a_second_time_is_harmless(live: Live) -> None:
    enrol_it(live)
    road = live.road()
    with pytest.raises(SyncRefused):
        road.put_attachment(Digest(DIGEST), b"something else")
    digest = Digest(hashlib.sha256(b"proof").hexdigest())
    assert road.put_attachment(digest, b"proof")
    assert road.put_attachment(digest, b"proof")


def test_a_fork_is_a_409_with_both_hashes(live: Live, tmp_path: Path) -> None:
    enrol_it(live)
    live.make_ready(1)
    exchange(live.journal, live.road())
    with Journal.create(tmp_path / "copy.sqlite", role=Role.STATION, world=World.REAL, key=live.key) as copy:
        copy.append("device.registered", code(2), registered(code(2)), key=live.key, at=now())
        body = json.dumps({"envelopes": [base64.b64encode(copy.unsent()[0]).decode()]}).encode()
    headers = sign_request(live.transport, live.journal.origin, "POST", "/api/events", body, now())
    answer = requests.post(f"{live.url}/api/events", data=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["error"], answer.json()["seq"]) == (409, "fork", 1)


def test_a_kiosk_reports_and_the_report_waits_for_staff(live: Live, tmp_path: Path) -> None:
    enrol_it(live)
    name = live.make_ready(1)
    exchange(live.journal, live.road())
    exit_event = live.house.hand_over(live.house.new_loan(), name)
    live.house.report(name, exit_event.hash)
    with live.house.db.read() as tx:
        assert [one.device for one in loans.awaiting_receipt(tx)] == [name]
