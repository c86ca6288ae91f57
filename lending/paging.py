"""Pages by key: a list goes on after its last line, never by counting lines from the start.

A cursor is what its page ended with, as text for an address. It says nothing that the page did not show, and one that
was altered is refused (`BadCursor`), not believed.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from custody.errors import Refused
from lending.errors import refused

Line = TypeVar("Line")
LONGEST_CURSOR = 2000
SIZE = 50


@dataclass(frozen=True)
class Page(Generic[Line]):
    """Some lines of a list, and the cursor after them ("" when the list ends here)."""

    lines: tuple[Line, ...]
    after: str = ""


def bad_cursor() -> Refused:
    """Return the refusal of a cursor that no page gave."""
    return refused("cursor", "this place in the list is not one that a page gave; begin at the first page")


def encode(*parts: str) -> str:
    """Return a cursor of these texts."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode(cursor: str, parts: int) -> tuple[str, ...]:
    """Return the texts of a cursor. Raises `Refused` `cursor` for one that was not made by `encode`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, ValueError, RecursionError) as error:
        raise bad_cursor() from error
    right = isinstance(found, list) and len(found) == parts and all(isinstance(one, str) for one in found)
    if not right or len(cursor) > LONGEST_CURSOR or any("\x00" in one or not _whole(one) for one in found):
        raise bad_cursor()
    return tuple(found)


def moment(text: str) -> datetime:
    """Return the moment in a cursor. Raises `Refused` `cursor`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_cursor() from error
    if found.tzinfo is None or not 1900 < found.year < 9000:
        raise bad_cursor()
    return found


def cut(lines: Sequence[Line], size: int) -> tuple[tuple[Line, ...], bool]:
    """Return the first `size` lines, and whether there were more."""
    return tuple(lines[:size]), len(lines) > size


def _whole(text: str) -> bool:
    """Tell whether a text has no half characters, which no database takes."""
    return text == text.encode("utf-8", "replace").decode()
