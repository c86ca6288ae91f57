"""The whole line, as `make run ONCE=1` runs it: real programs, real forms, a real kiosk with the server down."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tools.line import STEPS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one whole run; the run is the test's subject, so it fails here if the line does."""
    folder = tmp_path_factory.mktemp("whole-way") / "home"
    done = subprocess.run(
        [sys.executable, "-m", "tools.line", "--once", "--home", str(folder)],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def summary(home: Path) -> dict[str, dict[str, Any]]:
    """Return what the run wrote down, by the name of the step."""
    return {each["step"]: each for each in json.loads((home / "summary.json").read_text(encoding="utf-8"))}


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("whole-way")]


def test_every_step_held_and_said_what_it_saw(summary: dict[str, dict[str, Any]]) -> None:
    assert list(summary) == [step.name for step in STEPS]
    assert [name for name, each in summary.items() if each["ok"] is not True or not each["detail"]] == []


def test_the_second_lending_was_refused_with_its_reasons(summary: dict[str, dict[str, Any]]) -> None:
    at_once = {reason["code"] for reason in summary["second lending refused"]["reasons"]}
    assert {"no-inventory", "not-tested"} <= at_once
    later = [reason["code"] for reason in summary["second lending refused until wiped"]["reasons"]]
    assert later == ["wipe-before-exit", "filter-not-verified"], "what is left: the old wipe, and a filter for children"


def test_the_summary_says_which_tool_looked_for_files(summary: dict[str, dict[str, Any]]) -> None:
    assert "photorec" in summary["files found before"]["detail"] or "carver" in summary["files found before"]["detail"]


def test_nothing_that_ran_is_still_running(home: Path) -> None:
    folder = str(home).encode()
    alive = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if folder in process.read_bytes():
                alive.append(process.parent.name)
        except OSError:
            continue
    assert alive == []
