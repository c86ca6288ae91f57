"""The clock of one item as a drawn line: where it began, where it is due, where today is. Pure."""

from dataclasses import dataclass
from datetime import date

WIDE = 300
"""Units of the drawing."""
SOON_DAYS = 14


@dataclass(frozen=True)
class Clock:
    """What to draw. `today` and `due` are places from 0 to `WIDE`; `due` is None where there is no end."""

    words: str
    state: str
    today: int
    due: int | None


def clock(began: date | None, due: date | None, today: date, ended: date | None = None) -> Clock:
    """Return the clock of an item that went out on `began`. `state`: waits, runs, soon, late or ended."""
    if began is None:
        return Clock("not handed over yet", "waits", 0, None)
    if ended is not None:
        return Clock(f"out for {_days((ended - began).days)}", "ended", WIDE, None)
    out = (today - began).days
    if due is None:
        words = f"out for {_days(out)}" if out else "out since today"
        return Clock(f"{words}, as long as needed", "runs", WIDE // 2, None)
    left, whole = (due - today).days, max((due - began).days, 1)
    if left < 0:
        past = max(whole - left, 1)
        return Clock(f"{_days(-left)} past the day agreed", "late", WIDE, round(WIDE * whole / past))
    words = "due today" if left == 0 else f"{_days(left)} left"
    return Clock(words, "soon" if left <= SOON_DAYS else "runs", round(WIDE * out / whole), WIDE)


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"
