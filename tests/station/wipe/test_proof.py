"""The separate reader: reads everything or a fair sample, only reads, only the right drive, hides nothing."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from station.wipe import proof
from station.wipe.patterns import canary, canary_key, pattern
from station.wipe.readback import READER
from tests.station.benches import MEBIBYTE

SEED = bytes(range(32))


def spec(path: Path, **changes: Any) -> dict[str, Any]:
    status = os.stat(path)
    made = {
        "block": False, "rdev": 0, "dev": status.st_dev, "ino": status.st_ino, "size": status.st_size, "sector": 512,
        "kind": "full", "expected": "zero", "seed": SEED.hex(), "pass": 0, "canaries": [],
    }  # fmt: skip
    return {**made, **changes}


def look(path: Path, **changes: Any) -> dict[str, Any]:
    return proof.look(str(path), spec(path, **changes), lambda moved: None)


def drive(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [1, 511, 4096, 5 * MEBIBYTE + 1, 9 * MEBIBYTE])
def test_a_clean_drive_of_any_size_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    found = look(drive(tmp_path / "d", bytes(size)))
    assert (found["bytes_read"], found["bytes_wrong"], found["first_wrong"]) == (size, 0, None)
    assert found["read_only"]


@given(
    places=some.sets(some.integers(0, 2 * MEBIBYTE - 1), max_size=5),
    name=some.sampled_from(["zero", "byte:ff", "random"]),
)
def test_every_wrong_byte_is_counted_and_the_first_is_named(
    tmp_path_factory: pytest.TempPathFactory, places: set[int], name: str
) -> None:
    content = bytearray(pattern(name, SEED, 0).block(0, 2 * MEBIBYTE))
    for place in places:
        content[place] ^= 0x40
    path = drive(tmp_path_factory.mktemp("d") / "d", bytes(content))
    found = look(path, expected="stream" if name == "random" else name)
    assert found["bytes_wrong"] == len(places)
    assert found["first_wrong"] == min(places, default=None)


def test_a_stream_of_another_pass_is_wrong_nearly_everywhere(tmp_path: Path) -> None:
    path = drive(tmp_path / "d", pattern("random", SEED, 0).block(0, MEBIBYTE))
    found = look(path, expected="stream", **{"pass": 1})
    assert found["bytes_wrong"] > 0.99 * MEBIBYTE


def test_a_canary_counts_as_surviving_when_any_sector_of_it_does(tmp_path: Path) -> None:
    content = bytearray(MEBIBYTE)
    content[8192 + 512 : 8192 + 1024] = canary(canary_key(SEED), 8192)[512:1024]
    found = look(drive(tmp_path / "d", bytes(content)), canaries=[0, 8192, 65536])
    assert found["canaries_surviving"] == 1


def test_expecting_only_change_still_reads_everything_and_looks_for_canaries(tmp_path: Path) -> None:
    content = bytearray(os.urandom(MEBIBYTE))
    content[4096:8192] = canary(canary_key(SEED), 4096)
    found = look(drive(tmp_path / "d", bytes(content)), expected="changed", canaries=[4096, 12288])
    assert (found["bytes_read"], found["bytes_wrong"], found["canaries_surviving"]) == (MEBIBYTE, 0, 1)


@given(some.integers(1, 2**44), some.sampled_from([4096]))
def test_a_sample_covers_both_ends_and_every_subsection_and_a_tenth_of_the_drive(size: int, step: int) -> None:
    extents = proof.sample(size, step, SEED)
    pieces = list(proof.pieces(extents)) if size < 2**30 else []
    assert any(start == 0 for start, _ in extents)
    assert max(start + length for start, length in extents) == size
    assert all(start >= 0 and start + length <= size for start, length in extents)
    assert sum(length for _, length in pieces) <= size
    blocks = size // step
    if blocks < 2 * proof.SUBSECTIONS:
        assert extents == [(0, size)]
        return
    assert len(extents) == 2 + 2 * proof.SUBSECTIONS
    for half, (start, length) in enumerate(extents[2:]):
        low, high = (edge * blocks // (2 * proof.SUBSECTIONS) for edge in (half, half + 1))
        assert low * step <= start < start + length <= high * step
    assert sum(length for _, length in extents) >= 0.1 * (size - size % step - 2 * step)


def test_a_sampled_look_reads_only_a_sample_and_says_how_much(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with path.open("wb") as out:
        out.truncate(256 * MEBIBYTE)
    found = look(path, kind="sampled")
    assert 0.1 <= found["bytes_read"] / found["bytes_total"] < 0.15


def test_pieces_never_overlap_and_cover_the_extents() -> None:
    got = list(proof.pieces([(0, 10), (5, 10), (100, proof.PIECE + 1), (0, 3)]))
    assert got == [(0, 3), (3, 7), (10, 5), (100, proof.PIECE), (100 + proof.PIECE, 1)]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"ino": 1}, "another"), ({"block": True}, "another"), ({"size": 5}, "bytes now"), ({"expected": "love"}, "love")],
)
def test_another_drive_another_size_or_an_unknown_wish_is_not_looked_at(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    path = drive(tmp_path / "d", bytes(4096))
    with pytest.raises(proof.CannotLook, match=word):
        look(path, **changes)


class Unreadable(proof.Eyes):
    """A drive with a sector that cannot be read."""

    def read(self, view: memoryview, at: int) -> None:
        if at <= 1_000_000 < at + len(view):
            raise OSError(5, "Input/output error")
        super().read(view, at)


def test_what_cannot_be_read_is_narrowed_to_its_sector_and_listed(tmp_path: Path) -> None:
    path = drive(tmp_path / "d", bytes(8 * MEBIBYTE))
    given_spec = spec(path)
    one = proof.Look(Unreadable(str(path), given_spec), given_spec, lambda moved: None)
    one.work()
    assert one.unreadable == [(1_000_000 // 512 * 512, 512)]
    assert one.bytes_read == 8 * MEBIBYTE - 512


def test_it_imports_nothing_of_ours_and_cannot_write() -> None:
    text = READER.read_text("utf-8")
    words = ("from station", "import station", "from custody", "O_RDWR", "O_WRONLY", "os.write", "pwrite")
    assert not [word for word in words if word in text]


def test_as_a_program_it_reports_progress_then_a_result(tmp_path: Path) -> None:
    path = drive(tmp_path / "d", bytes(MEBIBYTE))
    done = subprocess.run(
        [sys.executable, "-m", "station.wipe.proof", str(path)],
        input=json.dumps(spec(path)), capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(READER.parents[2])},
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {"read": MEBIBYTE}
    assert lines[-1]["result"]["bytes_read"] == MEBIBYTE


def test_as_a_program_it_says_in_a_sentence_why_it_cannot_look(tmp_path: Path) -> None:
    path = drive(tmp_path / "d", bytes(4096))
    out = io.StringIO()
    status = proof.run([str(path)], io.StringIO(json.dumps(spec(path, ino=1))), out)
    assert status == 4
    assert "another one answers" in json.loads(out.getvalue())["error"]


def kinds(path: Path) -> dict[str, Any]:
    seen: dict[str, Any] = look(path, expected="changed")["content"]
    return seen


LETTER = b"Dear Mr Smith, about your benefits of last year: nothing is left of them. " * 60


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (bytes(9 * MEBIBYTE), "zero"),
        (b"\xff" * 5 * MEBIBYTE, "ones"),
        (b"\x33\xcc\x55\xaa" * MEBIBYTE, "repeating"),
        (b"0123456789abcdef" * (MEBIBYTE // 16) + b"0123456789abcdef" * 3, "repeating"),
    ],
)
def test_what_is_the_same_everywhere_is_one_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    seen = kinds(drive(tmp_path / "d", content))
    assert seen[kind] == seen["blocks"] == -(-len(content) // 4096)
    assert seen["patterns"] == ([content[:16].hex()] if kind == "repeating" else [])


@pytest.mark.parametrize("size", [4096, 5 * MEBIBYTE, 5 * MEBIBYTE + 512])
def test_noise_is_noise_down_to_the_last_block(tmp_path: Path, size: int) -> None:
    seen = kinds(drive(tmp_path / "d", os.urandom(size)))
    assert (seen["random"], seen["structured"]) == (-(-size // 4096), 0)


@given(places=some.sets(some.integers(0, 1023), min_size=1, max_size=4), noise=some.booleans())
def test_every_block_of_a_file_is_counted_and_the_first_is_named(
    tmp_path_factory: pytest.TempPathFactory, places: set[int], noise: bool
) -> None:
    content = bytearray(pattern("random" if noise else "zero", SEED, 0).block(0, 4 * MEBIBYTE))
    for place in places:
        content[place * 4096 : (place + 1) * 4096] = LETTER[:4096]
    seen = kinds(drive(tmp_path_factory.mktemp("d") / "d", bytes(content)))
    assert (seen["structured"], seen["first_structured"]) == (len(places), min(places) * 4096)
    assert seen["random" if noise else "zero"] == 1024 - len(places)


def test_one_repeated_sector_of_text_is_a_file_and_no_pattern_of_a_drive(tmp_path: Path) -> None:
    seen = kinds(drive(tmp_path / "d", LETTER[:512] * (MEBIBYTE // 512)))
    assert seen["structured"] == 256


def test_what_is_expected_byte_by_byte_is_not_sorted_into_kinds(tmp_path: Path) -> None:
    assert look(drive(tmp_path / "d", bytes(MEBIBYTE)))["content"] is None
