"""Look for files on a drive the way a curious finder would, and count what is not zero.

photorec (Debian's testdisk) is used where it is there. Where it is not, a carver of our own counts the beginnings
of well-known kinds of files at sector boundaries; it finds less, and the caller is told which of the two looked.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
CHUNK = 4 * 1024 * 1024
MINUTES = 5 * 60.0

# The first bytes of common files: JPEG, PNG, PDF, zip and office documents, GIF, RTF, SQLite, gzip, old Office, mail.
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|%PDF-|PK\x03\x04|GIF8[79]a|\{\\rtf|SQLite format 3\x00|\x1f\x8b\x08"
    rb"|\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|From "
)


@dataclass(frozen=True)
class Found:
    """How many files a tool recovered, and which tool it was."""

    tool: str
    files: int


def files_on(image: Path, work: Path) -> Found:
    """Try to recover files from an image into the folder `work`; say with what and how many."""
    program = shutil.which("photorec") or shutil.which("photorec", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        return Found("built-in signature carver (no photorec here)", carved(image))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wish = "partition_none,options,paranoid,fileopt,everything,enable,wholespace,search"
    subprocess.run(
        [program, "/d", str(work / "out"), "/cmd", str(image.resolve()), wish],
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=MINUTES,
        check=True,
    )
    return Found("photorec", sum(1 for f in work.glob("out.*/*") if f.name != "report.xml"))


def carved(image: Path) -> int:
    """Count the sectors that begin like a well-known kind of file."""
    count = 0
    with image.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            count += sum(1 for at in range(0, len(chunk), SECTOR) if SIGNATURES.match(chunk, at))
    return count


def bytes_not_zero(image: Path) -> int:
    """Count the bytes of an image that are not zero."""
    count = 0
    with image.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            count += len(chunk) - chunk.count(0)
    return count
