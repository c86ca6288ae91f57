"""Words in Arabic and Hebrew letters, put in the order and the shapes in which a printer sets them. Pure.

A PDF canvas sets glyph after glyph from the left. So letters that join are replaced by their joined forms (Unicode
block Arabic Presentation Forms-B, U+FE70 to U+FEFC, whose decompositions say which letter in which place each is; the
joining types follow from which forms a letter has: Unicode Standard, section 9.2), and runs written from the right are
turned round. Enough for names and short lines in a text that is otherwise read from the left; no line may be broken
inside such a run. Scripts of India and South-East Asia are not done here: see `labels.fonts`.
"""

import unicodedata
from collections.abc import Mapping
from functools import cache
from itertools import groupby

_LAM, _MARKS = "\u0644", "Mn"
_MIRRORED = str.maketrans("()[]<>{}", ")(][><}{")


def from_the_right(text: str) -> bool:
    """Tell whether anything in the text is written from the right."""
    return any(unicodedata.bidirectional(one) in ("R", "AL") for one in text)


def visual(text: str) -> str:
    """Return the text as it stands on paper, glyph by glyph from the left; other text is returned as it is."""
    if not from_the_right(text):
        return text
    marked = [(one, _side(one)) for one in _joined(unicodedata.normalize("NFC", text))]
    sides = _neutrals([side for _, side in marked])
    out = ""
    for side, run in groupby(zip(marked, sides, strict=True), key=lambda each: each[1]):
        word = "".join(one for (one, _), _ in run)
        out += _turned(word) if side == "R" else word
    return out


def _side(one: str) -> str:
    """Return R or L for a letter, N (digits, from the left also in a run from the right) or "" for what is neither."""
    kind = unicodedata.bidirectional(one)
    if kind in ("R", "AL"):
        return "R"
    return {"L": "L", "EN": "N", "AN": "N", "NSM": "M"}.get(kind, "")


def _neutrals(sides: list[str]) -> list[str]:
    """Give spaces, marks and digits between letters from the right to them, everything else to the left."""
    out = list(sides)
    strong = [place for place, side in enumerate(sides) if side in ("L", "R")]
    for place, side in enumerate(sides):
        if side in ("L", "R"):
            continue
        before = next((sides[each] for each in reversed(strong) if each < place), "L")
        after = next((sides[each] for each in strong if each > place), "L")
        out[place] = "R" if before == "R" and (after == "R" or side == "M") else "L"
    return out


def _turned(word: str) -> str:
    """Turn a run round, keeping numbers and each letter's marks in their own order."""
    pieces: list[str] = []
    for one in word:
        last = pieces[-1] if pieces else ""
        digits = one.isdigit() and last[-1:].isdigit()
        if last and (unicodedata.category(one) == _MARKS or digits):
            pieces[-1] += one
        else:
            pieces.append(one.translate(_MIRRORED))
    return "".join(reversed(pieces))


def _joined(text: str) -> str:
    """Replace Arabic letters by the form they have beside their neighbours."""
    forms, out, letters = _forms(), "", list(text)
    place = 0
    while place < len(letters):
        one = letters[place]
        after = _neighbour(letters, place, 1)
        pair = one + (letters[place + 1] if place + 1 < len(letters) else "")
        joins_before = "initial" in forms.get(_neighbour(letters, place, -1), {}) and "final" in forms.get(one, {})
        if one == _LAM and pair in forms:  # lam with alef is one letter on paper
            out += forms[pair]["final" if joins_before else "isolated"]
            place += 2
            continue
        joins_after = "initial" in forms.get(one, {}) and "final" in forms.get(after, {})
        which = {(True, True): "medial", (True, False): "final", (False, True): "initial"}.get(
            (joins_before, joins_after), "isolated"
        )
        out += forms.get(one, {}).get(which, one)
        place += 1
    return out


def _neighbour(letters: list[str], place: int, step: int) -> str:
    """Return the next letter on one side, marks left out; "" at the end."""
    place += step
    while 0 <= place < len(letters) and unicodedata.category(letters[place]) == _MARKS:
        place += step
    return letters[place] if 0 <= place < len(letters) else ""


@cache
def _forms() -> Mapping[str, Mapping[str, str]]:
    """Return for each letter (or pair) the forms that Unicode has for it."""
    found: dict[str, dict[str, str]] = {}
    for number in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        kind, *parts = unicodedata.decomposition(chr(number)).split() or [""]
        if kind in ("<isolated>", "<final>", "<initial>", "<medial>"):
            whole = "".join(chr(int(part, 16)) for part in parts)
            found.setdefault(whole, {}).setdefault(kind.strip("<>"), chr(number))
    return found
