"""The road for benches without a network: a stick carried between an origin and its server, in any order, as often.

Under `kitbank/` on the stick each origin has a folder, named like itself:

- from the origin: `events-<first>-<last>.kb`, `attachment-<digest>.kb`, `wants.kb` (how far it has the history);
- from the server: `ack.kb`, `feed-<after>-<position>.kb`, `checkpoint.kb`; for stations `roster.kb` as well.

Each file is whole or it is not there (`custody.stickfile`); a torn one is said and ignored. Every file may be read
twice and every visit repeated. The origin removes what the server confirmed, the server replaces its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from custody.disk import fsync_folder
from custody.errors import BadEvent, CustodyError, RoadDown, SyncRefused, UnknownKey
from custody.events import Digest, OriginId
from custody.roads import Ack, FeedPage, RefusedEvent, ServerSide, number_of
from custody.signing import UnknownOrigin
from custody.stickfile import StickFile, Torn, on_stick, read_file, remove, write_file

PAGE = 1000
"""Envelopes in one file of the server's history."""

_ORIGIN = re.compile(r"(server|station|kiosk)-[0-9a-f]{16}")
_EVENTS = re.compile(r"events-(\d{12})-(\d{12})\.kb")
_FEED = re.compile(r"feed-(\d{12})-(\d{12})\.kb")
_ATTACHMENT = re.compile(r"attachment-([0-9a-f]{64})\.kb")


@dataclass(frozen=True)
class StickReport:
    """What one origin's folder on the stick brought and was given."""

    origin: OriginId
    through: int
    received: int
    refused: int
    attachments: int
    given: int
    messages: tuple[str, ...]


class StickRoad:
    """`custody.roads.Road` over a folder on a stick: what is handed over now is answered at a later visit."""

    def __init__(self, folder: Path, origin: OriginId) -> None:
        """Use the stick mounted at `folder`; raises `RoadDown` when it is not there."""
        self.live = False
        self.clock_offset: float | None = None
        self.messages: list[str] = []
        if not folder.is_dir():
            raise RoadDown(f"there is no stick at {folder}; nothing is lost. Put it in and sync again")
        self._folder = folder / "kitbank" / origin
        self._answered = False
        with on_stick(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            fsync_folder(self._folder.parent)
            fsync_folder(folder)

    def acknowledged(self, origin: OriginId) -> Ack | None:
        """Return what the server said at the stick's last visit there; raises the `Gap` or `Fork` it met."""
        found = self._read("ack.kb", "ack")
        if found is None:
            return None
        self._answered = True
        messages = found.about.get("messages")
        self.messages.extend(str(one) for one in (messages if isinstance(messages, list) else []))
        try:
            ack = Ack.from_json(found.about["ack"]) if found.about.get("ack") else None
        except SyncRefused as error:
            self.messages.append(f"ack.kb on the stick makes no sense and was left alone: {error}")
            return None
        if ack is None:
            return None
        for path, (_, last) in self._named(_EVENTS):
            if int(last) <= ack.through:
                remove(path)
        for digest in ack.attachments:
            remove(self._folder / f"attachment-{digest}.kb")
        return ack

    def push(self, origin: OriginId, envelopes: Sequence[bytes]) -> Ack | None:
        """Put events on the stick; the answer comes when the stick does."""
        first, last = number_of(envelopes[0]), number_of(envelopes[-1])
        about = {"kind": "events", "origin": origin, "first": first, "last": last}
        name = f"events-{first:012}-{last:012}.kb"
        write_file(self._folder / name, about, envelopes)
        for path, (start, _) in self._named(_EVENTS):
            if int(start) == first and path.name != name:
                remove(path)
        return None

    def put_attachment(self, digest: Digest, data: bytes) -> bool:
        """Put evidence on the stick."""
        write_file(self._folder / f"attachment-{digest}.kb", {"kind": "attachment", "digest": digest}, [data])
        return False

    def feed(self, after: int) -> FeedPage | None:
        """Return the page that goes on from here, and ask for what comes after it."""
        pages = sorted((int(a), int(p), path) for path, (a, p) in self._named(_FEED))
        for start, position, path in pages:
            if start <= after < position:
                found = self._read(path.name, "feed")
                if found is not None:
                    more = any(a <= position < p for a, p, _ in pages)
                    return FeedPage(found.records, position, more, found.about.get("server"))
        if self._answered:  # whoever asks for history has noted the answer
            remove(self._folder / "ack.kb")
        write_file(self._folder / "wants.kb", {"kind": "wants", "after": after}, [])
        return None

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint that the server signed at the stick's last visit."""
        found = self._read("checkpoint.kb", "checkpoint")
        return found.records[0] if found and found.records else None

    def roster(self) -> bytes | None:
        """Return the roster that the server left at the stick's last visit."""
        found = self._read("roster.kb", "roster")
        return found.records[0] if found and found.records else None

    def _read(self, name: str, kind: str) -> StickFile | None:
        if not (self._folder / name).exists():
            return None
        try:
            return read_file(self._folder / name, kind)
        except Torn as error:
            self.messages.append(str(error))
            return None

    def _named(self, pattern: re.Pattern[str]) -> list[tuple[Path, tuple[str, ...]]]:
        return _named(self._folder, pattern)


def serve_stick(folder: Path, server: ServerSide) -> list[StickReport]:
    """Take in what every origin left on the stick, then leave each the answer and the history it lacks.

    Raises `RoadDown` when the stick fails; what had been taken in is kept, and serving it again is harmless.
    """
    root = folder / "kitbank"
    with on_stick(folder):
        if not folder.is_dir():
            raise RoadDown(f"there is no stick at {folder}; put it in and try again")
        found = sorted(root.iterdir()) if root.is_dir() else []
        homes = [path for path in found if _ORIGIN.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    visits = [_Visit(home, server) for home in homes]
    for visit in visits:
        visit.take_in()
    return [visit.answer() for visit in visits]


class _Visit:
    """One origin's folder while the stick is at the server."""

    def __init__(self, home: Path, server: ServerSide) -> None:
        self._home, self._server, self._origin = home, server, OriginId(home.name)
        self._messages: list[str] = []
        self._confirmed: list[Digest] = []
        self._received, self._refused, self._stranger = 0, 0, False
        self._ack: Ack | None = None

    def take_in(self) -> None:
        """Take evidence first, then the events that name it, in order, until a chain breaks."""
        try:
            self._ack = replace(self._server.receive(self._origin, []), refused=self._not_yet_told())
            for path, (digest,) in _named(self._home, _ATTACHMENT):
                self._take_attachment(path, Digest(digest))
            for path, _ in _named(self._home, _EVENTS):
                self._take_events(path)
        except (BadEvent, SyncRefused) as error:
            self._stranger = isinstance(error, UnknownKey | UnknownOrigin)
            self._messages.append(f"the server could not take all events of {self._origin}: {error}")
            self._settle()

    def answer(self) -> StickReport:
        """Leave the acknowledgement, the history from where the origin stands, and the newest checkpoint."""
        newest, roster = self._server.checkpoint(), None if self._stranger else self._server.roster(self._origin)
        position, given = (0, 0) if self._stranger else self._leave_feed()
        if newest and not self._stranger:
            write_file(self._home / "checkpoint.kb", {"kind": "checkpoint"}, [newest])
        if roster:
            write_file(self._home / "roster.kb", {"kind": "roster"}, [roster])
        else:
            remove(self._home / "roster.kb")
        if self._ack and not self._stranger:
            self._ack = replace(self._ack, attachments=tuple(self._confirmed), position=position)
        ack = self._ack.to_json() if self._ack and not self._stranger else None
        write_file(self._home / "ack.kb", {"kind": "ack", "ack": ack, "messages": self._messages}, [])
        through = self._ack.through if self._ack else 0
        return StickReport(
            self._origin, through, self._received, self._refused, len(self._confirmed), given, tuple(self._messages)
        )

    def _not_yet_told(self) -> tuple[RefusedEvent, ...]:
        """Return the refusals that an earlier visit left here and the origin has not fetched yet."""
        path = self._home / "ack.kb"
        try:
            return tuple(Ack.from_json(read_file(path, "ack").about["ack"]).refused) if path.exists() else ()
        except (Torn, KeyError, SyncRefused):
            return ()

    def _take_attachment(self, path: Path, digest: Digest) -> None:
        try:
            if not self._server.has_attachment(digest):
                records = read_file(path, "attachment").records
                self._server.put_attachment(digest, records[0] if records else b"")
            self._confirmed.append(digest)
        except RoadDown:
            raise
        except CustodyError as error:
            self._messages.append(f"evidence {digest[:12]} was not taken: {error}")

    def _take_events(self, path: Path) -> None:
        try:
            records = read_file(path, "events").records
        except Torn as error:
            raise SyncRefused(str(error)) from error
        before = self._ack.through if self._ack else 0
        ack = self._server.receive(self._origin, records)
        self._received += max(0, ack.through - before)
        self._refused += len(ack.refused)
        earlier = self._ack.refused if self._ack else ()
        self._ack = replace(ack, refused=(*earlier, *ack.refused))

    def _settle(self) -> None:
        """After a broken chain, find out how far the server has it all the same."""
        refused = self._ack.refused if self._ack else ()
        try:
            self._ack = replace(self._server.receive(self._origin, []), refused=refused)
        except CustodyError:
            self._ack = None

    def _leave_feed(self) -> tuple[int, int]:
        """Write the history that the origin lacks; return its position and how many envelopes that were."""
        after, given, written = self._wanted(), 0, set()
        while True:
            page = self._server.feed(after, PAGE)
            if page.envelopes:
                about = {"kind": "feed", "after": after, "position": page.position, "server": page.server}
                name = f"feed-{after:012}-{page.position:012}.kb"
                write_file(self._home / name, about, page.envelopes)
                written.add(name)
            after, given = max(after, page.position), given + len(page.envelopes)
            if not page.more:
                break
        for path, _ in _named(self._home, _FEED):
            if path.name not in written:
                remove(path)
        return after, given

    def _wanted(self) -> int:
        if not (self._home / "wants.kb").exists():
            return 0
        try:
            return int(read_file(self._home / "wants.kb", "wants").about["after"])
        except (Torn, KeyError, TypeError, ValueError) as error:
            self._messages.append(f"the whole history is given, because the stick does not say what is wanted: {error}")
            return 0


def _named(folder: Path, pattern: re.Pattern[str]) -> list[tuple[Path, tuple[str, ...]]]:
    """Return the files whose names fit, in order of their names, with what the pattern found in each."""
    with on_stick(folder):
        names = sorted(path.name for path in folder.iterdir())
    return [(folder / name, found.groups()) for name in names if (found := pattern.fullmatch(name))]
