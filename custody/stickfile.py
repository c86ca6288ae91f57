r"""Files on a stick: a first line, records framed with length and digest, and a trailer that closes the file.

Layout, numbers big-endian: `KITBANK STICK 1\n`; per record 8 bytes length, 32 bytes SHA-256, the bytes; then the
trailer: 8 bytes of ones, 8 bytes number of records, 32 bytes SHA-256 over all the records' digests. A file without
its trailer was torn, whatever else is in it. The first record of every file is JSON: what it is and whose.
"""

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.disk import fsync_folder, store_file
from custody.errors import RoadDown, SyncError

MAGIC = b"KITBANK STICK 1\n"
TRAILER = b"\xff" * 8
LARGEST_FILE = 1 << 30
"""Bytes. A larger file on a stick is none of ours."""


class Torn(SyncError):
    """A file on the stick is incomplete or altered; it is left alone and written again next time."""


@dataclass(frozen=True)
class StickFile:
    """A whole file: what it says of itself, and its records."""

    about: Mapping[str, Any]
    records: Sequence[bytes]


def write_file(path: Path, about: Mapping[str, Any], records: Sequence[bytes]) -> None:
    """Put a whole file on the stick; complete and on it when this returns. Raises `RoadDown`.

    A file that is already there with the same bytes is left as it is.
    """
    parts, digests = [MAGIC], hashlib.sha256()
    for record in (json.dumps(about, sort_keys=True).encode(), *records):
        digest = hashlib.sha256(record).digest()
        digests.update(digest)
        parts += [len(record).to_bytes(8, "big"), digest, record]
    data = b"".join([*parts, TRAILER, (len(records) + 1).to_bytes(8, "big"), digests.digest()])
    with on_stick(path.parent):
        if not path.parent.is_dir():
            path.parent.mkdir()
            fsync_folder(path.parent.parent)
        if not (path.exists() and path.read_bytes() == data):
            store_file(path, data)


def read_file(path: Path, kind: str) -> StickFile:
    """Read a whole file of this kind; raises `Torn` when it is not whole, `RoadDown` when the stick is gone."""
    with on_stick(path.parent):
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST_FILE else b""
    records = list(_records(data, path.name))
    try:
        about = json.loads(records[0])
        right = about["kind"] == kind
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise Torn(f"{path.name} on the stick does not say what it is; it was left alone") from error
    if not right:
        raise Torn(f"{path.name} on the stick is not a file of kind {kind}; it was left alone")
    return StickFile(about, records[1:])


def remove(path: Path) -> None:
    """Take a file that has done its work off the stick. Raises `RoadDown`."""
    with on_stick(path.parent):
        path.unlink(missing_ok=True)


@contextmanager
def on_stick(folder: Path) -> Iterator[None]:
    """Turn what the operating system says of a stick into a sentence."""
    try:
        yield
    except OSError as error:
        raise RoadDown(_sentence(folder, error)) from error


def _sentence(folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"the stick at {folder} is full; nothing is lost. Make room on it, or use another one, and sync again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"the stick at {folder} cannot be written ({error.strerror}); nothing is lost. Unlock it and sync again"
    return (
        f"the stick at {folder} is gone or does not answer ({error.strerror}); nothing is lost. "
        "Put it in again and sync again"
    )


def _records(data: bytes, name: str) -> Iterator[bytes]:
    if not data.startswith(MAGIC):
        raise Torn(f"{name} on the stick is not a file of ours, or its beginning is lost; it was left alone")
    at, count, digests = len(MAGIC), 0, hashlib.sha256()
    while (length := data[at : at + 8]) != TRAILER:
        digest, end = data[at + 8 : at + 40], at + 40 + int.from_bytes(length, "big")
        record = data[at + 40 : end]
        if len(length) < 8 or len(data) < end or hashlib.sha256(record).digest() != digest:
            raise Torn(
                f"{name} on the stick is torn after {count} whole records: the stick was pulled out too early; "
                "the file was left alone and is written again at the next sync"
            )
        yield record
        digests.update(digest)
        at, count = end, count + 1
    if data[at + 8 :] != count.to_bytes(8, "big") + digests.digest():
        raise Torn(f"{name} on the stick does not close as it should; the file was left alone")
