"""What a text costs: how many parts an SMS takes. Pure.

3GPP TS 23.038 §6.2.1 gives the GSM 7-bit alphabet and its extension (each such character takes two places); one
character outside makes the whole text UCS-2. TS 23.040 §9.2.3.24.1: a text in several parts loses six octets of each
to the header that joins them. So a part holds 160 places, or 153 of several; UCS-2: 70, or 67.
"""

import unicodedata
from dataclasses import dataclass

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")
UNMARKED = str.maketrans(
    {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-",
     "…": "...", "\u00a0": " "}
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How a text travels: its alphabet (`GSM-7` or `UCS-2`), places used, and parts."""

    alphabet: str
    places: int
    parts: int


def size(text: str) -> Size:
    """Return how many parts a text takes. An empty text takes one."""
    outside = any(char not in BASIC and char not in EXTENDED for char in text)
    if outside:
        widths = [len(char.encode("utf-16-be")) // 2 for char in text]
        alone, joined, name = 70, 67, "UCS-2"
    else:
        widths = [2 if char in EXTENDED else 1 for char in text]
        alone, joined, name = 160, 153, "GSM-7"
    places = sum(widths)
    return Size(name, places, 1 if places <= alone else _parts(widths, joined))


def _parts(widths: list[int], room: int) -> int:
    """Count parts; a character of two places is never torn between two parts."""
    parts, left = 1, room
    for width in widths:
        if width > left:
            parts, left = parts + 1, room
        left -= width
    return parts


def plain(text: str) -> str:
    """Return a text without the accents that would make it UCS-2; one in another script comes back as it was.

    In Polish and Romanian texts this is usual and read without effort.
    """
    if size(text).alphabet == "GSM-7":
        return text
    found = "".join(_unmarked(char) for char in text.translate(UNMARKED))
    return found if size(found).alphabet == "GSM-7" else text


def _unmarked(char: str) -> str:
    if char in BASIC or char in EXTENDED:
        return char
    return "".join(one for one in unicodedata.normalize("NFKD", char) if not unicodedata.combining(one))
