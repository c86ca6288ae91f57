"""The return slip that stays with a device: its code, when it came, and the exit it answers, for any bench to scan.

In English, for staff. A device without a readable label gets a slip without QR, with what was typed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kiosk.flow import Reading
from labels import Label, codes, outlets, render
from labels.label import LabelError


@dataclass(frozen=True)
class Slip:
    """One return as its slip tells it. `at` is the kiosk's clock, `event` the hash of the recorded return."""

    reading: Reading
    at: datetime
    event: str
    call_staff: bool
    kiosk: str
    host: str

    @property
    def code(self) -> str:
        """The label code; empty when none was readable."""
        try:
            return codes.check(self.reading.code)
        except codes.BadCode:
            return ""

    @property
    def address(self) -> str:
        """What the QR says; empty without a code."""
        return codes.slip_address(self.host, self.code, self.reading.exit) if self.code else ""

    @property
    def receipt(self) -> str:
        """The number by which staff find the event: the beginning of its hash."""
        return self.event[:8].upper()

    def label(self) -> Label:
        """Return the slip as a label to print."""
        lines = [f"{self.at:%d.%m.%Y %H:%M}", self.kiosk, f"Receipt {self.receipt}"]
        if not self.code:
            lines.insert(0, f"Read as: {self.reading.code}")
        if self.call_staff:
            lines.insert(0, f"STAFF: please check ({self.reading.standing})")
        return Label(self.code, "Returned", tuple(lines), self.host, self.address)


def print_slip(slip: Slip, fmt: str, outlet: str, send: Callable[[bytes, str], None] = outlets.send) -> str:
    """Print a slip; return nothing, or the sentence why not: a return never fails because of paper."""
    try:
        send(render(slip.label(), fmt), outlet)
    except (outlets.OutletError, LabelError) as error:
        return f"The slip of receipt {slip.receipt} was not printed. {error}"
    return ""
