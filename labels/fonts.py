"""Which font a PDF label is set in, and what that font can print.

Looked for in the machine's font folders (XDG base directory specification: `fonts/` below each of
`XDG_DATA_DIRS`): Noto Sans, then DejaVu Sans, both free. Without either, Bitstream Vera, which reportlab brings
along, prints Western European letters.

Text is set letter by letter, left to right. Scripts that join or reorder their letters (Arabic, Hebrew, the
scripts of India and South-East Asia) would come out wrong, so they are never tried: such text is replaced,
and `labels.unprintable` says so. Accents that a font lacks are dropped (ł becomes l) rather than the letter
lost.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

PAIRS = (("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"), ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
_LATIN = {
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ø": "o",
    "Ø": "O",
    "ı": "i",
    "æ": "ae",
    "ß": "ss",
    "’": "'",
    "…": "..",
    "–": "-",
    "—": "-",
}


@dataclass(frozen=True)
class Face:
    """A regular and a bold font under their reportlab names; `has` says which letters both have."""

    regular: str
    bold: str
    has: Callable[[str], bool]

    def text(self, wanted: str) -> str:
        """Return the text as this face can print it."""
        return printable(wanted, self.has)


def folders() -> list[Path]:
    """Return the folders to look for fonts in, best first."""
    data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(each, "fonts") for each in data.split(":") if each]


def face(places: Iterable[Path] | None = None) -> Face:
    """Return the first pair of fonts found in these folders (default: `folders()`), else Bitstream Vera."""
    for place in folders() if places is None else places:
        for regular, bold in PAIRS:
            found = sorted(place.rglob(regular)) if place.is_dir() else []
            for path in found:
                if path.with_name(bold).is_file():
                    return _register(path, path.with_name(bold))
    vera = Path(reportlab.__file__).parent / "fonts"
    return _register(vera / "Vera.ttf", vera / "VeraBd.ttf")


def printable(text: str, has: Callable[[str], bool]) -> str:
    """Return the text with everything that cannot be printed made simpler, or `?` where nothing is near."""
    printed = "".join(_nearest(character, has) for character in unicodedata.normalize("NFC", text))
    return re.sub(r"\?{2,}", "?", printed).strip()


def joins_or_turns(character: str) -> bool:
    """Say whether the character belongs to a script that needs shaping or runs from right to left."""
    if unicodedata.bidirectional(character) in ("R", "AL", "AN"):
        return True
    return 0x0900 <= ord(character) <= 0x109F or 0x1780 <= ord(character) <= 0x17FF


def _nearest(character: str, has: Callable[[str], bool]) -> str:
    if has(character) and not joins_or_turns(character):
        return character
    simpler = (
        _LATIN.get(character) or unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    )
    return simpler or ("" if unicodedata.combining(character) else "?")


def _register(regular: Path, bold: Path) -> Face:
    fonts = []
    for path in (regular, bold):
        font = TTFont(f"kitbank-{path.stem}", str(path))
        pdfmetrics.registerFont(font)
        fonts.append(font)
    letters = fonts[0].face.charToGlyph.keys() & fonts[1].face.charToGlyph.keys()
    return Face(fonts[0].fontName, fonts[1].fontName, lambda character: ord(character) in letters)
