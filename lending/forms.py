"""From what a browser sent to records: every reader returns what was asked, and what is wrong with it.

Only the *form* of an answer is judged here (a number is no number, a day is no day); what an answer may be is the
use case's business, whose reasons name the field they concern.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from werkzeug.datastructures import MultiDict

from custody.badges import looks_like_a_badge
from custody.errors import Reason
from labels.codes import BadCode, parse, parse_slip, pretty

Form = MultiDict[str, str]
LONGEST_TEXT = 500
ITEMS: Mapping[str, str] = {"charger": "Chargers", "bag": "Bags", "mouse": "Mice", "dongle": "Internet dongles"}
CONDITIONS: Mapping[str, str] = {
    "good": "Good: works, nothing missing",
    "worn": "Worn: works, marks or missing parts",
    "damaged": "Damaged: cracked, wet or does not start",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one answer; `anchor` is the id of the thing to put right on the page."""

    field: str
    text: str
    anchor: str


@dataclass(frozen=True)
class Scan:
    """What a scanner or a person put into a code field: a code and perhaps the exit of its return slip, or why not."""

    typed: str
    code: str = ""
    exit: str | None = None
    problem: str = ""
    suggestion: str = ""

    @property
    def suggestion_pretty(self) -> str:
        """Return the offered code as it is printed."""
        return pretty(self.suggestion) if self.suggestion else ""


def text(form: Form, name: str) -> str:
    """Return one answer without the blanks around it, cut where no honest answer is longer."""
    return form.get(name, "").strip()[:LONGEST_TEXT]


def read_scan(typed: str) -> Scan:
    """Read a scanned address, a return slip or a typed code; a wrong character comes with the right code to offer."""
    if looks_like_a_badge(typed):
        return Scan(typed="", problem="That is somebody's badge. Scan the label of the device.")
    try:
        code, answers = parse_slip(typed[:LONGEST_TEXT])
    except BadCode as bad:
        return Scan(typed=typed.strip()[:60], problem=str(bad), suggestion=bad.suggestion or "")
    return Scan(typed=typed, code=code, exit=answers)


def code_in(path: str) -> str | None:
    """Return the label code in part of an address, None when there is none."""
    try:
        return parse(path)
    except BadCode:
        return None


def whole(form: Form, name: str, nothing: int, most: int) -> int | None:
    """Return a whole number up to `most`, `nothing` for an empty answer, None for anything else."""
    typed = text(form, name)
    if not typed:
        return nothing
    return int(typed) if typed.isascii() and typed.isdecimal() and int(typed) <= most else None


def read_day(form: Form, name: str) -> tuple[date | None, str]:
    """Read a date of three fields (`name-day` …); all empty is no day. The second value says what is wrong."""
    typed = [text(form, f"{name}-{part}") for part in ("day", "month", "year")]
    if not any(typed):
        return None, ""
    if not all(part.isascii() and part.isdecimal() and len(part) <= 4 for part in typed):
        return None, "The date must have a day, a month and a year, in numbers, for example 27 3 2027"
    try:
        return date(int(typed[2]), int(typed[1]), int(typed[0])), ""
    except ValueError:
        return None, f"{' '.join(typed)} is not a day of the calendar"


def read_items(form: Form) -> tuple[dict[str, int], list[Problem]]:
    """Read how many of each accessory came back."""
    found: dict[str, int] = {}
    problems = []
    for name, words in ITEMS.items():
        number = whole(form, f"item_{name}", 0, 99)
        if number is None:
            problems.append(Problem("items", f"{words} must be a number from 0 to 99", f"item_{name}"))
        elif number:
            found[name] = number
    return found, problems


def problems_of(
    reasons: Iterable[Reason], texts: Mapping[str, str], anchors: Mapping[str, str]
) -> list[Problem]:
    """Return a use case's reasons as problems of the fields they name, in the field's own words where there are any."""
    return [Problem(r.subject, texts.get(r.subject, r.text), anchors.get(r.subject, r.subject)) for r in reasons]
