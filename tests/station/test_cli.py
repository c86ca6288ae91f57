"""`kitbank-station` as a person types it: answers, silence, sentences and exit statuses."""

import base64
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labels import codes
from station.cli import main
from station.media import medium_at
from tests.station import loops
from tests.station.benches import MEBIBYTE, practice_file

CODE = codes.new(random.Random(11))


class Person:
    """Somebody at a practice station."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys

    def types(self, *words: str) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error."""
        try:
            status = main([*words, "--home", str(self.home)])
        except SystemExit as stopped:  # argparse
            status = int(str(stopped.code))
        out, err = self.capsys.readouterr()
        return status, out, err

    def asks(self, *words: str, status: int = 0) -> Any:
        """Return the JSON answer."""
        got, out, err = self.types(*words, "--json")
        assert got == status, (out, err)
        return json.loads(out)


@pytest.fixture
def person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Person:
    someone = Person(tmp_path / "home", capsys)
    someone.asks("init", "--practice")
    return someone


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return practice_file(tmp_path / "d.img")


def wipe_words(drive: Path, profile: str = "clear") -> tuple[str, ...]:
    confirm = medium_at(drive).confirm
    return ("wipe", str(drive), "--profile", profile, "--operator", "v-1", "--confirm", confirm)


def test_from_plan_to_a_verified_record(person: Person, drive: Path, tmp_path: Path) -> None:
    plan = person.asks("plan", str(drive))
    assert (plan["method"], plan["would_resume_at"]) == ("overwrite-zero", None)
    done = person.asks(*wipe_words(drive))
    assert (done["outcome"], done["claim"]) == ("DONE", "clear")
    assert done["passes"][0]["bytes_written"] == done["readbacks"][0]["bytes_read"] == 16 * MEBIBYTE
    assert len(done["evidence"]) == len(done["event"]) == 64
    (event,) = person.asks("journal")["events"]
    assert event["hash"] == done["event"]
    record = tmp_path / "record.json"
    status, out, _ = person.types("journal", "--export", done["event"][:12])
    record.write_text(out)
    assert status == 0
    assert person.asks("verify-record", str(record))["ok"]
    key = json.loads(out)["key"]
    assert person.asks("verify-record", str(record), "--key", key, "--world", "practice")["trusted_key"]
    checked = person.asks("verify", str(drive), "--operator", "v-2")
    assert checked["agreed"]
    assert person.asks("journal", "--kind", "medium.checked")["events"][0]["body"]["agreed"]
    assert person.types("journal", "--verify")[0] == 0


def test_a_wipe_ends_with_its_outcome_in_one_line(person: Person, drive: Path) -> None:
    status, out, err = person.types(*wipe_words(drive))
    assert status == 0
    assert out.startswith("DONE, clear: ")
    assert out.count("\n") == 1
    assert "pass 1: zero" in err


def test_a_drive_that_was_seen_in_a_device_is_not_talked_away(person: Person, drive: Path) -> None:
    person.asks("register", CODE)
    person.asks("inventory", CODE, "--media", str(drive))
    for words in (("--no-media",), ("--no-media", "--gone", "v-1", "--gone", "v-1")):
        status, _, err = person.types("inventory", CODE, *words)
        assert status == 3
        assert "should be in" in err
    assert person.asks("inventory", CODE, "--no-media", "--gone", "v-1", "--gone", "v-2")["media"] == []
    assert "medium-missing" not in str(person.asks("show", CODE))


def test_a_drive_that_is_not_as_recorded_is_said_and_disagreed_with(person: Person, drive: Path) -> None:
    person.asks(*wipe_words(drive))
    with drive.open("r+b") as out:
        out.seek(5_000_000)
        out.write(b"back")
    checked = person.asks("verify", str(drive), status=4)
    assert (checked["agreed"], checked["bytes_wrong"], checked["first_wrong"]) == (False, 4, 5_000_000)


def tampered(record: dict[str, Any], how: str) -> dict[str, Any]:
    if how == "evidence":
        changed = {
            name: base64.b64encode(base64.b64decode(text).replace(b"TESTDRIVE1234", b"OTHERONE56789")).decode()
            for name, text in record["attachments"].items()
        }
        return {**record, "attachments": changed}
    envelope = base64.b64decode(record["envelope"])
    place = envelope.index(b'"payload"') + 40
    spoilt = envelope[:place] + (b"A" if envelope[place] != 65 else b"B") + envelope[place + 1 :]
    return {**record, "envelope": base64.b64encode(spoilt).decode()}


@pytest.mark.parametrize("how", ["evidence", "envelope"])
def test_a_record_that_was_changed_does_not_verify(person: Person, drive: Path, tmp_path: Path, how: str) -> None:
    done = person.asks(*wipe_words(drive))
    record = json.loads(person.types("journal", "--export", done["event"])[1])
    file = tmp_path / "record.json"
    file.write_text(json.dumps(tampered(record, how)))
    status, out, err = person.types("verify-record", str(file))
    assert status == 4
    assert ("not the one that was signed" if how == "evidence" else "signature") in out + err


def test_a_record_that_only_vouches_for_itself_is_not_trusted(person: Person, drive: Path, tmp_path: Path) -> None:
    done = person.asks(*wipe_words(drive))
    file = tmp_path / "record.json"
    file.write_text(person.types("journal", "--export", done["event"])[1])
    stranger = Person(tmp_path / "other", person.capsys)
    stranger.asks("init", "--practice")
    status, out, _ = stranger.types("verify-record", str(file))
    assert status == 4
    assert "not a key known here" in out


def test_wrong_words_touch_nothing_and_say_what_to_do(person: Person, drive: Path) -> None:
    before = drive.read_bytes()
    words = wipe_words(drive)
    assert person.types(*words[:-1], "XXXX")[0] == 2
    status, _, err = person.types("wipe", str(drive), "--profile", "dban")
    assert status == 2
    assert "clear, destroy, overwrite3, purge, verify" in err
    assert person.types("plan", str(drive) + "-gone")[0] == 3
    assert person.types("wipe", str(drive), "--exit", "12")[0] == 2
    assert person.types("frobnicate")[0] == 2
    assert drive.read_bytes() == before


def test_errors_are_json_too_when_that_was_asked_for(person: Person, drive: Path) -> None:
    answer = person.asks("plan", str(drive) + "-gone", status=3)
    assert answer["exit"] == 3
    assert "plugged in" in answer["error"]


def test_the_disk_that_holds_this_machine_is_named_and_refused(person: Person) -> None:
    found = subprocess.run(["findmnt", "-no", "SOURCE", "/"], capture_output=True, text=True, check=False)
    disk = found.stdout.strip()
    if not disk.startswith("/dev/"):
        pytest.skip("the root file system is on no disk that can be named here")
    answer = person.asks("plan", disk, "--profile", "clear", status=3)
    assert answer["reasons"]


@pytest.mark.root
def test_a_mounted_drive_is_refused_with_where_it_is_mounted(tmp_path: Path, person: Person, needs_root: None) -> None:
    loops_home = Person(tmp_path / "loops", person.capsys)
    loops_home.asks("init", "--practice", "--allow-loop")
    backing = loops.blank(tmp_path / "backing", 32 * MEBIBYTE)
    subprocess.run(["mke2fs", "-q", "-F", str(backing)], check=True)
    place = tmp_path / "mounted"
    place.mkdir()
    with loops.loop_device(backing) as node:
        if subprocess.run(["mount", node, str(place)], check=False, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        try:
            answer = loops_home.asks("plan", node, "--profile", "clear", status=3)
        finally:
            subprocess.run(["umount", str(place)], check=True)
    assert str(place) in answer["error"]


def test_a_device_is_registered_inventoried_tested_and_shown(person: Person, drive: Path) -> None:
    assert person.types("register", CODE, "--make", "Lenovo", "--model", "T480")[:2] == (0, "")
    assert person.types("register", CODE)[0] == 3
    assert person.types("inventory", CODE)[0] == 2
    inventory = person.asks("inventory", CODE, "--media", str(drive))
    assert inventory["media"][0]["serial"] == "TESTDRIVE1234"
    codes_of = [reason["code"] for reason in person.asks("show", CODE)["reasons"]]
    assert "not-wiped" in codes_of
    person.asks(*wipe_words(drive), "--device", CODE)
    tested = ("test", CODE, "--result", "electrical=pass", "--grade", "B", "--operator", "v-1")
    assert person.types(*tested)[0] == 0
    shown = person.asks("show", CODE)
    assert (shown["lendable"], shown["reasons"]) == (True, [])


def test_a_device_without_media_is_a_statement(person: Person) -> None:
    person.asks("register", CODE)
    assert person.asks("inventory", CODE, "--no-media")["media"] == []


def test_a_mistyped_label_is_located(person: Person) -> None:
    wrong = CODE[:3] + ("A" if CODE[3] != "A" else "B") + CODE[4:]
    status, _, err = person.types("register", wrong)
    assert status == 2
    assert codes.pretty(CODE) in err or CODE in err


def test_an_unknown_device_is_not_wiped_for_before_its_exit_is_known(person: Person, drive: Path) -> None:
    status, _, err = person.types(*wipe_words(drive), "--device", CODE)
    assert status == 3
    assert "slip" in err
    slip = codes.slip_address("example.org", CODE, "e" * 64)
    assert person.asks(*wipe_words(drive), "--slip", slip)["after"] == "e" * 64


def test_a_second_look_by_another_tool_can_be_recorded(person: Person, drive: Path) -> None:
    done = person.asks(*wipe_words(drive))
    words = ("check", done["event"][:10], "--method", "hexedit", "--operator", "v-2", "--disagree")
    assert person.asks(*words)["agreed"] is False
    assert person.types("check", "0000", "--method", "x")[0] == 2


def test_without_a_server_sync_says_so_and_a_stick_that_is_not_there_waits(person: Person, tmp_path: Path) -> None:
    assert person.types("sync")[0] == 4
    assert person.types("sync", "--stick", str(tmp_path / "none"))[0] in (3, 6)


def test_a_home_is_made_once_and_a_missing_one_is_explained(person: Person, tmp_path: Path) -> None:
    assert person.types("init", "--practice")[0] == 2
    stranger = Person(tmp_path / "nowhere", person.capsys)
    status, _, err = stranger.types("journal")
    assert status == 2
    assert "kitbank-station init" in err
    assert stranger.types("init", "--allow-loop")[0] == 2


def test_practice_drives_come_with_what_to_type_next(person: Person, tmp_path: Path) -> None:
    status, out, _ = person.types("practice", str(tmp_path / "p"), "--size", "16")
    assert status == 0
    assert "--confirm" in out
    assert person.types("practice", str(tmp_path / "p"))[0] == 2
    assert person.types("practice", str(tmp_path / "q"), "--size", "4")[0] == 2


def test_the_work_log_can_be_looked_at(person: Person, drive: Path) -> None:
    person.asks(*wipe_words(drive))
    kinds = [entry["kind"] for entry in person.asks("worklog", str(drive))]
    assert kinds[0] == "intent"
    assert kinds[-1] == "outcome"
    assert kinds.index("canaries") < kinds.index("issued") < kinds.index("pass") < kinds.index("proof")


def test_where_the_station_lives_may_be_said_before_or_after_the_verb(person: Person) -> None:
    assert main(["--home", str(person.home), "--json", "journal"]) == 0
    assert main(["journal", "--json", "--home", str(person.home)]) == 0
    before, after = person.capsys.readouterr().out.split("\n}\n{")
    assert json.loads(before + "\n}") == json.loads("{" + after)
