"""An in-process stand-in for hdparm 9.65 and smartctl (its security status): a `station.run.Runner` over a drive.

    run = AtaTools({"/dev/sda": drive})
    run(["hdparm", "--verbose", "--sanitize-status", "/dev/sda"], 30)

It speaks to the drive in the very command blocks that hdparm sends, and prints what hdparm 9.65 printed over the same
drive behind the kernel (seen in the lab's guest, 2026-11-25). Any other form raises `UnknownForm`, so that a test
cannot pass on an answer that nobody has seen. A command that the drive never answers comes back as `timed_out`.

`mirror` is a practice file that plays the block device: before each command the drive takes over what the host wrote
there, after it the file shows what a host would read, in the size that the drive shows.
"""

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from station.media import sidecar_path
from station.run import MISSING, Result, Watch
from tests.drives.ataspec import string
from tests.drives.sat import SatDrive
from tests.drives.security import padded
from tests.drives.sense import CHECK_CONDITION, NeverAnswers, NoPower

EIO = 5
BLOCK = 1 << 20
DESCRIPTOR = struct.Struct(">8s14s")
NO_FEATURE = b"SANITIZE feature set is not supported\n"
SANITIZE = {
    "--sanitize-status": ("SANITIZE_STATUS", 0x00, 0),
    "--sanitize-crypto-scramble": ("SANITIZE_CRYPTO_SCRAMBLE", 0x11, 0x43727970),
    "--sanitize-block-erase": ("SANITIZE_BLOCK_ERASE", 0x12, 0x426B4572),
    "--sanitize-overwrite": ("SANITIZE_OVERWRITE", 0x14, 0x4F57 << 32),
}
REASONS = (
    "Reason not reported",
    "Last Sanitize Command completed unsuccessfully",
    "Unsupported command",
    "Device is in FROZEN state",
    "Antifreeze lock is enabled",
)
SECURITY = {
    "--security-set-pass": ("SECURITY_SET_PASS", 0xF1),
    "--security-unlock": ("SECURITY_UNLOCK", 0xF2),
    "--security-disable": ("SECURITY_DISABLE", 0xF6),
    "--security-erase": ("SECURITY_ERASE", 0xF4),
    "--security-erase-enhanced": ("SECURITY_ERASE", 0xF4),
}


class UnknownForm(AssertionError):
    """A form of a command line that this stand-in has not learnt from the real tool."""


@dataclass
class Said:
    """What one run of a tool prints, and how it ends."""

    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    exit: int = 0


@dataclass(frozen=True)
class Back:
    """What came back from one command: data, the 14 bytes of registers (zeros when none came), whether it failed."""

    data: bytes
    registers: bytes
    failed: bool

    @property
    def lba(self) -> int:
        """Return the address registers."""
        r = self.registers
        return r[7] | r[9] << 8 | r[11] << 16 | r[6] << 24 | r[8] << 32 | r[10] << 40


class AtaTools:
    """Runs the tools against drives by path; keeps a transcript like `station.run.Run`."""

    def __init__(self, drives: Mapping[str, SatDrive], *, missing: Sequence[str] = (), mirror: bool = False) -> None:
        self.drives, self.missing, self.mirror = dict(drives), set(missing), mirror
        self.kernel_looks_again = True  # False: as the real one, which keeps the name it read at first
        self._done: list[Result] = []
        self._seen: dict[str, bytes] = {}
        for path in self.drives if mirror else ():
            self._seen[path] = b""
            self._show(path)

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was asked, in order."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Answer one command line; raises `UnknownForm` for one that it has not learnt."""
        words = tuple(argv)
        if watch:
            watch(0.0)
        self._done.append(self._answer(words, deadline))
        return self._done[-1]

    def _answer(self, argv: tuple[str, ...], deadline: float) -> Result:
        tools: dict[str, Callable[[Sequence[str], Said], None]] = {"hdparm": self._hdparm, "smartctl": self._smartctl}
        program = tools.get(argv[0])
        if program is None or argv[0] in self.missing:
            return Result(argv, MISSING, b"", b"no such tool in this laboratory", 0.0, missing=True)
        said, path = Said(), argv[-1]
        if path in self._seen and not self.drives[path].drive.sanitize.busy:
            self._take_over(path)
        try:
            program(argv[1:], said)
        except NeverAnswers:
            return Result(argv, -9, b"", b"", deadline, timed_out=True)
        finally:
            if path in self._seen:
                self._show(path)
        out, err = ("".join(f"{line}\n" for line in lines).encode() for lines in (said.out, said.err))
        return Result(argv, said.exit, out, err, 0.0)

    # --- the file that plays the block device ---

    def _take_over(self, path: str) -> None:
        """Give the drive what the host wrote since it was last looked at."""
        now, old, drive = Path(path).read_bytes(), self._seen[path], self.drives[path]
        if now == old or not drive.drive.powered or drive.drive.hanging:
            return
        for at in range(0, len(now), 4096):
            if now[at : at + 4096] != old[at : at + 4096]:
                _put(drive, at, now[at : at + 4096])
        drive.drive.medium.flush()

    def _show(self, path: str) -> None:
        """Show what a host would read now, in the size and under the name that the drive shows."""
        drive = self.drives[path]
        if not drive.drive.powered or drive.drive.hanging or drive.drive.sanitize.work:
            return
        size = drive.capacity() * 512
        with open(path, "r+b") as out:
            os.ftruncate(out.fileno(), size)
            if not drive.drive.sanitize.busy and (not drive.drive.security.locked or not self._seen[path]):
                for at in range(0, size, BLOCK):
                    piece = drive.drive.medium.read(at // 512, min(BLOCK, size - at) // 512)
                    if piece != self._seen[path][at : at + len(piece)]:
                        out.seek(at)
                        out.write(piece)
        self._seen[path] = Path(path).read_bytes()
        place = sidecar_path(Path(path))
        sidecar = json.loads(place.read_text())
        if sidecar["serial"] != drive.drive.serial and self.kernel_looks_again:
            place.write_text(json.dumps(sidecar | {"serial": drive.drive.serial}))

    # --- hdparm ---

    def _hdparm(self, line: Sequence[str], said: Said) -> None:
        if list(line) == ["-V"]:
            said.out.append("hdparm v9.65")
            return
        words, verbose = list(line), False
        for flag in ("--verbose", "--yes-i-know-what-i-am-doing"):
            if flag in words:
                words.remove(flag)
                verbose = verbose or flag == "--verbose"
        path = words.pop()
        sure = "--yes-i-know-what-i-am-doing" in line
        drive = self._drive(path, said)
        if drive is None:
            return
        said.out += ["", f"{path}:"]
        self._do(words, _Wire(drive, said, verbose), sure)

    def _drive(self, path: str, said: Said) -> SatDrive | None:
        drive = self.drives.get(path)
        if drive is None or not drive.drive.powered:
            said.err.append(f"{path}: No such file or directory")
            said.exit = 2
            return None
        return drive

    def _do(self, words: list[str], wire: "_Wire", sure: bool) -> None:
        if words == ["--Istdout"]:
            _istdout(wire)
        elif words == ["-N"]:
            _native(wire)
        elif len(words) == 2 and words[0] == "-N" and words[1].startswith("p") and sure:
            _set_max(wire, int(words[1][1:]))
        elif words == ["--dco-identify"]:
            _dco_identify(wire)
        elif words == ["--dco-restore"] and sure:
            wire.said.out.append(" issuing DCO restore command")
            if wire.send(0xB1, features=0xC0).failed:
                wire.fail(" HDIO_DRIVE_CMD(dco_restore) failed", exit_too=False)  # ends with 0 all the same (LAB.md)
        elif words in (["--sanitize-status"], ["--sanitize-crypto-scramble"], ["--sanitize-block-erase"]):
            if words == ["--sanitize-status"] or sure:
                _sanitize(wire, words[0], 0)
        elif words == ["--sanitize-overwrite-passes", "1", "--sanitize-overwrite", "hex:00000000"] and sure:
            _sanitize(wire, "--sanitize-overwrite", 1)
        elif len(words) == 4 and words[:2] == ["--user-master", "u"] and words[2] in SECURITY:
            _security(wire, words[2], words[3])
        else:
            raise UnknownForm(f"hdparm {' '.join(words)}")

    # --- smartctl ---

    def _smartctl(self, line: Sequence[str], said: Said) -> None:
        if list(line[:-1]) == ["--version"] or list(line) == ["--version"]:
            said.out.append("smartctl 7.3 2022-02-28 r5338 [x86_64-linux] (local build)")
            return
        if list(line[:-1]) != ["-i", "-g", "security", "-j"]:
            raise UnknownForm(f"smartctl {' '.join(line)}")
        drive = self._drive(line[-1], said)
        report: dict[str, object] = {"smartctl": {"version": [7, 3], "exit_status": 0}}
        if drive is not None:
            words = _words(_Wire(drive, Said(), verbose=False))
            report |= {"device": {"protocol": "ATA", "type": "sat"}, "serial_number": drive.drive.serial}
            if words and words[82] & 2 and words[128] & 1:
                report["ata_security"] = {"state": words[128], "enabled": bool(words[128] & 2)}
        said.out.append(json.dumps(report))


class _Wire:
    """One run of hdparm speaking to one drive."""

    def __init__(self, drive: SatDrive, said: Said, verbose: bool) -> None:
        self.drive, self.said, self._verbose = drive, said, verbose

    def fail(self, words: str, *, exit_too: bool = True) -> None:
        """Complain as perror(3) does."""
        self.said.err.append(f"{words}: Input/output error")
        self.said.exit = EIO if exit_too else 0

    def send(
        self, command: int, *, features: int = 0, count: int = 0, lba: int = 0, device: int = 0x40,
        data: bytes = b"", comes: bool = False, extended: bool = False,
    ) -> Back:  # fmt: skip
        """Send one command through ATA PASS-THROUGH (16) as hdparm does: CK_COND only where no data moves."""
        protocol = (5 if data else 4 if comes else 3) << 1 | (1 if extended else 0)
        flags = 0x06 if data else 0x0E if comes else 0x20
        high = (features >> 8, count >> 8, lba >> 24 & 0xFF, lba >> 32 & 0xFF, lba >> 40 & 0xFF)
        cdb = bytes([
            0x85, protocol, flags, high[0], features & 0xFF, high[1], count & 0xFF, high[2], lba & 0xFF, high[3],
            lba >> 8 & 0xFF, high[4], lba >> 16 & 0xFF, device, command, 0,
        ])  # fmt: skip
        try:
            reply = self.drive.command(cdb, data)
        except NoPower as gone:
            raise NeverAnswers from gone
        sense = reply.sense[:32].ljust(32, b"\0")
        self._tell(cdb, reply.status, sense, reply.data_in)
        descriptor = reply.status == CHECK_CONDITION and sense[0] == 0x72 and sense[8] == 0x09
        if reply.status == CHECK_CONDITION and not descriptor:
            self.said.err.append(f"SG_IO: bad/missing sense data, sb[]:  {sense.hex(' ')}")
        back = sense[8:22] if descriptor else bytes(14)
        return Back(reply.data_in, back, bool(back[13] & 0x09))

    def _tell(self, cdb: bytes, status: int, sense: bytes, data: bytes) -> None:
        if not self._verbose:
            return
        driver = 8 if status else 0
        self.said.err += [
            f"outgoing cdb:  {cdb.hex(' ')}",
            f"SG_IO: ATA_16 status={status:#x}, host_status=0x0, driver_status={driver:#x}",
            f"SG_IO: sb[]:  {sense.hex(' ')}",
            *([f"incoming_data:  {data.hex(' ')}"] if data else []),
            f"SG_IO: desc[]:  {sense[8 : 10 + sense[9]].hex(' ')}",
        ]


def _words(wire: _Wire) -> tuple[int, ...]:
    back = wire.send(0xEC, count=1, comes=True)
    return struct.unpack("<256H", back.data) if len(back.data) == 512 else ()


def _istdout(wire: _Wire) -> None:
    words = _words(wire)
    if not words:
        wire.said.err.append(" HDIO_DRIVE_CMD(identify) failed: Invalid argument")
        return
    wire.said.out += [" ".join(f"{word:04x}" for word in words[at : at + 8]) for at in range(0, 256, 8)]


def _has_ama(words: Sequence[int]) -> bool:
    return words[119] & 0xC100 == 0x4100


def _native_sectors(wire: _Wire, words: Sequence[int]) -> int:
    if _has_ama(words):
        back, name = wire.send(0x78, extended=True), "GET_NATIVE_MAX_ADDRESS_EXT"
    else:
        back, name = wire.send(0x27, extended=True), "READ_NATIVE_MAX_ADDRESS_EXT"
    if back.failed:
        wire.fail(f" {name} failed")
        return 0
    return back.lba + 1


def _native(wire: _Wire) -> None:
    words = _words(wire)
    if not words:
        return
    visible = sum(words[100 + at] << 16 * at for at in range(4))
    native = _native_sectors(wire, words)
    if not native:
        return
    what = "ACCESSIBLE MAX ADDRESS" if _has_ama(words) else "HPA is"
    state = "enabled" if visible < native else "disabled"
    wire.said.out.append(f" max sectors   = {visible}/{native}, {what} {state}")
    if visible < native and _has_ama(words):
        wire.said.out.append("Power cycle your device after every ACCESSIBLE MAX ADDRESS")


def _set_max(wire: _Wire, sectors: int) -> None:
    wire.said.out.append(f" setting max visible sectors to {sectors} (permanent)")
    words = _words(wire)
    if not words:
        return
    if _has_ama(words):
        verb, back = " SET_ACCESSIBLE_MAX_ADDRESS_EXT", wire.send(
            0x78, features=1, count=1, lba=sectors - 1, extended=True
        )
    else:
        if not _native_sectors(wire, words):
            return
        verb, back = " SET_MAX_ADDRESS(_EXT)", wire.send(0x37, count=1, lba=sectors - 1, extended=True)
    if back.failed:
        wire.fail(f"{verb} failed")
        return
    wire.said.out.append("")
    wire.drive.drive.hidden.other_command()
    _native(_Wire(wire.drive, wire.said, verbose=False))


def _dco_identify(wire: _Wire) -> None:
    back = wire.send(0xB1, features=0xC2, count=1, comes=True)
    if len(back.data) != 512:
        wire.fail(" HDIO_DRIVE_CMD(dco_identify) failed", exit_too=False)
        return
    real = int.from_bytes(back.data[6:14], "little") + 1
    wire.said.out += [
        "DCO Checksum verified.",
        "DCO Revision: 0x0002",
        "The following features can be selectively disabled via DCO:",
        "\tTransfer modes:",
        "\t\t mdma0 mdma1 mdma2",
        "\t\t udma0 udma1 udma2 udma3 udma4 udma5 udma6",
        f"\tReal max sectors: {real}",
        "\tATA command/feature sets:",
        "\t\t SMART self_test error_log security AAM HPA 48_bit",
    ]


def _sanitize(wire: _Wire, verb: str, count: int) -> None:
    name, features, lba = SANITIZE[verb]
    words = _words(wire)
    if not words or not words[59] & 0x1000:
        wire.said.err.append(NO_FEATURE.decode().strip())
        wire.said.exit = 22 if words else EIO
        return
    wire.said.out.append(f"Issuing {name} command")
    back = wire.send(0xB4, features=features, count=count, lba=lba, extended=True)
    if back.failed:
        reason = REASONS[back.registers[7]] if back.registers[7] < len(REASONS) else REASONS[0]
        wire.fail("SANITIZE failed")
        wire.said.err.append(f"SANITIZE device error reason: {reason}")
        if back.registers[7] == 1:
            wire.said.err.append("Drive in SD3 Sanitize Operation Failed state")
    elif features:
        wire.said.out += ["Operation started in background", "You may use `--sanitize-status` to check progress"]
    else:
        high, progress = back.registers[4], back.registers[9] << 8 | back.registers[7]
        state = "SD1 Sanitize Frozen" if high & 0x20 else "SD0 Sanitize Idle"
        wire.said.out += ["Sanitize status:"]
        if high & 0x40 and not high & 0x20:
            share = 100 if progress == 0xFFFF else 100 * (progress + 1) // 0xFFFF
            wire.said.out.append("    State:    SD2 Sanitize operation In Process")
            wire.said.out.append(f"    Progress: {progress:#x} ({share}%)")
        else:
            wire.said.out.append(f"    State:    {state}")
        wire.said.out += ["    Last Sanitize Operation Completed Without Error"] * bool(high & 0x80)
        wire.said.out += ["    Antifreeze bit set"] * bool(high & 0x10)


def _security(wire: _Wire, verb: str, password: str) -> None:
    name, command = SECURITY[verb]
    wire.said.out.insert(0, f'security_password: "{password}"')
    mode = ", mode=high" if command == 0xF1 else ""
    wire.said.out.append(f' Issuing {name} command, password="{password}", user=user{mode}')
    block = struct.pack("<H", 2 if verb.endswith("enhanced") else 0) + padded(password) + bytes(478)
    if command == 0xF4:
        _words(wire)
        if wire.send(0xF3).failed:
            wire.fail("ERASE_PREPARE")
            return
    if command == 0xF6 and wire.send(0xF2, count=1, data=block).failed:
        wire.fail("SECURITY_UNLOCK")
        return
    if wire.send(command, count=1, data=block).failed:
        wire.fail(name)


def _put(drive: SatDrive, at: int, data: bytes) -> None:
    """Write as a host does, in whole sectors."""
    for start in range(0, len(data), BLOCK):
        drive.drive.medium.write((at + start) // 512, data[start : start + BLOCK])


__all__ = ["AtaTools", "UnknownForm", "string"]
