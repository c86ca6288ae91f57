"""An ATA drive, register by register: identity, data, security, hidden areas, sanitize, SMART (ACS-2 and ACS-3).

`execute` takes a `Taskfile` and returns an `Answer` or raises `NeverAnswers` / `NoPower`. It knows nothing of SCSI:
`tests.drives.sat` wraps it as the kernel or a bridge would.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.drives.ataspec import AtaSpec, Now, words
from tests.drives.clock import Clock
from tests.drives.erasure import Erasure, pattern_after
from tests.drives.hidden import Hidden
from tests.drives.lies import Lie, Lies
from tests.drives.medium import BadSector, Medium
from tests.drives.sanitize import Sanitize
from tests.drives.security import Security
from tests.drives.sense import NeverAnswers, NoPower
from tests.drives.smart import Smart
from tests.drives.taskfile import ERROR, NOT_FOUND, UNCORRECTABLE, Abort, Answer, Taskfile

READS = {0x20: False, 0x24: True, 0xC8: False, 0x25: True, 0xC4: False, 0x29: True}  # command -> 48 bit
WRITES = {0x30: False, 0x34: True, 0xCA: False, 0x35: True, 0xC5: False, 0x39: True, 0x3D: True}
VERIFIES = {0x40: False, 0x42: True}
IDENTIFY, SMART, SANITIZE = 0xEC, 0xB0, 0xB4
ERASE_PREPARE, ERASE_UNIT = 0xF3, 0xF4
READ_NATIVE, SET_MAX, AMA, DCO = (0xF8, 0x27), (0xF9, 0x37), 0x78, 0xB1
LOGS = (0x2F, 0x47)
# What a drive still does while locked, and while a sanitize works or has failed (ACS-3 tables 10 and 4.17.5).
WHILE_LOCKED = {
    IDENTIFY, SMART, *LOGS, 0xE5, 0xE0, 0xE1, 0xE2, 0xE3, 0xEF, 0xF2, ERASE_PREPARE, ERASE_UNIT, *READ_NATIVE,
}  # fmt: skip
WHILE_SANITIZING = {IDENTIFY, SMART, *LOGS, 0xE5, 0xEF, SANITIZE, 0xE1}


class AtaDrive:
    """One drive with power. `lies` may be changed at any time."""

    def __init__(self, spec: AtaSpec, image: Path, *, clock: Clock, lies: Lies | None = None) -> None:
        """Open the image, made where missing, and switch the drive on."""
        self.spec, self.clock = spec, clock
        self.lies = lies if lies is not None else Lies()
        self.medium = Medium(image, spec.sectors, self.lies, sector_size=spec.sector_size)
        self.medium.half_written = self._half_way
        self.serial, self.wwn = spec.serial, spec.wwn
        self.hidden = Hidden(spec, self.lies)
        self.security = Security(self.lies, enhanced=spec.enhanced)
        self.sanitize = Sanitize(self.lies, spec.sanitize, self._start_sanitize)
        self.smart = Smart(spec.seconds["self-test"])
        self.powered = True
        self.hanging = False
        self.write_cache = spec.write_cache
        self._cuts = 0
        self._unit: Erasure | None = None  # a SECURITY ERASE UNIT under way
        self._name_due = False
        self.log: list[Taskfile] = []
        self._table = self._commands()

    # --- power ---------------------------------------------------------------------------------------------------

    def cut_power(self) -> None:
        """Pull the plug, also in the middle of a command."""
        if not self.powered:
            return
        self.sanitize.power_off()
        if self._unit:
            self._unit.pause()
        self._unit = None
        self.smart.settle(self.clock.now())
        self.smart.power_cut()
        self.medium.cut_power()
        self.powered, self.hanging = False, False
        self._cuts += 1

    def power_on(self, *, thawed: bool = False) -> None:
        """Switch on; `thawed` as after a resume from suspend, when no BIOS freezes anything."""
        self.powered = True
        self.security.power_on(thawed=thawed)
        self.hidden.power_on()
        self.sanitize.power_on()
        self.write_cache = self.spec.write_cache
        self.reset()

    def power_cycle(self, *, thawed: bool = False) -> None:
        """Off and on again."""
        self.cut_power()
        self.power_on(thawed=thawed)

    def reset(self) -> None:
        """A COMRESET: another name, if the drive lies about that."""
        if Lie.IDENTITY_AFTER_RESET in self.lies:
            self._another_name()

    # --- commands ------------------------------------------------------------------------------------------------

    def execute(self, task: Taskfile, data: bytes = b"") -> Answer:
        """Do one command."""
        if not self.powered:
            raise NoPower
        if self.hanging:
            raise NeverAnswers
        self.log.append(task)
        del self.log[:-200]
        self.sanitize.settle()
        self._wake_name()
        try:
            return self._execute(task, data)
        except NeverAnswers:
            self.hanging = True
            raise
        except BadSector as bad:
            return Answer(status=ERROR, error=UNCORRECTABLE, lba=bad.lba)
        except Abort as refused:
            return Answer(status=ERROR, error=refused.error, lba=refused.lba)

    def _execute(self, task: Taskfile, data: bytes) -> Answer:
        prepared, self.security.prepared = self.security.prepared, False
        if task.command not in (*READ_NATIVE, *SET_MAX):
            self.hidden.other_command()
        if self.security.locked and task.command not in WHILE_LOCKED:
            raise Abort
        if self.sanitize.busy and task.command not in WHILE_SANITIZING:
            raise Abort
        if task.command == ERASE_UNIT:
            return self._erase_unit(data, prepared)
        action = self._table.get(task.command)
        if action is None:
            raise Abort
        return action(task, data)

    def _commands(self) -> Mapping[int, Callable[[Taskfile, bytes], Answer]]:
        """Return which command is done by what."""
        table: dict[int, Callable[[Taskfile, bytes], Answer]] = {
            IDENTIFY: lambda _, __: Answer(data=self.identify()),
            0x06: self._trim,
            0x45: self._make_unreadable,
            0xE5: lambda _, __: Answer(count=0xFF),
            0xE7: self._flush,
            0xEA: self._flush,
            0xEF: self._set_features,
            AMA: lambda task, _: self.hidden.accessible(task),
            DCO: self._configuration,
            SANITIZE: lambda task, _: self.sanitize.command(task, locked=self.security.locked),
            SMART: self._smart,
        }
        table |= dict.fromkeys((0xE0, 0xE1, 0xE2, 0xE3, 0xE6, 0x91), lambda _, __: Answer())
        table |= dict.fromkeys((*READS, *VERIFIES), self._read) | dict.fromkeys(WRITES, self._write)
        table |= dict.fromkeys(LOGS, self._read_log)
        table |= dict.fromkeys(READ_NATIVE, lambda _, __: self.hidden.read_native())
        table |= dict.fromkeys(SET_MAX, lambda task, _: self.hidden.set_max(task))
        if self.spec.security:
            table |= {
                0xF1: lambda _, data: self._locks(self.security.set_password, data),
                0xF2: lambda _, data: self._locks(self.security.unlock, data),
                0xF3: lambda _, __: self._locks(lambda _: self.security.prepare(), bytes(512)),
                0xF5: lambda _, __: self._locks(lambda _: self.security.freeze(), bytes(512)),
                0xF6: lambda _, data: self._locks(self.security.disable, data),
            }
        return table

    def identify(self) -> bytes:
        """Return the IDENTIFY DEVICE data of this moment."""
        has = self.spec.security
        now = Now(
            self.serial, self.wwn, self.hidden.visible, self.security.word if has else 0, self.security.master_id,
            self.write_cache, self.smart.enabled, has and self.security.user is not None,
        )  # fmt: skip
        return words(self.spec, now)

    # --- data ----------------------------------------------------------------------------------------------------

    def _read(self, task: Taskfile, _: bytes) -> Answer:
        task = replace(task, extended=READS.get(task.command, VERIFIES.get(task.command, False)))
        data = self.medium.read(*self._place(task))
        return Answer(data=b"" if task.command in VERIFIES else data)

    def _write(self, task: Taskfile, data: bytes) -> Answer:
        self.medium.arriving(len(data))
        lba, count = self._place(replace(task, extended=WRITES[task.command]))
        if len(data) < count * self.spec.sector_size:
            raise Abort
        self.medium.write(lba, data[: count * self.spec.sector_size])
        if not self.write_cache or task.command == 0x3D:
            self.medium.flush()
        return Answer()

    def _place(self, task: Taskfile) -> tuple[int, int]:
        """Return address and count; beyond the visible end the sector is not found."""
        if task.sector + task.length > self.hidden.visible:
            raise Abort(NOT_FOUND, task.sector)
        return task.sector, task.length

    def _flush(self, _: Taskfile, __: bytes) -> Answer:
        self.medium.flush()
        return Answer()

    def _trim(self, task: Taskfile, data: bytes) -> Answer:
        """DATA SET MANAGEMENT with TRIM: 8-byte entries of a 48-bit address and a 16-bit length."""
        if not self.spec.trim or not task.features & 1:
            raise Abort
        for (entry,) in struct.iter_unpack("<Q", data[: len(data) // 8 * 8]):
            lba, count = entry & (2**48 - 1), entry >> 48
            if lba + count > self.hidden.visible:
                raise Abort(NOT_FOUND, lba)
            self.medium.trim(lba, count)
        return Answer()

    def _make_unreadable(self, task: Taskfile, _: bytes) -> Answer:
        """WRITE UNCORRECTABLE EXT: a way to make bad sectors from outside."""
        lba, count = self._place(replace(task, extended=True))
        self.medium.bad.update(range(lba, lba + count))
        return Answer()

    # --- the rest ------------------------------------------------------------------------------------------------

    def _set_features(self, task: Taskfile, _: bytes) -> Answer:
        if task.features in {0x02, 0x82}:
            self.write_cache = task.features == 0x02
            self.medium.flush()
        elif task.features not in {0x03, 0x05, 0x10, 0x55, 0x66, 0x85, 0x90, 0xAA, 0xCC}:
            raise Abort
        return Answer()

    def _smart(self, task: Taskfile, _: bytes) -> Answer:
        if not self.spec.smart:
            raise Abort
        if self.medium.bad:
            self.smart.attribute(197).raw = len(self.medium.bad)
        return self.smart.command(task, self.clock.now())

    def _read_log(self, task: Taskfile, _: bytes) -> Answer:
        address, page = task.lba & 0xFF, task.lba >> 8 & 0xFF
        if address == 0x30 and page == 0:
            return Answer(data=bytes([1, 0, 0, 0, 0, 0, 0, 0, 0]) + bytes(503))
        return Answer(data=self.smart.extended_log(address, page, task.length, self.clock.now()))

    def _configuration(self, task: Taskfile, data: bytes) -> Answer:
        return self.hidden.configuration(task, data)

    def _locks(self, action: Callable[[bytes], None], data: bytes) -> Answer:
        if len(data) < 512:
            raise Abort
        action(data[:512])
        return Answer()

    def _erase_unit(self, data: bytes, prepared: bool) -> Answer:
        """SECURITY ERASE UNIT: blocks until done; after a power cut the drive stays locked, half erased."""
        if not self.spec.security or len(data) < 512:
            raise Abort
        enhanced = self.security.may_erase(data[:512], was_prepared=prepared)
        if Lie.REFUSES_ERASE in self.lies:
            raise Abort
        if Lie.HANGS in self.lies:
            raise NeverAnswers
        usual = pattern_after(self.medium, self.spec.erased, crypto=False) if enhanced else self.spec.erased
        sectors = self.spec.sectors if enhanced else self.hidden.native
        work = self._unit = self._erasure(usual, self.spec.seconds["erase"], sectors)
        cuts = self._cuts
        self.clock.wait(self.spec.seconds["erase"], lambda: self._cuts != cuts)
        if self._cuts != cuts:
            raise NoPower
        work.advance()
        self._unit = None
        if work.ended != "good":
            if Lie.PROGRESS_STUCK in self.lies:
                raise NeverAnswers
            raise Abort
        self.security.erased()
        self._named_after_erase()
        return Answer()

    def _start_sanitize(self, kind: str, pattern: bytes) -> Erasure:
        """Begin a sanitize; all sectors that exist are in it, also hidden ones."""
        left: bytes | None = pattern
        if kind != "overwrite":
            left = pattern_after(self.medium, self.spec.erased, crypto=kind == "crypto")
        return self._erasure(left, self.spec.seconds[kind], self.spec.sectors)

    def _erasure(self, pattern: bytes | None, seconds: float, sectors: int) -> Erasure:
        self._name_due = True
        return Erasure(
            self.medium, self.clock, pattern=pattern, seconds=seconds, sectors=sectors, half_way=self._half_way
        )

    def _half_way(self) -> None:
        if Lie.SHRINKS in self.lies:
            self.hidden.shrink(self.lies.number(Lie.SHRINKS, self.spec.sectors // 2))

    def _wake_name(self) -> None:
        """Take another name once a sanitize has ended, if the drive lies about that."""
        if self._name_due and self.sanitize.work is None:
            self._named_after_erase()

    def _named_after_erase(self) -> None:
        self._name_due = False
        if Lie.IDENTITY_AFTER_ERASE in self.lies:
            self._another_name()

    def _another_name(self) -> None:
        self.serial, self.wwn = self.spec.serial[:-1] + "X", self.spec.wwn ^ 0xFF
