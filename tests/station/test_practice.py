"""Practice drives: three every time, with files that recovery tools find before a wipe and not after."""

import io
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from custody.claims import Outcome
from station.errors import UsageError
from station.fat16 import image
from station.media import medium_at
from station.practice import MEBIBYTE, make_drives, planted_files
from station.run import Replay, Run
from tests.station.benches import home, now, wipe


def test_three_drives_come_out_with_serials_of_their_own(tmp_path: Path) -> None:
    drives = make_drives(tmp_path / "p", Run(), random.Random(1), now(), 32 * MEBIBYTE)
    assert [one.path.name for one in drives] == ["laptop-ext4.img", "stick-fat.img", "desktop-ntfs.img"]
    assert len({medium_at(one.path).identity.id for one in drives}) == 3
    assert all(one.path.stat().st_size == 32 * MEBIBYTE for one in drives)


def test_without_a_single_tool_they_come_out_all_the_same(tmp_path: Path) -> None:
    drives = make_drives(tmp_path / "p", Replay([]), random.Random(1), now(), 16 * MEBIBYTE)
    assert {(one.filesystem, one.made_by) for one in drives} == {("fat16", "kitbank")}


def test_a_second_time_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    make_drives(tmp_path, Replay([]), random.Random(1), now(), 16 * MEBIBYTE)
    with pytest.raises(UsageError, match="exists already"):
        make_drives(tmp_path, Replay([]), random.Random(1), now(), 16 * MEBIBYTE)


def test_what_is_planted_is_real_of_its_kind() -> None:
    files = planted_files(random.Random(3))
    assert Image.open(io.BytesIO(files["PHOTO01.JPG"])).size == (320, 240)
    assert "Practice letter 1" in PdfReader(io.BytesIO(files["LETTER01.PDF"])).pages[0].extract_text()
    assert b"practice password" in files["NOTES01.TXT"]


def test_our_own_fat_is_one_that_other_tools_read(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("fsck.vfat", "mtype")
    files = planted_files(random.Random(4))
    path = tmp_path / "fat.img"
    path.write_bytes(image(16 * MEBIBYTE, "PRACTICE", files, 7))
    subprocess.run(["fsck.vfat", "-n", str(path)], check=True, capture_output=True, timeout=60)
    read = subprocess.run(["mtype", "-i", str(path), "::/LETTER03.PDF"], check=True, capture_output=True, timeout=60)
    assert read.stdout == files["LETTER03.PDF"]


@pytest.mark.parametrize(
    ("size", "files", "word"),
    [(MEBIBYTE, {}, "clusters"), (16 * MEBIBYTE, {"much-too-long.txt": b""}, "8.3"),
     (16 * MEBIBYTE, {"A.BIN": bytes(17 * MEBIBYTE)}, "fit")],
)  # fmt: skip
def test_our_own_fat_refuses_what_it_cannot_hold(size: int, files: dict[str, bytes], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        image(size, "X", files, 1)


def carved(tool: str, drive: Path, folder: Path) -> int:
    """Return how many photographs and letters a recovery tool finds."""
    if tool == "foremost":
        argv = ["foremost", "-Q", "-t", "jpg,pdf", "-i", str(drive), "-o", str(folder)]
    else:
        chosen = "partition_none,options,paranoid_no,fileopt,everything,disable,jpg,enable,pdf,enable,search"
        argv = ["photorec", "/d", str(folder), "/cmd", str(drive), chosen]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, cwd=folder.parent)
    found = [one for place in folder.parent.glob(f"{folder.name}*") for one in place.rglob("*")]
    return sum(one.suffix in (".jpg", ".pdf") for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["photorec", "foremost"])
def test_a_recovery_tool_finds_the_planted_files_before_a_wipe_and_none_after(
    tmp_path: Path, needs: Callable[..., None], tool: str
) -> None:
    needs(tool, "mke2fs")
    config = home(tmp_path)
    for drive in make_drives(tmp_path / "p", Run(), random.Random(5), now(), 64 * MEBIBYTE):
        assert carved(tool, drive.path, tmp_path / f"before-{drive.path.stem}") >= 10
        report = wipe(config, drive.path)
        assert report.verdict.outcome is Outcome.DONE
        assert carved(tool, drive.path, tmp_path / f"after-{drive.path.stem}") == 0
        data = drive.path.read_bytes()
        assert len(data) - data.count(0) == 0
