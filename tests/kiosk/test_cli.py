"""`kitbank-kiosk` as a person types it: set up, enrol, serve, sync over network and stick."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from custody.events import Role, World
from custody.journal import Journal
from custody.keyfile import read_key
from custody.sync import serve_stick
from kiosk.cli import main
from kiosk.config import Home, load
from tests.conftest import REPOSITORY
from tests.custody.simulators import SimulatedServer, served
from tests.kiosk.kit import CODE

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, capsys: Capture) -> Home:
    folder = tmp_path / "kiosk"
    arguments = ["--home", str(folder), "--world", "practice", "--name", "Central Library", "--host", "h.org"]
    assert main(["init", *arguments]) == 0
    capsys.readouterr()
    return Home(folder)


def record(home: Home) -> None:
    key = read_key(home.event_key).key
    body: dict[str, object] = {
        "code": CODE, "loan": None, "exit": None, "items": {}, "condition": "fine", "call_staff": True, "visit": "v",
    }  # fmt: skip
    with Journal.open(home.journal) as journal:
        journal.append("device.returned", CODE, body, key=key, at=SimulatedServer().now)


def test_init_makes_keys_journal_and_settings_and_never_twice(home: Home, capsys: Capture) -> None:
    assert load(home.settings).name == "Central Library"
    assert oct(home.event_key.stat().st_mode)[-3:] == "600"
    with Journal.open(home.journal) as journal:
        assert (journal.role, journal.world) == (Role.KIOSK, World.PRACTICE)
    before = home.event_key.read_bytes()
    assert main(["init", "--home", str(home.folder)]) == 3
    assert "never overwritten" in capsys.readouterr().err
    assert home.event_key.read_bytes() == before


def test_enrol_sync_and_status_over_the_network(home: Home, capsys: Capture) -> None:
    record(home)
    where = ["--home", str(home.folder)]
    assert main(["sync", "--json", *where]) == 6
    assert json.loads(capsys.readouterr().out)["waiting"] == 1
    server = SimulatedServer()
    with served(server) as site:
        site.codes["good"] = "kiosk"
        assert main(["enrol", site.url, "wrong", *where]) == 6
        assert "wrong" in capsys.readouterr().err
        assert main(["enrol", site.url, "good", *where]) == 0
        assert server.writer.keys[0].key.fingerprint in capsys.readouterr().out
        assert main(["sync", *where]) == 0
    assert "1 confirmed" in capsys.readouterr().out
    assert main(["sync", *where]) == 6
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["status", "--json", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recorded"], told["waiting"], told["world"]) == (1, 0, "practice")


def test_a_stick_carries_the_returns_there_and_the_answer_back(home: Home, tmp_path: Path, capsys: Capture) -> None:
    server, stick, where = SimulatedServer(), tmp_path / "stick", ["--home", str(home.folder)]
    stick.mkdir()
    with served(server) as site:
        site.codes["good"] = "kiosk"
        main(["enrol", site.url, "good", *where])
    record(home)
    assert main(["sync", "--stick", str(stick), *where]) == 6
    serve_stick(stick, server)
    assert main(["sync", "--stick", str(stick), *where]) == 0
    assert main(["sync", "--stick", str(tmp_path / "absent"), *where]) == 6
    assert "there is no stick" in capsys.readouterr().err


def test_what_is_wrong_gets_a_sentence_and_its_exit_code(home: Home, tmp_path: Path, capsys: Capture) -> None:
    assert main(["status", "--home", str(tmp_path / "absent")]) == 3
    assert "no journal at" in capsys.readouterr().err
    home.settings.write_text("colour = 'red'\n", encoding="utf-8")
    assert main(["run", "--home", str(home.folder)]) == 2
    assert "there is no setting 'colour'" in capsys.readouterr().err


def test_run_serves_the_screens_on_loopback_until_it_is_stopped(home: Home, free_port: int) -> None:
    argv = [sys.executable, "-m", "kiosk.cli", "run", "--home", str(home.folder), "--port", str(free_port)]
    running = subprocess.Popen(argv, cwd=REPOSITORY, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    try:
        answer = None
        for _ in range(150):
            try:
                answer = requests.get(f"http://127.0.0.1:{free_port}/", timeout=5)
                break
            except requests.ConnectionError:
                assert running.poll() is None, running.communicate()[1].decode()
                time.sleep(0.2)
        assert answer is not None
        assert "Bring a device back" in answer.text
        staff = requests.get(f"http://127.0.0.1:{free_port}/staff", timeout=5).text
        assert "This kiosk is not enrolled at a server yet" in staff
    finally:
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors.decode()
