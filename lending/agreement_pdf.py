"""A signed agreement, or a certificate of a gift, on A4: words in, the bytes of a PDF out. Pure but for the fonts.

The text is set as it was shown, line by line, in the household's language and after it in English. Scripts that join
their letters and run from the right (Arabic, Central Kurdish) are shaped by HarfBuzz and drawn as outlines, since
reportlab sets such text letter by letter; a line is cut into runs of one direction, and these are placed from the
right (Unicode Standard Annex 9, for plain paragraphs without embedding). Where this machine has no font for a script
the paper says so instead of showing boxes: the words themselves are kept.
"""

import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from labels.fonts import Face, face
from lending import glyphs

WIDE, HIGH = A4
MARGIN = 56.0
SIZE, LEAD = 11.0, 16.5
MARK_WIDE, MARK_HIGH = 200.0, 80.0
"""Points (1/72 inch)."""
TEAL = (0.043, 0.31, 0.33)
MISSING = "[No font on this machine has the letters of this language. The words as they were shown are on the screen.]"


@dataclass(frozen=True)
class Part:
    """Some lines of text that run one way; the first is a heading."""

    lines: Sequence[str]
    direction: str = "ltr"


@dataclass(frozen=True)
class Paper:
    """What is to be printed. `facts` are words and values; `strokes` a drawn mark, 1000 by 400 units."""

    title: str
    parts: Sequence[Part]
    facts: Sequence[tuple[str, str]] = ()
    strokes: Sequence[Sequence[tuple[int, int]]] = ()
    footer: str = ""


def print_paper(paper: Paper) -> bytes:
    """Return the PDF; the same words give the same bytes on the same machine."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    canvas.setTitle(paper.title)
    canvas.setCreator("Kitbank")
    sheet = _Sheet(canvas, face(), paper.footer)
    for part in paper.parts:
        sheet.part(part)
    sheet.facts(paper.facts)
    if paper.strokes:
        sheet.mark(paper.strokes)
    sheet.end()
    canvas.save()
    return out.getvalue()


class _Sheet:
    """Pages being filled from the top."""

    def __init__(self, canvas: Canvas, letters: Face, footer: str) -> None:
        self.canvas, self.letters, self.footer = canvas, letters, footer
        self.y = HIGH - MARGIN
        self._rule()

    def part(self, part: Part) -> None:
        """Set some lines; what this machine has no letters for is said once."""
        if not all(self.letters.has(one) for line in part.lines for one in line if one.isalpha()):
            part = Part([MISSING])
        for number, line in enumerate(part.lines):
            font, size = (self.letters.bold, 17.0) if number == 0 else (self.letters.regular, SIZE)
            if not line.strip():
                self.y -= LEAD / 2
                continue
            for words in _broken(line.split(), font, size, WIDE - 2 * MARGIN):
                self._room(LEAD * size / SIZE)
                self._line(words, font, size, part.direction)
        self.y -= LEAD

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Set words and values in two columns."""
        for name, value in facts:
            rows = list(_broken(value.split(), self.letters.regular, SIZE, WIDE - 2 * MARGIN - 150)) or [[]]
            for number, words in enumerate(rows):
                self._room(LEAD)
                if number == 0:
                    self.canvas.setFont(self.letters.bold, SIZE)
                    self.canvas.drawString(MARGIN, self.y, name)
                self._place(words, self.letters.regular, SIZE, MARGIN + 150)

    def mark(self, strokes: Sequence[Sequence[tuple[int, int]]]) -> None:
        """Draw a mark in a frame."""
        self._room(MARK_HIGH + LEAD)
        self.canvas.setStrokeColorRGB(0.6, 0.6, 0.6)
        self.canvas.rect(MARGIN + 150, self.y, MARK_WIDE, MARK_HIGH)
        self.canvas.setStrokeColorRGB(0, 0, 0)
        self.canvas.setLineWidth(1.4)
        for stroke in strokes:
            spots = [(MARGIN + 150 + x * MARK_WIDE / 1000, self.y + MARK_HIGH - y * MARK_HIGH / 400) for x, y in stroke]
            path = self.canvas.beginPath()
            path.moveTo(*spots[0])
            for spot in spots[1:]:
                path.lineTo(*spot)
            self.canvas.drawPath(path)

    def end(self) -> None:
        """Finish the page."""
        self.canvas.setFont(self.letters.regular, 8)
        self.canvas.setFillColorRGB(0.35, 0.35, 0.35)
        self.canvas.drawString(MARGIN, MARGIN / 2, self.letters.text(self.footer))
        self.canvas.drawRightString(WIDE - MARGIN, MARGIN / 2, str(self.canvas.getPageNumber()))
        self.canvas.setFillColorRGB(0, 0, 0)
        self.canvas.showPage()

    def _rule(self) -> None:
        self.canvas.setFillColorRGB(*TEAL)
        self.canvas.rect(0, HIGH - 12, WIDE, 12, stroke=0, fill=1)
        self.canvas.setFillColorRGB(0, 0, 0)

    def _room(self, needed: float) -> None:
        self.y -= needed
        if self.y < MARGIN:
            self.end()
            self._rule()
            self.y = HIGH - MARGIN - needed

    def _line(self, words: Sequence[str], font: str, size: float, direction: str) -> None:
        if direction == "rtl":
            self._place(words, font, size, WIDE - MARGIN, from_right=True)
        else:
            self._place(words, font, size, MARGIN)

    def _place(self, words: Sequence[str], font: str, size: float, x: float, from_right: bool = False) -> None:
        """Set one line from `x` on, to the right or to the left; inside a run each script goes its own way."""
        self.canvas.setFont(font, size)
        for text, turned in _runs(" ".join(words)):
            wide = _run_width(text, turned, font, size)
            start = x - wide if from_right else x
            if turned:
                glyphs.draw(self.canvas, text, font, size, start, self.y)
            else:
                self.canvas.drawString(start, self.y, text)
            x = start if from_right else x + wide


def _broken(words: Sequence[str], font: str, size: float, wide: float) -> Iterator[list[str]]:
    """Break words into lines that are not wider than `wide` points."""
    line: list[str] = []
    for word in words:
        if line and _width(" ".join([*line, word]), font, size) > wide:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _width(text: str, font: str, size: float) -> float:
    return sum(_run_width(run, turned, font, size) for run, turned in _runs(text))


def _run_width(text: str, turned: bool, font: str, size: float) -> float:
    return glyphs.width(text, font, size) if turned else float(pdfmetrics.stringWidth(text, font, size))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a line into runs of one direction, in the order in which they are read; True: from the right."""
    pieces = re.findall(r"\s+|\S+", text)
    marked = [(piece, _turns(piece)) for piece in pieces]
    sides = [side for _, side in marked]
    for place, side in enumerate(sides):
        if side is None:  # blanks and signs take the side of what is on both sides of them, else that of the line
            before = next((one for one in reversed(sides[:place]) if one is not None), None)
            after = next((one for one in sides[place + 1 :] if one is not None), None)
            sides[place] = before if before == after else any(one is True for one in sides)
    for turned, run in groupby(zip(pieces, sides, strict=True), key=lambda each: bool(each[1])):
        yield "".join(piece for piece, _ in run), turned


def _turns(piece: str) -> bool | None:
    """Tell whether a word is written from the right, None where it has no letters or digits."""
    kinds = [unicodedata.bidirectional(one) for one in piece]
    if any(kind in ("R", "AL") for kind in kinds):
        return True
    return False if any(kind in ("L", "EN", "AN") for kind in kinds) else None
