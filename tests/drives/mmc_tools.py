"""mmc-utils over a file in place of a chip: a `station.run.Runner` for the eMMC engine, with the lies a chip can tell.

No emulated eMMC was to be had (QEMU 7.2 has only SD cards): this stands in for the chip *and* the tool, so it proves
how our code treats answers and effects, and nothing about chips.
"""

from collections.abc import Sequence
from pathlib import Path

from station.run import Result, Watch


class MmcTools:
    """Erases a file when told to; `lie` is "", "erases-nothing", "keeps-last-percent", "fails" or "hangs"."""

    def __init__(self, image: Path, lie: str = "") -> None:
        self.image, self.lie = image, lie
        self.unmapped = False
        self._done: list[Result] = []

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was run."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Run one command line."""
        words = tuple(argv)
        result = self._run(words, deadline)
        self._done.append(result)
        return result

    def _run(self, words: tuple[str, ...], deadline: float) -> Result:
        if words[:2] == ("mmc", "erase"):
            if self.lie == "fails":
                return Result(words, 1, b"", b"Erase failed\n", 0.0)
            self.unmapped = int(words[3]) == 0 and int(words[4]) == self.image.stat().st_size // 512 - 1
            return Result(words, 0, b"", b"", 0.0)
        if words[:2] == ("mmc", "sanitize"):
            if self.lie == "hangs":
                return Result(words, -14, b"", b"", deadline, timed_out=True)
            if self.unmapped and self.lie != "erases-nothing":
                size = self.image.stat().st_size
                with self.image.open("r+b") as out:
                    out.write(bytes(size * 99 // 100 if self.lie == "keeps-last-percent" else size))
            return Result(words, 0, b"", b"", 0.0)
        if words[0] == "mmc":
            return Result(words, 0, b"mmc-utils 0.1\n", b"", 0.0)
        return Result(words, 127, b"", b"no such tool here", 0.0, missing=True)
