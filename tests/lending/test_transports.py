"""Transports against real sockets: what is certain, what is not, and what can be asked."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from custody.events import World
from lending.errors import ConfigError
from lending.message_config import FileSpec, HttpSpec, NotifySpec, SmtpSpec, load
from lending.transports import FileTransport, Found, NotSent, Outgoing, Superseded, Unsure, filled
from lending.transports_http import HttpTransport, NotifyTransport
from lending.transports_smtp import SmtpTransport, compose
from tests.factories import NOON
from tests.lending.post_office import PostOffice, open_house

TEXT = Outgoing("M-TEST000001", "sms", "+447700900123", "", "Kitbank: hello {to}", NOON)
MAIL = Outgoing("M-TEST000002", "email", "nadia@example.org", "About your loan", "Hello\n.\n..dots\nend", NOON)
NOTIFY_KEY = "kitbank-" + "26785a09-ab16-4eb0-8407-a37497a57506" + "-" + "3d844edf-8d35-48ac-975b-e847b4f122b0"


def fine() -> None:
    """Let the message go."""


@pytest.fixture
def house() -> Iterator[PostOffice]:
    """Return a message house that does not refuse a second message by itself."""
    with open_house(keyed=False) as found:
        yield found


def http(house: PostOffice, **more: Any) -> HttpTransport:
    fields = {"to": "{to}", "message": "{body}", "ref": "{ref}"}
    spec = HttpSpec(
        "house", f"{house.url}/sms", fields, status_url=f"{house.url}/sms?reference={{ref}}", id_field="id",
        timeout=0.5, **more,
    )  # fmt: skip
    return HttpTransport(spec)


def notify(house: PostOffice) -> NotifyTransport:
    return NotifyTransport(NotifySpec("notify", NOTIFY_KEY, "sms-t", "mail-t", "letter-t", url=house.url, timeout=0.5))


# -- a folder ----------------------------------------------------------------------------------------------------


def test_a_file_is_whole_and_there_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = FileTransport(FileSpec("folder", tmp_path / "out"))
    assert folder.ask(TEXT).found is Found.ABSENT
    for _ in range(2):
        assert folder.send(TEXT, fine).id == "M-TEST000001.json"
    assert folder.ask(TEXT).found is Found.SENT
    (only,) = (tmp_path / "out").iterdir()
    assert json.loads(only.read_text(encoding="utf-8"))["body"] == TEXT.body
    assert stat.S_IMODE(only.stat().st_mode) == 0o600


def test_a_second_message_of_one_key_never_replaces_the_first(tmp_path: Path) -> None:
    folder = FileTransport(FileSpec("folder", tmp_path))
    folder.send(TEXT, fine)
    folder.send(replace(TEXT, body="another"), fine)
    assert "hello" in (tmp_path / "M-TEST000001.json").read_text(encoding="utf-8")


def test_nothing_is_in_the_folder_when_another_worker_took_over(tmp_path: Path) -> None:
    def lost() -> None:
        raise Superseded("gone")

    with pytest.raises(Superseded):
        FileTransport(FileSpec("folder", tmp_path)).send(TEXT, lost)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_clear_no(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(NotSent, match="cannot be written"):
        FileTransport(FileSpec("folder", tmp_path / "file" / "out")).send(TEXT, fine)


# -- a message house, and Notify ----------------------------------------------------------------------------------

MAKERS: tuple[Callable[[PostOffice], HttpTransport | NotifyTransport], ...] = (http, notify)


@pytest.mark.parametrize("make", MAKERS)
def test_a_text_is_accepted_under_our_reference(
    make: Callable[[PostOffice], HttpTransport | NotifyTransport], house: PostOffice
) -> None:
    sent = make(house).send(TEXT, fine)
    assert sent.id == "id-1"
    (one,) = house.accepted
    assert one["ref"] == TEXT.ref
    assert "hello {to}" in json.dumps(one), "what a message says is never taken for a template"
    answer = make(house).ask(TEXT)
    assert (answer.found, answer.id) == (Found.SENT, "id-1")


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("mood", "error", "kept"),
    [("429", NotSent, 0), ("500", Unsure, 0), ("500-kept", Unsure, 1), ("hang-up", Unsure, 0),
     ("hang-up-kept", Unsure, 1), ("slow", Unsure, 1)],
)  # fmt: skip
def test_what_a_house_does_is_told_apart(
    make: Callable[[PostOffice], HttpTransport | NotifyTransport], house: PostOffice, mood: str,
    error: type[Exception], kept: int,
) -> None:  # fmt: skip
    house.moods, house.delay = [mood], 1.0
    with pytest.raises(error) as caught:
        make(house).send(TEXT, fine)
    assert "7700" not in str(caught.value)
    if mood == "429":
        assert isinstance(caught.value, NotSent)
        assert caught.value.wait == 1.0
    if mood == "slow":
        import time

        time.sleep(1.0)
    assert len(house.accepted) == kept
    assert make(house).ask(TEXT).found is (Found.SENT if kept else Found.ABSENT)


@pytest.mark.parametrize("make", MAKERS)
def test_a_house_that_is_not_there_got_nothing(
    make: Callable[[PostOffice], HttpTransport | NotifyTransport], house: PostOffice
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        house.url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        transport = make(house)
        with pytest.raises(NotSent) as caught:
            transport.send(TEXT, fine)
        assert not caught.value.permanent
        assert transport.ask(TEXT).found is Found.UNCLEAR


def test_notify_refuses_a_wrong_key_and_says_so_without_the_key(house: PostOffice) -> None:
    wrong = NotifyTransport(NotifySpec("notify", NOTIFY_KEY, url=house.url))
    with pytest.raises(NotSent, match="template"):
        wrong.send(TEXT, fine)
    assert house.accepted == []


def test_a_template_is_filled_once() -> None:
    assert filled("{a} {b} {c}", {"a": "{b}", "b": "x"}) == "{b} x {c}"


# -- a mail server -------------------------------------------------------------------------------------------------


@dataclass
class Inbox:
    """A mail server's memory, and its mood."""

    mood: str = "ok"
    kept: list[bytes] | None = None

    async def handle_RCPT(  # noqa: N802 (its name in aiosmtpd)
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Refuse a recipient when asked to."""
        if self.mood == "no-such-person":
            return f"550 5.1.1 {address} unknown"
        envelope.rcpt_tos.append(address)
        return "451 4.7.1 come back later" if self.mood == "grey" else "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep what came, or drop the line after it, or stall."""
        if self.mood == "full":
            return "452 4.3.1 no room"
        self.kept = [*(self.kept or []), envelope.content]
        if self.mood == "drop":
            assert server.transport is not None
            server.transport.abort()  # type: ignore[attr-defined]
        if self.mood == "stall":
            await asyncio.sleep(1.5)
        return "250 2.0.0 queued as 4711"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, SmtpTransport]]:
    """Return a real mail server on loopback and a transport that leads to it."""
    memory = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(memory, hostname="127.0.0.1", port=port)
    controller.start()
    sender = "Kitbank <kit@example.org>"
    yield memory, SmtpTransport(SmtpSpec("post", "127.0.0.1", sender, port, starttls=False, timeout=0.5))
    controller.stop()


def test_a_mail_arrives_as_it_was_written_with_our_reference(inbox: tuple[Inbox, SmtpTransport]) -> None:
    memory, transport = inbox
    assert "4711" in transport.send(MAIL, fine).id
    (data,) = memory.kept or []
    assert b"Message-ID: <M-TEST000002@example.org>" in data
    assert data.replace(b"\r\n", b"\n").endswith(b"Hello\n.\n..dots\nend\n")


@pytest.mark.parametrize(
    ("mood", "permanent"), [("no-such-person", True), ("grey", False), ("full", False)]
)
def test_a_mail_servers_no_is_a_no(inbox: tuple[Inbox, SmtpTransport], mood: str, permanent: bool) -> None:
    memory, transport = inbox
    memory.mood = mood
    with pytest.raises(NotSent) as caught:
        transport.send(MAIL, fine)
    assert caught.value.permanent is permanent
    assert "nadia" not in str(caught.value)
    assert memory.kept is None


@pytest.mark.parametrize("mood", ["drop", "stall"])
def test_a_line_that_breaks_after_the_last_line_leaves_us_unsure(
    inbox: tuple[Inbox, SmtpTransport], mood: str
) -> None:
    memory, transport = inbox
    memory.mood = mood
    with pytest.raises(Unsure):
        transport.send(MAIL, fine)
    assert len(memory.kept or []) == 1, "the server has it although it did not say so"
    assert transport.ask(MAIL).found is Found.UNCLEAR


def test_before_the_last_line_a_mail_can_still_be_held_back(inbox: tuple[Inbox, SmtpTransport]) -> None:
    memory, transport = inbox

    def lost() -> None:
        raise Superseded("gone")

    with pytest.raises(Superseded):
        transport.send(MAIL, lost)
    transport.send(replace(MAIL, ref="M-TEST000003"), fine)  # the server has dealt with the first by now
    assert len(memory.kept or []) == 1


def test_an_address_cannot_smuggle_in_another_recipient() -> None:
    spec = SmtpSpec("post", "127.0.0.1", "kit@example.org", starttls=False)
    for to in ("a@example.org\r\nBcc: b@example.org", "a@example.org>\r\nDATA", "a@b@c"):
        with pytest.raises(NotSent) as caught:
            compose(replace(MAIL, to=to), spec)
        assert caught.value.permanent


# -- the file that says how --------------------------------------------------------------------------------------


def test_a_configuration_is_read_with_its_secrets_and_prices(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n", encoding="utf-8")
    (tmp_path / "m.toml").write_text(
        'sender = "VOLA"\nchannels = { sms = "house", letter = "print" }\nprices = { sms = 2.5 }\n'
        '[transports.house]\nkind = "http"\nurl = "https://sms.example.org"\nsecret_file = "key"\n'
        'fields = { to = "{to}" }\n[transports.print]\nkind = "file"\nfolder = "letters"\n',
        encoding="utf-8",
    )
    found = load(tmp_path / "m.toml", World.REAL, tmp_path)
    house = found.channels["sms"]
    assert isinstance(house, HttpSpec)
    assert (house.secret, found.cost("sms", 3), found.sender) == ("s3cret", 750, "VOLA")
    assert not found.carries("partner")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chanels = {}", "chanels"),
        ('[transports.x]\nkind = "pigeon"', "pigeon"),
        ('[transports.x]\nkind = "smtp"\nhost = "mail"', "lacks sender"),
        ('[transports.x]\nkind = "file"\nfolder = "y"\nfoldr = "z"', "foldr"),
        ('[channels]\nsms = "x"', "no \\[transports.x\\]"),
        ('[channels]\nsms = "x"\n[transports.x]\nkind = "smtp"\nhost = "m"\nsender = "a@b.c"', "cannot carry"),
        ('[transports.x]\nkind = "http"\nurl = "http://sms.example.org"\nfields = {}', "https"),
        ('[prices]\nsms = "many"', "many"),
        ("sender = [", "cannot be read"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "m.toml", World.REAL, tmp_path)


def test_a_practice_server_writes_to_nobody_real(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        '[channels]\nsms = "x"\n[transports.x]\nkind = "http"\nurl = "https://sms.example.org"\nfields = {}',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="practice"):
        load(tmp_path / "m.toml", World.PRACTICE, tmp_path)
    assert set(load(None, World.PRACTICE, tmp_path).channels) == {"sms", "email", "letter"}
    assert load(None, World.REAL, tmp_path).channels == {}
    assert os.listdir(tmp_path) == ["m.toml"]
