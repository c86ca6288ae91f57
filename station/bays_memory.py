"""What the bench must not forget over a restart: drives whose wipe began and is not settled, and those just wiped.

An entry is on the disk (fsync) before a child is started, so that after a power cut the bench knows which drives to
ask for. It goes only when the drive is proved wiped or was never touched; a supervisor may change what is done
next, and never makes a drive wiped.
"""

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from custody.media import MediumIdentity
from station import records
from station.errors import NotDone
from station.sizes import same_drive


@dataclass(frozen=True)
class Unsettled:
    """One drive that began to be wiped. `why`: running, interrupted, pulled, unknown, again or destroy.

    `bay` is where it was last, `since` when (ISO 8601); `event` the record that says UNKNOWN, if any; `operator` who
    wiped it, `by` the supervisor who resolved it.
    """

    identity: MediumIdentity
    bay: str
    why: str
    code: str
    sentences: tuple[str, ...]
    since: str
    profile: str
    event: str = ""
    by: str = ""
    operator: str = ""

    def same_drive(self, other: MediumIdentity) -> bool:
        """Tell whether this is that drive, behind whatever adapter: a name in common and the very same size."""
        if self.identity.id == other.id:
            return True
        return bool(self.identity.names & other.names) and self.identity.size == other.size

    def resized(self, other: MediumIdentity) -> bool:
        """Tell whether this is that drive, showing another size than when it was looked at."""
        return self.identity.size != other.size and same_drive(self.identity, other)


@dataclass(frozen=True)
class Settled:
    """One drive that was wiped and has not left its bay since: the same start of the machine and disk sequence."""

    boot: str
    sequence: int
    claim: str
    event: str
    since: str


@dataclass(frozen=True)
class _Kept:
    unsettled: tuple[Unsettled, ...] = ()
    settled: tuple[tuple[str, Settled], ...] = ()
    resolved: tuple[tuple[str, str], ...] = ()


class Memory:
    """The file, read once and replaced as a whole at each change."""

    def __init__(self, file: Path) -> None:
        """Read it; raises NotDone when it is there and cannot be read, because then nobody knows what is unsettled."""
        self._file = file
        try:
            data = json.loads(file.read_text("utf-8"))
            for entry in data["unsettled"]:
                entry.setdefault("operator", "")  # not kept by earlier versions
            kept = records.from_json(_Kept, data)
        except FileNotFoundError:
            kept = _Kept()
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotDone(
                f"{file} cannot be read ({error}), so nobody knows which drives are unsettled; look into it, and only "
                "when every drive on the bench is accounted for move it away"
            ) from error
        self.unsettled: dict[str, Unsettled] = {one.identity.id: one for one in kept.unsettled}
        self.settled: dict[str, Settled] = dict(kept.settled)
        self.resolved: dict[str, str] = dict(kept.resolved)

    def put(self, entry: Unsettled) -> None:
        """Keep an unsettled drive; raises NotDone when it cannot be written, and then nothing may be started."""
        before = dict(self.unsettled)
        self.unsettled[entry.identity.id] = entry
        try:
            self._write()
        except NotDone:
            self.unsettled = before
            raise

    def wiped(self, identity: MediumIdentity, settled: Settled) -> None:
        """Keep that a drive was wiped and recorded; it is unsettled no longer, whatever adapter it was behind."""
        for name, entry in list(self.unsettled.items()):
            sure = entry.identity.trusted and identity.trusted
            grown = entry.resized(identity) and entry.identity.size < identity.size
            if name == identity.id or (sure and (entry.same_drive(identity) or grown)):
                del self.unsettled[name]
        self.settled[identity.id] = settled
        self._write()

    def forget(self, medium: str) -> None:
        """Drop what is kept of a drive that was never touched, or that has left after it was wiped."""
        if (self.unsettled.pop(medium, None), self.settled.pop(medium, None)) != (None, None):
            self._write()

    def no_longer_green(self, medium: str) -> None:
        """Forget that a drive was wiped, and nothing else of it; raises NotDone when that cannot be written."""
        if self.settled.pop(medium, None) is not None:
            self._write()

    def change(self, medium: str, **changes: str | tuple[str, ...]) -> Unsettled:
        """Change an unsettled entry; raises KeyError when there is none, NotDone."""
        entry = replace(self.unsettled[medium], **changes)  # type: ignore[arg-type]
        self.put(entry)
        return entry

    def resolve(self, medium: str, event: str) -> None:
        """Remember that a record of UNKNOWN was dealt with, so that the drive's log does not bring it up again."""
        self.resolved[medium] = event
        self._write()

    def relative(self, identity: MediumIdentity) -> Unsettled | None:
        """Return the unsettled entry of this drive, also behind another adapter or showing another size."""
        own, kept = self.unsettled.get(identity.id), self.unsettled.values()
        same = own or next((one for one in kept if one.same_drive(identity)), None)
        return same or next((one for one in kept if one.resized(identity)), None)

    def _write(self) -> None:
        kept = _Kept(tuple(self.unsettled.values()), tuple(self.settled.items()), tuple(self.resolved.items()))
        temporary = self._file.with_name(f".{self._file.name}.{secrets.token_hex(4)}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as out:
                json.dump(records.to_json(kept), out, indent=1)
                out.flush()
                os.fsync(out.fileno())
            os.replace(temporary, self._file)
            folder = os.open(self._file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise NotDone(f"{self._file} cannot be written ({error.strerror}); nothing may be started") from error
