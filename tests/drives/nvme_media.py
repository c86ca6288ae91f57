"""The media side of the simulated drive: namespaces, how they are written and erased, and how both can deceive."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drives import nvme_words as words
from tests.drives.nvme_flash import Extent, Filling, Flash, without
from tests.drives.nvme_identity import Make
from tests.drives.nvme_lies import Lie, Manner
from tests.drives.nvme_words import NeverAnswers

_BLOCK = 4096
_VENDOR = bytes.fromhex("33cc55aa")


@dataclass
class Namespace:
    """One namespace: its flash, its LBA format, and the size in bytes that it admits to."""

    nsid: int
    flash: Flash
    lbaf: int
    size: int
    arrived: int = 0  # bytes written since the drive's character last changed


class Media:
    """All namespaces of a drive. `lies` is shared with the controller; `bad` and `kept` may be set at any time."""

    def __init__(
        self,
        images: Sequence[tuple[Path, int]],
        make: Make,
        lies: set[Lie | Manner],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.make, self.lies, self._entropy = make, lies, entropy
        self.namespaces = {nsid: self._open(nsid, Path(image), lba) for nsid, (image, lba) in enumerate(images, 1)}
        self.bad: set[tuple[int, int]] = set()  # (nsid, lba) that cannot be read until written again
        self.kept = self.namespaces[1].size // 2 // _BLOCK * _BLOCK  # the block that Lie.KEEPS_ONE_BLOCK keeps
        self.changed: set[int] = set()  # namespaces whose attributes changed since log 04h was read
        self._stuck: set[tuple[int, int]] = set()
        self._older_hidden: dict[int, list[Extent]] = {}

    def _open(self, nsid: int, image: Path, lba: int) -> Namespace:
        flash = Flash(image, self.make.cache if self.make.vwc & 1 else 0)
        flash.fill = self.make.fill
        return Namespace(nsid, flash, self.make.lba_sizes.index(lba), flash.size // _BLOCK * _BLOCK)

    def all(self) -> list[Namespace]:
        """Return the namespaces in order."""
        return list(self.namespaces.values())

    def lba(self, ns: Namespace) -> int:
        """Return the size of a logical block in bytes."""
        return self.make.lba_sizes[ns.lbaf]

    def character_changed(self) -> None:
        """Count anew what arrives: a lie was taken up or given up."""
        self._stuck.clear()
        for ns in self.all():
            ns.arrived = 0

    def write(self, ns: Namespace, offset: int, data: bytes | memoryview, *, through: bool) -> int:
        """Take data; return a status. Raises `NeverAnswers` for a drive that hangs in the middle of an overwrite."""
        ns.arrived += len(data)
        if ns.arrived > ns.flash.size // 2:
            if Lie.HANGS in self.lies:
                raise NeverAnswers("the drive stays silent in the middle of writing")
            if Lie.SHRINKS in self.lies and self.shrink(ns):
                return words.OUT_OF_RANGE
        if self.bad:
            lba = self.lba(ns)
            healed = range(offset // lba, (offset + len(data)) // lba)
            self.bad = {(nsid, block) for nsid, block in self.bad if nsid != ns.nsid or block not in healed}
        if Lie.DROPS_WRITES not in self.lies:
            for begin, end in self._changeable(ns, offset, offset + len(data)):
                ns.flash.write(begin, memoryview(data)[begin - offset : end - offset], through=through)
        return words.OK

    def unreadable(self, ns: Namespace, first: int, blocks: int) -> bool:
        """Tell whether a read of these logical blocks meets one that is bad."""
        return bool(self.bad) and any(nsid == ns.nsid and first <= lba < first + blocks for nsid, lba in self.bad)

    def deallocate(self, ns: Namespace, begin: int, end: int) -> None:
        """Forget the mapping of a range of bytes; the flash keeps it."""
        if Lie.DROPS_WRITES not in self.lies:
            ns.flash.hide(begin, end)

    def erase(
        self,
        targets: Iterable[Namespace],
        part: tuple[float, float],
        filling: Filling | None = None,
        *,
        forget: bool = False,
    ) -> None:
        """Erase a part (from, to; 0 to 1) of namespaces, unless a lie says otherwise; `forget` deallocates after."""
        for ns in targets:
            if Lie.SHRINKS in self.lies and part[1] >= 0.5:
                self.shrink(ns)
            begin, end = (min(ns.size, int(ns.flash.size * point) // _BLOCK * _BLOCK) for point in part)
            if part[1] >= 1.0:
                end = ns.size
            if Lie.ERASES_NOTHING in self.lies:
                continue
            if Lie.ZEROS_WITHOUT_ERASING in self.lies:
                ns.flash.hide(begin, end)
                continue
            extents = [(begin, end)] if begin < end else []
            for low, high in self._kept_extents(ns):
                extents = without(extents, low, high)
            for low, high in extents:
                ns.flash.erase(low, high, filling)
                if forget:
                    ns.flash.hide(low, high)

    def filling(self, action: int, pattern: int, passes: int, *, invert: bool) -> Filling | None:
        """Return what an erased range holds after a sanitize action; None means zeros."""
        if action == words.OVERWRITE:
            last = pattern ^ (0xFFFFFFFF if invert and passes % 2 == 0 else 0)
            return None if last == 0 else _repeating(last.to_bytes(4, "little"))
        if action == words.BLOCK_ERASE and Manner.VENDOR_PATTERN in self.lies:
            return _repeating(_VENDOR)
        if action == words.BLOCK_ERASE and Manner.ONES_AFTER_BLOCK in self.lies:
            return _repeating(b"\xff")
        if action == words.CRYPTO_ERASE and Manner.RANDOM_AFTER_CRYPTO in self.lies:
            return self._entropy
        return None

    def shrink(self, ns: Namespace) -> bool:
        """Let half of a namespace vanish; tell whether it had not yet."""
        half = ns.flash.size // 2 // _BLOCK * _BLOCK
        if ns.size <= half:
            return False
        ns.size = half
        self.changed.add(ns.nsid)
        return True

    def take_changed(self) -> set[int]:
        """Return the namespaces whose attributes changed since this was last asked."""
        changed, self.changed = self.changed, set()
        return changed

    # --- content that comes back ---

    def remember_content(self) -> None:
        """Keep a copy of the content; where a copy is left from before a power cut, power has just returned."""
        if all(_older(ns).exists() for ns in self.all()):
            self.return_to_older()
            return
        for ns in self.all():
            ns.flash.flush()
            shutil.copyfile(ns.flash.image, _older(ns))
            self._older_hidden[ns.nsid] = list(ns.flash.hidden)

    def return_to_older(self) -> None:
        """Put the content back that was there when the copy was made."""
        for ns in self.all():
            ns.flash.lose_cache()
            shutil.copyfile(_older(ns), ns.flash.image)
            ns.flash.hidden = list(self._older_hidden.get(ns.nsid, []))

    def forget_content(self) -> None:
        """Remove the copies."""
        for ns in self.all():
            _older(ns).unlink(missing_ok=True)

    def to_json(self) -> dict[str, Any]:
        """Return what outlives a power cut, besides the images."""
        return {str(n.nsid): {"lbaf": n.lbaf, "size": n.size, "hidden": n.flash.hidden} for n in self.all()}

    def from_json(self, data: dict[str, Any]) -> None:
        """Take up what `to_json` kept."""
        for nsid, kept in data.items():
            ns = self.namespaces[int(nsid)]
            ns.lbaf, ns.size = kept["lbaf"], kept["size"]
            ns.flash.hidden = [(begin, end) for begin, end in kept["hidden"]]

    # --- what survives ---

    def _kept_extents(self, ns: Namespace) -> list[Extent]:
        kept = []
        if Lie.KEEPS_LAST_PERCENT in self.lies:
            kept.append((ns.flash.size * 99 // 100 // _BLOCK * _BLOCK, ns.flash.size))
        if Lie.KEEPS_ONE_BLOCK in self.lies and ns.nsid == 1:
            kept.append((self.kept, self.kept + _BLOCK))
        return kept

    def _changeable(self, ns: Namespace, begin: int, end: int) -> list[Extent]:
        """Return what a write may really change: a kept block takes its first write and no other."""
        extents = [(begin, end)]
        for low, high in self._kept_extents(ns):
            for block in range(max(low, begin // _BLOCK * _BLOCK), min(high, end), _BLOCK):
                if (ns.nsid, block) in self._stuck:
                    extents = without(extents, block, block + _BLOCK)
                self._stuck.add((ns.nsid, block))
        return extents


def _older(ns: Namespace) -> Path:
    return ns.flash.image.with_name(ns.flash.image.name + ".older")


def _repeating(word: bytes) -> Filling:
    return lambda length: (word * (length // len(word) + 1))[:length]
