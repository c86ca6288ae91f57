"""Read what can still be proven from a damaged journal: straight from the bytes of the file, without SQLite.

SQLite gives up at the first bad page; here every intact leaf page of the file and of its write-ahead log is read on
its own, so a torn inner page costs nothing. An event counts only if its signature fits one of the keys that the
journal itself recorded, or that were handed in. Layout: SQLite, "Database File Format", §1.5, §1.6, §2.1, §4.1.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from custody.chain import Writer
from custody.errors import BadEvent
from custody.events import Event, KeyId, OriginId, PublicKey, World, open_

LEAF = 0x0D
"""Type byte of a page that holds rows of a table."""

LARGEST_TO_COUNT = 32 << 20
"""Bytes. A larger file is not searched just to word a message."""

Value = bytes | str | int | None


def salvage(path: Path, keys: Iterable[PublicKey] = ()) -> list[bytes]:
    """Return every envelope that still proves itself, by origin and number. Raises `OSError` if nothing is readable.

    `keys` helps where the page that held the writers is the damaged one; the machine's own key is the usual one.
    """
    return [envelope for envelope, _ in _proven(path, keys)]


def what_is_left(path: Path) -> str:
    """Say in a sentence which events of the file can still be read; never raises."""
    try:
        if path.stat().st_size > LARGEST_TO_COUNT:
            return "How much of it can still be read, 'salvage' tells."
        events = [event for _, event in _proven(path, ())]
    except OSError:
        return "Nothing of it can be read now."
    if not events:
        return "No event in it can be proven with the keys it still holds."
    runs: dict[OriginId, list[list[int]]] = {}
    for event in events:
        run = runs.setdefault(event.origin, [])
        if run and run[-1][1] + 1 == event.seq:
            run[-1][1] = event.seq
        else:
            run.append([event.seq, event.seq])
    told = "; ".join(
        f"{origin} " + ", ".join(f"{a} to {b}" if a != b else f"{a}" for a, b in run[:8])
        for origin, run in list(runs.items())[:6]
    )
    return f"{len(events)} of its events can still be read and proven ({told})."


def _proven(path: Path, keys: Iterable[PublicKey]) -> list[tuple[bytes, Event]]:
    values = list(_values(path))
    known: dict[KeyId, PublicKey] = {key.keyid: key for key in keys}
    for value in values:
        known.update({key.keyid: key for key in _keys_in(value)})
    found: dict[tuple[OriginId, int, str], tuple[bytes, Event]] = {}
    for value in values:
        event = _event_in(value, known) if isinstance(value, bytes) else None
        if event and isinstance(value, bytes):
            found[event.origin, event.seq, event.hash] = (value, event)
    return [found[place] for place in sorted(found)]


def _keys_in(value: Value) -> list[PublicKey]:
    if not isinstance(value, str) or len(value) < 64:
        return []
    try:
        if len(value) == 64:
            return [PublicKey.from_hex(value)]
        writer = Writer.from_json(json.loads(value))
    except (BadEvent, ValueError, KeyError, TypeError):
        return []
    return [span.key for span in writer.keys]


def _event_in(value: bytes, known: Mapping[KeyId, PublicKey]) -> Event | None:
    if not value.startswith(b"{"):
        return None
    for world in World:
        try:
            return open_(value, known.get, world)
        except BadEvent:
            continue
    return None


def _values(path: Path) -> Iterator[Value]:
    """Yield every value of every row in every intact leaf page, newest copy or not."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        size = 4096  # the header is what was damaged; 4096 is what the journal is made with
    pages = {i // size + 1: data[i : i + size] for i in range(0, len(data), size)}
    logged = _log_pages(path.with_name(path.name + "-wal"), size)
    newest = pages | dict(logged)
    for number, page in [*pages.items(), *logged]:
        yield from _rows(page, newest, size, first=number == 1)


def _log_pages(path: Path, size: int) -> list[tuple[int, bytes]]:
    if not path.exists():
        return []
    data = path.read_bytes()
    step = size + 24
    return [
        (int.from_bytes(data[at : at + 4], "big"), data[at + 24 : at + step])
        for at in range(32, len(data) - step + 1, step)
    ]


def _rows(page: bytes, pages: Mapping[int, bytes], size: int, *, first: bool) -> Iterator[Value]:
    start = 100 if first else 0
    if len(page) < size or page[start] != LEAF:
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for i in range(count):
        at = int.from_bytes(page[start + 8 + 2 * i : start + 10 + 2 * i], "big")
        try:
            yield from _row(_payload(page, at, pages, size))
        except (IndexError, ValueError):
            continue  # this cell is damaged; its neighbours may not be


def _payload(page: bytes, at: int, pages: Mapping[int, bytes], size: int) -> bytes:
    """Gather one row's bytes, following its overflow pages; raises `IndexError` or `ValueError` when torn."""
    length, at = _varint(page, at)
    _, at = _varint(page, at)
    most, least = size - 35, (size - 12) * 32 // 255 - 23
    if length > 1 << 30:
        raise ValueError("no row is that long")
    here = length
    if length > most:
        here = least + (length - least) % (size - 4)
        here = here if here <= most else least
    parts, left = [page[at : at + here]], length - here
    following = int.from_bytes(page[at + here : at + here + 4], "big") if left else 0
    while left > 0:
        more = pages.get(following)
        if more is None or not following:
            raise ValueError("the rest of the row is lost")
        parts.append(more[4 : 4 + min(left, size - 4)])
        left -= size - 4
        following = int.from_bytes(more[:4], "big")
    return b"".join(parts)


def _row(payload: bytes) -> Iterator[Value]:
    header, at = _varint(payload, 0)
    kinds = []
    while at < header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    at = header
    for kind in kinds:
        length = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind]
        raw = payload[at : at + length]
        if len(raw) < length:
            raise ValueError("the row is shorter than it says")
        at += length
        if kind >= 12:
            yield raw if kind % 2 == 0 else raw.decode(errors="replace")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        value = value << 7 | data[at + i] & 0x7F
        if not data[at + i] & 0x80:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9
