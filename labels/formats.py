"""The table of formats: what `render` can make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from labels import sheet, zpl
from labels.fonts import face
from labels.label import Label, LabelError


@dataclass(frozen=True)
class Format:
    """One format: what it is called for people, how it is made and how a text would look in it."""

    title: str
    render: Callable[[Sequence[Label], int], bytes]
    can_print: Callable[[str], str]
    places: int = 1


def _pdf(stock: sheet.Stock) -> Format:
    def make(labels: Sequence[Label], start: int) -> bytes:
        return sheet.render(labels, stock, start)

    return Format(stock.name, make, lambda text: face().text(text), stock.places)


FORMATS: Mapping[str, Format] = {
    "pdf:avery-l7160": _pdf(sheet.L7160),
    "pdf:avery-l7163": _pdf(sheet.L7163),
    "pdf:slip-a6": _pdf(sheet.SLIP),
    "pdf:badge": _pdf(sheet.BADGE),
    "zpl:57x32": Format("ZPL, 57 x 32 mm at 203 dpi", partial(zpl.render), zpl.can_print),
}


def chosen(name: str) -> str:
    """Return the name if there is such a format; raises `LabelError` listing those there are."""
    if name not in FORMATS:
        raise LabelError(f"There is no label format “{name}”; there are: {', '.join(FORMATS)}.")
    return name
