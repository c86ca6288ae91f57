"""A host of our own at the other end of NVMe/TCP: enough to test the target without a kernel."""

import socket
import struct
from types import TracebackType
from typing import Self

from tests.drives import nvme_pdu as pdu
from tests.drives.nvme_pdu import Reader
from tests.drives.nvme_words import Answer, NeverAnswers

_ROOM = 2 << 20


class Queue:
    """One connection, one queue; commands may be sent before earlier ones are answered."""

    def __init__(self, port: int, number: int, nqn: str, deadline: float = 5.0) -> None:
        """Connect; raises `ConnectionError` when the target refuses."""
        self._sock = socket.create_connection(("127.0.0.1", port), deadline)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader(self._sock)
        self._cid = 0
        self._data: dict[int, bytes] = {}
        self._answers: dict[int, Answer] = {}
        try:
            pdu.send(self._sock, pdu.ic_request())
            self._reader.head()
            answer = self.fabrics(pdu.CONNECT, struct.pack("<HHH", 0, number, 31), _connect_data(nqn))
            if answer.status:
                raise ConnectionError(f"the target refused the connection with status {answer.status:#x}")
        except BaseException:
            self._sock.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def fabrics(self, kind: int, words: bytes, data: bytes = b"") -> Answer:
        """Run a fabrics command; `words` are its bytes 40 and up."""
        sqe = bytes([pdu.FABRICS, 0, 0, 0, kind]).ljust(40, b"\0") + words.ljust(24, b"\0")
        return self.wait(self.send(sqe, data, inside=True))

    def call(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Run one command to its end; raises `NeverAnswers` at the deadline."""
        return self.wait(self.send(sqe, data))

    def send(self, sqe: bytes, data: bytes = b"", *, inside: bool = False) -> int:
        """Send a command and return its identifier; `inside` puts the data into the capsule."""
        self._cid = self._cid % 0xFFFF + 1
        place = pdu.IN_CAPSULE if inside else 0x5A
        sgl = struct.pack("<QI3xB", 0, len(data) or _ROOM, place)
        fresh = sqe[:2] + struct.pack("<H", self._cid) + sqe[4:24] + sgl + sqe[40:]
        self._data[self._cid] = data
        pdu.send(self._sock, pdu.command(fresh, data if inside else b""))
        return self._cid

    def known(self, cid: int) -> Answer | None:
        """Return the answer to a command if it came while another was waited for."""
        return self._answers.pop(cid, None)

    def wait(self, wanted: int) -> Answer:
        """Serve the target until that command is answered; answers to others are kept. Raises `NeverAnswers`."""
        while wanted not in self._answers:
            try:
                head = self._reader.head()
            except TimeoutError as error:
                raise NeverAnswers from error
            if head.kind == pdu.R2T:
                cid, tag, offset, length = struct.unpack_from("<HHII", head.rest)
                data = memoryview(self._data[cid])[offset : offset + length]
                pdu.send(
                    self._sock, pdu.data_header(pdu.H2C_DATA, pdu.DATA_LAST, cid, tag, offset, length), data
                )
            elif head.kind == pdu.C2H_DATA:
                (cid,) = struct.unpack_from("<H", head.rest)
                buffer = bytearray(head.data)
                self._reader.data_into(memoryview(buffer))
                if head.flags & pdu.DATA_SUCCESS:
                    self._answers[cid] = Answer(0, 0, bytes(buffer))
            else:
                result, _, _, cid, status = struct.unpack_from("<QHHHH", head.rest)
                self._answers[cid] = Answer(status >> 1, result)
        return self._answers.pop(wanted)


class Initiator:
    """A host with an admin queue and an I/O queue; it has the shape of `nvme_host.Drive`."""

    def __init__(self, port: int, nqn: str, deadline: float = 5.0) -> None:
        """Connect and enable the controller."""
        self.admin_queue = Queue(port, 0, nqn, deadline)
        self.set_property(0x14, 0x00460001)
        self.io_queue = Queue(port, 1, nqn, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """End both connections without a word."""
        self.io_queue.close()
        self.admin_queue.close()

    def admin(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Run an admin command."""
        return self.admin_queue.call(sqe, data)

    def io(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Run a command of the NVM set."""
        return self.io_queue.call(sqe, data)

    def get_property(self, offset: int) -> int:
        """Read a register."""
        return self.admin_queue.fabrics(pdu.PROPERTY_GET, struct.pack("<BxxxI", 1, offset)).dw0

    def set_property(self, offset: int, value: int) -> None:
        """Write a register."""
        self.admin_queue.fabrics(pdu.PROPERTY_SET, struct.pack("<BxxxIQ", 0, offset, value))


def _connect_data(nqn: str) -> bytes:
    host = b"nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000001"
    return (bytes(16) + b"\xff\xff").ljust(256, b"\0") + nqn.encode().ljust(256, b"\0") + host.ljust(512, b"\0")
