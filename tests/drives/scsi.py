"""A SAS drive: SANITIZE and FORMAT UNIT with progress, log pages, self-tests, grown defects (SBC-3, SPC-4).

While it sanitizes, everything but INQUIRY, REQUEST SENSE, REPORT LUNS and LOG SENSE ends in NOT READY 04h/1Bh with
the progress in 65536ths; after a sanitize that failed, in MEDIUM ERROR 31h/03h until EXIT FAILURE MODE or a new one.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.drives import sense
from tests.drives.clock import Clock
from tests.drives.erasure import Erasure, pattern_after
from tests.drives.lies import Lie, Lies
from tests.drives.medium import Medium
from tests.drives.scsilog import Health
from tests.drives.sense import NeverAnswers, NoPower, Trouble
from tests.drives.target import Action, Name, Target

OVERWRITE, BLOCK, CRYPTO, EXIT_FAILURE = 0x01, 0x02, 0x03, 0x1F  # service actions of SANITIZE
KIND = {OVERWRITE: "overwrite", BLOCK: "block", CRYPTO: "crypto"}
WHILE_BUSY = {0x03, 0x12, 0xA0, 0x4D}


@dataclass(frozen=True)
class ScsiSpec:
    """A SAS drive as it leaves the factory."""

    sectors: int
    vendor: str = "KITBANK"
    model: str = "SIMULATED SAS"
    revision: str = "SIM1"
    serial: str = "SAS0000001"
    wwn: int = 0x5000CCA0B0000001
    rotation: int = 10_000
    sector_size: int = 512
    sanitize: frozenset[str] = frozenset({"overwrite", "block", "crypto"})
    format: bool = True
    write_cache: bool = True
    provisioned: bool = False
    erased: bytes = b"\0"
    seconds: Mapping[str, float] = field(
        default_factory=lambda: {"crypto": 1.0, "block": 6.0, "overwrite": 12.0, "format": 6.0, "self-test": 6.0}
    )


class SasDrive(Target):
    """One SAS drive with power; `lies` may be changed at any time."""

    lies: Lies

    def __init__(self, spec: ScsiSpec, image: Path, *, clock: Clock, lies: Lies | None = None) -> None:
        self.spec, self.clock = spec, clock
        self.lies = lies if lies is not None else Lies()
        self._medium = Medium(image, spec.sectors, self.lies, sector_size=spec.sector_size)
        self._medium.half_written = self._half_way
        self.visible = spec.sectors
        self.serial, self.wwn = spec.serial, spec.wwn
        self.health = Health(spec.seconds["self-test"])
        self.powered, self.hanging = True, False
        self.work: Erasure | None = None
        self.formatting = False
        self.failed: tuple[int, int, int] | None = None
        self.may_exit = False
        self.begun = 0
        self._cache_on = spec.write_cache
        self._cuts = 0
        super().__init__()

    # --- for tests ---------------------------------------------------------------------------------------------------

    def tell(self, lie: Lie, argument: str = "") -> None:
        """Begin to lie."""
        self.lies.tell(lie, argument)
        self._medium.lies_changed()

    def stop(self, lie: Lie) -> None:
        """Stop lying."""
        self.lies.stop(lie)
        self._medium.lies_changed()

    def cut_power(self) -> None:
        """Pull the plug. A format does not survive it, a sanitize goes on at power-on."""
        if not self.powered:
            return
        if self.work:
            self.work.pause()
            if self.formatting:
                self.work, self.failed, self.formatting = None, sense.FORMAT_FAILED, False
        self._medium.cut_power()
        self.health.power_cut(self.clock.now())
        self.powered, self.hanging = False, False
        self._cuts += 1

    def power_on(self, *, thawed: bool = False) -> None:
        """Switch on; `thawed` means nothing to a SAS drive."""
        self.powered = True
        self._cache_on = self.spec.write_cache
        if self.work:
            self.work.resume()
        self.reset()

    def power_cycle(self, *, thawed: bool = False) -> None:
        """Off and on."""
        self.cut_power()
        self.power_on(thawed=thawed)

    def reset(self) -> None:
        """A bus reset: another name, if the drive lies about that."""
        if Lie.IDENTITY_AFTER_RESET in self.lies:
            self._another_name()

    def chip_off(self) -> bytes:
        """Return the image's true content."""
        self._settle()
        return self._medium.chip_off()

    def facts(self) -> dict[str, Any]:
        """Return what the drive really is at this moment, for the control socket."""
        self._settle()
        work = self.work
        return {
            "kind": "scsi", "serial": self.serial, "powered": self.powered, "hanging": self.hanging,
            "visible": self.visible, "real": self.spec.sectors, "sanitizing": work.share if work else None,
            "sanitize_failed": self.failed is not None, "sanitizes_begun": self.begun,
            "last_written": self._medium.last_written,
        }  # fmt: skip

    # --- what a target knows -----------------------------------------------------------------------------------------

    def name(self) -> Name:
        """Return the identity of this moment."""
        s = self.spec
        return Name(s.vendor, s.model, s.revision, self.serial, self.wwn, s.rotation, s.provisioned)

    def medium(self) -> Medium:
        """Return the medium."""
        return self._medium

    def capacity(self) -> int:
        """Return the visible sectors."""
        self._settle()
        return self.visible

    def admit(self, opcode: int) -> None:
        """Refuse while without power, hanging, sanitizing, or after a failed erase."""
        if not self.powered:
            raise NoPower
        if self.hanging:
            raise NeverAnswers
        self._settle()
        if opcode in WHILE_BUSY:
            return
        if self.work or (self.failed and opcode not in {0x48, 0x04}):
            raise self.condition()

    def condition(self) -> Trouble:
        """Return what REQUEST SENSE reports now."""
        work = self.work
        if work:
            at = min(0xFFFF, int(work.share * 0x10000))
            return Trouble(sense.FORMAT_IN_PROGRESS if self.formatting else sense.SANITIZE_IN_PROGRESS, progress=at)
        if self.failed:
            wrong = 0xFFFF if Lie.FAILS_AT_65535 in self.lies else None
            return Trouble(self.failed, progress=wrong)
        return Trouble((sense.NO_SENSE, 0, 0))

    def read(self, lba: int, count: int) -> bytes:
        """Read sectors."""
        return self._medium.read(lba, count)

    def write(self, lba: int, data: bytes, *, through: bool) -> None:
        """Write sectors."""
        try:
            self._medium.arriving(len(data))
        except NeverAnswers:
            self.hanging = True
            raise
        if lba + len(data) // self.spec.sector_size > self.visible:
            raise Trouble(sense.LBA_OUT_OF_RANGE)
        self._medium.write(lba, data)
        if through or not self._cache_on:
            self._medium.flush()

    def trim(self, lba: int, count: int) -> None:
        """Deallocate sectors."""
        self._medium.trim(lba, count)

    def flush(self) -> None:
        """Make writes durable."""
        self._medium.flush()

    def write_caching(self, on: bool | None = None) -> bool:
        """Return, or first set, the write cache."""
        if on is not None:
            self._cache_on = on
            self._medium.flush()
        return self._cache_on

    def special(self) -> dict[int, Action]:
        """SANITIZE, FORMAT UNIT, logs, defects, self-tests."""
        table: dict[int, Action] = {
            0x1D: self._send_diagnostic,
            0x4D: lambda cdb, _: self.health.log_sense(cdb, self.clock.now()),
            0x37: lambda cdb, _: self.health.defects(cdb),
            0xB7: lambda cdb, _: self.health.defects(cdb),
        }
        if self.spec.sanitize:
            table[0x48] = self._sanitize
        if self.spec.format:
            table[0x04] = self._format
        return table

    def block_descriptor(self, values: int) -> bytes:
        """Return the long descriptor (SPC-4 7.5.6): blocks shown now, or by the drive's defaults."""
        blocks = self.spec.sectors if values == 2 else self.visible
        return struct.pack(">QII", 0 if values == 1 else blocks, 0, self.spec.sector_size)

    def _mode_select(self, cdb: bytes, data: bytes) -> bytes:
        """Take a new number of blocks as well: all ones means as many as there are (SBC-3, 6.5.2)."""
        head, length = (8, struct.unpack(">H", data[6:8])[0]) if cdb[0] == 0x55 and len(data) >= 8 else (0, 0)
        if length in (8, 16) and len(data) >= head + length:
            wide = length == 16
            blocks = struct.unpack(">Q" if wide else ">I", data[head : head + (8 if wide else 4)])[0]
            everything = blocks == (2**64 - 1 if wide else 2**32 - 1)
            self.visible = self.spec.sectors if everything else min(blocks or self.visible, self.spec.sectors)
        return super()._mode_select(cdb, data)

    def service_actions(self) -> dict[int, tuple[int, ...]]:
        """Add those of SANITIZE."""
        known = tuple(code for code, kind in KIND.items() if kind in self.spec.sanitize)
        return super().service_actions() | {0x48: (*known, EXIT_FAILURE)}

    # --- erasing -----------------------------------------------------------------------------------------------------

    def _sanitize(self, cdb: bytes, data: bytes) -> bytes:
        action, immediate = cdb[1] & 0x1F, bool(cdb[1] & 0x80)
        if action == EXIT_FAILURE:
            if self.failed and not self.may_exit:
                raise self.condition()
            self.failed = None
            return b""
        kind = KIND.get(action, "")
        if kind not in self.spec.sanitize or Lie.REFUSES_SANITIZE in self.lies:
            raise Trouble(sense.INVALID_FIELD)
        left: bytes | None
        if kind == "overwrite":
            left = self._overwrite_pattern(data)
        else:
            left = pattern_after(self._medium, self.spec.erased, crypto=kind == "crypto")
        if Lie.HANGS in self.lies:
            self.hanging = True
            raise NeverAnswers
        self.begun += 1
        if Lie.STATUS_UNCHANGED in self.lies or Lie.ALWAYS_COMPLETED in self.lies:
            return b""
        self.may_exit = bool(cdb[1] & 0x20)
        self._start(left, self.spec.seconds[kind])
        return b"" if immediate else self._await(self.spec.seconds[kind])

    def _overwrite_pattern(self, data: bytes) -> bytes:
        """Read the parameter list of SANITIZE OVERWRITE (SBC-3 table 73): count, length, pattern."""
        if len(data) < 5 or not data[0] & 0x1F:
            raise Trouble(sense.BAD_PARAMETER)
        length = struct.unpack(">H", data[2:4])[0]
        pattern = data[4 : 4 + length]
        if not 1 <= length <= self.spec.sector_size or len(pattern) < length:
            raise Trouble(sense.BAD_PARAMETER)
        inverted = data[0] & 0x80 and not data[0] & 1
        return bytes(each ^ 0xFF for each in pattern) if inverted else pattern

    def _format(self, cdb: bytes, data: bytes) -> bytes:
        """FORMAT UNIT; IMMED is in the parameter list's header."""
        if Lie.REFUSES_ERASE in self.lies:
            raise Trouble(sense.INVALID_FIELD)
        immediate = bool(cdb[1] & 0x10 and len(data) >= 4 and data[1] & 0x02)
        if Lie.HANGS in self.lies:
            self.hanging = True
            raise NeverAnswers
        self.formatting, self.may_exit = True, True
        self._start(pattern_after(self._medium, self.spec.erased, crypto=False), self.spec.seconds["format"])
        return b"" if immediate else self._await(self.spec.seconds["format"])

    def _start(self, pattern: bytes | None, seconds: float) -> None:
        self.failed = None
        self.work = Erasure(
            self._medium, self.clock, pattern=pattern, seconds=seconds, sectors=self.spec.sectors,
            half_way=self._half_way,
        )  # fmt: skip

    def _await(self, seconds: float) -> bytes:
        """Block until the erase has ended; raises `NoPower` when the plug is pulled meanwhile."""
        cuts = self._cuts
        self.clock.wait(seconds, lambda: self._cuts != cuts)
        if self._cuts != cuts:
            raise NoPower
        self._settle()
        if self.work:
            self.hanging = True
            raise NeverAnswers
        if self.failed:
            raise self.condition()
        return b""

    def _settle(self) -> None:
        """Take note of an erase that has ended."""
        work = self.work  # the control socket's thread settles, too
        if not work:
            return
        work.advance()
        if work.ended and self.work is work:
            if work.ended == "failed":
                self.failed = sense.FORMAT_FAILED if self.formatting else sense.SANITIZE_FAILED
            self.work, self.formatting = None, False
            if Lie.IDENTITY_AFTER_ERASE in self.lies:
                self._another_name()

    def _half_way(self) -> None:
        if Lie.SHRINKS in self.lies:
            self.visible = min(self.visible, self.lies.number(Lie.SHRINKS, self.spec.sectors // 2))

    def _another_name(self) -> None:
        self.serial, self.wwn = self.spec.serial[:-1] + "X", self.spec.wwn ^ 0xFF

    def _send_diagnostic(self, cdb: bytes, _: bytes) -> bytes:
        self.health.self_test(cdb[1] >> 5, self.clock.now())
        return b""
