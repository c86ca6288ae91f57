"""The simulated NVMe drive at the end of an NVMe/TCP connection, for the Linux host driver and the real tools.

    python -m tests.drives.nvme_tcp --image one.img --image two.img:4096 --serial S1 --port 4420 \
        --control /run/nvme-sim.sock --state /var/tmp/nvme-sim.json --lie zeros-without-erasing
    nvme connect -t tcp -a 127.0.0.1 -s 4420 -n "$(the nqn that the ready line names)"
    python -m tests.drives.nvme_control /run/nvme-sim.sock lie hangs

It runs inside the laboratory's guest, whose kernel has nvme-tcp. One process is one drive. Connecting is plugging
in; disconnecting is switching it off properly and pulling it; `nvme reset` resets the controller. A power cut or a
surprise removal is asked for over the control socket, or had by killing this process: what it must remember is in
`--state`. Digests, authentication and discovery are not spoken.
"""

import argparse
import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from tests.drives import nvme_pdu as pdu
from tests.drives import nvme_words as words
from tests.drives.nvme import Controller
from tests.drives.nvme_identity import Make
from tests.drives.nvme_pdu import Closed, Reader
from tests.drives.nvme_words import Answer, NeverAnswers

_CAP, _VS, _CC, _CSTS = 0x00, 0x08, 0x14, 0x1C
# CAP: 128 entries, contiguous queues, ready within 7.5 s, NVM command set, 4 KiB pages (Base 1.4, figure 68).
_CAPABILITIES = 127 | 1 << 16 | 15 << 24 | 1 << 37
_CONNECT_INVALID = 0x4182
_LARGEST = 2 << 20  # bytes that one command may carry


class Target:
    """One drive on one port: the registers, the connections, and the lock around the model."""

    def __init__(self, drive: Controller, state: Path | None = None, port: int = 0) -> None:
        """Listen on loopback; `state` is read if it is there, and kept up to date."""
        self.drive, self.state = drive, state
        self.lock = threading.Lock()
        self.plugged = True
        self.cc = self.csts = 0
        self._saved = ""
        self._connections: set[Connection] = set()
        self._held: list[tuple[Connection, int]] = []
        self._announced = False
        if state and state.exists():
            drive.from_json(json.loads(state.read_text("utf-8")))
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]

    def serve(self) -> None:
        """Accept connections until `close`."""
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            if not self.plugged:
                sock.close()
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            self._connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def close(self) -> None:
        """Stop listening and hang up."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Cut every connection without a word."""
        for connection in list(self._connections):
            connection.hang_up()

    def admitted(self) -> int:
        """A host connects its admin queue: the drive has power from now on. Return the controller's number."""
        with self.lock:
            self.drive.power_on()
            self.cc = self.csts = 0
            self._held.clear()
            self._announced = False
            return self.drive.cntlid

    def gone(self, connection: "Connection") -> None:
        """A connection ended; without an admin queue the controller is reset."""
        self._connections.discard(connection)
        with self.lock:
            self._held = [(owner, cid) for owner, cid in self._held if owner is not connection]
            if connection.queue == 0 and self.drive.powered and self.csts & 1:
                self.drive.reset()
            self._save()

    def run(self, queue: int, sqe: bytes, data: bytes | memoryview) -> Answer:
        """Give a command to the model; raises `NeverAnswers`."""
        with self.lock:
            try:
                return self.drive.io(sqe, data) if queue else self.drive.admin(sqe, bytes(data))
            finally:
                quiet = {words.READ, words.WRITE} if queue else {words.IDENTIFY, words.KEEP_ALIVE, words.ASYNC_EVENT}
                if sqe[0] not in quiet:
                    self._save()

    def hold(self, connection: "Connection", cid: int) -> None:
        """Keep an Asynchronous Event Request until there is something to tell."""
        with self.lock:
            self._held.append((connection, cid))

    def announce(self) -> None:
        """Complete an Asynchronous Event Request if there is something to tell; once for each event."""
        if not self._announced and not self.drive.media.changed:
            return
        with self.lock:
            events = self.drive.events()
            if not events or self._announced or not self._held:
                self._announced = self._announced and bool(events)
                return
            self._announced = True
            connection, cid = self._held.pop(0)
        connection.answer(cid, Answer(words.OK, events[0]))

    def property(self, offset: int, value: int | None = None) -> int:
        """Read or write a register; enabling, resetting and shutting down happen here (Base 1.4, 3.1)."""
        if value is None:
            return {_CAP: _CAPABILITIES, _VS: 0x00010400, _CC: self.cc, _CSTS: self.csts}.get(offset, 0)
        if offset == _CC:
            with self.lock:
                if value >> 14 & 3:
                    self.drive.shutdown()
                    self.csts = self.csts & ~0xC | 0x8  # shutdown processing complete
                elif self.cc & 1 and not value & 1:
                    self.drive.reset()
                self.csts = self.csts & ~1 | value & 1
                self.cc = value
                self._save()
        return 0

    def _save(self) -> None:
        if self.state is None:
            return
        text = json.dumps(self.drive.to_json())
        if text != self._saved:
            self._saved = text
            fresh = self.state.with_name(self.state.name + ".new")
            with fresh.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.state)


class Connection:
    """One queue of one host. Data for a command are collected by its identifier: other capsules come in between."""

    def __init__(self, target: Target, sock: socket.socket) -> None:
        self.target, self.sock, self.queue = target, sock, -1
        self._reader = Reader(sock)
        self._sending = threading.Lock()
        self._collecting: dict[int, tuple[bytes, bytearray, list[int]]] = {}
        self._spare: list[bytearray] = []
        self._head, self._size = 0, 128

    def run(self) -> None:
        """Speak until the host hangs up."""
        try:
            if self._reader.head().kind != pdu.IC_REQUEST:
                raise Closed("the first PDU must be ICReq")
            pdu.send(self.sock, pdu.ic_response())
            while True:
                self._take(self._reader.head())
        except (Closed, OSError):
            pass
        finally:
            self.hang_up()
            self.sock.close()
            self.target.gone(self)

    def hang_up(self) -> None:
        """End the connection from this side."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def answer(self, cid: int, answer: Answer, sqe: bytes = b"") -> None:
        """Send a completion, with the data if all went well."""
        with self._sending, suppress(OSError):
            if answer.data and answer.status == words.OK:
                data = memoryview(answer.data)[: struct.unpack_from("<I", sqe, 32)[0]]
                flags = pdu.DATA_LAST | (0 if answer.dw0 else pdu.DATA_SUCCESS)
                pdu.send(self.sock, pdu.data_header(pdu.C2H_DATA, flags, cid, 0, 0, len(data)), data)
                if not answer.dw0:
                    return
            self._head = (self._head + 1) % self._size
            pdu.send(self.sock, pdu.response(cid, answer.status, answer.dw0, self._head, max(self.queue, 0)))

    def _take(self, head: pdu.Head) -> None:
        if head.kind == pdu.COMMAND:
            data = memoryview(bytearray(head.data))
            self._reader.data_into(data)
            self._command(head.rest[:64], data)
        elif head.kind == pdu.H2C_DATA:
            cid, _, offset, length = struct.unpack_from("<HHII", head.rest)
            sqe, buffer, missing = self._collecting[cid]
            self._reader.data_into(memoryview(buffer)[offset : offset + length])
            missing[0] -= length
            if missing[0] <= 0:
                del self._collecting[cid]
                self._execute(sqe, memoryview(buffer)[: struct.unpack_from("<I", sqe, 32)[0]])
                self._spare.append(buffer)
        else:
            raise Closed(f"a PDU of type {head.kind:#x} is not for a target")

    def _command(self, sqe: bytes, data: memoryview) -> None:
        """Run a command, or ask for its data first. The data pointer's SGL is in bytes 24 to 39."""
        length, place = struct.unpack_from("<I", sqe, 32)[0], sqe[39]
        direction = sqe[4] if sqe[0] == pdu.FABRICS else sqe[0]
        if direction & 3 != 1 or not length or place == pdu.IN_CAPSULE:
            self._execute(sqe, data)
            return
        cid = struct.unpack_from("<H", sqe, 2)[0]
        if length > _LARGEST:
            self.answer(cid, Answer(words.INVALID_FIELD))
            return
        buffer = self._spare.pop() if self._spare else bytearray(_LARGEST)
        self._collecting[cid] = (sqe, buffer, [length])
        with self._sending:
            pdu.send(self.sock, pdu.ready_to_transfer(cid, cid, 0, length))

    def _execute(self, sqe: bytes, data: memoryview) -> None:
        cid = struct.unpack_from("<H", sqe, 2)[0]
        if sqe[0] == pdu.FABRICS:
            self.answer(cid, self._fabrics(sqe, data))
            return
        try:
            self.answer(cid, self.target.run(max(self.queue, 0), sqe, data), sqe)
        except words.Held:
            self.target.hold(self, cid)
        except NeverAnswers:
            pass
        self.target.announce()

    def _fabrics(self, sqe: bytes, data: memoryview) -> Answer:
        """Connect and the properties: NVMe over Fabrics 1.1, section 3."""
        kind = sqe[4]
        if kind == pdu.CONNECT:
            self.queue, self._size = struct.unpack_from("<HH", sqe, 42)
            self._size += 1
            wanted = bytes(data[256:512]).rstrip(b"\0").decode()
            if wanted != self.target.drive.make.nqn:
                return Answer(_CONNECT_INVALID)
            return Answer(words.OK, self.target.drive.cntlid if self.queue else self.target.admitted())
        if kind == pdu.PROPERTY_GET:
            return Answer(words.OK, self.target.property(struct.unpack_from("<I", sqe, 44)[0]))
        if kind == pdu.PROPERTY_SET:
            offset, value = struct.unpack_from("<IQ", sqe, 44)
            return Answer(words.OK, self.target.property(offset, value))
        return Answer(words.OK if kind == pdu.DISCONNECT else words.INVALID_FIELD)


def _image(word: str) -> tuple[Path, int]:
    path, _, lba = word.rpartition(":")
    return (Path(path), int(lba)) if path else (Path(word), 512)


def _made(options: Sequence[str], **known: str) -> Make:
    """Build a `Make` from `name=value` words; numbers may be hexadecimal."""
    kinds = {field.name: field.type for field in fields(Make)}
    read: dict[type, Callable[[str], object]] = {int: lambda text: int(text, 0), float: float, str: str}
    values: dict[str, object] = dict(known)
    for option in options:
        name, _, text = option.partition("=")
        kind = kinds.get(name)
        if not isinstance(kind, type) or kind not in read:
            raise SystemExit(f"a drive has no number or name called {name!r} that could be set")
        values[name] = read[kind](text)
    return Make(**values)  # type: ignore[arg-type]


def main(argv: Sequence[str]) -> int:
    """Serve one drive until told to stop."""
    from tests.drives.nvme_control import Control

    parser = argparse.ArgumentParser(prog="python -m tests.drives.nvme_tcp", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--image", action="append", required=True, metavar="FILE[:LBA]", help="one for each namespace")
    parser.add_argument("--serial", default=Make.serial)
    parser.add_argument("--model", default=Make.model)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other field of Make")
    parser.add_argument("--lie", action="append", default=[], metavar="NAME[=ARGUMENT]")
    parser.add_argument("--port", type=int, default=4420)
    parser.add_argument("--control", type=Path, metavar="SOCKET")
    parser.add_argument("--state", type=Path, metavar="FILE", help="what outlives the process")
    given = parser.parse_args(argv)
    make = _made(given.set, serial=given.serial, model=given.model)
    target = Target(Controller([_image(word) for word in given.image], make), given.state, given.port)
    for lie in given.lie:
        target.drive.lie(lie)
    if given.control:
        Control(target, given.control).start()
    print(f"ready port={target.port} nqn={make.nqn}", flush=True)
    target.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
