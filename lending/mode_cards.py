"""Mode cards: what a scanner reads to say what every later scan shall do. Pure, but for the printing of the sheet.

A card says `KBM/MODE` or `KBM/MODE/LOAN`: only letters, digits, `/` and `-`, which a scanner set to another keyboard
layout types rightly as well, and which a QR code holds in its small alphanumeric form. It is no secret: what a scan
may do is decided by who is signed in.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from labels.label import Label
from labels.sheet import Stock, render

PREFIX = "KBM/"
_CARD = re.compile(r"KBM/([A-Z]{2,10})(?:/(L-[0-9A-Z]{4,12}))?")


@dataclass(frozen=True)
class ModeKind:
    """One mode: its name, what a scan does, who may, and whether the card names a loan."""

    title: str
    about: str
    roles: tuple[str, ...]
    for_loan: bool = False


MODES: Mapping[str, ModeKind] = {
    "RECEIVE": ModeKind("Receive", "Each device that is scanned is in our hands: its loan is closed as returned.",
                        ("volunteer", "desk", "supervisor")),
    "PREPARE": ModeKind("Prepare", "Each device that is scanned is kept for this loan, if it can be lent.",
                        ("desk", "supervisor"), for_loan=True),
    "HANDOVER": ModeKind("Hand over", "Each device that was prepared for this loan and is scanned leaves with it.",
                         ("desk", "supervisor"), for_loan=True),
    "READY": ModeKind("Ready check", "Says of each device whether it can be lent now. Changes nothing.",
                      ("volunteer", "desk", "supervisor")),
    "FIND": ModeKind("Find", "Says of each device what it is and where it stands. Changes nothing.",
                     ("volunteer", "desk", "supervisor")),
}  # fmt: skip

CARDS = Stock("mode cards, 8 on A4", 2, 4, 95.0, 65.0, 10.0, 18.5, 0.0)


@dataclass(frozen=True)
class Mode:
    """A mode as a card names it; `loan` is "" for a mode without one."""

    key: str
    loan: str = ""

    @property
    def kind(self) -> ModeKind:
        """Return what this mode is."""
        return MODES[self.key]

    @property
    def title(self) -> str:
        """Return its name, with the loan."""
        return f"{self.kind.title} for loan {self.loan}" if self.loan else self.kind.title

    @property
    def text(self) -> str:
        """Return what its card says to a scanner."""
        return f"{PREFIX}{self.key}/{self.loan}" if self.loan else f"{PREFIX}{self.key}"


def looks_like_a_card(typed: str) -> bool:
    """Tell whether something scanned means to be a mode card."""
    return typed.strip().upper().startswith(PREFIX)


def read_card(typed: str) -> Mode | None:
    """Read a mode card; None for one that no mode here has, or that names a loan where none belongs."""
    found = _CARD.fullmatch(typed.strip().upper())
    if found is None or found[1] not in MODES or MODES[found[1]].for_loan != bool(found[2]):
        return None
    return Mode(found[1], found[2] or "")


def sheet(modes: Iterable[Mode]) -> bytes:
    """Return a PDF of cards to print on paper or card, eight on a page."""
    labels = [Label("", mode.title, (mode.kind.about, mode.text), scan=mode.text) for mode in modes]
    return render(labels, CARDS)
