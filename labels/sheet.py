"""Labels on A4 sheets of self-adhesive stock, as PDF with the QR as vectors.

Two stocks, as their maker states them (label size and number per sheet, printed on the pack and in the
maker's template pages: Avery L7160, 63.5 x 38.1 mm, 21 per sheet; Avery L7163, 99.1 x 38.1 mm, 14 per
sheet). Margins follow from the sheet being symmetric: A4 is 210 x 297 mm, seven rows of 38.1 mm without gaps
leave 15.15 mm above and below; the columns stand 2.5 mm apart, which leaves 7.25 mm (L7160) and 4.65 mm
(L7163) at the sides.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4, A6
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from labels import qr
from labels.fonts import Face, face
from labels.label import Label, LabelError

PADDING = 2.0  # mm kept free inside a label: printers and hands are never exact
CAPTION = 4.6  # mm of height for the code under the QR


@dataclass(frozen=True)
class Stock:
    """One kind of sheet; all lengths in mm, the first label at the top left."""

    name: str
    columns: int
    rows: int
    width: float
    height: float
    left: float
    top: float
    gap: float
    page: tuple[float, float] = A4

    @property
    def places(self) -> int:
        """How many labels a sheet holds."""
        return self.columns * self.rows


L7160 = Stock("Avery L7160, 21 on A4", 3, 7, 63.5, 38.1, 7.25, 15.15, 2.5)
L7163 = Stock("Avery L7163, 14 on A4", 2, 7, 99.1, 38.1, 4.65, 15.15, 2.5)
BADGE = Stock("one badge of 85.6 x 54 mm (ISO/IEC 7810, ID-1) on A4", 1, 1, 85.6, 54.0, 15.0, 15.0, 0.0)
SLIP = Stock("one slip on A6, landscape", 1, 1, 138.0, 95.0, 5.0, 5.0, 0.0, page=(A6[1], A6[0]))


def render(labels: Sequence[Label], stock: Stock, start: int = 1) -> bytes:
    """Return a PDF of the labels, the first on place `start`; the same labels give the same bytes."""
    if not 1 <= start <= stock.places:
        raise LabelError(
            f"{stock.name} has places 1 to {stock.places}; the first label cannot go on {start}."
        )
    if not labels:
        raise LabelError("There is no label to print: give at least one code.")
    out, letters = io.BytesIO(), face()
    canvas = Canvas(out, pagesize=stock.page, invariant=1)
    canvas.setTitle("Kitbank labels")
    for number, label in enumerate(labels, start - 1):
        place = number % stock.places
        if place == 0 and number > start - 1:
            canvas.showPage()
        left = stock.left + place % stock.columns * (stock.width + stock.gap)
        top = stock.top + place // stock.columns * stock.height
        canvas.saveState()
        canvas.translate(left * mm, stock.page[1] - (top + stock.height) * mm)
        _draw(canvas, label, stock, letters)
        canvas.restoreState()
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, label: Label, stock: Stock, letters: Face) -> None:
    """Draw one label with its origin at the bottom left: QR and code at the left, words at the right."""
    side, left = 0.0, PADDING * mm
    if label.address:
        side = (min(stock.height, stock.width * 0.55) - 2 * PADDING - CAPTION) * mm
        _draw_qr(canvas, label.address, left, stock.height * mm - PADDING * mm - side, side)
        if label.code:
            bottom = stock.height * mm - PADDING * mm - side - (CAPTION - 1.4) * mm
            _fit(canvas, label.caption, letters.bold, left, bottom, side, 14)
    _draw_words(canvas, label, letters, left + side + (1.5 * mm if side else 0), stock)


def _draw_qr(canvas: Canvas, text: str, left: float, bottom: float, side: float) -> None:
    """Draw the symbol with its quiet zone into a square; one path, so that no hairlines show between rows."""
    rows = qr.matrix(text)
    module = side / (len(rows) + 2 * qr.QUIET)
    path = canvas.beginPath()
    for row, column, length in qr.runs(rows):
        y = bottom + side - (qr.QUIET + row + 1) * module
        path.rect(left + (qr.QUIET + column) * module, y, length * module, module)
    canvas.drawPath(path, stroke=0, fill=1)


def _draw_words(canvas: Canvas, label: Label, letters: Face, left: float, stock: Stock) -> None:
    """Write the title in bold and the lines under it, wrapped, from the top; what does not fit is cut off."""
    scale = min(2.0, stock.height / 38.1) if stock.rows == 1 else 1.0
    width = (stock.width - PADDING) * mm - left
    y = (stock.height - PADDING - 2) * mm
    written = [(letters.text(label.title), letters.bold, 10.5 * scale, 2)]
    written += [(letters.text(line), letters.regular, 8.0 * scale, 2) for line in label.lines]
    for text, font, size, most in written:
        for line in _wrapped(text, font, size, width, most):
            if y < PADDING * mm + size:
                return
            y -= size * 1.2
            canvas.setFont(font, size)
            canvas.drawString(left, y, line)
        y -= size * 0.3


def _wrapped(text: str, font: str, size: float, width: float, most: int) -> list[str]:
    """Return the text in at most `most` lines that fit the width (points), ending in two dots if cut."""
    letters = max(4, int(width / max(stringWidth(text, font, size) / max(len(text), 1), size * 0.3)))
    while letters > 3:
        lines = textwrap.wrap(text, letters, max_lines=most, placeholder=" ..")
        if all(stringWidth(line, font, size) <= width for line in lines):
            return lines
        letters -= 1
    return []


def _fit(canvas: Canvas, text: str, font: str, left: float, bottom: float, width: float, size: float) -> None:
    """Write one line centred in a width, as large as fits, at most `size` points."""
    size = min(size, size * width / stringWidth(text, font, size))
    canvas.setFont(font, size)
    canvas.drawCentredString(left + width / 2, bottom, text)
