"""What a donation did for the climate, as a range, with the factors named: never a bare number. Pure.

Avoided = kg CO2e for making and transporting a new device x `DISPLACEMENT` x the share of a life that it was lent.
The range is the quartiles of the factor set. Kinds of which the set has no quartiles are counted and not calculated.
Refurbishing and driving are not subtracted: they are not measured yet, and the page says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from custody.rules import Facts

FACTOR_SET = "Boavizta manufacturers' product carbon footprints, February 2023 (ODbL), manufacture and transport"
FACTORS: Mapping[str, tuple[int, int, int]] = {"laptop": (185, 239, 282), "tablet": (62, 74, 90)}
"""kg CO2e per device: lower quartile, median, upper quartile (n = 226 and 22). Source: Boavizta, as in `FACTOR_SET`."""
DISPLACEMENT = 0.5
"""Every second reused device replaces a new one. Source: the Restart Project's Fixometer."""
LIFE = timedelta(days=4 * 365)
"""One more life of a device: 48 months of lending."""


@dataclass(frozen=True)
class Impact:
    """kg CO2e, low to high. `devices` were lent and counted; `without` were lent and have no factor."""

    devices: int
    low: int
    central: int
    high: int
    without: int
    factor_set: str = FACTOR_SET
    displacement: float = DISPLACEMENT


def lent_for(facts: Facts, device: str, now: datetime) -> timedelta:
    """Return how long a device was out on loan until now, all its loans together."""
    back: dict[str, datetime] = {}
    for event in facts.about_device("device.received", device):
        exit_ = str(event.body["after"] or "")
        back[exit_] = min(event.at, back.get(exit_, event.at))
    loans = [one for one in facts.about_device("device.left", device) if one.body["why"] == "loan"]
    return sum((max(back.get(one.hash, now) - one.at, timedelta(0)) for one in loans), timedelta(0))


def impact(lent: Iterable[tuple[str, timedelta]]) -> Impact:
    """Return the range for devices, each by its kind and how long it was lent; those never lent add nothing."""
    counted, without, sums = 0, 0, [0.0, 0.0, 0.0]
    for kind, time in lent:
        if time <= timedelta(0):
            continue
        if kind not in FACTORS:
            without += 1
            continue
        counted += 1
        share = min(1.0, time / LIFE)
        sums = [old + factor * DISPLACEMENT * share for old, factor in zip(sums, FACTORS[kind], strict=True)]
    low, central, high = (round(one) for one in sums)
    return Impact(counted, low, central, high, without)
