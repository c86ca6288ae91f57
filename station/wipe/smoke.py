"""Two small looks by the writer itself: is the drive usable, and is what was written before a break still there."""

from collections.abc import Callable, Sequence

from custody.claims import BadRange
from station.wipe.blockio import Raw, buffer
from station.wipe.patterns import Pattern, derive

_BLOCK = 4096
_LOOKS = 128


def smoke_test(raw: Raw, written: Pattern | None, entropy: Callable[[int], bytes]) -> bool:
    """Write a block in the middle, read it, put back what was there before, and read that.

    `written` is what the last pass left; None after a drive's own erase, which may have left anything. False when
    either does not come back. A drive that firmware has left unusable shows here.
    """
    if raw.size < _BLOCK:
        return False
    at = _place(raw)
    try:
        before = written.block(at, _BLOCK) if written else raw.read(at, _BLOCK)
    except OSError:
        return False
    return all(_comes_back(raw, at, content) for content in (entropy(_BLOCK), before))


def put_back(raw: Raw, written: Pattern) -> None:
    """Write the block of the smoke test as the last pass left it; a failure shows when everything is read back."""
    if raw.size >= _BLOCK:
        _comes_back(raw, _place(raw), written.block(_place(raw), _BLOCK))


def _place(raw: Raw) -> int:
    step = max(raw.sector, _BLOCK)
    middle = raw.size // 2 // step * step
    return middle if middle + _BLOCK <= raw.size else 0


def _comes_back(raw: Raw, at: int, content: bytes) -> bool:
    block = buffer(_BLOCK)
    block[:] = content
    try:
        raw.write(at, block)
        raw.flush()
        return raw.read(at, _BLOCK) == content
    except OSError:
        return False


def still_holds(raw: Raw, written: Pattern, end: int, bad: Sequence[BadRange], seed: bytes) -> bool:
    """Tell whether places below byte `end`, chosen by the seed, both ends included, hold what the pass wrote there.

    This decides only whether a resume may go on from `end`; the proof afterwards reads everything.
    """
    blocks = end // _BLOCK
    if not blocks:
        return False
    chosen = {0, blocks - 1}
    for index in range(_LOOKS):
        chosen.add(int.from_bytes(derive(seed, f"kitbank resume v1 {index}"), "big") % blocks)
    for at in sorted(block * _BLOCK for block in chosen):
        if any(one.start < at + _BLOCK and at < one.start + one.length for one in bad):
            continue
        try:
            if raw.read(at, _BLOCK) != written.block(at, _BLOCK):
                return False
        except OSError:
            return False
    return True
