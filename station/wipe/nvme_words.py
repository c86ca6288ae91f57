"""What NVMe drives say, in sentences for the person at the bench. Pure."""

import re

from station.wipe.nvme_decode import (
    ACCESS_DENIED,
    DONE,
    DONE_NO_DEALLOC,
    FAILED,
    INVALID_OPCODE,
    NEVER,
    WORKING,
    SanitizeLog,
)

RESTRICTED = (
    "a sanitize that somebody began elsewhere has failed, without leave to go on after a failure: the drive takes "
    "neither reads nor writes any more. Put it in the box for destruction"
)
OFFERED_AND_REFUSED = (
    "the drive offers this command and refuses it: a BIOS may have frozen it at power-on. Suspend and wake the machine "
    "once, or put the drive into another machine"
)


def state_words(log: SanitizeLog) -> str:
    """Say what the sanitize log tells, with the status number."""
    words = {
        NEVER: "no sanitize was ever begun",
        DONE: "the last sanitize succeeded",
        WORKING: f"the sanitize is at work, {100 * log.share:.0f}%",
        FAILED: "the last sanitize failed",
        DONE_NO_DEALLOC: "the last sanitize succeeded, without deallocating",
    }
    return f"{words[log.status]} (SSTAT {log.status}, command {log.command:#x})"


def locked_words() -> str:
    """Say what to do with a drive whose owner has locked it."""
    return (
        "the drive is locked by a password of its owner (Opal). Ask the donor to unlock it, or revert it with the PSID "
        "printed on its label, which throws everything on it away; then start again"
    )


def refusal(said: str) -> str:
    """Return a tool's last words, with what they mean to the person at the bench where that is known.

    0x286 is Access Denied, what a locked range answers; 0x001 is Invalid Opcode, which a drive that offers the command
    gives when it was frozen (nvme-cli threads 84, 627, 816).
    """
    meaning = {ACCESS_DENIED: locked_words(), INVALID_OPCODE: OFFERED_AND_REFUSED}.get(code_in(said), "")
    return f"{said}: {meaning}" if meaning else said


def code_in(said: str) -> int:
    """Return the NVMe status that nvme-cli names in brackets at the end, type and code only; -1 when it names none."""
    found = re.findall(r"\(0x([0-9a-fA-F]{1,4})\)\s*$", said, re.MULTILINE)
    return int(found[-1], 16) & 0x7FF if found else -1
