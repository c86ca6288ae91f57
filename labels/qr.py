"""QR symbols as a matrix of dark and light, made by the `qrcode` library.

Always error correction level Q (a quarter of the symbol may be scratched away: shared data show that low
levels die first on worn labels) and always alphanumeric mode (ISO/IEC 18004, 7.4.4: digits, capitals, space
and `$%*+-./:`), which packs 11 bits per two characters: an address in capitals needs 29 modules a side where
the same address in small letters needs 33 or 37, and every keyboard-wedge scanner types these characters
alike.
"""

from collections.abc import Iterator

import qrcode
from qrcode.util import QRData

from labels.label import LabelError

ALPHANUMERIC = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
QUIET = 4  # modules of white that every side needs (ISO/IEC 18004, 9.1)


def matrix(text: str) -> list[list[bool]]:
    """Return the symbol without its quiet zone, row by row, True for dark; raises `LabelError`."""
    odd = sorted(set(text) - ALPHANUMERIC)
    if odd or not text:
        raise LabelError(
            f"A label's QR may hold digits, capitals and $%*+-./: only; {text!r} has {''.join(odd) or 'nothing'}."
        )
    symbol = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_Q, border=0)
    # mode 2 is alphanumeric in the qrcode library (util.MODE_ALPHA_NUM)
    symbol.add_data(QRData(text, mode=2), optimize=0)
    symbol.make(fit=True)
    return [[bool(dark) for dark in row] for row in symbol.get_matrix()]


def runs(rows: list[list[bool]]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, first column, length) of every horizontal run of dark modules."""
    for row, modules in enumerate(rows):
        start = None
        for column, dark in enumerate([*modules, False]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                yield row, start, column - start
                start = None
