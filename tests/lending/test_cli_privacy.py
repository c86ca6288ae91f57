"""The verbs of data protection, as the timer and the administrator run them."""

import json
import os
import stat
from pathlib import Path

import pytest

from lending import cli
from lending.config import from_environment
from lending.opening import open_database
from tests.lending.test_contact_keys import many


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("KITBANK_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("KITBANK_HOME", str(tmp_path / "home"))
    assert cli.main(["init"]) == 0
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    capsys.readouterr()
    assert cli.main([*argv, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_init_makes_the_keys_and_every_verb_needs_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = home / "contact.keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    keys.rename(home / "elsewhere")
    assert cli.main(["verify"]) == cli.WRONG_SET_UP
    assert "restore the file from its backup" in capsys.readouterr().err
    assert not keys.exists()


def test_the_keys_may_lie_on_another_disk(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "safe").mkdir()
    (home / "contact.keys").rename(tmp_path / "safe" / "keys")
    monkeypatch.setenv("KITBANK_CONTACT_KEYS_FILE", str(tmp_path / "safe" / "keys"))
    assert cli.main(["contact-keys"]) == 0
    assert "seals now" in capsys.readouterr().out


def test_a_key_is_rotated_and_dropped_from_the_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = open_database(from_environment(os.environ))
    many(db, 12)
    db.close()
    assert run(capsys, "contact-keys", "rotate") == {"sealed": 12}
    assert cli.main(["contact-keys", "show"]) == 0
    assert "0 values" in capsys.readouterr().out
    dropped = run(capsys, "contact-keys", "drop-old")["dropped"]
    assert isinstance(dropped, list)
    assert len(dropped) == 1


def test_a_night_is_shown_dry_and_then_done(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(capsys, "retention", "--dry-run")
    assert (said["dry_run"], said["closed_cases"], said["erased"]) == (True, 0, {})
    assert cli.main(["retention"]) == 0
    assert "households became a statistic" in capsys.readouterr().out
