"""What can go wrong in the lending service, and whose fault it is.

Roots: `LendingError` (this installation is set up wrongly, or its database is not what it should be).
What a person may not do is `custody.errors.Refused`, always with *all* its reasons; what another machine
sent wrongly is `custody.errors.BadEvent`.
"""

from custody.errors import Reason, Refused


class LendingError(Exception):
    """The lending service cannot do its work as it is set up; the message says what to change."""


class ConfigError(LendingError):
    """The environment or a file it names does not make a configuration."""


class NotReady(LendingError):
    """The database has not been made, or not migrated to this version; the message names the command."""


class BrokenPromise(LendingError):
    """`verify` found a statement in the history that is not true; the first one found."""

    def __init__(self, code: str, text: str, where: str = "") -> None:
        """Keep a stable code, the sentence and which event or row it concerns."""
        super().__init__(f"{text} [{where}]" if where else text)
        self.code, self.text, self.where = code, text, where


class UnknownOrigin(LendingError):
    """A machine that is not enrolled here sent something."""


class Suspended(LendingError):
    """A machine that is suspended until an administrator decides sent something."""


def refused(code: str, text: str, subject: str = "") -> Refused:
    """Return a refusal with one reason, ready to be raised."""
    return Refused([Reason(code, text, subject)])
