"""Signing in as a person types it: nothing secret on the command line, and the verbs about people."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from station.cli import main
from station.cli_words import Session
from station.config import Config, at_home
from station.media import medium_at
from tests.badges import SUE, VERA, VIC, Holder, roster, shorter
from tests.custody.simulators import SimulatedServer
from tests.station import loops
from tests.station.benches import practice_file
from tests.station.staff import bring, card_file, join


class Bench:
    """A practice station whose staff have badges, at the real time of day."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.home = folder / "home"
        self.asks("init", "--practice")
        server = SimulatedServer()
        join(self.config, server)
        bring(self.config, server, shorter(roster(), 36500))

    @property
    def config(self) -> Config:
        return at_home(self.home)

    def types(self, *words: str, status: int = 0) -> str:
        got = main([*words, "--home", str(self.home)])
        out, err = self.capsys.readouterr()
        assert got == status, (out, err)
        return out + err

    def asks(self, *words: str, status: int = 0) -> Any:
        got = main([*words, "--json", "--home", str(self.home)])
        out, err = self.capsys.readouterr()
        assert got == status, (out, err)
        return json.loads(out)

    def card(self, who: Holder, pin: str | None = None) -> str:
        return card_file(self.folder, who, pin)

    def wipe(self, drive: Path, *more: str, status: int = 0) -> Any:
        confirm = medium_at(drive).confirm
        return self.asks("wipe", str(drive), "--profile", "clear", "--confirm", confirm, *more, status=status)


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    return practice_file(tmp_path / "d.img")


def bodies(bench: Bench, kind: str) -> list[dict[str, Any]]:
    return [one["body"] for one in bench.asks("journal", "--kind", kind)["events"]]


def test_from_badge_to_a_wipe_that_three_people_answer_for(bench: Bench, drive: Path) -> None:
    wipe = bench.wipe(drive, "--badge-file", bench.card(VIC))["event"]
    (due,) = bench.asks("checks-due")
    assert (due["wipe"], due["by"], due["so_far"]) == (wipe, "S-VIC000", "")
    assert bench.asks("verify", str(drive), "--badge-file", bench.card(VERA))["agreed"]
    assert "another tool" in bench.asks("checks-due")[0]["so_far"]
    bench.asks("check", wipe, "--method", "nothing found", "--tool", "photorec", "--badge-file", bench.card(VERA))
    assert bench.asks("checks-due") == []
    assert "Nothing" in bench.types("checks-due")
    done = bench.asks("accept", wipe[:12], "--badge-file", bench.card(SUE))
    assert done["accepted"] is True
    (body,) = bodies(bench, "medium.wiped")
    assert body["who"] == {"ref": "S-VIC000", "authenticated": True, "roster": 1}
    assert [one["who"]["ref"] for one in bodies(bench, "medium.checked")] == ["S-VERA00", "S-VERA00"]
    assert bodies(bench, "medium.accepted")[0]["who"]["ref"] == "S-SUE000"


def test_without_a_badge_all_goes_on_and_says_that_nobody_was_checked(bench: Bench, drive: Path) -> None:
    bench.wipe(drive, "--operator", "v-7")
    assert bodies(bench, "medium.wiped")[0]["who"] == {"ref": "v-7", "authenticated": False}
    assert "wiped by v-7" in bench.types("checks-due")


def test_badge_and_pin_are_asked_for_without_showing_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, drive: Path
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return VIC.pin if prompt == "PIN: " else VIC.card

    monkeypatch.setattr("station.cli.Session", lambda **given: Session(**given, ask=ask))
    assert bench.asks("badge")["roles"] == ["volunteer"]
    bench.wipe(drive, "--badge")
    assert asked == ["Scan your badge: ", "PIN: "] * 2


def test_a_badge_comes_over_a_file_descriptor_or_standard_input(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{VIC.card}\n{VIC.pin}\n".encode())
    os.close(writing)
    assert bench.asks("badge", "--badge-file", f"/dev/fd/{reading}")["ref"] == "S-VIC000"
    os.close(reading)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SUE.card}\n{SUE.pin}\n"))
    assert "supervisor, volunteer, by roster 1" in bench.types("badge", "--badge-file", "-")


def test_a_file_that_others_may_read_is_not_taken(bench: Bench) -> None:
    file = Path(bench.card(VIC))
    file.chmod(0o644)
    assert "chmod 600" in bench.types("badge", "--badge-file", str(file), status=2)
    assert "cannot be read" in bench.types("badge", "--badge-file", str(file) + ".not", status=2)


def test_no_argument_takes_a_badge_and_one_that_is_given_is_not_repeated(bench: Bench, drive: Path) -> None:
    confirm = medium_at(drive).confirm
    for words in (
        ("wipe", str(drive), "--profile", "clear", "--operator", VIC.card, "--confirm", confirm),
        ("verify", str(drive), "--operator", VIC.card),
        ("receive", VIC.card, "--operator", "v-7"),
    ):
        told = bench.types(*words, status=2)
        assert VIC.badge.secret not in told
        assert "badge" in told
    assert bodies(bench, "medium.wiped") == []


def test_a_wrong_pin_refuses_the_wipe_and_touches_nothing(bench: Bench, drive: Path) -> None:
    before = drive.read_bytes()
    said = bench.wipe(drive, "--badge-file", bench.card(VIC, "000001"), status=3)
    assert said["reasons"][0]["code"] == "pin-wrong"
    for _ in range(4):
        bench.wipe(drive, "--badge-file", bench.card(VIC, "000001"), status=3)
    said = bench.wipe(drive, "--badge-file", bench.card(VIC), status=3)
    assert said["reasons"][0]["code"] == "badge-locked"
    assert drive.read_bytes() == before
    assert bodies(bench, "badge.refused") == [{"ref": "S-VIC000", "tries": 5}]


def test_a_supervisors_badge_where_none_is_needed_and_names_that_differ_are_said(bench: Bench, drive: Path) -> None:
    cards = ("--badge-file", bench.card(VIC), "--supervisor-badge-file", bench.card(SUE))
    assert "needs none" in bench.wipe(drive, *cards, status=2)["error"]
    said = bench.wipe(drive, "--badge-file", bench.card(VIC), "--operator", "v-7", status=2)
    assert "leave --operator out" in said["error"]
    assert bodies(bench, "medium.wiped") == []


@pytest.mark.root
def test_a_supervisors_badge_accepts_what_the_plan_needs_accepted(
    bench: Bench, tmp_path: Path, needs_root: None
) -> None:
    settings = bench.home / "station.toml"
    settings.write_text(settings.read_text().replace("allow_loop = false", "allow_loop = true"))
    backing = loops.blank(tmp_path / "backing", 16 << 20)
    with loops.loop_device(backing) as node:
        words = ("wipe", node, "--profile", "purge", "--confirm", medium_at(node).confirm)
        alone = bench.asks(*words, "--badge-file", bench.card(VIC), status=3)
        assert alone["reasons"][0]["code"] == "lower-claim"
        own = ("--badge-file", bench.card(SUE), "--supervisor-badge-file", bench.card(SUE))
        assert bench.asks(*words, *own, status=3)["reasons"][0]["code"] == "own-supervisor"
        both = ("--badge-file", bench.card(VIC), "--supervisor-badge-file", bench.card(SUE))
        assert bench.asks(*words, *both)["claim"] == "clear"
    (body,) = bodies(bench, "medium.wiped")
    assert body["supervisor"] == {"ref": "S-SUE000", "authenticated": True, "roster": 1}
    assert body["exceptions"] == ["clear instead of purge was accepted by supervisor S-SUE000."]


def test_a_medium_that_is_turned_down_is_recorded_by_anybody(bench: Bench, drive: Path) -> None:
    wipe = bench.wipe(drive, "--operator", "v-7")["event"]
    bench.asks("accept", wipe, "--refuse", "--note", "rattles", "--operator", "v-7")
    (body,) = bodies(bench, "medium.accepted")
    assert (body["accepted"], body["note"], body["destination"]) == (False, "rattles", "reuse")


def test_days_that_cannot_be_looked_back_are_said(bench: Bench) -> None:
    assert "1 to 366" in bench.types("checks-due", "--days", "0", status=2)
