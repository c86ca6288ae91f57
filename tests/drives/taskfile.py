"""One ATA command and its answer, as registers (ACS-3, 4 and 7)."""

from dataclasses import dataclass

READY, ERROR, DEVICE_FAULT = 0x50, 0x51, 0x71
ABORT, NOT_FOUND, UNCORRECTABLE = 0x04, 0x10, 0x40


@dataclass(frozen=True)
class Taskfile:
    """What the host wrote into the registers; `extended` for a 48-bit command."""

    command: int
    features: int = 0
    count: int = 0
    lba: int = 0
    device: int = 0
    extended: bool = False

    @property
    def sector(self) -> int:
        """Return the whole address: 48 bits, or 24 and the low four of the device register."""
        return self.lba if self.extended else self.lba & 0xFFFFFF | (self.device & 0x0F) << 24

    @property
    def length(self) -> int:
        """Return the sector count, where 0 stands for the most there is."""
        if self.extended:
            return self.count & 0xFFFF or 0x10000
        return self.count & 0xFF or 0x100


@dataclass(frozen=True)
class Answer:
    """What the registers hold afterwards, and the data that came."""

    data: bytes = b""
    count: int = 0
    lba: int = 0
    device: int = 0x40
    status: int = READY
    error: int = 0

    @property
    def failed(self) -> bool:
        """Tell whether the ERR bit is set."""
        return bool(self.status & 1)


class Abort(Exception):
    """The drive refuses a command; `lba` is what it leaves in the address registers."""

    def __init__(self, error: int = ABORT, lba: int = 0) -> None:
        super().__init__(f"error register {error:#04x}")
        self.error, self.lba = error, lba
