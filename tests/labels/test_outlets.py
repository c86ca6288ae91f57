"""Outlets: a file whole or not at all, a printer that takes the bytes or a sentence why not."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labels.outlets import OutletError, send


class Printer:
    """A printer on a socket of its own: takes what is sent, or stays silent when `asleep`."""

    def __init__(self, asleep: bool = False) -> None:
        """Listen on a free port."""
        self.asleep, self.printed = asleep, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            if self.asleep:
                self.done.wait(10)
                return
            while data := connection.recv(65536):
                self.printed += data

    def close(self) -> None:
        """Stop listening."""
        self.done.set()
        self.thread.join(10)
        self.listener.close()


@pytest.fixture
def printer() -> Iterator[Printer]:
    machine = Printer()
    yield machine
    machine.close()


def test_a_printer_gets_every_byte(printer: Printer) -> None:
    send(b"^XA" + b"x" * 200_000 + b"^XZ", f"tcp://127.0.0.1:{printer.port}")
    printer.thread.join(10)
    assert len(printer.printed) == 200_006


def test_a_printer_that_is_off_gets_a_sentence(printer: Printer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OutletError, match=rf"The printer at 127.0.0.1:{port} cannot be reached .*switch it on"):
        send(b"^XA^XZ", f"tcp://127.0.0.1:{port}")
    send(b"", f"tcp://127.0.0.1:{printer.port}")


def test_a_printer_that_hangs_is_given_up_after_the_timeout() -> None:
    machine = Printer(asleep=True)
    try:
        with pytest.raises(OutletError, match=r"did not answer within 0.2 seconds"):
            send(b"^XA^XZ", f"tcp://127.0.0.1:{machine.port}", timeout=0.2)
    finally:
        machine.close()


def test_a_file_is_written_whole_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "labels.zpl"
    send(b"one", f"file:{target}")
    send(b"two", f"file:{target}")
    assert target.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutletError, match=r"could not be written to .*No such file or directory"):
        send(b"one", f"file:{tmp_path / 'absent' / 'labels.zpl'}")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutletError, match="could not be written"):
        send(b"one", f"file:{tmp_path / 'taken'}")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("outlet", ["usb:/dev/usb/lp0", "cups:labels"])
def test_outlets_that_come_later_say_what_there_is(outlet: str) -> None:
    with pytest.raises(OutletError, match="comes later; there are: file:PATH, tcp:"):
        send(b"x", outlet)


@pytest.mark.parametrize("outlet", ["", "printer", "ftp://x"])
def test_an_outlet_nobody_knows_is_said(outlet: str) -> None:
    with pytest.raises(OutletError, match="There is no outlet"):
        send(b"x", outlet)


@pytest.mark.parametrize("outlet", ["tcp://", "tcp://host:99999", "tcp://host:nine"])
def test_an_address_that_is_none_is_said(outlet: str) -> None:
    with pytest.raises(OutletError, match="write tcp://HOST:PORT"):
        send(b"x", outlet)
