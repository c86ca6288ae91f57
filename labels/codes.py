"""Label codes: twelve symbols that a person can copy and a program can correct.

A code is ten random symbols of Crockford's base 32 (0-9 and A-Z without I, L, O and U; 50 random bits, so a
million devices collide with probability 0.0004) and two check symbols of a Reed-Solomon code over GF(32),
with roots 1 and a, a root of x^5 + x^2 + 1.

What two check symbols can do, and what they cannot:

* One wrong character anywhere is always noticed, *located*, and the right one is known.
* Any two wrong characters are noticed (the distance between codes is 3). Two characters that changed places
  are never mistaken for one wrong character: both give the first check sum 0, which one wrong character never
  does. If they were neighbours the right order is offered.
* Two *unrelated* wrong characters look in about a third of all cases like a single wrong character of another
  code. So a correction is only ever **offered** to a person, never applied silently.
* Three wrong characters can, about once in a thousand, be another valid code and pass unnoticed.

Only the standard library is used, so every program may import this module.
"""

from collections.abc import Iterator
from random import Random, SystemRandom

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
RANDOM_SYMBOLS = 10
GROUP = 4
_MISREAD = {"I": "1", "L": "1", "O": "0"}  # Crockford's own reading of the letters he left out
_SEPARATORS = frozenset(" -\t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014")
_HEX = frozenset("0123456789abcdef")
# The powers a^0 ... a^30 in GF(32): addition is exclusive or, a is 2, and a^5 = a^2 + 1.
_POWERS = (
    1,
    2,
    4,
    8,
    16,
    5,
    10,
    20,
    13,
    26,
    17,
    7,
    14,
    28,
    29,
    31,
    27,
    19,
    3,
    6,
    12,
    24,
    21,
    15,
    30,
    25,
    23,
    11,
    22,
    9,
    18,
)


class BadCode(ValueError):
    """What was typed or scanned is no label code; the message is one sentence for the person who typed it.

    `why` is "empty", "length", "character", "one" (one wrong character, located), "swapped" (two neighbours
    changed places, probably), "many" or "address". `position` counts from 1 as the code is printed, hyphens
    not counted; `wrong` and `right` are characters; `suggestion` is a whole valid code to *offer*, or None.
    """

    def __init__(
        self,
        why: str,
        text: str,
        *,
        position: int | None = None,
        wrong: str | None = None,
        right: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        """Keep the sentence and what a screen needs to offer the right code."""
        super().__init__(text)
        self.why, self.position, self.wrong, self.right, self.suggestion = (
            why,
            position,
            wrong,
            right,
            suggestion,
        )


def new(rng: Random | None = None) -> str:
    """Return a fresh code; `rng` is the source of chance, the operating system's own when not given."""
    rng = rng or SystemRandom()
    return complete("".join(rng.choice(ALPHABET) for _ in range(RANDOM_SYMBOLS)))


def complete(ten: str) -> str:
    """Return ten symbols with their two check symbols behind them.

    Solves c10 + c11 = s0 and c10 a^10 + c11 a^11 = s1 over GF(32), so that both check sums become 0.
    """
    if len(ten) != RANDOM_SYMBOLS or any(symbol not in ALPHABET for symbol in ten):
        raise ValueError(f"{ten!r} is not {RANDOM_SYMBOLS} symbols of {ALPHABET}")
    s0, s1 = _sums([ALPHABET.index(symbol) for symbol in ten])
    last = _divide(s1 ^ _times(s0, _POWERS[10]), _POWERS[10] ^ _POWERS[11])
    return ten + ALPHABET[s0 ^ last] + ALPHABET[last]


def check(text: str) -> str:
    """Return the code in its one spelling, or raise `BadCode`: what is wrong, and the right code to offer.

    Capitals or not, spaces and hyphens do not matter; I and L are read as 1, O as 0.
    """
    code = _letters(text)
    values = [ALPHABET.index(symbol) for symbol in code]
    s0, s1 = _sums(values)
    if s0 == 0 and s1 == 0:
        return code
    if s0 and s1:
        place = (_log(s1) - _log(s0)) % 31
        if place < LENGTH:
            raise _one_wrong(code, values, place, s0)
    raise _several_wrong(code, list(_neighbours(values, s1)) if s0 == 0 else [])


def parse(text: str) -> str:
    """Return the code in an address (`HTTPS://HOST/D/CODE`, any case) or a bare code; raises `BadCode`."""
    return parse_slip(text)[0]


def parse_slip(text: str) -> tuple[str, str | None]:
    """Return (code, exit) of a return slip `HTTPS://HOST/R/CODE/EXIT`; exit is None where there is none.

    A device's own address or a bare code is accepted too. The exit is the hash, 64 hexadecimal digits in
    lower case, of the `device.left` that the return answers. Raises `BadCode`.
    """
    stripped = text.strip()
    if "://" not in stripped:
        return check(stripped), None
    parts = stripped.split("://", 1)[1].split("?")[0].split("#")[0].rstrip("/").split("/")[1:]
    if len(parts) < 2 or parts[0].upper() not in ("D", "R"):
        raise BadCode(
            "address", f"{_shown(stripped)} is an address, but not one of ours: ours end in /D/ and a code."
        )
    code = check(parts[1])
    if parts[0].upper() == "D" or len(parts) == 2:
        return code, None
    answers = parts[2].lower()
    if len(answers) != 64 or not _HEX.issuperset(answers):
        raise BadCode(
            "address", "The end of this return slip could not be read: scan it again, or type the label code."
        )
    return code, answers


def pretty(code: str) -> str:
    """Return a code as it is printed, in groups of four: `7K3Q-X9MD-A4TP`."""
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def address(host: str, code: str) -> str:
    """Return what a label's QR says: `HTTPS://HOST/D/CODE`, all within the QR alphanumeric set."""
    return f"HTTPS://{_bare(host)}/D/{code}"


def slip_address(host: str, code: str, answers: str | None) -> str:
    """Return what a return slip's QR says; `answers` is the hash of the exit it answers, if known."""
    return f"HTTPS://{_bare(host)}/R/{code}" + (f"/{answers.upper()}" if answers else "")


def _bare(host: str) -> str:
    """Return a host in capitals; people configure `https://host/` and mean the host."""
    return host.rsplit("://", maxsplit=1)[-1].rstrip("/").upper()


def _letters(text: str) -> str:
    """Return twelve symbols of the alphabet, or raise with the first thing that makes it impossible."""
    kept = [character for character in text.strip().upper() if character not in _SEPARATORS]
    if not kept:
        raise BadCode(
            "empty", "Nothing was read: scan the label, or type the 12 characters printed under it."
        )
    code = "".join(_MISREAD.get(character, character) for character in kept)
    odd = [place for place, symbol in enumerate(code) if symbol not in ALPHABET]
    if odd:
        raise _impossible(code, odd)
    if len(code) != LENGTH:
        missing = LENGTH - len(code)
        what = f"{missing} missing" if missing > 0 else f"{-missing} too many"
        raise BadCode("length", f"A code has {LENGTH} characters; this has {len(code)}: {what}.")
    return code


def _impossible(code: str, odd: list[int]) -> BadCode:
    """Name the character that no code has; if it is the only thing wrong, its right value is known."""
    place = odd[0]
    text = f"{_where(place)}, {_shown(code[place])}, is never used in a code."
    if len(odd) > 1 or len(code) != LENGTH:
        return BadCode("character", text, position=place + 1, wrong=code[place])
    s0, s1 = _sums([0 if at == place else ALPHABET.index(symbol) for at, symbol in enumerate(code)])
    if s1 != _times(s0, _POWERS[place]):
        return BadCode(
            "many", f"{text} More than one character is wrong.", position=place + 1, wrong=code[place]
        )
    right = ALPHABET[s0]
    suggestion = code[:place] + right + code[place + 1 :]
    return BadCode(
        "character",
        f"{text} It should probably be {right}. Did you mean {pretty(suggestion)}?",
        position=place + 1,
        wrong=code[place],
        right=right,
        suggestion=suggestion,
    )


def _one_wrong(code: str, values: list[int], place: int, error: int) -> BadCode:
    right = ALPHABET[values[place] ^ error]
    suggestion = code[:place] + right + code[place + 1 :]
    return BadCode(
        "one",
        f"{_where(place)} is wrong: {code[place]} should probably be {right}. Did you mean {pretty(suggestion)}?",
        position=place + 1,
        wrong=code[place],
        right=right,
        suggestion=suggestion,
    )


def _where(place: int) -> str:
    """Say a place as a person counts on the printed label."""
    nth = ("1st", "2nd", "3rd", "4th")[place % GROUP]
    return f"Character {place + 1} (the {nth} of group {place // GROUP + 1})"


def _several_wrong(code: str, swaps: list[int]) -> BadCode:
    if len(swaps) != 1:
        return BadCode(
            "many", "More than one character is wrong: please look at the label and type the code again."
        )
    place = swaps[0]
    suggestion = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    return BadCode(
        "swapped",
        f"More than one character is wrong: characters {place + 1} and {place + 2} may have changed places. "
        f"Did you mean {pretty(suggestion)}?",
        position=place + 1,
        wrong=code[place : place + 2],
        right=suggestion[place : place + 2],
        suggestion=suggestion,
    )


def _neighbours(values: list[int], s1: int) -> Iterator[int]:
    """Yield each place whose symbol, exchanged with the next one, would make the code right (s0 is 0)."""
    for place in range(LENGTH - 1):
        error = values[place] ^ values[place + 1]
        if error and _times(error, _POWERS[place] ^ _POWERS[place + 1]) == s1:
            yield place


def _shown(text: str) -> str:
    return f"“{text if len(text) <= 40 else text[:37] + '…'}”"


def _sums(values: list[int]) -> tuple[int, int]:
    """Return the two check sums: the values at the roots 1 and a."""
    s0 = s1 = 0
    for place, value in enumerate(values):
        s0 ^= value
        s1 ^= _times(value, _POWERS[place])
    return s0, s1


def _times(left: int, right: int) -> int:
    return _POWERS[(_log(left) + _log(right)) % 31] if left and right else 0


def _divide(left: int, right: int) -> int:
    return _POWERS[(_log(left) - _log(right)) % 31] if left else 0


def _log(value: int) -> int:
    return _POWERS.index(value)
