"""An ATA drive seen through a SCSI to ATA translation, as libata or an honest bridge does it (SAT-3).

ATA PASS-THROUGH (12) and (16) reach the drive register by register; with CK_COND, and after every error, the
registers come back in a descriptor of type 09h in descriptor-format sense data.
"""

import struct
from typing import Any

from tests.drives import sense
from tests.drives.ata import AtaDrive
from tests.drives.lies import Lie, Lies
from tests.drives.medium import Medium
from tests.drives.sense import CHECK_CONDITION, GOOD, NeverAnswers, NoPower, Reply, Trouble
from tests.drives.target import Action, Answered, Name, Target
from tests.drives.taskfile import UNCORRECTABLE, Answer, Taskfile

HARD_RESET, SOFT_RESET, NO_DATA = 0, 1, 3  # PROTOCOL field of ATA PASS-THROUGH


class SatDrive(Target):
    """An `AtaDrive` behind SCSI commands; `drive` is the ATA drive itself."""

    def __init__(self, drive: AtaDrive) -> None:
        self.drive = drive
        super().__init__()

    # --- for tests ---------------------------------------------------------------------------------------------------

    @property
    def lies(self) -> Lies:  # type: ignore[override]
        """Return what the drive lies about."""
        return self.drive.lies

    def tell(self, lie: Lie, argument: str = "") -> None:
        """Begin to lie."""
        self.drive.lies.tell(lie, argument)
        self.drive.medium.lies_changed()

    def stop(self, lie: Lie) -> None:
        """Stop lying."""
        self.drive.lies.stop(lie)
        self.drive.medium.lies_changed()

    def cut_power(self) -> None:
        """Pull the plug."""
        self.drive.cut_power()

    def power_on(self, *, thawed: bool = False) -> None:
        """Switch on; `thawed` as after a resume from suspend."""
        self.drive.power_on(thawed=thawed)

    def reset(self) -> None:
        """A COMRESET."""
        self.drive.reset()

    def power_cycle(self, *, thawed: bool = False) -> None:
        """Off and on; `thawed` as after a resume from suspend."""
        self.drive.power_cycle(thawed=thawed)

    def chip_off(self) -> bytes:
        """Return the image's true content."""
        self.drive.sanitize.settle()
        return self.drive.medium.chip_off()

    def facts(self) -> dict[str, Any]:
        """Return what the drive really is at this moment, for the control socket."""
        d = self.drive
        d.sanitize.settle()
        work = d.sanitize.work
        return {
            "kind": "ata", "serial": d.serial, "powered": d.powered, "hanging": d.hanging,
            "security": d.security.word, "visible": d.hidden.visible, "native": d.hidden.native,
            "real": d.hidden.real, "sanitizing": work.share if work else None,
            "sanitize_failed": d.sanitize.failed, "sanitize_completed": d.sanitize.completed,
            "sanitizes_begun": d.sanitize.began, "last_written": d.medium.last_written,
        }  # fmt: skip

    # --- what is behind the translation ------------------------------------------------------------------------------

    def name(self) -> Name:
        """Return the identity as libata makes it: vendor ATA, the model cut to 16 characters."""
        d = self.drive
        return Name("ATA", d.spec.model, d.spec.firmware[-4:], d.serial, d.wwn, d.spec.rotation, d.spec.trim)

    def medium(self) -> Medium:
        """Return the medium."""
        return self.drive.medium

    def capacity(self) -> int:
        """Return the visible sectors."""
        self.drive.sanitize.settle()
        return self.drive.hidden.visible

    def admit(self, opcode: int) -> None:
        """Refuse everything without power or while hanging; a bridge may know no pass-through."""
        if not self.drive.powered:
            raise NoPower
        if self.drive.hanging:
            raise NeverAnswers
        if opcode in {0x85, 0xA1} and Lie.NO_PASS_THROUGH in self.lies:
            raise Trouble(sense.INVALID_OPCODE)

    def read(self, lba: int, count: int) -> bytes:
        """READ DMA EXT."""
        return self._do(0x25, lba, count)

    def write(self, lba: int, data: bytes, *, through: bool) -> None:
        """WRITE DMA EXT, with FUA where asked for."""
        self._do(0x3D if through else 0x35, lba, len(data) // self.medium().sector_size, data)

    def trim(self, lba: int, count: int) -> None:
        """DATA SET MANAGEMENT, in pieces of 65,535 sectors."""
        entries = b""
        while count:
            piece = min(count, 0xFFFF)
            entries += struct.pack("<Q", lba | piece << 48)
            lba, count = lba + piece, count - piece
        self._ask(Taskfile(0x06, features=1, count=1, extended=True), entries)

    def flush(self) -> None:
        """FLUSH CACHE EXT."""
        self._ask(Taskfile(0xEA, extended=True))

    def write_caching(self, on: bool | None = None) -> bool:
        """Return, or first set, the write cache."""
        if on is not None:
            self._ask(Taskfile(0xEF, features=0x02 if on else 0x82))
        return self.drive.write_cache

    def special(self) -> dict[int, Action]:
        """ATA PASS-THROUGH."""
        return {0x85: self._pass_through, 0xA1: self._pass_through}

    def special_pages(self) -> dict[int, bytes]:
        """VPD 89h: the translation's name and the drive's IDENTIFY data."""
        body = bytes(4) + b"KITBANK SIMULATED SAT   0001" + bytes([0x34]) + bytes(19) + bytes([0xEC, 0, 0, 0])
        return {0x89: body + self.drive.identify()}

    def _do(self, command: int, lba: int, count: int, data: bytes = b"") -> bytes:
        """Move sectors, at most 65,536 at a time."""
        size, come = self.medium().sector_size, b""
        for at in range(0, count, 0x10000):
            piece = min(0x10000, count - at)
            task = Taskfile(command, count=piece & 0xFFFF, lba=lba + at, extended=True)
            come += self._ask(task, data[at * size : (at + piece) * size]).data
        return come

    def _ask(self, task: Taskfile, data: bytes = b"") -> Answer:
        answer = self.drive.execute(task, data)
        if answer.failed:
            if answer.error & UNCORRECTABLE:
                raise Trouble(sense.UNRECOVERED_READ, info=answer.lba)
            raise Trouble((sense.ABORTED, 0, 0))
        return answer

    # --- pass-through ------------------------------------------------------------------------------------------------

    def _pass_through(self, cdb: bytes, data: bytes) -> bytes:
        protocol, check = cdb[1] >> 1 & 0x0F, bool(cdb[2] & 0x20)
        if protocol in {HARD_RESET, SOFT_RESET}:
            self.drive.reset()
            return b""
        task = taskfile(cdb)
        answer = self.drive.execute(task, data)
        if not answer.failed and not check:
            return answer.data
        key = (sense.ABORTED, 0, 0) if answer.failed else (sense.RECOVERED, 0x00, 0x1D)
        back = sense.descriptor(key, registers(answer, extended=task.extended))
        raise Answered(Reply(CHECK_CONDITION if answer.failed or check else GOOD, answer.data, back))


def taskfile(cdb: bytes) -> Taskfile:
    """Read the registers out of ATA PASS-THROUGH (12) or (16)."""
    if cdb[0] == 0xA1:
        return Taskfile(cdb[9], cdb[3], cdb[4], cdb[5] | cdb[6] << 8 | cdb[7] << 16, cdb[8])
    extended = bool(cdb[1] & 1)
    lba = cdb[8] | cdb[10] << 8 | cdb[12] << 16
    features, count = cdb[4], cdb[6]
    if extended:
        lba |= cdb[7] << 24 | cdb[9] << 32 | cdb[11] << 40
        features, count = features | cdb[3] << 8, count | cdb[5] << 8
    return Taskfile(cdb[14], features, count, lba, cdb[13], extended)


def registers(answer: Answer, *, extended: bool) -> bytes:
    """Return the ATA status return descriptor (SAT-3, 12.2.6)."""
    lba, count = answer.lba, answer.count
    device = answer.device if extended else answer.device & 0xF0 | lba >> 24 & 0x0F
    high = [lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF] if extended else [0, 0, 0]
    return bytes([
        0x09, 0x0C, 1 if extended else 0, answer.error, count >> 8 if extended else 0, count & 0xFF,
        high[0], lba & 0xFF, high[1], lba >> 8 & 0xFF, high[2], lba >> 16 & 0xFF, device, answer.status,
    ])  # fmt: skip
