"""What can go wrong at a station, each with the exit code that the command line ends with.

0 done · 1 unexpected · 2 usage · 3 refused by the guard or a lock · 4 not done · 5 unknown outcome ·
6 waiting to be synced. Every message is one sentence for the person at the bench.
"""

from collections.abc import Iterable
from typing import ClassVar

from custody.errors import Reason


class StationError(Exception):
    """Anything a station cannot do; the root of all errors here."""

    exit_code: ClassVar[int] = 1


class UsageError(StationError):
    """The person asked for something that does not exist or does not fit together."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration file is wrong; the message names the file, the key and what is allowed."""


class GuardRefused(StationError):
    """The guard or a lock says no, with every reason; nothing was touched."""

    exit_code = 3

    def __init__(self, reasons: Iterable[Reason]) -> None:
        """Keep all reasons."""
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reason.text for reason in self.reasons) or "refused")


class NotDone(StationError):
    """The work was not done, and it is certain that it was not."""

    exit_code = 4


class TargetLost(NotDone):
    """The drive under our hands is no longer the drive that was claimed."""


class TargetVanished(TargetLost):
    """The drive is gone: unplugged, dead or detached."""


class TargetShrunk(TargetLost):
    """The drive has become smaller since it was claimed; the missing part was not reached."""


class TargetChanged(TargetLost):
    """Another drive, or another size, is now where the claimed drive was."""


class OutcomeUnknown(StationError):
    """Nobody can say whether the work was done; the drive must be set aside."""

    exit_code = 5

    def __init__(self, text: str, *, proved: bool = False) -> None:
        """Keep the sentence; `proved` when the work was done and only its record is missing."""
        super().__init__(text)
        self.proved = proved


class WaitingToSync(StationError):
    """The work is recorded here and has not reached the server yet."""

    exit_code = 6
