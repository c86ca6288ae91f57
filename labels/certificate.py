"""A certificate on A4: headed parts in, the bytes of a PDF out, in our fonts, the same bytes for the same words. Pure.

The first box says in plain words what a donor wants to know. What is not shown to have succeeded has a red band, red
frames and a sentence at the foot of every page, so that no page of it can be shown around as a certificate; practice
has its own band and a word across every page. The document says its title and language (PDF 32000-1, 14.3.3 and
14.9.2); reportlab writes no structure tree, so the form for screen readers is the page `custody.checkpage` makes.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import qrcode
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from labels import qr, scripts
from labels.fonts import Face, face

MARGIN = 15 * mm
WIDTH = A4[0] - 2 * MARGIN
BAND = 21 * mm
QR_SIDE = 34 * mm
NAME_WIDTH = 52 * mm
INK, GREY, LINE = HexColor("#111111"), HexColor("#4a4f55"), HexColor("#c4c9ce")
TONES = {"good": HexColor("#0b5d3b"), "bad": HexColor("#a3121f"), "practice": HexColor("#3d3d5c")}
UNPRINTABLE = "[in letters that this printer's fonts lack; the attached record has it in full]"


@dataclass(frozen=True)
class Part:
    """A headed part: names with values, and where it has one a table whose first row is its heading."""

    title: str
    rows: tuple[tuple[str, str], ...]
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Paper:
    """One certificate in words. `tone` is good, bad or practice; `foot` is on every page; `scan` is the QR's text."""

    title: str
    tone: str
    organisation: str
    glance: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]
    parts: tuple[Part, ...]
    scan: str
    below_scan: str
    foot: str
    language: str = "en-GB"


def render(paper: Paper) -> bytes:
    """Return the certificate as a PDF of as many pages as it needs."""
    return render_all([paper], paper.title, paper.foot)


def render_all(papers: Sequence[Paper], title: str, subject: str) -> bytes:
    """Return several certificates as one PDF, each from a new page on, with its own band and foot.

    Raises ValueError when there are none.
    """
    if not papers:
        raise ValueError("a PDF needs at least one certificate")
    out, letters = io.BytesIO(), face()
    frame = Frame(MARGIN, 17 * mm, WIDTH, A4[1] - 17 * mm - BAND - 5 * mm, 0, 0, 0, 0)
    document = BaseDocTemplate(
        out,
        pagesize=A4,
        title=title,
        author=papers[0].organisation,
        subject=subject,
        lang=papers[0].language,
        invariant=1,
    )
    story: list[Flowable] = []
    for number, paper in enumerate(papers):
        look = _Look(letters, TONES[paper.tone])
        document.addPageTemplates(PageTemplate(f"page{number}", [frame], onPage=_dresser(paper, look)))
        story += [NextPageTemplate(f"page{number}"), PageBreak()] if number else []
        story += [_box(paper, look), Spacer(1, 3 * mm)]
        for part in paper.parts:
            story += _part(part, look)
    document.build(story, canvasmaker=_Counted)
    return out.getvalue()


def _dresser(paper: Paper, look: "_Look") -> Callable[[Canvas, Any], None]:
    return lambda canvas, _: _dress(canvas, paper, look)


class _Look:
    """The styles of one document."""

    def __init__(self, letters: Face, tone: Color) -> None:
        self.letters, self.tone = letters, tone
        base: dict[str, Any] = {"fontName": letters.regular, "fontSize": 7.8, "leading": 9.6, "textColor": INK}
        self.value = ParagraphStyle("value", splitLongWords=1, **base)
        self.name = ParagraphStyle("name", **{**base, "textColor": GREY})
        self.head = ParagraphStyle(
            "head", **{**base, "fontName": letters.bold, "fontSize": 9.6, "leading": 12, "textColor": tone}
        )
        self.cell = ParagraphStyle("cell", **{**base, "fontName": letters.bold})
        self.plain = ParagraphStyle("plain", **{**base, "fontSize": 9.6, "leading": 12.4, "spaceAfter": 2})
        self.big = ParagraphStyle("big", **{**base, "fontName": letters.bold, "fontSize": 11, "leading": 13.2})

    def words(self, text: str, style: ParagraphStyle) -> Paragraph:
        """Return a paragraph of this text as far as the fonts can print it."""
        return Paragraph(escape(printed(text, self.letters)), style)


def printed(text: str, letters: Face) -> str:
    """Return the text as it can be set; what the fonts lack is said, never left as a question mark."""
    seen = scripts.visual(text)
    if all(one.isspace() or letters.has(one) for one in seen):
        return seen
    kept = "".join(one if one.isspace() or letters.has(one) else letters.text(one) for one in seen)
    if kept.count("?") == text.count("?"):
        return kept
    return f"{' '.join(kept.replace('?', ' ').split())} {UNPRINTABLE}".strip()


def _box(paper: Paper, look: _Look) -> Table:
    """Return the first box: four facts, sentences, and the QR."""
    facts = Table(
        [[look.words(name, look.name) for name, _ in paper.glance], [look.words(v, look.big) for _, v in paper.glance]],
        colWidths=[(WIDTH - QR_SIDE - 8 * mm) * part for part in _shares(len(paper.glance))],
        style=[
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
        ],
    )
    left: list[Flowable] = [facts, Spacer(1, 1.5 * mm), *(look.words(text, look.plain) for text in paper.summary)]
    small = ParagraphStyle("small", parent=look.name, alignment=1, fontSize=6.6, leading=8)
    right: list[Flowable] = [_Symbol(paper.scan), look.words(paper.below_scan, small)] if paper.scan else []
    return Table(
        [[left, right]],
        colWidths=[WIDTH - QR_SIDE - 4 * mm, QR_SIDE + 4 * mm],
        style=[
            ("BOX", (0, 0), (-1, -1), 1.6, look.tone),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (0, 0), 4 * mm),
            ("LEFTPADDING", (1, 0), (1, 0), 1 * mm),
            ("TOPPADDING", (0, 0), (-1, -1), 3 * mm),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3 * mm),
        ],
    )


def _shares(count: int) -> list[float]:
    first = 0.37 if count == 4 else 1 / max(count, 1)
    return [first, *[(1 - first) / max(count - 1, 1)] * (count - 1)]


def _part(part: Part, look: _Look) -> list[Flowable]:
    """Return one headed part; its heading stays with its first lines."""
    heading = look.words(part.title, look.head)
    grid: list[tuple[Any, ...]] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1.1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6),
    ]
    narrow = all(name.isdigit() for name, _ in part.rows)
    first = 7 * mm if narrow else NAME_WIDTH
    rows = [[look.words(name, look.name), look.words(value, look.value)] for name, value in part.rows]
    tables: list[Flowable] = [Table([row], colWidths=[first, WIDTH - first], style=TableStyle(grid)) for row in rows]
    if part.table:
        columns = len(part.table[0]) - 1
        cells = [
            [
                look.words(text, look.name if not place else look.cell if not row else look.value)
                for place, text in enumerate(line)
            ]
            for row, line in enumerate(part.table)
        ]
        widths = [22 * mm, *[(WIDTH - 22 * mm) / columns] * columns]
        tables.append(Table(cells, colWidths=widths, style=TableStyle(grid)))
    kept = KeepTogether([heading, Spacer(1, 0.8 * mm), *tables[:2]])
    return [kept, *tables[2:], Spacer(1, 2.6 * mm)]


def _dress(canvas: Canvas, paper: Paper, look: _Look) -> None:
    """Draw what is on every page: the band with the title, the foot, and what says that this is no certificate."""
    canvas.saveState()
    canvas.setViewerPreference("DisplayDocTitle", "true")
    if paper.tone == "practice":
        _across(canvas, "PRACTICE", look)
    canvas.setFillColor(look.tone)
    canvas.rect(0, A4[1] - BAND, A4[0], BAND, stroke=0, fill=1)
    canvas.setFillColor(white)
    title = printed(paper.title, look.letters)
    size = 17.0
    while canvas.stringWidth(title, look.letters.bold, size) > WIDTH and size > 8:
        size -= 0.5
    canvas.setFont(look.letters.bold, size)
    canvas.drawString(MARGIN, A4[1] - BAND + 8.6 * mm, title)
    canvas.setFont(look.letters.regular, 8)
    canvas.drawString(MARGIN, A4[1] - BAND + 3.6 * mm, printed(paper.organisation, look.letters)[:120])
    if paper.tone == "bad":
        canvas.setStrokeColor(look.tone)
        canvas.setLineWidth(3)
        canvas.rect(6 * mm, 6 * mm, A4[0] - 12 * mm, A4[1] - BAND - 8 * mm)
    canvas.setFillColor(look.tone if paper.tone != "good" else GREY)
    canvas.setFont(look.letters.regular, 6.6)
    canvas.drawString(MARGIN, 9.5 * mm, printed(paper.foot, look.letters))
    canvas.restoreState()


def _across(canvas: Canvas, word: str, look: _Look) -> None:
    canvas.saveState()
    canvas.setFillColor(HexColor("#eeeef5"))
    canvas.setFont(look.letters.bold, 110)
    canvas.translate(A4[0] / 2, A4[1] / 2)
    canvas.rotate(52)
    canvas.drawCentredString(0, -30, word)
    canvas.restoreState()


class _Counted(Canvas):
    """A canvas that knows, when it writes a page, how many there are."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802  # reportlab's name
        self._kept.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]  # reportlab ships it, its stubs do not

    def save(self) -> None:
        for number, state in enumerate(self._kept, 1):
            self.__dict__.update(state)
            self.setFont(face().regular, 8)
            self.setFillColor(white)
            self.drawRightString(A4[0] - MARGIN, A4[1] - BAND + 3.6 * mm, f"page {number} of {len(self._kept)}")
            super().showPage()
        super().save()


class _Symbol(Flowable):
    """A QR as vectors; any text, error correction M (a flat sheet, scanned by a telephone)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.width, self.height = text, QR_SIDE, QR_SIDE

    def draw(self) -> None:
        """Draw it as one path, so that no hairlines show between rows."""
        symbol = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0)
        symbol.add_data(self.text)
        symbol.make(fit=True)
        rows: Sequence[Sequence[bool]] = symbol.get_matrix()
        module = QR_SIDE / (len(rows) + 2 * qr.QUIET)
        path = self.canv.beginPath()
        for row, column, length in qr.runs([[bool(dark) for dark in row] for row in rows]):
            y = QR_SIDE - (qr.QUIET + row + 1) * module
            path.rect((qr.QUIET + column) * module, y, length * module, module)
        self.canv.setFillColor(INK)
        self.canv.drawPath(path, stroke=0, fill=1)
