"""People with badges for tests: cards, PINs, and rosters that cost next to nothing to check."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from custody.badges import Badge, Cost, Entry, Roster, entry_for, new_badge
from tests.factories import NOON

CHEAP = Cost(16, 1, 1)
"""For tests only: a PIN could be found in a second."""


@dataclass(frozen=True)
class Holder:
    """Somebody with a card and a PIN."""

    badge: Badge
    pin: str
    entry: Entry

    @property
    def card(self) -> str:
        """Return what a scanner types."""
        return self.badge.text


def holder(ref: str, *roles: str, pin: str = "482915", seed: int = 1) -> Holder:
    """Return somebody with a card; another seed is another card for the same reference."""
    dice = random.Random(f"{ref}{seed}")
    badge = new_badge(ref, dice.randrange)
    return Holder(badge, pin, entry_for(badge, pin, roles, dice.randbytes(16), CHEAP))


VIC = holder("S-VIC000", "volunteer")
VERA = holder("S-VERA00", "verifier", pin="730164")
SUE = holder("S-SUE000", "supervisor", "volunteer", pin="918273")
EVERYBODY = (VIC, VERA, SUE)


def roster(
    people: Iterable[Holder] = EVERYBODY, number: int = 1, not_after: datetime = NOON + timedelta(days=30)
) -> Roster:
    """Return a roster of these people."""
    entries = tuple(one.entry for one in people)
    return Roster(number, not_after, entries, seed="5eed", share=20, cost=CHEAP)


def shorter(made: Roster, days: int) -> Roster:
    """Return the same roster with another last day."""
    return replace(made, not_after=NOON + timedelta(days=days))
