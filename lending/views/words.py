"""Words and figures on screens: times, sizes, codes, states. Pure; used by the templates as filters and names."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from labels import codes

PRODUCT = "Kitbank"

ROLE_WORDS: Mapping[str, str] = {
    "volunteer": "Volunteer",
    "supervisor": "Supervisor",
    "partner": "Partner",
    "desk": "Loan desk",
    "administrator": "Administrator",
    "auditor": "Auditor",
    "data-protection": "Data-protection lead",
}

ROLE_HINTS: Mapping[str, str] = {
    "volunteer": "Looks up devices and receives what comes back.",
    "supervisor": "Everything the desk does, and decides about lost or written-off devices.",
    "partner": "Refers households; sees only its own organisation's referrals and loans.",
    "desk": "Approves referrals, hands over, extends and receives.",
    "administrator": "Machines, accounts and the state of the service.",
    "auditor": "Reads every device's history and checks that it was not altered.",
    "data-protection": "Answers for what is kept about people.",
}

CLAIM_WORDS: Mapping[str, str] = {
    "none": "No claim",
    "clear": "Clear",
    "purge": "Purge",
    "destroy": "Destroyed",
}

OUTCOME_WORDS: Mapping[str, str] = {"DONE": "Done", "NOT_RUN": "Not run", "UNKNOWN": "Unknown"}

STATE_COLOURS: Mapping[str, str] = {
    "ready": "green",
    "not-ready": "red",
    "out": "teal",
    "reported": "yellow",
    "gone": "grey",
    "unknown": "grey",
    "waiting": "yellow",
    "approved": "yellow",
    "declined": "grey",
    "withdrawn": "grey",
    "reserved": "yellow",
    "returned": "green",
    "closed": "grey",
    "lost": "red",
    "given": "grey",
    "written-off": "grey",
    "cancelled": "grey",
    "active": "green",
    "suspended": "orange",
    "revoked": "red",
    "DONE": "green",
    "NOT_RUN": "grey",
    "UNKNOWN": "orange",
}
"""The design system's tag colours; the word beside the colour always says the same."""

PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: (
        "This could not be read",
        "What your browser sent was not complete. Nothing was saved. Go back and try again.",
    ),
    403: ("This page is not for you", "Ask an administrator if you need it for your work."),
    404: ("Page not found", "If you typed the address, check it. If you scanned a label, type its code instead."),
    405: ("This cannot be opened directly", "Go back and use the button on the page."),
    413: ("Too large", "What was sent is larger than this service accepts. Nothing was saved."),
    500: (
        "Something went wrong here",
        "It was written to the log. Look at the record before you do it again: it may have been saved.",
    ),
}

UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def local(at: datetime) -> tuple[datetime, str]:
    """Return the moment as the clocks here show it, and "" or "UTC" where this machine knows no time zones."""
    try:
        return at.astimezone(ZoneInfo("Europe/London")), ""
    except ZoneInfoNotFoundError:
        return at.astimezone(UTC), " UTC"


def when(at: datetime | None) -> str:
    """Return `3 May 2026, 14:05`, or "never"; a moment that no calendar here holds as it was written."""
    if at is None:
        return "never"
    try:
        here, zone = local(at)
    except OverflowError:  # some machine's clock says year 1 or 9999
        return at.isoformat()
    return f"{here.day} {here:%b %Y, %H:%M}{zone}"


def day(at: date | datetime | None) -> str:
    """Return `3 May 2026`, or nothing; a moment that no calendar here holds as it was written."""
    if at is None:
        return ""
    try:
        shown = local(at)[0] if isinstance(at, datetime) else at
    except OverflowError:
        return at.isoformat()
    return f"{shown.day} {shown:%B %Y}"


def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago, in the largest whole unit: `3 hours ago`."""
    if at is None:
        return "never"
    seconds = int((now - at).total_seconds())
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return count(seconds // length, name) + " ago"
    return "just now"


def size(number: int) -> str:
    """Return a number of bytes in decimal units, as drives are sold: `256 GB`."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    shown = f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"
    return f"{shown} {UNITS[unit]}"


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 device`, `3 devices`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(digest: str | None) -> str:
    """Return the first twelve digits of a digest: enough to compare by eye."""
    return (digest or "")[:12]


def sentence(text: str) -> str:
    """Return a message as a sentence of its own: a capital first and a full stop last."""
    text = text.strip()
    first = text.split(" ", 1)[0]
    plain = first.isalpha() or first.rstrip(",:;").isalpha()
    shown = text[:1].upper() + text[1:] if plain else text
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def readable(text: str, code: str) -> str:
    """Return a sentence in which a device's code stands as it is printed on the label."""
    return text.replace(code, codes.pretty(code)) if len(code) == codes.LENGTH else text


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago,
    "day": day,
    "pretty": codes.pretty,
    "readable": readable,
    "sentence": sentence,
    "short": short,
    "size": size,
    "when": when,
}


def untranslated(text: str) -> str:
    """Return the English text as it is: what `_` does in a template where there are no translations."""
    return text


GLOBALS: Mapping[str, Any] = {
    "_": untranslated,
    "CLAIM_WORDS": CLAIM_WORDS,
    "OUTCOME_WORDS": OUTCOME_WORDS,
    "PRODUCT": PRODUCT,
    "ROLE_HINTS": ROLE_HINTS,
    "ROLE_WORDS": ROLE_WORDS,
    "STATE_COLOURS": STATE_COLOURS,
    "count_of": count,
}
