"""The command line, as a person at the server uses it."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labels.codes import pretty
from lending import cli, migrations
from tests.lending.house import code


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("KITBANK_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("KITBANK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert cli.main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_server_is_founded_once_and_stays_in_its_world(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run(capsys, "init", "--world", "practice", "--name", "Training")
    assert made["world"] == "practice"
    assert (home / "server.key").stat().st_mode & 0o077 == 0
    assert cli.main(["init", "--world", "real"]) == cli.WRONG_SET_UP
    assert cli.main(["init", "--world", "practice"]) == cli.WRONG_SET_UP
    assert run(capsys, "verify")["events"] == 1
    monkeypatch.setenv("KITBANK_WORLD", "real")
    assert cli.main(["verify"]) == cli.WRONG_SET_UP


def test_a_root_key_vouches_for_the_server(home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = tmp_path / "root.key"
    fingerprint = run(capsys, "make-root-key", str(root))["fingerprint"]
    run(capsys, "init", "--root-key", str(root))
    statement = run(capsys, "checkpoint")
    assert fingerprint
    assert statement["payloadType"].endswith("event+json")


def test_an_administrator_gets_a_link_and_a_machine_a_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "init")
    assert "/set-password/" in run(capsys, "create-admin", "ann@example.org", "Ann")["link"]
    assert cli.main(["create-admin", "ann@example.org", "Ann"]) == cli.REFUSED
    assert len(run(capsys, "enrol-code", "station", "Bench 1")["code"]) == 14
    assert run(capsys, "rebuild")["same"] is True
    assert run(capsys, "migrate")["to"] == migrations.newest()


def test_demo_users_are_for_practice_on_this_machine_only(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(capsys, "init", "--world", "practice")
    first = run(capsys, "demo-users")
    assert [one["role"] for one in run(capsys, "demo-users")] == [one["role"] for one in first]
    assert len(first) == 7
    monkeypatch.setenv("KITBANK_LISTEN", "0.0.0.0:8000")
    assert cli.main(["demo-users"]) == cli.WRONG_SET_UP
    monkeypatch.setenv("KITBANK_LISTEN", "127.0.0.1:8000")
    monkeypatch.setenv("KITBANK_HOME", str(tmp_path / "real"))
    run(capsys, "init")
    assert cli.main(["demo-users"]) == cli.WRONG_SET_UP


def test_showing_an_unknown_or_mistyped_device_is_a_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "init")
    assert cli.main(["show", code(1)]) == cli.REFUSED
    assert pretty(code(1)) in capsys.readouterr().err
    wrong = code(1)[:-1] + ("A" if code(1)[-1] != "A" else "B")
    assert cli.main(["show", wrong]) == cli.REFUSED
    assert "wrong" in capsys.readouterr().err


def test_a_stick_without_anything_for_us_is_no_error(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "init")
    assert run(capsys, "stick", str(tmp_path)) == []


def test_verify_ends_with_4_at_a_broken_promise(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "init")
    run(capsys, "checkpoint")
    with sqlite3.connect(home / "lending.sqlite") as connection:
        connection.executescript("DROP TRIGGER event_no_delete; DROP TRIGGER event_mention_no_delete;")
        connection.executescript("DELETE FROM event_mention WHERE n = 2; DELETE FROM event WHERE n = 2;")
    connection.close()
    assert cli.main(["verify", "--json"]) == cli.BROKEN
    assert json.loads(capsys.readouterr().out)["code"] == "end"


def test_nothing_works_before_init_and_the_sentence_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify"]) == cli.WRONG_SET_UP
    assert "init" in capsys.readouterr().err


def test_help_starts_without_a_configuration() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "lending.cli", "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0
    assert "verify" in result.stdout
