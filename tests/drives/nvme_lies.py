"""How a simulated NVMe drive may deceive, and how an honest one may differ from the next.

A lie is something that no drive ought to do and some do; a manner is something that the specification allows and a
station has to live with. Both are switched by name, at the start or while the drive runs. Where a SATA or SAS drive
can do the same, the name is that of `tests.drives.lies`. `VISIBLE` says how each lie could be found out from outside;
where it says "no", only the chips would tell, and no test of content may claim to have seen it.
"""

from enum import StrEnum


class Lie(StrEnum):
    """One way to deceive."""

    ERASES_NOTHING = "erases-nothing"
    ZEROS_WITHOUT_ERASING = "zeros-without-erasing"
    KEEPS_LAST_PERCENT = "keeps-last-percent"
    KEEPS_ONE_BLOCK = "keeps-one-block"
    ALWAYS_COMPLETED = "always-completed"
    STATUS_UNCHANGED = "status-unchanged"
    FAILS_AT_65535 = "fails-at-65535"
    SHRINKS = "shrinks"
    IDENTITY_AFTER_RESET = "identity-after-reset"
    IDENTITY_AFTER_ERASE = "identity-after-erase"
    HANGS = "hangs"
    PROGRESS_STUCK = "progress-stuck"
    OLD_CONTENT = "old-content"
    DROPS_WRITES = "drops-writes"
    FORMAT_ERASES_NOTHING = "format-erases-nothing"
    REFUSES_SANITIZE = "refuses-sanitize"
    FIRST_NAMESPACE_ONLY = "first-namespace-only"


class Manner(StrEnum):
    """One way to be honest."""

    RANDOM_AFTER_CRYPTO = "random-after-crypto"
    VENDOR_PATTERN = "vendor-pattern"
    ONES_AFTER_BLOCK = "ones-after-block"
    INSTANT = "instant"
    JUMPS = "jumps"
    FORMAT_0_ZEROES = "format-0-zeroes"


MEANING: dict[Lie | Manner, str] = {
    Lie.ERASES_NOTHING: "every erase runs its course, reports success and changes nothing",
    Lie.ZEROS_WITHOUT_ERASING: "every erase only forgets the mapping: reads give zeros, the flash keeps everything",
    Lie.KEEPS_LAST_PERCENT: "the last hundredth of each namespace survives erases, and all writes but the first",
    Lie.KEEPS_ONE_BLOCK: "one 4 KiB block of namespace 1 (argument: its byte offset, else the middle) survives "
    "erases, and all writes but the first",
    Lie.ALWAYS_COMPLETED: "log 81h tells of an earlier success; a sanitize is accepted and never begun",
    Lie.STATUS_UNCHANGED: "a sanitize is accepted and never begun, and log 81h stays as it was",
    Lie.FAILS_AT_65535: "a sanitize fails at once: status 3, progress 65535, nothing erased",
    Lie.SHRINKS: "half of the namespace vanishes in the middle of an erase, or of an overwrite",
    Lie.IDENTITY_AFTER_RESET: "serial number, EUI-64 and NGUID are others after a reset or power-on",
    Lie.IDENTITY_AFTER_ERASE: "serial number, EUI-64 and NGUID are others after an erase",
    Lie.HANGS: "erase commands, and writes past the middle of an overwrite, are never answered",
    Lie.PROGRESS_STUCK: "a sanitize stops at 37% for ever",
    Lie.OLD_CONTENT: "after power-on the content is what it was when the lie began: even flushed writes are lost",
    Lie.DROPS_WRITES: "writes are acknowledged and not stored",
    Lie.FORMAT_ERASES_NOTHING: "Format NVM with secure erase succeeds and erases nothing",
    Lie.REFUSES_SANITIZE: "Sanitize is advertised and refused as an invalid opcode",
    Lie.FIRST_NAMESPACE_ONLY: "a sanitize erases the first namespace only",
    Manner.RANDOM_AFTER_CRYPTO: "honest: after a crypto erase the blocks read as random bytes",
    Manner.VENDOR_PATTERN: "honest: after a block erase the blocks read as 33 CC 55 AA",
    Manner.ONES_AFTER_BLOCK: "honest: after a block erase the blocks read as FF",
    Manner.INSTANT: "honest: a sanitize is over before the first look at its log",
    Manner.JUMPS: "honest: the progress of a sanitize stands at 1%, then jumps to 90%",
    Manner.FORMAT_0_ZEROES: "honest: Format NVM with secure erase setting 0 zeroes, too (as QEMU's does)",
}

VISIBLE: dict[Lie, str] = {
    Lie.ERASES_NOTHING: "content",
    Lie.ZEROS_WITHOUT_ERASING: "no",
    Lie.KEEPS_LAST_PERCENT: "content",
    Lie.KEEPS_ONE_BLOCK: "content, if every block is read",
    Lie.ALWAYS_COMPLETED: "status before and after; content",
    Lie.STATUS_UNCHANGED: "status; content",
    Lie.FAILS_AT_65535: "status; content",
    Lie.SHRINKS: "size before and after",
    Lie.IDENTITY_AFTER_RESET: "identity before and after",
    Lie.IDENTITY_AFTER_ERASE: "identity before and after",
    Lie.HANGS: "time",
    Lie.PROGRESS_STUCK: "time",
    Lie.OLD_CONTENT: "content after a power cycle; without one, no",
    Lie.DROPS_WRITES: "content",
    Lie.FORMAT_ERASES_NOTHING: "content",
    Lie.REFUSES_SANITIZE: "the drive's answer",
    Lie.FIRST_NAMESPACE_ONLY: "content of the other namespaces",
}


def named(word: str) -> tuple[Lie | Manner, str]:
    """Take `name` or `name=argument` apart; raises `ValueError` for a name that nobody knows."""
    name, _, argument = word.partition("=")
    try:
        return Lie(name), argument
    except ValueError:
        return Manner(name), argument
