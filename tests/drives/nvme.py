"""An NVMe drive of our own making: the controller's behaviour over image files, without any transport.

    drive = Controller([(image, 512)], Make(serial="S1"), clock=lambda: now, lies=["zeros-without-erasing"])
    status, dw0, data = drive.admin(entry(SANITIZE, 0, 0x0A))     # 64 bytes in, a completion out
    status, dw0, data = drive.io(entry(READ, 1, 0, 0, 7))

`admin` and `io` take a submission queue entry and the host's data, and return the status (without phase bit), the
command-specific result and the data for the host; `NeverAnswers` is raised where a real drive would stay silent.
Time is `clock()` in seconds and nothing else: a sanitize advances when the clock does. `power_cut`, `shutdown`,
`power_on` and `reset` are what happens to the drive from outside; `lie` and `honest` change its character while it
runs; `chip_off` is what a laboratory finds. Everything that outlives a power cut is in `to_json`.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.drives import nvme_identity as identity
from tests.drives import nvme_words as words
from tests.drives.nvme_identity import Make
from tests.drives.nvme_lies import Lie, Manner, named
from tests.drives.nvme_logs import ErrorLog, Health, SelfTest, firmware
from tests.drives.nvme_media import Media, Namespace
from tests.drives.nvme_sanitize import Sanitizing
from tests.drives.nvme_words import ALL_NAMESPACES, Answer, Command, NeverAnswers

WHOLE = (0.0, 1.0)
_NAMESPACE_CHANGED = 0x00040002  # asynchronous event: notice, namespace attribute changed, see log page 04h


class Controller:
    """The drive. `health`, `self_test.outcome`, `sanitize.fail_at`, `media.bad` may be set at any time."""

    def __init__(
        self,
        images: Sequence[tuple[Path, int]],
        make: Make | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        lies: Iterable[str] = (),
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Build it over images, each with its LBA size in bytes, and switch it on."""
        self.make, self.clock = make or Make(), clock
        self.health, self.error_log = Health(), ErrorLog()
        self.self_test = SelfTest(self.make.self_test_seconds)
        self.sanitize = Sanitizing(self.make.sanicap, self.make.sanitize_seconds, self.make.estimates, clock)
        self.lies: set[Lie | Manner] = set()
        self.sanitize.lies = self.lies
        self.media = Media(images, self.make, self.lies, entropy)
        self.features: dict[int, int] = {6: self.make.vwc & 1}
        self.cntlid, self.powered, self.swapped = 1, True, False
        for name in lies:
            self.lie(name)

    # --- what happens to it from outside ---

    def lie(self, name: str) -> None:
        """Take up a lie or a manner, `name` or `name=argument`; raises `ValueError` for an unknown name."""
        what, argument = named(name)
        self.lies.add(what)
        if argument and what is Lie.KEEPS_ONE_BLOCK:
            self.media.kept = int(argument, 0)
        if what is Lie.OLD_CONTENT:
            self.media.remember_content()
        if what is Lie.ALWAYS_COMPLETED:
            self.sanitize.pretend_earlier_success()
        self.media.character_changed()

    def honest(self, name: str) -> None:
        """Give a lie or a manner up."""
        what, _ = named(name)
        self.lies.discard(what)
        if what is Lie.OLD_CONTENT:
            self.media.forget_content()
        self.media.character_changed()

    def power_cut(self) -> None:
        """Take its power away without warning: what was in the write cache is lost."""
        if self.powered:
            self._settle()
            self.health.unsafe_shutdowns += 1
            for ns in self.media.all():
                ns.flash.lose_cache()
            self._off()

    def shutdown(self) -> None:
        """Switch it off as the host should: the cache is written first."""
        if self.powered:
            self._settle()
            for ns in self.media.all():
                ns.flash.flush()
            self._off()

    def _off(self) -> None:
        self.sanitize.power_off()
        if self.self_test.code == 1:
            self.self_test.end(2, self.health.power_on_hours)
        self.powered = False

    def power_on(self) -> None:
        """Give it power again: an unfinished sanitize goes on, and what is meant to happen at power-on happens."""
        if self.powered:
            return
        self.powered = True
        self.health.power_cycles += 1
        if Lie.OLD_CONTENT in self.lies:
            self.media.return_to_older()
        self.sanitize.power_on()
        self.swapped |= Lie.IDENTITY_AFTER_RESET in self.lies

    def reset(self) -> None:
        """Reset the controller: a short self-test ends, a sanitize goes on."""
        self._settle()
        if self.self_test.code == 1:
            self.self_test.end(2, self.health.power_on_hours)
        self.swapped |= Lie.IDENTITY_AFTER_RESET in self.lies

    def close(self) -> None:
        """Let go of the images."""
        for ns in self.media.all():
            ns.flash.close()

    def chip_off(self, nsid: int, offset: int, length: int) -> bytes:
        """Return what lies in the flash, in bytes, whatever the firmware says."""
        self._settle()
        return self.media.namespaces[nsid].flash.chip_off(offset, length)

    def to_json(self) -> dict[str, Any]:
        """Return everything that outlives a power cut, besides the images."""
        kept = {"sanitize": self.sanitize.to_json(), "namespaces": self.media.to_json(), "health": asdict(self.health)}
        return kept | {"swapped": self.swapped}

    def from_json(self, data: dict[str, Any]) -> None:
        """Come back from a power cut that took the whole process."""
        self.health = Health(**data["health"])
        self.health.power_cycles += 1
        self.health.unsafe_shutdowns += 1
        self.swapped = bool(data["swapped"]) or Lie.IDENTITY_AFTER_RESET in self.lies
        self.media.from_json(data["namespaces"])
        self.sanitize.from_json(data["sanitize"])

    @property
    def serial(self) -> str:
        """The serial number that it gives now."""
        return f"X{self.make.serial[::-1]}"[:20] if self.swapped else self.make.serial

    def events(self) -> list[int]:
        """Return the asynchronous events that an Event Request could be completed with now."""
        return [_NAMESPACE_CHANGED] if self.media.changed else []

    # --- commands ---

    def admin(self, sqe: bytes, data: bytes = b"") -> Answer:
        """Carry out an admin command; raises `NeverAnswers` where the drive stays silent."""
        command = self._begin(sqe)
        if command.opcode == words.ASYNC_EVENT:
            raise words.Held
        handlers: dict[int, Callable[[Command], Answer]] = {
            words.IDENTIFY: self._identify,
            words.GET_LOG: self._get_log,
            words.SET_FEATURES: self._set_features,
            words.GET_FEATURES: lambda c: Answer(words.OK, self.features.get(c.cdw10 & 0xFF, 0)),
            words.ABORT: lambda _: Answer(words.OK, 1),
            words.KEEP_ALIVE: lambda _: Answer(words.OK),
            words.FORMAT: self._format,
            words.SANITIZE: self._start_sanitize,
            words.SELF_TEST: self._start_self_test,
        }
        handler = handlers.get(command.opcode)
        return self._noted(handler(command) if handler else Answer(words.INVALID_OPCODE), command, 0)

    def io(self, sqe: bytes, data: bytes | memoryview = b"") -> Answer:
        """Carry out a command of the NVM set; raises `NeverAnswers` where the drive stays silent."""
        command = self._begin(sqe)
        everything = command.nsid == ALL_NAMESPACES and command.opcode == words.FLUSH
        if not everything and command.nsid not in self.media.namespaces:
            return self._noted(Answer(words.INVALID_NAMESPACE), command, 1)
        if obstacle := self.sanitize.obstacle():
            return self._noted(Answer(obstacle), command, 1)
        if command.opcode == words.FLUSH:
            for ns in self.media.all() if everything else [self.media.namespaces[command.nsid]]:
                ns.flash.flush()
            return Answer(words.OK)
        return self._noted(self._data_command(command, self.media.namespaces[command.nsid], data), command, 1)

    def _begin(self, sqe: bytes) -> Command:
        if not self.powered:
            raise NeverAnswers("there is no power")
        if self.sanitize.working or self.self_test.code:
            self._settle()
        return Command.parse(sqe)

    def _noted(self, answer: Answer, command: Command, queue: int) -> Answer:
        if answer.status:
            self.health.errors += 1
            lba = command.lba if queue else 0
            self.error_log.add(self.health.errors, queue, command.cid, answer.status, lba, command.nsid)
        return answer

    def _settle(self) -> None:
        """Bring everything that takes time up to the clock."""
        if not self.powered:
            return
        self.self_test.settle(self.clock(), self.health.power_on_hours)
        was_working = self.sanitize.working
        part = self.sanitize.settle()
        if part[0] < part[1]:
            op = self.sanitize.op
            action, deallocates = self.sanitize.action, not op.scdw10 & 1 << 9
            filling = self.media.filling(
                action, op.pattern, op.scdw10 >> 4 & 0xF or 16, invert=bool(op.scdw10 & 1 << 8)
            )
            spaces = self.media.all()[:1] if Lie.FIRST_NAMESPACE_ONLY in self.lies else self.media.all()
            self.media.erase(spaces, part, filling, forget=deallocates and action == words.OVERWRITE)
        if was_working and self.sanitize.op.status == words.SUCCEEDED:
            self.swapped |= Lie.IDENTITY_AFTER_ERASE in self.lies

    # --- admin commands ---

    def _identify(self, command: Command) -> Answer:
        cns, nsid, spaces = command.cdw10 & 0xFF, command.nsid, self.media.namespaces
        if cns == 0x01:
            capacity = sum(ns.size for ns in spaces.values())
            page = identity.controller(self.make, self.serial, len(spaces), capacity, self.cntlid)
            return Answer(words.OK, 0, page)
        if cns == 0x02:
            return Answer(words.OK, 0, identity.active_list(spaces, nsid))
        if cns not in {0x00, 0x03}:
            return Answer(words.INVALID_FIELD)
        if nsid not in spaces:
            return Answer(words.INVALID_NAMESPACE)
        ns, who = spaces[nsid], identity.names(self.serial, nsid)
        if cns == 0x03:
            return Answer(words.OK, 0, identity.descriptors(who))
        return Answer(words.OK, 0, identity.namespace(self.make, who, ns.size, ns.flash.allocated, ns.lbaf))

    def _get_log(self, command: Command) -> Answer:
        page, length = command.cdw10 & 0xFF, ((command.cdw10 >> 16 | (command.cdw11 & 0xFFFF) << 16) + 1) * 4
        pages: dict[int, Callable[[], bytes]] = {
            words.LOG_ERROR: self.error_log.page,
            words.LOG_HEALTH: lambda: self.health.page(self.make.spare_threshold),
            words.LOG_FIRMWARE: lambda: firmware(self.make.firmware),
            words.LOG_CHANGED: lambda: identity.active_list(self.media.take_changed(), 0),
        }
        if self.make.oacs & 1 << 4:
            pages[words.LOG_SELF_TEST] = lambda: self.self_test.page(self.clock())
        if self.make.sanicap:
            pages[words.LOG_SANITIZE] = self.sanitize.log
        if page not in pages:
            return Answer(words.INVALID_LOG_PAGE)
        offset = command.cdw12 | command.cdw13 << 32
        return Answer(words.OK, 0, pages[page]()[offset : offset + length].ljust(length, b"\0"))

    def _set_features(self, command: Command) -> Answer:
        feature, value = command.cdw10 & 0xFF, command.cdw11
        if feature == 7:  # number of queues, counted from zero, both ways the same
            value = min(value & 0xFFFF, 7) * 0x10001
        if feature == 6:
            for ns in self.media.all():
                ns.flash.flush()
                ns.flash.capacity = self.make.cache if value & self.make.vwc & 1 else 0
        self.features[feature] = value
        return Answer(words.OK, value if feature == 7 else 0)

    def _format(self, command: Command) -> Answer:
        """Format NVM (5.23): bits 3:0 LBA format, 8:4 metadata and protection (we have none), 11:9 secure erase."""
        lbaf, ses, nsid = command.cdw10 & 0xF, command.cdw10 >> 9 & 7, command.nsid
        if not self.make.oacs & 1 << 1:
            return Answer(words.INVALID_OPCODE)
        if obstacle := self.sanitize.obstacle():
            return Answer(obstacle)
        if nsid != ALL_NAMESPACES and nsid not in self.media.namespaces:
            return Answer(words.INVALID_NAMESPACE)
        if lbaf >= len(self.make.lba_sizes) or command.cdw10 & 0x1F0:
            return Answer(words.INVALID_FORMAT)
        if ses > 2 or (ses == 2 and not self.make.fna & 1 << 2):
            return Answer(words.INVALID_FIELD)
        if Lie.HANGS in self.lies:
            raise NeverAnswers("the drive stays silent after Format NVM")
        reaches_all = nsid == ALL_NAMESPACES or self.make.fna & (1 << 1 if ses else 1 << 0)
        targets = self.media.all() if reaches_all else [self.media.namespaces[nsid]]
        if (ses and Lie.FORMAT_ERASES_NOTHING not in self.lies) or (not ses and Manner.FORMAT_0_ZEROES in self.lies):
            action = words.CRYPTO_ERASE if ses == 2 else words.BLOCK_ERASE
            self.media.erase(targets, WHOLE, self.media.filling(action, 0, 1, invert=False))
        for ns in targets:
            if ns.lbaf != lbaf:
                ns.lbaf = lbaf
                self.media.changed.add(ns.nsid)
        self.swapped |= Lie.IDENTITY_AFTER_ERASE in self.lies and ses > 0
        return Answer(words.OK)

    def _start_sanitize(self, command: Command) -> Answer:
        if not self.make.sanicap or Lie.REFUSES_SANITIZE in self.lies:
            return Answer(words.INVALID_OPCODE)
        if Lie.HANGS in self.lies:
            raise NeverAnswers("the drive stays silent after Sanitize")
        return Answer(self.sanitize.start(command.cdw10, command.cdw11))

    def _start_self_test(self, command: Command) -> Answer:
        if not self.make.oacs & 1 << 4:
            return Answer(words.INVALID_OPCODE)
        if obstacle := self.sanitize.obstacle():
            return Answer(obstacle)
        return Answer(self.self_test.start(command, self.clock(), self.health.power_on_hours))

    # --- commands that touch data ---

    def _data_command(self, command: Command, ns: Namespace, data: bytes | memoryview) -> Answer:
        if command.opcode == words.DEALLOCATE:
            return self._deallocate(command, ns, bytes(data))
        if command.opcode not in {words.READ, words.WRITE, words.COMPARE, words.WRITE_ZEROES}:
            return Answer(words.INVALID_OPCODE)
        lba = self.media.lba(ns)
        offset, length = command.lba * lba, command.blocks * lba
        if offset + length > ns.size:
            return Answer(words.OUT_OF_RANGE)
        if command.opcode in {words.WRITE, words.WRITE_ZEROES}:
            sent = data if command.opcode == words.WRITE else bytes(length)
            if len(sent) != length:
                return Answer(words.INVALID_FIELD)
            self.sanitize.written()
            self.health.writes += 1
            self.health.written += length
            return Answer(self.media.write(ns, offset, sent, through=bool(command.cdw12 & 1 << 30)))
        if self.media.unreadable(ns, command.lba, command.blocks):
            self.health.media_errors += 1
            return Answer(words.UNRECOVERED_READ)
        seen = ns.flash.read(offset, length)
        if command.opcode == words.COMPARE:
            return Answer(words.OK if seen == bytes(data) else words.COMPARE_FAILED)
        self.health.reads += 1
        self.health.read += length
        return Answer(words.OK, 0, seen)

    def _deallocate(self, command: Command, ns: Namespace, data: bytes) -> Answer:
        """Dataset Management (6.7): ranges of 16 bytes; only the attribute Deallocate does anything."""
        lba = self.media.lba(ns)
        for index in range(min((command.cdw10 & 0xFF) + 1, len(data) // 16)):
            blocks = int.from_bytes(data[16 * index + 4 : 16 * index + 8], "little")
            begin = int.from_bytes(data[16 * index + 8 : 16 * index + 16], "little") * lba
            if begin + blocks * lba > ns.size:
                return Answer(words.OUT_OF_RANGE)
            if command.cdw11 & 1 << 2:
                self.media.deallocate(ns, begin, begin + blocks * lba)
        return Answer(words.OK)
