"""Webhooks: told at least once with one id, signed, kept up with pauses, and never into our own network."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import webhook_send, webhooks
from lending.office_tables import WebhookDelivery, WebhookEndpoint
from lending.webhook_send import Blocked
from tests.lending.house import PERSONAL, House
from tests.lending.screens import Town

KINDS = ["device.left", "device.received", "loan.closed"]


@dataclass
class Receiver:
    """A programme that listens: it answers what it is told to, and keeps what it got."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", found.url)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook?x=1"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def register(house: House, url: str, kinds: list[str] | None = None) -> tuple[int, str]:
    with house.db.transaction() as tx:
        return webhooks.register(tx, house.administrator, url, kinds or KINDS, house.tick(), private=True)


def lend(house: House, number: int = 1) -> str:
    name = house.make_ready(number)
    house.hand_over(house.new_loan(), name)
    return name


def deliver(house: House) -> int:
    return webhooks.deliver_due(house.db, house.tick(), private=True)


def test_what_happens_is_told_signed_and_with_references_only(house: House, receiver: Receiver) -> None:
    lend(house, 2)
    _, secret = register(house, receiver.url)
    name = lend(house)
    house.take_back(name)
    assert deliver(house) == 3
    assert [json.loads(body)["type"] for _, body in receiver.got] == KINDS, "and nothing from before it was registered"
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    assert json.loads(body)["data"]["device"] == name
    everything = b"".join(body for _, body in receiver.got).decode()
    for person in (*PERSONAL, house.desk.ref, house.desk.name):
        assert person not in everything
    assert deliver(house) == 0, "told once where it was taken"


def test_the_example_of_the_specification_verifies() -> None:
    """The worked example that the libraries of Standard Webhooks test themselves with."""


    at = datetime.fromtimestamp(1614265330, UTC)
    found = webhook_send.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}'
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_failing_address_is_tried_again_with_one_id_until_it_is_given_up(house: House, receiver: Receiver) -> None:
    number, _ = register(house, receiver.url)
    lend(house)
    receiver.status = 500
    for pause in (*webhooks.PAUSES, timedelta(days=2)):
        assert deliver(house) == 1
        assert deliver(house) == 0, "not before its pause is over"
        house.now += pause
    assert deliver(house) == 0
    assert len(receiver.got) == len(webhooks.PAUSES) + 1
    assert len(set(receiver.ids)) == 1
    with house.db.transaction() as tx:
        (one,) = webhooks.log(tx, house.administrator, number)
        assert (one.state, one.said[:3]) == ("failed", "500")
        webhooks.redeliver(tx, house.administrator, number, one.id, house.tick())
    receiver.status = 200
    assert deliver(house) == 1
    assert len(set(receiver.ids)) == 1


def test_a_worker_that_dies_after_sending_lets_it_be_sent_again_with_one_id(house: House, receiver: Receiver) -> None:
    register(house, receiver.url)
    lend(house)
    with house.db.transaction() as tx:
        webhooks.collect(tx, house.tick())
        claimed = webhooks._claim(tx, house.tick())
    assert claimed is not None
    webhook_send.send(claimed[1], claimed[2], claimed[3], claimed[4], house.now, private=True)  # and here it died
    assert deliver(house) == 0, "another worker leaves it alone while it may still be at work"
    house.now += webhooks.LEASE
    assert deliver(house) == 1
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_two_workers_at_once_send_each_message_once(house: House, receiver: Receiver) -> None:
    register(house, receiver.url)
    for number in range(1, 5):
        lend(house, number)
    now = house.tick()
    threads = [
        threading.Thread(target=webhooks.deliver_due, args=(house.db, now), kwargs={"private": True}) for _ in range(3)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(receiver.ids) == len(set(receiver.ids)) == 4


def test_an_address_that_is_gone_is_switched_off_and_what_happens_waits(house: House, receiver: Receiver) -> None:
    number, _ = register(house, receiver.url)
    name = lend(house)
    receiver.status = 410
    deliver(house)
    with house.db.read() as tx:
        (one,) = webhooks.listing(tx, house.administrator)
        assert (one.enabled, "410" in one.why_off) == (False, True)
    house.take_back(name)
    house.now += timedelta(days=1)
    assert deliver(house) == 0
    receiver.status = 200
    with house.db.transaction() as tx:
        webhooks.switch(tx, house.administrator, number, True, house.tick())
    assert deliver(house) == 3


def test_a_redirection_is_not_followed(house: House, receiver: Receiver) -> None:
    register(house, receiver.url)
    lend(house)
    receiver.status = 302
    deliver(house)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://hooks.example.org/", "93.184.215.14"), ("https://10.0.0.1/", "10.0.0.1"),
        ("https://localhost/", "127.0.0.1"), ("https://inside.example/", "192.168.1.9"),
        ("https://meta.example/", "169.254.169.254"), ("https://v6.example/", "fd00::1"),
        ("https://mapped.example/", "::ffff:127.0.0.1"), ("https://nat.example/", "64:ff9b::7f00:1"),
        ("https://cgn.example/", "100.64.0.1"), ("https://many.example/", "224.0.0.1"),
        ("https://zero.example/", "0.0.0.0"),
        ("https://user@hooks.example/", "93.184.215.14"), ("ftp://hooks.example/", "93.184.215.14"),
        ("https:///nohost", "93.184.215.14"), ("https://hooks.example:x/", "93.184.215.14"),
    ],
)  # fmt: skip
def test_nothing_is_sent_into_a_network(url: str, address: str) -> None:
    with pytest.raises(Blocked):
        webhook_send.checked(url, private=False, look_up=lambda _h, _p: [address])
    both = ["93.184.215.14", "10.0.0.1"]
    with pytest.raises(Blocked):
        webhook_send.checked("https://two.example/", private=False, look_up=lambda _h, _p: both)


def test_a_name_that_turns_inside_after_it_was_registered_is_not_sent_to(house: House, receiver: Receiver) -> None:
    with house.db.transaction() as tx:
        webhooks.register(
            tx, house.administrator, "https://turns.example/", KINDS, house.tick(), private=False,
            look_up=lambda _h, _p: ["93.184.215.14"],
        )  # fmt: skip
        with pytest.raises(Refused, match="inside a network"):
            webhooks.register(
                tx, house.administrator, "https://x.example/", KINDS, house.tick(), private=False,
                look_up=lambda _h, _p: ["127.0.0.1"],
            )  # fmt: skip
    lend(house)
    webhooks.deliver_due(house.db, house.tick(), private=False, look_up=lambda _h, _p: ["127.0.0.1"])
    with house.db.read() as tx:
        assert tx.s.scalars(select(WebhookDelivery.said)).one().startswith("no answer: not sent")
    assert receiver.got == []


def test_the_secret_is_sealed_and_old_messages_are_let_go(house: House, receiver: Receiver) -> None:
    number, secret = register(house, receiver.url)
    lend(house)
    deliver(house)
    with house.db.transaction() as tx:
        assert secret.removeprefix("whsec_").encode() not in tx.s.get_one(WebhookEndpoint, number).secret
        assert webhooks.forget(tx, house.now + timedelta(days=31)) == 1


def test_an_administrator_registers_reads_the_log_and_ends_it(town: Town, receiver: Receiver) -> None:
    ada = town.browser("administrator")
    ada.get("/webhooks")
    assert "cannot be used" in ada.post("/webhooks", {"kinds": "device.left"}, url=receiver.url).get_data(as_text=True)
    assert ada.post("/webhooks", url="").status_code == 422
    number, secret = register(town.house, receiver.url)
    lend(town.house, 31)
    deliver(town.house)
    text = ada.get(f"/webhooks/{number}").get_data(as_text=True)
    assert "Delivered" in text
    assert secret not in text
    with town.house.db.read() as tx:
        delivery = tx.s.scalars(select(WebhookDelivery.id)).first()
    assert "Waiting" in ada.post(f"/webhooks/{number}/again", delivery=str(delivery)).get_data(as_text=True)
    assert "Off" in ada.post(f"/webhooks/{number}/switch", on="no").get_data(as_text=True)
    assert "Nobody is told" in ada.post(f"/webhooks/{number}/remove").get_data(as_text=True)
