"""Read printed labels back: a page through poppler and zbar, a ZPL format through a small reader of its graphics."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image


def need_zbar() -> None:
    """Skip when the machine cannot read a QR from a picture."""
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is missing: Debian package zbar-tools")


def scan(picture: Path) -> set[str]:
    """Return what the QR codes in a picture say."""
    found = subprocess.run(
        ["zbarimg", "-q", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", str(picture)],
        capture_output=True, text=True, timeout=60, check=False,
    )
    return set(found.stdout.split())


def scan_pdf(pdf: bytes, folder: Path, dpi: int = 200) -> list[set[str]]:
    """Return what the QR codes on each page of a PDF say."""
    need_zbar()
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is missing: Debian package poppler-utils")
    (folder / "labels.pdf").write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", str(dpi), "-png", str(folder / "labels.pdf"), str(folder / "page")], check=True, timeout=60
    )
    return [scan(page) for page in sorted(folder.glob("page*.png"))]


def draw_zpl(zpl: str, picture: Path, width: int = 456, height: int = 256) -> None:
    """Draw the `^GFA` graphics of one ZPL format as a printer would, dot for dot."""
    image = Image.new("1", (width, height), 1)
    for left, top, total, wide, data in re.findall(r"\^FO(\d+),(\d+)\^GFA,(\d+),\d+,(\d+),([0-9A-F]+)\^FS", zpl):
        assert len(data) == 2 * int(total)
        for row in range(int(total) // int(wide)):
            bits = int(data[row * 2 * int(wide) : (row + 1) * 2 * int(wide)], 16)
            for column in range(int(wide) * 8):
                if bits >> (int(wide) * 8 - 1 - column) & 1:
                    image.putpixel((int(left) + column, int(top) + row), 0)
    image.convert("L").resize((width * 3, height * 3)).save(picture)
