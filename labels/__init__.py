"""Labels: text in, bytes out.

`codes` makes and checks label codes with the standard library alone. `render` turns labels into the bytes of
one format and does no I/O beyond reading a font; `labels.outlets.send` is the only thing here that writes or
talks to a printer. A new format is a function and a row in `labels.formats.FORMATS`; a new outlet is a
function and a row in `labels.outlets.OUTLETS`.
"""

from collections.abc import Sequence

from labels.label import Label

__all__ = ["Label", "render", "unprintable"]


def render(labels: Label | Sequence[Label], fmt: str, *, start: int = 1) -> bytes:
    """Return the labels in the format `fmt`, the first on place `start` (from 1) of a part-used sheet.

    Raises `labels.label.LabelError` for an unknown format, a start that the sheet does not have, or nothing
    to print. What the fonts cannot print is replaced; ask `unprintable` what that was, and tell the person.
    """
    from labels.formats import FORMATS, chosen  # here, so that `labels.codes` needs the standard library only

    return FORMATS[chosen(fmt)].render(_many(labels), start)


def unprintable(labels: Label | Sequence[Label], fmt: str) -> list[str]:
    """Return one sentence for every text of the labels that this format cannot print as it was given."""
    from labels.formats import FORMATS, chosen

    can = FORMATS[chosen(fmt)].can_print
    texts = dict.fromkeys(text for label in _many(labels) for text in (label.title, *label.lines))
    return [
        f"“{text}” cannot be printed with the fonts here and becomes “{printed}”: give it in Latin letters as well."
        for text in texts
        if (printed := can(text)) != text
    ]


def _many(labels: Label | Sequence[Label]) -> Sequence[Label]:
    return [labels] if isinstance(labels, Label) else labels
