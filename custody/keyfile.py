"""Private keys on disk: 32 raw bytes, readable by their owner alone, never overwritten, with their world beside them.

`NAME` holds the key; `NAME.json` says which world it belongs to and its public half, for programs that may not
read the key itself (the unprivileged `sync`, a screen that shows the fingerprint).
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from custody.disk import store_file
from custody.errors import BadEvent, CustodyError
from custody.events import PrivateKey, PublicKey, World


class KeyFileError(CustodyError):
    """A key file is missing, open to others, damaged, or of the other world; the message says what to do."""


@dataclass(frozen=True)
class StoredKey:
    """A private key and the world it may sign for."""

    key: PrivateKey
    world: World


def write_key(path: Path, key: PrivateKey, world: World) -> None:
    """Store a new key; complete and on the disk when this returns, or not there at all.

    Raises `KeyFileError` when there is a key already (a lost key is a lost history) or the folder refuses.
    """
    if path.exists() or path.is_symlink():
        raise KeyFileError(f"{path} exists already and is never overwritten; choose another name or move it away")
    about = {"world": str(world), "public": key.public.hex, "keyid": key.public.keyid}
    try:
        store_file(_beside(path), (json.dumps(about, indent=1) + "\n").encode())
        store_file(path, key.raw, mode=0o600, replace=False)
    except FileExistsError as error:
        raise KeyFileError(f"{path} was just made by another program and is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"the key {path} cannot be stored: {error.strerror}; nothing was kept of it") from error


def read_key(path: Path) -> StoredKey:
    """Read a key and its world; raises `KeyFileError` with what to do.

    Refuses a file that others may read, is no regular file, has not 32 bytes, or does not fit what is beside it.
    """
    raw = read_private(path)
    public, world = read_public(path)
    try:
        key = PrivateKey(raw)
    except BadEvent as error:
        raise KeyFileError(f"{path} is damaged: {error}; restore it from a backup or enrol anew") from error
    if key.public != public:
        raise KeyFileError(
            f"{path} is not the key that {_beside(path)} describes; restore both from one backup or enrol anew"
        )
    return StoredKey(key, world)


def read_public(path: Path) -> tuple[PublicKey, World]:
    """Read the public half and the world of the key at `path`, without needing the right to read the key."""
    beside = _beside(path)
    try:
        data: Any = json.loads(beside.read_bytes())
        return PublicKey.from_hex(data["public"]), World(data["world"])
    except OSError as error:
        raise KeyFileError(
            f"{beside}, which says what world {path} belongs to, cannot be read: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, BadEvent) as error:
        raise KeyFileError(f"{beside} does not say world and public key; restore it from a backup ({error})") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def read_private(path: Path, most: int = 64) -> bytes:
    """Return up to `most` bytes of a file that its owner alone may read; raises `KeyFileError` for any other file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise KeyFileError(f"there is no key at {path}; make one with the program's 'init'") from error
    except OSError as error:
        raise KeyFileError(f"the key {path} cannot be read: {error.strerror}") from error
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise KeyFileError(f"{path} is not a regular file; a key is a file")
        mode = stat.S_IMODE(about.st_mode)
        if mode & 0o077:
            raise KeyFileError(
                f"{path} can be read or changed by others (mode {mode:04o}); treat the key as known to them: "
                "enrol with a new one, or, if nobody else uses this machine, run chmod 600 on it"
            )
        return os.read(handle, most)
    finally:
        os.close(handle)
