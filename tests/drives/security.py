"""The ATA security feature set (ACS-3, 4.18): passwords, levels, freeze, and the way to an erase.

A password is set -> the drive locks at the next power-on. Five wrong ones and nothing helps but another power cycle.
SECURITY ERASE UNIT needs ERASE PREPARE as the command just before it; after it the user password is gone.
"""

from tests.drives.lies import OUR_PASSWORD, STRANGERS_PASSWORD, Lie, Lies
from tests.drives.taskfile import Abort

ATTEMPTS = 5
MASTER, MAXIMUM, ENHANCED = 0x0001, 0x0100, 0x0002  # word 0 of the parameter block


def padded(password: str) -> bytes:
    """Return a password as it travels: 32 bytes, zeros behind."""
    return password.encode()[:32].ljust(32, b"\0")


class Security:
    """Who may read this drive. The state of a drive with power."""

    def __init__(self, lies: Lies, *, enhanced: bool) -> None:
        self.user: bytes | None = None
        self.master = bytes(32)
        self.master_id = 0xFFFE
        self.maximum = False
        self.frozen = False
        self.locked = False
        self.prepared = False
        self.attempts = ATTEMPTS
        self._lies, self._enhanced = lies, enhanced
        if Lie.LOCKED_OURS in lies:
            self.user = padded(lies.told[Lie.LOCKED_OURS] or OUR_PASSWORD)
        if Lie.LOCKED_STRANGER in lies:
            self.user = padded(STRANGERS_PASSWORD)
        self.power_on(thawed=False)

    def power_on(self, *, thawed: bool) -> None:
        """Lock where a password is set; let the BIOS freeze unless this is a resume from suspend."""
        self.locked = self.user is not None
        self.attempts = ATTEMPTS
        self.prepared = False
        self.frozen = Lie.FROZEN in self._lies and not thawed

    @property
    def word(self) -> int:
        """Return IDENTIFY word 128."""
        bits = 0x0001 | (0x0020 if self._enhanced else 0)
        if self.user is not None:
            bits |= 0x0002 | (0x0100 if self.maximum else 0)
        return bits | (4 if self.locked else 0) | (8 if self.frozen else 0) | (0 if self.attempts else 0x10)

    def set_password(self, block: bytes) -> None:
        """SECURITY SET PASSWORD."""
        if self.frozen or self.locked:
            raise Abort
        control = int.from_bytes(block[0:2], "little")
        if control & MASTER:
            self.master = block[2:34]
            self.master_id = int.from_bytes(block[34:36], "little") or self.master_id
        else:
            self.user = block[2:34]
            self.maximum = bool(control & MAXIMUM)

    def unlock(self, block: bytes) -> None:
        """SECURITY UNLOCK."""
        if self.frozen or not self.attempts:
            raise Abort
        if self.user is None:
            return
        if not self._right(block, erase=False):
            if self.locked:
                self.attempts -= 1
            raise Abort
        self.locked = False

    def disable(self, block: bytes) -> None:
        """SECURITY DISABLE PASSWORD."""
        if self.frozen or self.locked:
            raise Abort
        if self.user is not None and not self._right(block, erase=False):
            raise Abort
        self.user = None

    def freeze(self) -> None:
        """SECURITY FREEZE LOCK."""
        if self.locked:
            raise Abort
        self.frozen = True

    def prepare(self) -> None:
        """SECURITY ERASE PREPARE."""
        if self.frozen:
            raise Abort
        self.prepared = True

    def may_erase(self, block: bytes, *, was_prepared: bool) -> bool:
        """Check what comes with SECURITY ERASE UNIT; returns whether the enhanced erase is wanted."""
        control = int.from_bytes(block[0:2], "little")
        wants_enhanced = bool(control & ENHANCED)
        if self.frozen or not was_prepared or not self.attempts or (wants_enhanced and not self._enhanced):
            raise Abort
        if not self._right(block, erase=True):
            self.attempts -= 1 if self.locked else 0
            raise Abort
        return wants_enhanced

    def erased(self) -> None:
        """An erase came to its end: the password is gone, unless it sticks."""
        if Lie.PASSWORD_STICKS not in self._lies:
            self.user, self.locked, self.maximum = None, False, False

    def _right(self, block: bytes, *, erase: bool) -> bool:
        """Compare; the master password unlocks at level high only, and erases at both."""
        if int.from_bytes(block[0:2], "little") & MASTER:
            return block[2:34] == self.master and (erase or not self.maximum)
        return self.user is not None and block[2:34] == self.user
