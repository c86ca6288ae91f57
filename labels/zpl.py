"""Labels in ZPL II for a roll printer of 203 dpi (8 dots to the mm), 57 x 32 mm.

The QR is sent as a graphic (`^GF`), not as `^BQ`: it is then module for module the symbol of the PDF, made
by one piece of code and decoded in a test here; level Q, the mask and the alphanumeric mode are not left to
a printer's firmware (`^BQ` takes its level from two places that firmwares read differently, and cheaper
printers that speak most of ZPL often lack it). It costs about 3 kB a label. Text is UTF-8 (`^CI28`) in the
printer's scalable font 0, whose Latin, Greek and Cyrillic letters are the same everywhere; anything else is
replaced and told.
"""

import textwrap
from collections.abc import Sequence

from labels import qr
from labels.fonts import joins_or_turns, printable
from labels.label import Label, LabelError

WIDTH, HEIGHT = 456, 256  # dots: 57 x 32 mm
SQUARE = 212  # dots: the QR with its quiet zone, at the top left
EDGE = 12  # dots kept free


def render(labels: Sequence[Label], start: int = 1) -> bytes:
    """Return one ZPL format after the other; a roll has no places, so `start` must be 1."""
    if start != 1:
        raise LabelError(f"A roll has no part-used sheets: start at 1, not {start}.")
    if not labels:
        raise LabelError("There is no label to print: give at least one code.")
    return "".join(_format(label) for label in labels).encode()


def can_print(text: str) -> str:
    """Return the text as the printer's font 0 can print it."""
    return printable(text, lambda character: ord(character) < 0x0530 and not joins_or_turns(character))


def graphic(rows: list[list[bool]], dots: int) -> str:
    """Return a `^GFA` field of the symbol, each module `dots` dots square."""
    wide = -(-len(rows[0]) * dots // 8)
    lines = []
    for row in rows:
        bits = "".join(("1" if dark else "0") * dots for dark in row).ljust(wide * 8, "0")
        lines += [f"{int(bits, 2):0{wide * 2}X}"] * dots
    total = wide * len(lines)
    return f"^GFA,{total},{total},{wide},{''.join(lines)}^FS"


def _format(label: Label) -> str:
    parts = [f"^XA\n^CI28^PW{WIDTH}^LL{HEIGHT}^LH0,0\n"]
    left = EDGE
    if label.address:
        rows = qr.matrix(label.address)
        dots = SQUARE // (len(rows) + 2 * qr.QUIET)
        if dots < 2:
            raise LabelError(
                f"“{label.address}” is too long for a label of 57 x 32 mm: use a shorter host name."
            )
        margin = (SQUARE - len(rows) * dots) // 2
        parts.append(f"^FO{margin},{margin}{graphic(rows, dots)}\n")
        left = SQUARE + 8
        if label.code:
            parts.append(_text(EDGE, SQUARE + 6, 32, label.caption, width=27))
    top = EDGE + 12
    for text, height, most in [(label.title, 30, 2), *((line, 24, 2) for line in label.lines)]:
        letters = int((WIDTH - EDGE - left) / (height * 0.52))
        for line in textwrap.wrap(can_print(text), letters, max_lines=most, placeholder=" .."):
            if top + height > HEIGHT - EDGE - (40 if label.code and left == EDGE else 0):
                break
            parts.append(_text(left, top, height, line))
            top += int(height * 1.15)
        top += 6
    return "".join(parts) + "^PQ1^XZ\n"


def _text(left: int, top: int, height: int, text: str, width: int = 0) -> str:
    """Return one line of text; `^FH` lets the characters that ZPL itself uses be written as hexadecimal."""
    safe = "".join(f"_{ord(c):02X}" if c in "^~_\\" else c for c in text)
    return f"^FO{left},{top}^A0N,{height},{width or int(height * 0.9)}^FH^FD{safe}^FS\n"
