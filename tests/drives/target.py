"""What every drive on a SCSI bus answers alike, whatever is behind it (SPC-4, SBC-3).

`Target.command` never raises for what a host sends: a refusal is CHECK CONDITION with sense, as on the bus.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from tests.drives import sense
from tests.drives.lies import Lie, Lies
from tests.drives.medium import BadSector, Medium
from tests.drives.sense import CHECK_CONDITION, GOOD, Reply, Trouble

Action = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Name:
    """How a drive introduces itself in INQUIRY."""

    vendor: str
    product: str
    revision: str
    serial: str
    wwn: int
    rotation: int
    provisioned: bool


class Target(ABC):
    """A logical unit: the commands common to SAT and SAS. Subclasses say what is behind it."""

    lies: Lies

    def __init__(self) -> None:
        self._pending: tuple[int, int, int] | None = None
        self.descriptor_sense = False
        self._table = self.table()

    # --- what the subclass knows -----------------------------------------------------------------------------------

    @abstractmethod
    def name(self) -> Name:
        """Return the identity of this moment."""

    @abstractmethod
    def medium(self) -> Medium:
        """Return the medium."""

    @abstractmethod
    def capacity(self) -> int:
        """Return the visible sectors."""

    @abstractmethod
    def admit(self, opcode: int) -> None:
        """Raise where the drive cannot take this command now: `Trouble`, `NoPower`, `NeverAnswers`."""

    @abstractmethod
    def read(self, lba: int, count: int) -> bytes:
        """Read sectors; raises `Trouble`."""

    @abstractmethod
    def write(self, lba: int, data: bytes, *, through: bool) -> None:
        """Write sectors; raises `Trouble`."""

    @abstractmethod
    def trim(self, lba: int, count: int) -> None:
        """Deallocate sectors; raises `Trouble`."""

    @abstractmethod
    def flush(self) -> None:
        """Make writes durable; raises `Trouble`."""

    @abstractmethod
    def write_caching(self, on: bool | None = None) -> bool:
        """Return, and with an argument first set, whether the volatile write cache is on."""

    @abstractmethod
    def reset(self) -> None:
        """Take a reset of the bus."""

    def special(self) -> dict[int, Action]:
        """Return the commands this kind of drive has besides."""
        return {}

    def special_pages(self) -> dict[int, bytes]:
        """Return VPD pages this kind of drive has besides."""
        return {}

    # --- the bus ---------------------------------------------------------------------------------------------------

    def command(self, cdb: bytes, data_out: bytes = b"") -> Reply:
        """Do one command; raises `NeverAnswers` and `NoPower` only."""
        opcode = cdb[0]
        try:
            self.admit(opcode)
            action = self._table.get(opcode)
            if action is None:
                raise Trouble(sense.INVALID_OPCODE)
            data = action(cdb, data_out)
        except BadSector as bad:
            return self.refusal(Trouble(sense.UNRECOVERED_READ, info=bad.lba))
        except Trouble as trouble:
            return self.refusal(trouble)
        except Answered as answered:
            return answered.reply
        return Reply(GOOD, data)

    def refusal(self, trouble: Trouble) -> Reply:
        """Return CHECK CONDITION in the sense format this drive uses."""
        if self.descriptor_sense:
            more = [sense.progress_descriptor(trouble.progress)] if trouble.progress is not None else []
            if trouble.info is not None:
                more.append(bytes([0x00, 0x0A, 0x80, 0]) + struct.pack(">Q", trouble.info))
            return Reply(CHECK_CONDITION, b"", sense.descriptor(trouble.sense, *more))
        return Reply(CHECK_CONDITION, b"", sense.fixed(trouble.sense, progress=trouble.progress, info=trouble.info))

    def condition(self) -> Trouble:
        """Return what REQUEST SENSE reports now."""
        return Trouble((sense.NO_SENSE, 0, 0))

    def table(self) -> dict[int, Action]:
        """Return which command is done by what."""
        return {
            0x00: lambda _, __: b"",
            0x03: self._request_sense,
            0x12: self._inquiry,
            0x1A: self._mode_sense,
            0x5A: self._mode_sense,
            0x15: self._mode_select,
            0x55: self._mode_select,
            0x1B: lambda _, __: b"",
            0x1E: lambda _, __: b"",
            0x25: self._capacity_10,
            0x9E: self._capacity_16,
            0xA0: self._report_luns,
            0xA3: self._report_opcodes,
            0x08: self._read, 0x28: self._read, 0xA8: self._read, 0x88: self._read,
            0x0A: self._write, 0x2A: self._write, 0xAA: self._write, 0x8A: self._write,
            0x2E: self._write, 0x8E: self._write,
            0x2F: self._verify, 0x8F: self._verify,
            0x35: self._synchronize, 0x91: self._synchronize,
            0x41: self._write_same, 0x93: self._write_same,
            0x42: self._unmap,
        } | self.special()  # fmt: skip

    # --- identity ----------------------------------------------------------------------------------------------------

    def _inquiry(self, cdb: bytes, _: bytes) -> bytes:
        length = struct.unpack(">H", cdb[3:5])[0]
        name = self.name()
        if cdb[1] & 1:
            return self._page(cdb[2], name)[:length]
        if cdb[2]:
            raise Trouble(sense.INVALID_FIELD)
        text = f"{name.vendor:<8.8}{name.product:<16.16}{name.revision:<4.4}".encode("ascii")
        data = bytes([0x00, 0x00, 0x06, 0x02, 0, 0, 0, 0x02]) + text + bytes(60)
        return (data[:4] + bytes([len(data) - 5]) + data[5:])[:length]

    def _page(self, page: int, name: Name) -> bytes:
        """Return one VPD page."""
        serial, wwn = name.serial, name.wwn
        if Lie.FALSE_SERIAL in self.lies:
            serial, wwn = self.lies.told[Lie.FALSE_SERIAL] or "0000BR1DGE", 0x5000000000000001
        rate = struct.pack(">H", name.rotation)
        identity = bytes([0x01, 0x03, 0, 8]) + wwn.to_bytes(8, "big")
        vendor = f"{name.vendor:<8.8}{name.product:<16.16}{serial:<20.20}".encode("ascii")
        identity += bytes([0x02, 0x01, 0, len(vendor)]) + vendor
        pages = {
            0x80: serial.encode("ascii"),
            0x83: identity,
            0xB0: self._limits(name),
            0xB1: rate + bytes(58),
            0xB2: bytes([0, 0xE4 if name.provisioned else 0, 2 if name.provisioned else 0, 0]),
        } | self.special_pages()
        pages[0x00] = bytes(sorted([0x00, *pages]))
        if page not in pages:
            raise Trouble(sense.INVALID_FIELD)
        return bytes([0, page]) + struct.pack(">H", len(pages[page])) + pages[page]

    def _limits(self, name: Name) -> bytes:
        """Block limits: how much one UNMAP and one WRITE SAME may take."""
        body = bytearray(60)
        struct.pack_into(">HII", body, 2, 8, 0xFFFF, 0)
        if name.provisioned:
            struct.pack_into(">IIII", body, 16, 0x3FFFFF, 64, 8, 0)
        struct.pack_into(">Q", body, 32, 0x3FFFFF)
        return bytes(body)

    def _report_luns(self, cdb: bytes, _: bytes) -> bytes:
        return (struct.pack(">II", 8, 0) + bytes(8))[: struct.unpack(">I", cdb[6:10])[0]]

    def service_actions(self) -> dict[int, tuple[int, ...]]:
        """Return the service actions of the commands that have some."""
        return {0x9E: (0x10,), 0xA3: (0x0C,)}

    def _report_opcodes(self, cdb: bytes, _: bytes) -> bytes:
        """REPORT SUPPORTED OPERATION CODES: all of them, or one (SPC-4 6.35)."""
        if cdb[1] & 0x1F != 0x0C:
            raise Trouble(sense.INVALID_FIELD)
        actions, length = self.service_actions(), struct.unpack(">I", cdb[6:10])[0]
        if cdb[2] & 7 == 0:
            body = b""
            for opcode in sorted(self._table):
                for action in actions.get(opcode, (None,)):
                    flags = 0 if action is None else 1
                    body += struct.pack(">BBHBBH", opcode, 0, action or 0, 0, flags, _cdb_length(opcode))
            return (struct.pack(">I", len(body)) + body)[:length]
        opcode, action = cdb[3], struct.unpack(">H", cdb[4:6])[0]
        known = opcode in self._table and (cdb[2] & 7 == 1 or action in actions.get(opcode, ()))
        size = _cdb_length(opcode) if known else 0
        usage = bytes([opcode]) + b"\xff" * (size - 1)
        return (bytes([0, 3 if known else 1]) + struct.pack(">H", size) + usage)[:length]

    # --- state -------------------------------------------------------------------------------------------------------

    def _request_sense(self, cdb: bytes, _: bytes) -> bytes:
        now = self.condition()
        if cdb[1] & 1:
            more = [sense.progress_descriptor(now.progress)] if now.progress is not None else []
            return sense.descriptor(now.sense, *more)[: cdb[4]]
        return sense.fixed(now.sense, progress=now.progress)[: cdb[4]]

    def _mode_sense(self, cdb: bytes, _: bytes) -> bytes:
        pages = self.mode_pages()
        wanted = cdb[2] & 0x3F
        if cdb[3] or (wanted != 0x3F and wanted not in pages):
            raise Trouble(sense.INVALID_FIELD)
        changeable = cdb[2] >> 6 == 1
        chosen = pages if wanted == 0x3F else {wanted: pages[wanted]}
        body = b"".join(
            bytes([code, len(page)]) + (bytes(len(page)) if changeable else page)
            for code, page in sorted(chosen.items())
        )
        if cdb[0] == 0x1A:
            return (bytes([3 + len(body), 0, 0x10, 0]) + body)[: cdb[4]]
        blocks = b"" if cdb[1] & 0x08 else self.block_descriptor(cdb[2] >> 6)
        head = struct.pack(">HBBBBH", 6 + len(blocks) + len(body), 0, 0x10, int(len(blocks) == 16), 0, len(blocks))
        return (head + blocks + body)[: struct.unpack(">H", cdb[7:9])[0]]

    def block_descriptor(self, values: int) -> bytes:
        """Return MODE SENSE's long block descriptor; `values` 0 current, 1 changeable, 2 default. None by default."""
        return b""

    def mode_pages(self) -> dict[int, bytes]:
        """Return the mode pages of now, without their two bytes of header."""
        return {
            0x01: bytes([0xC0, 8, 0, 0, 0, 0, 8, 0, 0, 0]),
            0x08: bytes([0x04 if self.write_caching() else 0]) + bytes(17),
            0x0A: bytes([0x04 if self.descriptor_sense else 0, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 30]),
            0x1C: bytes([0x10, 0x06, 0, 0, 0, 0, 0, 0, 0, 1]),
        }

    def _mode_select(self, cdb: bytes, data: bytes) -> bytes:
        head = 4 if cdb[0] == 0x15 else 8
        skip = head + (data[3] if head == 4 else struct.unpack(">H", data[6:8])[0]) if len(data) >= head else len(data)
        page = data[skip:]
        if len(page) >= 3 and page[0] & 0x3F == 0x08:
            self.write_caching(bool(page[2] & 4))
        return b""

    def _capacity_10(self, _: bytes, __: bytes) -> bytes:
        return struct.pack(">II", min(self.capacity() - 1, 0xFFFFFFFF), self.medium().sector_size)

    def _capacity_16(self, cdb: bytes, _: bytes) -> bytes:
        if cdb[1] & 0x1F != 0x10:
            raise Trouble(sense.INVALID_FIELD)
        size = self.medium().sector_size
        head = struct.pack(">QI", self.capacity() - 1, size)
        flags = 0xC000 if self.name().provisioned else 0
        more = bytes([0, 3 if size == 512 else 0]) + struct.pack(">H", flags) + bytes(16)
        return (head + more)[: struct.unpack(">I", cdb[10:14])[0]]

    # --- data --------------------------------------------------------------------------------------------------------

    def _read(self, cdb: bytes, _: bytes) -> bytes:
        return self.read(*self.place(cdb))

    def _write(self, cdb: bytes, data: bytes) -> bytes:
        lba, count = self.place(cdb)
        size = count * self.medium().sector_size
        if len(data) < size:
            raise Trouble(sense.INVALID_FIELD)
        self.write(lba, data[:size], through=cdb[0] != 0x0A and bool(cdb[1] & 8))
        return b""

    def _verify(self, cdb: bytes, _: bytes) -> bytes:
        self.read(*self.place(cdb))
        return b""

    def _synchronize(self, _: bytes, __: bytes) -> bytes:
        self.flush()
        return b""

    def _write_same(self, cdb: bytes, data: bytes) -> bytes:
        lba, count = self.place(cdb)
        count = count or self.capacity() - lba
        if cdb[1] & 8 and self.name().provisioned:
            self.trim(lba, count)
            return b""
        size = self.medium().sector_size
        block = bytes(size) if cdb[1] & 1 else data[:size]
        for at in range(lba, lba + count, 2048):
            self.write(at, block * min(2048, lba + count - at), through=False)
        return b""

    def _unmap(self, _: bytes, data: bytes) -> bytes:
        if not self.name().provisioned:
            raise Trouble(sense.INVALID_OPCODE)
        length = struct.unpack(">H", data[2:4])[0] if len(data) >= 8 else 0
        for lba, count, _spare in struct.iter_unpack(">QII", data[8 : 8 + length // 16 * 16]):
            if lba + count > self.capacity():
                raise Trouble(sense.LBA_OUT_OF_RANGE)
            self.trim(lba, count)
        return b""

    def place(self, cdb: bytes) -> tuple[int, int]:
        """Return address and count of a 6, 10, 12 or 16 byte command; raises `Trouble` beyond the end."""
        if cdb[0] < 0x20:
            lba, count = int.from_bytes(cdb[1:4], "big") & 0x1FFFFF, cdb[4] or 256
        elif cdb[0] < 0x60:
            lba, count = int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[7:9], "big")
        elif cdb[0] < 0xA0:
            lba, count = int.from_bytes(cdb[2:10], "big"), int.from_bytes(cdb[10:14], "big")
        else:
            lba, count = int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[6:10], "big")
        if lba + count > self.capacity():
            raise Trouble(sense.LBA_OUT_OF_RANGE)
        return lba, count


class Answered(Exception):
    """A command answers with a status of its own making."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


def _cdb_length(opcode: int) -> int:
    """Return how long commands of this group are (SPC-4 4.2.5.1)."""
    return {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}.get(opcode >> 5, 16)
