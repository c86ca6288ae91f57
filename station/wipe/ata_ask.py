"""How an ATA drive is asked: hdparm's command lines, and what the drive itself answered, from hdparm's verbose lines.

hdparm's words and exit status are not believed (LAB.md: it ends with 0 on drives that refused). With `--verbose` it
prints the sense bytes as the kernel handed them over; they hold the drive's own registers in an "ATA Status Return"
descriptor (SAT-3 section 12.2.6). Some kernels return them in a fixed format that leaves out half of the registers
(linux 6.6.44 did); then nothing is known, and that is said.
"""

import re
from dataclasses import dataclass

from station.media import Medium
from station.probe_smart import parse_smart
from station.run import Result, Runner
from station.wipe.ata_identify import Identity, parse_istdout

DEADLINE = 30.0  # seconds for a command that a healthy drive answers at once
_CDB = re.compile(r"^outgoing cdb:\s+((?:[0-9a-f]{2} ?)+)$")
_SENSE = re.compile(r"^SG_IO: sb\[\]:\s+((?:[0-9a-f]{2} ?)+)$")
_DESCRIPTOR_FORMATS = (0x72, 0x73)
_STATUS_RETURN, _LENGTH = 0x09, 14


@dataclass(frozen=True)
class Registers:
    """What the drive's registers held after a command; `raw` is the 14-byte descriptor."""

    raw: bytes

    @property
    def error(self) -> bool:
        """Tell whether the drive refused or failed the command: bit ERR or DF of its status."""
        return bool(self.raw[13] & 0x21)

    @property
    def count(self) -> int:
        """Return COUNT, 16 bits of an extended command."""
        return self.raw[4] << 8 | self.raw[5]

    @property
    def lba(self) -> int:
        """Return the address registers, 48 bits."""
        low = self.raw[7] | self.raw[9] << 8 | self.raw[11] << 16
        return low | (self.raw[6] | self.raw[8] << 8 | self.raw[10] << 16) << 24


def descriptor(raw: bytes) -> Registers | None:
    """Return registers out of the 14 bytes of a status return of an extended command, or None for anything else."""
    good = len(raw) == _LENGTH and raw[0] == _STATUS_RETURN and raw[1] == _LENGTH - 2 and raw[2] & 1
    return Registers(raw) if good else None


def registers(complaints: str, command: int) -> Registers | None:
    """Return what the drive answered to the last `command` (an ATA operation code) in hdparm's verbose lines.

    None when there is no such command, or no answer in a form that holds all registers.
    """
    found: Registers | None = None
    mine = False
    for line in complaints.splitlines():
        cdb, sense = _CDB.match(line), _SENSE.match(line)
        if cdb:
            sent = bytes.fromhex(cdb[1])
            mine = len(sent) == 16 and sent[0] == 0x85 and sent[14] == command
            found = None if mine else found
        elif sense and mine:
            found = _status_return(bytes.fromhex(sense[1]))
    return found


def _status_return(sense: bytes) -> Registers | None:
    """Look through descriptor-format sense data (SPC-4 section 4.5.2) for the ATA registers."""
    if len(sense) < 8 or sense[0] & 0x7F not in _DESCRIPTOR_FORMATS:
        return None
    at, end = 8, min(len(sense), 8 + sense[7])
    while at + 2 <= end:
        size = sense[at + 1] + 2
        if sense[at] == _STATUS_RETURN:
            return descriptor(sense[at : at + _LENGTH])
        at += size
    return None


def identify(run: Runner, medium: Medium) -> tuple[Identity | None, str]:
    """Ask a drive who it is. Returns its identity or None, and why nothing is known. Raises nothing."""
    result = run(("hdparm", "--Istdout", medium.path), DEADLINE)
    if result.missing or result.timed_out:
        return None, result.trouble
    identity, why = parse_istdout(result.text)
    if identity is None:
        return None, f"{why} ({said(result)})" if said(result) else why
    return identity, ""


def smart_security(run: Runner, path: str) -> tuple[int | None, str]:
    """Ask smartctl for word 128 of IDENTIFY, as a second voice. Returns it or None, and why it is not known."""
    result = run(("smartctl", "-i", "-g", "security", "-j", path), DEADLINE)
    if result.missing or result.timed_out:
        return None, result.trouble
    report, why = parse_smart(result.text, path)
    state = report.figure("security_state") if report else None
    return state, "" if state is not None else why or "it does not say"


def said(result: Result) -> str:
    """Return the last words of a tool on standard error, or why there are none."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return result.trouble or (lines[-1][:200] if lines else "")
