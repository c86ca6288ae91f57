"""The gate for programs: deadlines, what a program is given, recordings."""

import os
import sys
import time
from pathlib import Path

import pytest

from station.run import Replay, Result, Run, save


def test_output_status_and_words_are_kept_in_the_transcript() -> None:
    run = Run()
    result = run(["sh", "-c", "echo out; echo err >&2; exit 3"], 20)
    assert (result.exit, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert not result.ok
    assert result.trouble == "sh ended with status 3: err"
    assert run.transcript == (result,)


def test_a_missing_tool_is_a_result_and_not_an_exception() -> None:
    result = Run()(["kitbank-no-such-tool"], 5)
    assert result.missing
    assert not result.ok
    assert "not installed" in result.trouble


def test_a_file_that_is_no_program_counts_as_missing(tmp_path: Path) -> None:
    assert Run()([str(tmp_path)], 5).missing


def test_at_the_deadline_the_whole_family_is_killed(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    begun = time.monotonic()
    result = Run()(["sh", "-c", f"echo early; (sleep 2; touch {marker}) & sleep 60"], 0.5)
    assert result.timed_out
    assert not result.ok
    assert result.stdout == b"early\n"
    assert "deadline" in result.trouble
    assert time.monotonic() - begun < 10
    time.sleep(2.2)
    assert not marker.exists()


def test_a_program_gets_the_c_locale_a_fixed_path_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("SECRET", "do not tell")
    shown = dict(line.split("=", 1) for line in Run()(["env"], 10).text.splitlines())
    assert shown["LC_ALL"] == "C"
    assert shown["PATH"].startswith("/usr/local/sbin:")
    assert "SECRET" not in shown


def test_a_program_that_waits_for_input_gets_none() -> None:
    assert Run()(["cat"], 10).ok


def test_a_program_stands_in_a_group_of_its_own() -> None:
    group = Run()([sys.executable, "-c", "import os; print(os.getpgid(0), os.getpid())"], 20).text.split()
    assert group[0] == group[1]
    assert int(group[0]) != os.getpgid(0)


@pytest.mark.parametrize(("words", "deadline"), [([], 1), ("ls", 1), (["ls"], 0), (["ls"], float("nan"))])
def test_no_words_a_shell_line_or_no_deadline_is_misuse(words: list[str], deadline: float) -> None:
    with pytest.raises(ValueError, match=r"list of words|deadline"):
        Run()(words, deadline)


def test_a_recording_gives_the_same_answers_in_turn(tmp_path: Path) -> None:
    words = ("nvme", "sanitize-log")
    taken = [Result(words, 0, b"\x00\xff raw", b"", 0.1), Result(words, 1, b"later", b"", 0.2)]
    save(taken, tmp_path / "capture.json")
    replay = Replay.from_file(tmp_path / "capture.json")
    assert [replay(words, 5) for _ in range(3)] == [taken[0], taken[1], taken[1]]
    assert replay.transcript[0].stdout == b"\x00\xff raw"


def test_what_was_not_recorded_is_a_missing_tool() -> None:
    assert Replay([])(["smartctl"], 5).missing


def test_a_recording_is_found_whatever_python_it_was_made_with() -> None:
    replay = Replay([Result(("/a/python3.11", "-P", "/a/probe_pysmart.py", "/dev/sda"), 0, b"x", b"", 0.0)])
    assert replay(["/b/python3", "-P", "/c/probe_pysmart.py", "/dev/sda"], 5).stdout == b"x"
