"""Keys on disk: whole, private, never overwritten, never mixed up between worlds."""

import json
import os
from pathlib import Path

import pytest

from custody.events import PrivateKey, World
from custody.keyfile import KeyFileError, read_key, read_public, write_key


def test_a_key_comes_back_with_its_world(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    write_key(tmp_path / "event.key", key, World.PRACTICE)
    assert read_key(tmp_path / "event.key").key == key
    assert read_key(tmp_path / "event.key").world is World.PRACTICE
    assert read_public(tmp_path / "event.key") == (key.public, World.PRACTICE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["event.key", "event.key.json"]


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    finally:
        os.umask(old)
    assert (tmp_path / "event.key").stat().st_mode & 0o777 == 0o600


def test_nothing_secret_is_beside_it(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    write_key(tmp_path / "event.key", key, World.REAL)
    assert key.raw.hex() not in (tmp_path / "event.key.json").read_text()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = PrivateKey.generate()
    write_key(tmp_path / "event.key", first, World.REAL)
    with pytest.raises(KeyFileError, match="never overwritten"):
        write_key(tmp_path / "event.key", PrivateKey.generate(), World.PRACTICE)
    assert read_key(tmp_path / "event.key").key == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    (tmp_path / "event.key").chmod(mode)
    with pytest.raises(KeyFileError, match=rf"mode {mode:04o}.*chmod 600"):
        read_key(tmp_path / "event.key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="make one with the program's 'init'"):
        read_key(tmp_path / "event.key")


@pytest.mark.parametrize("raw", [b"", b"short", b"x" * 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, raw: bytes) -> None:
    write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    (tmp_path / "event.key").write_bytes(raw)
    with pytest.raises(KeyFileError, match="32 bytes"):
        read_key(tmp_path / "event.key")


def test_a_key_that_was_exchanged_is_noticed(tmp_path: Path) -> None:
    write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    (tmp_path / "event.key").write_bytes(PrivateKey.generate().raw)
    with pytest.raises(KeyFileError, match="not the key that"):
        read_key(tmp_path / "event.key")


@pytest.mark.parametrize("beside", [None, "", "{}", '{"world": "moon", "public": "00"}', "[]"])
def test_without_its_world_a_key_is_not_used(tmp_path: Path, beside: str | None) -> None:
    write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    about = tmp_path / "event.key.json"
    about.unlink() if beside is None else about.write_text(beside)
    with pytest.raises(KeyFileError, match=r"event\.key\.json"):
        read_key(tmp_path / "event.key")


def test_a_symbolic_link_or_a_folder_is_no_key(tmp_path: Path) -> None:
    write_key(tmp_path / "event.key", PrivateKey.generate(), World.REAL)
    (tmp_path / "other.key").symlink_to(tmp_path / "event.key")
    (tmp_path / "folder.key").mkdir()
    for name in ("other.key", "folder.key"):
        with pytest.raises(KeyFileError):
            read_key(tmp_path / name)


def test_a_folder_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be stored"):
        write_key(tmp_path / "nowhere" / "event.key", PrivateKey.generate(), World.REAL)
    assert list(tmp_path.iterdir()) == []


def test_a_half_made_key_of_an_earlier_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "event.key.json").write_text(json.dumps({"world": "real", "public": "00" * 32}))
    (tmp_path / f".event.key.{os.getpid()}.new").write_bytes(b"half")
    key = PrivateKey.generate()
    write_key(tmp_path / "event.key", key, World.PRACTICE)
    assert read_key(tmp_path / "event.key").key == key
