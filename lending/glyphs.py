"""Words in scripts whose letters join and run from the right, drawn on a PDF as HarfBuzz shapes them.

reportlab keeps the order of letters as they are read; a printer needs them as they are seen. So the shaped glyphs are
drawn as filled outlines from the font's own file. Source: HarfBuzz manual, `hb_shape` (output in visual order).
"""

from functools import cache
from typing import Any

import uharfbuzz as hb  # type: ignore[import-untyped]  # no stubs yet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas


def width(text: str, font: str, size: float) -> float:
    """Return how wide a run from the right is, in points. `font` is a name registered with reportlab."""
    _, positions = _shaped(text, font)
    return float(sum(one.x_advance for one in positions)) * size / _em(font)


def draw(canvas: Canvas, text: str, font: str, size: float, x: float, y: float) -> None:
    """Draw a run from the right with its left end at `x` and its base line at `y`, in points."""
    infos, positions = _shaped(text, font)
    scale = size / _em(font)
    for info, position in zip(infos, positions, strict=True):
        path = canvas.beginPath()
        left, base = x + position.x_offset * scale, y + position.y_offset * scale
        for verb, spots in _outline(font, info.codepoint):
            flat = [value for sx, sy in spots for value in (left + sx * scale, base + sy * scale)]
            getattr(path, verb)(*flat)
        canvas.drawPath(path, stroke=0, fill=1)
        x += position.x_advance * scale


def _shaped(text: str, font: str) -> tuple[list[Any], list[Any]]:
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl"
    hb.shape(_font(font), buffer)
    return list(buffer.glyph_infos), list(buffer.glyph_positions)


@cache
def _font(name: str) -> Any:
    return hb.Font(_face(name))


@cache
def _face(name: str) -> Any:
    registered: Any = pdfmetrics.getFont(name)
    return hb.Face(hb.Blob.from_file_path(registered.face.filename))


def _em(name: str) -> int:
    return int(_face(name).upem)


@cache
def _outline(font: str, glyph: int) -> list[tuple[str, list[tuple[float, float]]]]:
    """Return a glyph's outline as calls of a reportlab path, in font units."""
    pen = _Pen()
    _font(font).draw_glyph_with_pen(glyph, pen)
    return pen.calls


class _Pen:
    """Takes an outline down (the pen protocol of fontTools), quadratic curves raised to cubic ones."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[tuple[float, float]]]] = []
        self.at = (0.0, 0.0)

    def moveTo(self, spot: tuple[float, float]) -> None:  # noqa: N802 - the protocol's name
        self._go("moveTo", spot)

    def lineTo(self, spot: tuple[float, float]) -> None:  # noqa: N802
        self._go("lineTo", spot)

    def curveTo(self, *spots: tuple[float, float]) -> None:  # noqa: N802
        self._go("curveTo", *spots)

    def qCurveTo(self, bend: tuple[float, float], end: tuple[float, float]) -> None:  # noqa: N802
        first = tuple(a + 2 / 3 * (b - a) for a, b in zip(self.at, bend, strict=True))
        second = tuple(a + 2 / 3 * (b - a) for a, b in zip(end, bend, strict=True))
        self._go("curveTo", (first[0], first[1]), (second[0], second[1]), end)

    def closePath(self) -> None:  # noqa: N802
        self.calls.append(("close", []))

    def endPath(self) -> None:  # noqa: N802
        """Leave an open contour as it is."""

    def _go(self, verb: str, *spots: tuple[float, float]) -> None:
        self.calls.append((verb, list(spots)))
        self.at = spots[-1]
