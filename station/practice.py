"""Practice drives: image files with real file systems and planted files, which volunteers train on.

Each is a regular file with a sidecar that gives it a random serial number; nothing else in a folder is ever
taken for one. No root is needed. Where the tools for a file system are missing, a small FAT16 of our own is
written instead, so that three drives always come out. Everything planted is made up here.
"""

import io
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw

from station.errors import NotDone, UsageError
from station.fat16 import image as fat16_image
from station.media import Sidecar, sidecar_path, write_sidecar
from station.run import Runner

MEBIBYTE = 1024 * 1024
SIZE = 64 * MEBIBYTE
DEADLINE = 60.0  # seconds for one tool
_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32
_NAMES = ("Anna Beispiel", "Ben Sample", "Chris Example", "Dana Muster", "Eli Placeholder")


@dataclass(frozen=True)
class PracticeDrive:
    """One drive that was made: where, its serial, the file system, what made it, and the names planted."""

    path: Path
    serial: str
    filesystem: str
    made_by: str
    planted: tuple[str, ...]


def make_drives(folder: Path, run: Runner, rng: random.Random, now: datetime, size: int = SIZE) -> list[PracticeDrive]:
    """Make three practice drives of `size` bytes in `folder` and return them.

    Raises UsageError when there are practice drives already, NotDone when the disk refuses or is full.
    """
    makers: tuple[tuple[str, Callable[[Path, Path, Runner], str]], ...] = (
        ("laptop-ext4", _ext4),
        ("stick-fat", _fat),
        ("desktop-ntfs", _ntfs),
    )
    folder = folder.absolute()
    taken = [name for name, _ in makers if (folder / f"{name}.img").exists()]
    if taken:
        raise UsageError(f"{folder / taken[0]}.img exists already; name another folder, or remove it yourself")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_drive(folder / f"{name}.img", maker, run, rng, now, size) for name, maker in makers]
    except OSError as error:
        raise NotDone(f"no practice drives can be made in {folder}: {error.strerror}") from error


def _drive(
    path: Path,
    maker: Callable[[Path, Path, Runner], str],
    run: Runner,
    rng: random.Random,
    now: datetime,
    size: int,
) -> PracticeDrive:
    files = planted_files(rng)
    with path.open("xb") as out:
        out.truncate(size)
        os.posix_fallocate(out.fileno(), 0, size)
    with TemporaryDirectory(dir=path.parent) as made:
        for name, content in files.items():
            (Path(made) / name).write_bytes(content)
        filesystem = maker(path, Path(made), run)
    made_by = "tools"
    if not filesystem:
        filesystem, made_by = "fat16", "kitbank"
        with path.open("r+b") as out:
            out.write(fat16_image(size, "PRACTICE", files, rng.getrandbits(32)))
    with path.open("rb") as done:
        os.fsync(done.fileno())
    serial = "PR" + "".join(rng.choice(_SYMBOLS) for _ in range(10))
    sidecar_path(path).unlink(missing_ok=True)
    write_sidecar(path, Sidecar(serial, f"Practice {path.stem}", now.isoformat(timespec="seconds")))
    return PracticeDrive(path, serial, filesystem, made_by, tuple(files))


def _ext4(path: Path, files: Path, run: Runner) -> str:
    # nodiscard: a discarding format would itself erase what was on the image before
    words = ("mke2fs", "-q", "-F", "-t", "ext4", "-E", "nodiscard", "-L", "family", "-d", str(files), str(path))
    return "ext4" if run(words, DEADLINE).ok else ""


def _fat(path: Path, files: Path, run: Runner) -> str:
    if not run(("mkfs.vfat", "-F", "16", "-n", "HOLIDAY", str(path)), DEADLINE).ok:
        return ""
    names = tuple(str(one) for one in sorted(files.iterdir()))
    return "vfat" if run(("mcopy", "-i", str(path), *names, "::/"), DEADLINE).ok else ""


def _ntfs(path: Path, files: Path, run: Runner) -> str:
    if not run(("mkntfs", "-Q", "-F", "-q", "-L", "office", str(path)), DEADLINE).ok:
        return ""
    copied = [
        run(("ntfscp", "-f", "-q", str(path), str(one), one.name), DEADLINE).ok for one in sorted(files.iterdir())
    ]
    return "ntfs" if all(copied) else ""


def planted_files(rng: random.Random) -> Mapping[str, bytes]:
    """Return name -> content of what somebody might have left: photographs, letters as PDF, notes. All made up."""
    files: dict[str, bytes] = {}
    for number in range(1, 11):
        files[f"PHOTO{number:02}.JPG"] = photograph(f"Practice photograph {number}", rng)
    for number in range(1, 11):
        files[f"LETTER{number:02}.PDF"] = letter(f"Practice letter {number} to {rng.choice(_NAMES)}", rng)
    for number in range(1, 5):
        lines = (f"{rng.choice(_NAMES)}: practice password {rng.getrandbits(40):x}" for _ in range(200))
        files[f"NOTES{number:02}.TXT"] = "\n".join(lines).encode()
    return files


def photograph(title: str, rng: random.Random) -> bytes:
    """Return a valid JPEG of about 30 KB: noise, a few shapes, and the title to be recognised by."""
    noise = Image.frombytes("RGB", (80, 60), rng.randbytes(80 * 60 * 3)).resize((320, 240))
    draw = ImageDraw.Draw(noise)
    for _ in range(6):
        x, y = rng.randrange(260), rng.randrange(180)
        draw.ellipse((x, y, x + 60, y + 60), fill=(rng.randrange(256), rng.randrange(256), rng.randrange(256)))
    draw.text((10, 10), title, fill="white")
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    return out.getvalue()


def letter(title: str, rng: random.Random) -> bytes:
    """Return a valid one-page PDF of a few KB with readable text in it."""
    lines = [title, *(f"Line {index}: the practice figure is {rng.getrandbits(64):016x}." for index in range(60))]
    shown = " ".join(f"({line}) Tj 0 -12 Td" for line in lines)
    text = f"BT /F1 10 Tf 50 780 Td {shown} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, len(out))
    return out + b"xref\n0 %d\n%s" % (len(places) + 1, table) + end
