"""What is ours, and the only way to a drive that may be written (being filled in; the signatures stand)."""

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from custody.errors import Reason
from station.media import Medium
from station.system import System


class Target:
    """A claimed drive, held exclusively until closed. Only `claim` makes one."""

    medium: Medium
    path: str
    fd: int  # opened for reading and writing
    size: int  # bytes, asked of the open handle
    sector_size: int

    def open_again(self, flags: int) -> int:
        """Open the very same drive once more (say with O_DIRECT); raises `TargetVanished` or `TargetChanged`."""
        raise NotImplementedError

    def still_same(self) -> Medium:
        """Read identity and size again; raises `TargetVanished`, `TargetShrunk` or `TargetChanged`."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the drive; a second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the target itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the drive."""
        self.close()


def why_ours(
    path: str | Path,
    *,
    allow_loop: bool = False,
    protect: Collection[Path] = (),
    bays: Collection[str] = (),
    system: System | None = None,
) -> list[Reason]:
    """Return every reason why this must not be touched; empty means it is offered."""
    raise NotImplementedError


def claim(
    medium: Medium,
    *,
    allow_loop: bool = False,
    protect: Collection[Path] = (),
    bays: Collection[str] = (),
    system: System | None = None,
) -> Target:
    """Take a drive exclusively; raises `GuardRefused` with all reasons, or `TargetLost`."""
    raise NotImplementedError
