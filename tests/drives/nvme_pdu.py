"""NVMe/TCP on the wire: the PDUs that a target and a host exchange, and a reader that takes them off a socket.

From the NVMe/TCP Transport Specification 1.0 (TP 8000), section 7.4; all numbers are little-endian. Digests and
authentication are not spoken here.
"""

import socket
import struct
from typing import NamedTuple

IC_REQUEST, IC_RESPONSE, H2C_TERMINATE, C2H_TERMINATE = 0x00, 0x01, 0x02, 0x03
COMMAND, RESPONSE, H2C_DATA, C2H_DATA, R2T = 0x04, 0x05, 0x06, 0x07, 0x09
DATA_LAST, DATA_SUCCESS = 0x04, 0x08
FABRICS = 0x7F  # the opcode of Connect, Disconnect and the property commands
CONNECT, PROPERTY_SET, PROPERTY_GET, DISCONNECT = 0x01, 0x00, 0x04, 0x08
MAX_H2C = 4 << 20  # bytes that a host may send in one H2CData PDU
IN_CAPSULE = 0x01  # SGL identifier: the data lie in the capsule at this offset

_COMMON = struct.Struct("<BBBBI")


class Closed(Exception):
    """The other side has gone, or speaks something else."""


class Head(NamedTuple):
    """A PDU's common header and the rest of its header; `data` is the number of bytes that follow it."""

    kind: int
    flags: int
    rest: bytes
    data: int


def common(kind: int, flags: int, header: int, data_offset: int, total: int) -> bytes:
    """Build the common header."""
    return _COMMON.pack(kind, flags, header, data_offset, total)


def ic_request() -> bytes:
    """Build the host's first word: version 0, no alignment, no digests, one R2T at a time."""
    return common(IC_REQUEST, 0, 128, 0, 128) + struct.pack("<HBBI", 0, 0, 0, 0).ljust(120, b"\0")


def ic_response() -> bytes:
    """Build the target's first word."""
    return common(IC_RESPONSE, 0, 128, 0, 128) + struct.pack("<HBBI", 0, 0, 0, MAX_H2C).ljust(120, b"\0")


def command(sqe: bytes, data: bytes = b"") -> bytes:
    """Build a command capsule, with its data inside if there are any."""
    return common(COMMAND, 0, 72, 72 if data else 0, 72 + len(data)) + sqe + data


def response(cid: int, status: int, result: int, head: int, queue: int) -> bytes:
    """Build a response capsule; `status` comes without phase bit, `result` has 64 bits."""
    return common(RESPONSE, 0, 24, 0, 24) + struct.pack("<QHHHH", result, head, queue, cid, status << 1 & 0xFFFF)


def ready_to_transfer(cid: int, tag: int, offset: int, length: int) -> bytes:
    """Build the target's request for data."""
    return common(R2T, 0, 24, 0, 24) + struct.pack("<HHII4x", cid, tag, offset, length)


def data_header(kind: int, flags: int, cid: int, tag: int, offset: int, length: int) -> bytes:
    """Build the header of H2CData or C2HData; `length` bytes must follow."""
    return common(kind, flags, 24, 24, 24 + length) + struct.pack("<HHII4x", cid, tag, offset, length)


class Reader:
    """Take PDUs off a socket; small ones come out of one buffer, large data go straight where they belong."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(65536)
        self._begin = self._end = 0

    def head(self) -> Head:
        """Wait for the next PDU's header; raises `Closed`."""
        kind, flags, length, offset, total = _COMMON.unpack(self._take(8))
        if kind > R2T or length < 8 or total < length:
            raise Closed(f"a header of {length} in a PDU of {total} bytes is no NVMe/TCP")
        rest = self._take(max(length, min(offset, total)) - 8) if offset else self._take(length - 8)
        return Head(kind, flags, rest[: length - 8], total - 8 - len(rest))

    def data_into(self, view: memoryview) -> None:
        """Fill `view` with the data of the PDU whose header was read last."""
        at = min(self._end - self._begin, len(view))
        view[:at] = memoryview(self._buffer)[self._begin : self._begin + at]
        self._begin += at
        while at < len(view):
            got = self._sock.recv_into(view[at:], 0, socket.MSG_WAITALL)
            if not got:
                raise Closed("the other side went away in the middle of its data")
            at += got

    def _take(self, count: int) -> bytes:
        while self._end - self._begin < count:
            if self._begin and self._begin == self._end:
                self._begin = self._end = 0
            if len(self._buffer) - self._begin < count:
                left = self._buffer[self._begin : self._end]
                self._buffer[: len(left)] = left
                self._begin, self._end = 0, len(left)
            got = self._sock.recv_into(memoryview(self._buffer)[self._end :])
            if not got:
                raise Closed("the other side went away")
            self._end += got
        taken = bytes(memoryview(self._buffer)[self._begin : self._begin + count])
        self._begin += count
        return taken


def send(sock: socket.socket, *pieces: bytes | memoryview) -> None:
    """Send pieces one after the other without copying them together."""
    views = [memoryview(piece) for piece in pieces if len(piece)]
    while views:
        sent = sock.sendmsg(views)
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if sent:
            views[0] = views[0][sent:]
