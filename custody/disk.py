"""Files that are either complete and on the disk, or not there: temporary name, fsync, final name, folder fsync."""

import errno
import os
from pathlib import Path


def store_file(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write a whole file durably. Without `replace` an existing file raises `FileExistsError`.

    Raises `OSError`; then nothing of the file is left under its own name, and an earlier one is untouched.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(handle, mode)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        give_name(new, path, replace=replace)
    except OSError:
        _forget(new)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, so that a name given survives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def give_name(new: Path, path: Path, *, replace: bool) -> None:
    """Rename a finished file; without `replace` an existing one raises `FileExistsError`."""
    if replace:
        new.replace(path)
        return
    os.link(new, path)  # unlike a rename, this refuses to take another file's place
    new.unlink()


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.write(handle, view)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # the stick is gone, and the half-written file with it
        return
