"""What stands on one label, before anybody decides how it is printed."""

from dataclasses import dataclass

from labels import codes


class LabelError(ValueError):
    """A label cannot be made as asked; the message says what, which value, and what would do."""


@dataclass(frozen=True)
class Label:
    """One label: a code with its address as a QR, a title and a few lines of text.

    `host` is the host (and port) of the lending service. `scan` replaces what the QR says: a return slip
    carries `codes.slip_address`. An empty `code` with an empty `scan` makes a label of text only.
    """

    code: str
    title: str
    lines: tuple[str, ...] = ()
    host: str = ""
    scan: str = ""

    @property
    def address(self) -> str:
        """What the QR says; empty for a label of text only."""
        if self.scan or not self.code:
            return self.scan
        return codes.address(self.host, self.code) if self.host else self.code

    @property
    def caption(self) -> str:
        """The code as a person reads it, in groups."""
        return codes.pretty(self.code)
