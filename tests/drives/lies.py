"""The ways a drive can deceive, each a switch of one drive, settable at its start and at run time.

A lie may carry one argument (`--lie keeps-one-block=4096`). `VISIBLE` says how each could be found out from outside;
where it says "no", only the chips themselves would tell and no test of content may claim to have seen it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Lie(StrEnum):
    """What the drive does behind its user's back."""

    ERASES_NOTHING = "erases-nothing"
    ZEROS_WITHOUT_ERASING = "zeros-without-erasing"
    KEEPS_LAST_PERCENT = "keeps-last-percent"
    KEEPS_ONE_BLOCK = "keeps-one-block"
    ALWAYS_COMPLETED = "always-completed"
    STATUS_UNCHANGED = "status-unchanged"
    FAILS_AT_65535 = "fails-at-65535"
    STOPS_HALFWAY = "stops-halfway"
    SHRINKS = "shrinks"
    IDENTITY_AFTER_RESET = "identity-after-reset"
    IDENTITY_AFTER_ERASE = "identity-after-erase"
    HANGS = "hangs"
    PROGRESS_STUCK = "progress-stuck"
    OLD_CONTENT = "old-content"
    DROPS_WRITES = "drops-writes"
    FROZEN = "frozen"
    LOCKED_OURS = "locked-ours"
    LOCKED_STRANGER = "locked-stranger"
    PASSWORD_STICKS = "password-sticks"
    HPA_RETURNS = "hpa-returns"
    DCO_FROZEN = "dco-frozen"
    REFUSES_SANITIZE = "refuses-sanitize"
    REFUSES_ERASE = "refuses-erase"
    SANITIZE_FROZEN = "sanitize-frozen"
    FALSE_SERIAL = "false-serial"
    NO_PASS_THROUGH = "no-pass-through"
    VENDOR_PATTERN = "vendor-pattern"
    RANDOM_AFTER_CRYPTO = "random-after-crypto"


HONEST = frozenset({Lie.VENDOR_PATTERN, Lie.RANDOM_AFTER_CRYPTO})
"""Odd but true: the content really is gone, it only does not read as zeros."""

OUR_PASSWORD = "LCR-WIPE"
"""The password a locked-ours drive is found with unless the lie's argument names another."""
STRANGERS_PASSWORD = "someone else's secret"

MEANING: Mapping[Lie, str] = {
    Lie.ERASES_NOTHING: "every erase succeeds, at the right speed, and leaves all content",
    Lie.ZEROS_WITHOUT_ERASING: "after an erase everything reads as zeros; the chips still hold it all",
    Lie.KEEPS_LAST_PERCENT: "the last percent (argument: how many) survives erases, and all writes but the first",
    Lie.KEEPS_ONE_BLOCK: "one block of 4 KiB survives: the one that was last written by itself, in erases and large "
    "writes; or the argument's sector, in erases and all writes but the first",
    Lie.ALWAYS_COMPLETED: "the sanitize status says completed from the start and no sanitize ever runs",
    Lie.STATUS_UNCHANGED: "a sanitize is accepted, never runs, and the status stays as it was",
    Lie.FAILS_AT_65535: "a sanitize runs, stops half-way with an error, and progress reads 65535",
    Lie.STOPS_HALFWAY: "SECURITY ERASE UNIT or FORMAT UNIT erases the first half and reports success",
    Lie.SHRINKS: "in the middle of an erase or overwrite the capacity drops (argument: sectors left, else half)",
    Lie.IDENTITY_AFTER_RESET: "after a reset or power-on another serial number and WWN",
    Lie.IDENTITY_AFTER_ERASE: "after an erase another serial number and WWN",
    Lie.HANGS: "an erase command, or a write past the middle of an overwrite, never completes, and nothing after it",
    Lie.PROGRESS_STUCK: "a sanitize starts and its progress stays (argument: percent, else 37) for ever",
    Lie.OLD_CONTENT: "after power-on the content is what it was when the lie began: even flushed writes are lost",
    Lie.DROPS_WRITES: "writes are acknowledged and not stored",
    Lie.FROZEN: "the BIOS freezes security at power-on; a resume from suspend leaves it thawed",
    Lie.LOCKED_OURS: "found locked with our own published password (argument: another password)",
    Lie.LOCKED_STRANGER: "found locked with a password nobody here knows",
    Lie.PASSWORD_STICKS: "SECURITY ERASE UNIT succeeds and the password stays set",
    Lie.HPA_RETURNS: "the host protected area is back after every power-on (argument: visible sectors)",
    Lie.DCO_FROZEN: "device configuration is frozen at power-on",
    Lie.REFUSES_SANITIZE: "SANITIZE is advertised and refused",
    Lie.REFUSES_ERASE: "SECURITY ERASE UNIT, or FORMAT UNIT, is advertised and refused",
    Lie.SANITIZE_FROZEN: "the BIOS gave SANITIZE FREEZE LOCK at power-on",
    Lie.FALSE_SERIAL: "the bridge reports a serial of its own in INQUIRY pages (argument: which)",
    Lie.NO_PASS_THROUGH: "the bridge knows no ATA PASS-THROUGH",
    Lie.VENDOR_PATTERN: "honest: an erase leaves 33 CC 55 AA (argument: another pattern in hex)",
    Lie.RANDOM_AFTER_CRYPTO: "honest: a cryptographic erase leaves what looks random",
}

VISIBLE: Mapping[Lie, str] = {
    Lie.ERASES_NOTHING: "content",
    Lie.ZEROS_WITHOUT_ERASING: "no",
    Lie.KEEPS_LAST_PERCENT: "content",
    Lie.KEEPS_ONE_BLOCK: "content, if every block is read",
    Lie.ALWAYS_COMPLETED: "status before and after; content",
    Lie.STATUS_UNCHANGED: "status; content",
    Lie.FAILS_AT_65535: "status; content",
    Lie.STOPS_HALFWAY: "content",
    Lie.SHRINKS: "size before and after",
    Lie.IDENTITY_AFTER_RESET: "identity before and after",
    Lie.IDENTITY_AFTER_ERASE: "identity before and after",
    Lie.HANGS: "time",
    Lie.PROGRESS_STUCK: "time",
    Lie.OLD_CONTENT: "content after a power cycle; without one, no",
    Lie.DROPS_WRITES: "content",
    Lie.FROZEN: "IDENTIFY word 128",
    Lie.LOCKED_OURS: "IDENTIFY word 128",
    Lie.LOCKED_STRANGER: "IDENTIFY word 128",
    Lie.PASSWORD_STICKS: "IDENTIFY word 128",
    Lie.HPA_RETURNS: "native and visible sectors after a power cycle",
    Lie.DCO_FROZEN: "the drive's answer",
    Lie.REFUSES_SANITIZE: "the drive's answer",
    Lie.REFUSES_ERASE: "the drive's answer",
    Lie.SANITIZE_FROZEN: "sanitize status",
    Lie.FALSE_SERIAL: "INQUIRY against IDENTIFY",
    Lie.NO_PASS_THROUGH: "the drive's answer",
    Lie.VENDOR_PATTERN: "not a lie",
    Lie.RANDOM_AFTER_CRYPTO: "not a lie",
}


class Lies:
    """What one drive lies about at this moment."""

    def __init__(self, told: Mapping[Lie, str] | Iterable[Lie] = ()) -> None:
        self.told: dict[Lie, str] = dict(told) if isinstance(told, Mapping) else {Lie(lie): "" for lie in told}

    def __contains__(self, lie: Lie) -> bool:
        return lie in self.told

    def tell(self, lie: Lie, argument: str = "") -> None:
        """Begin to lie."""
        self.told[Lie(lie)] = argument

    def stop(self, lie: Lie) -> None:
        """Stop lying about this; what was done meanwhile stays done."""
        self.told.pop(Lie(lie), None)

    def number(self, lie: Lie, otherwise: int) -> int:
        """Return the lie's argument as a number, or `otherwise` where it has none."""
        argument = self.told.get(lie, "")
        return int(argument, 0) if argument else otherwise

    @classmethod
    def from_words(cls, words: Iterable[str]) -> "Lies":
        """Read `name` or `name=argument` each; raises `ValueError` naming a lie that nobody knows."""
        told = {}
        for word in words:
            name, _, argument = word.partition("=")
            told[Lie(name)] = argument
        return cls(told)
