"""The runner of scenarios tells what held from what did not, ends what hangs, and publishes what it saw."""

import os
import time
from pathlib import Path

import pytest

from tests.lab import report, scenario
from tests.lab.__main__ import main
from tests.lab.fetch import CHECKOUT, Kit, Unfetched, uncompressed
from tests.lab.scenario import Lab, Scenario, Seen
from tests.lab.table import SCENARIOS

NO_KIT = Kit("6.1.0-test", Path("vmlinux"), Path("initramfs.cpio"), Path("modules"))


def _holds(lab: Lab) -> Seen:
    return Seen(f"3 of {lab.rounds(3, 300)} survived | all", "| a | b |\n|---|---|")


def _fails(lab: Lab) -> Seen:
    raise AssertionError("the drive said\n  DONE and was not")


def _hangs(lab: Lab) -> Seen:
    time.sleep(60)
    return Seen("never")


HOLDS = Scenario("holds", "something holds", _holds, slice=True)
FAILS = Scenario("fails", "something does not", _fails)
HANGS = Scenario("hangs", "something hangs", _hangs, minutes=0.005)


def play(*scenarios: Scenario, soak: bool = False) -> tuple[list[scenario.Played], list[str]]:
    lines: list[str] = []
    return scenario.play(scenarios, NO_KIT, soak, lines.append, lambda _: None), lines


def test_one_line_for_each_and_a_failure_does_not_stop_the_next() -> None:
    played, lines = play(FAILS, HOLDS)
    assert [each.held for each in played] == [False, True]
    assert lines[0].split()[:2] == ["FAILED", "fails"] and lines[0].endswith("the drive said DONE and was not")
    assert lines[1].split()[:2] == ["held", "holds"] and lines[1].endswith("3 of 3 survived | all")


def test_one_that_hangs_is_ended_and_has_failed() -> None:
    began = time.monotonic()
    (played,), _ = play(HANGS)
    assert not played.held and "Overrun" in played.seen.sentence
    assert time.monotonic() - began < 10


def _alone(lab: Lab) -> Seen:
    return Seen(f"played by process {os.getpid()}")


def _tell_nobody(text: str) -> None:
    """Say nothing."""


def test_several_are_played_at_once_and_what_is_about_time_alone() -> None:
    timed = Scenario("timed", "takes no longer", _alone, timed=True)
    lines: list[str] = []
    both = [timed, FAILS, Scenario("beside", "is played", _alone), HANGS]
    played = scenario.play(both, NO_KIT, False, lines.append, _tell_nobody, at_once=2)
    assert [each.scenario.name for each in played] == ["timed", "fails", "beside", "hangs"]
    assert [each.held for each in played] == [True, False, True, False]
    here = f"played by process {os.getpid()}"
    assert played[0].seen.sentence == here and played[2].seen.sentence != here
    assert "timed" in lines[-1]


def test_a_soak_repeats_more_often() -> None:
    (played,), _ = play(HOLDS, soak=True)
    assert played.seen.sentence.startswith("3 of 300")


def test_the_slice_and_names_choose_and_a_name_that_is_not_there_is_refused() -> None:
    assert scenario.chosen([HOLDS, FAILS], [], slice_=True) == [HOLDS]
    assert scenario.chosen([HOLDS, FAILS], ["fails"], slice_=False) == [FAILS]
    with pytest.raises(ValueError, match="no scenario faills; there are holds, fails"):
        scenario.chosen([HOLDS, FAILS], ["faills"], slice_=False)


def test_the_results_say_what_failed_what_was_seen_and_when(tmp_path: Path) -> None:
    played, _ = play(HOLDS, FAILS)
    rows = report.keep(tmp_path / "played.json", played, soak=False, day="2026-11-25")
    report.write(tmp_path / "results.md", rows, ["fails", "holds", "never"], NO_KIT)
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "do not edit" in text and "Never played: never." in text
    assert "2 rows: 1 held, 1 failed" in text and "Linux 6.1.0-test" in text
    assert "| holds | something holds | held |" in text and r"3 of 3 survived \| all | 2026-11-25, " in text
    assert text.index("| **FAILED** |") < text.index("| holds |")
    assert text.index("## holds") < text.index("| a | b |")


def test_results_of_earlier_runs_stay_until_the_same_is_played_again(tmp_path: Path) -> None:
    shelf = tmp_path / "played.json"
    report.keep(shelf, play(HOLDS)[0], soak=False, day="2026-11-01")
    report.keep(shelf, play(HOLDS, soak=True)[0], soak=True, day="2026-11-02")
    rows = report.keep(shelf, play(FAILS)[0], soak=False, day="2026-11-03")
    assert [(row.name, row.soak, row.day) for row in rows] == [
        ("holds", False, "2026-11-01"), ("holds", True, "2026-11-02"), ("fails", False, "2026-11-03"),
    ]  # fmt: skip
    failed = scenario.Played(HOLDS, False, 1.0, Seen("it did not"))
    rows = report.keep(shelf, [failed], soak=True, day="2026-11-04")
    assert [row.held for row in rows] == [True, False, False]
    report.write(tmp_path / "page.md", rows, ["holds", "fails"], NO_KIT)
    assert (tmp_path / "page.md").read_text(encoding="utf-8").count("| a | b |") == 1


@pytest.mark.parametrize(("which", "code"), [((HOLDS,), 0), ((HOLDS, FAILS), 1)])
def test_the_exit_code_tells_whether_all_held(
    which: tuple[Scenario, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.lab.__main__.SCENARIOS", which)
    monkeypatch.setattr("tests.lab.fetch.fetch", lambda tell: NO_KIT)
    assert main(["--report", str(tmp_path / "results.md"), "--shelf", str(tmp_path / "played.json")]) == code
    assert (tmp_path / "results.md").is_file()


def test_a_machine_that_cannot_have_the_lab_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(tell: scenario.Tell) -> Kit:
        raise Unfetched("`apt-get update` ended with 100: no network")

    monkeypatch.setattr("tests.lab.fetch.fetch", refuse)
    assert main(["--slice"]) == 2
    assert "no network" in capsys.readouterr().err
    with pytest.raises(Unfetched, match="not with XZ"):
        uncompressed(bytes(4096))


def test_every_scenario_has_a_name_of_its_own_and_every_module_of_them_is_in_the_table() -> None:
    names = [each.name for each in SCENARIOS]
    assert len(set(names)) == len(names)
    table = (CHECKOUT / "tests/lab/table.py").read_text(encoding="utf-8")
    modules = [file.stem for file in (CHECKOUT / "tests/lab").glob("scenarios_*.py")]
    assert [name for name in modules if f"*{name}.SCENARIOS" not in table] == []
