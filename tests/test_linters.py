"""Style and types are tests like any other. Layout is left to the writer; no formatter is run."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY


def run(*argv: str, cache: Path) -> None:
    """Run one linter over the checkout and show what it says when it objects."""
    done = subprocess.run(
        [sys.executable, "-m", *argv, str(cache)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{argv[0]} objects:\n{done.stdout}{done.stderr}"


def test_ruff_has_nothing_to_say(tmp_path: Path) -> None:
    run("ruff", "check", ".", "--output-format", "concise", "--cache-dir", cache=tmp_path)


def test_mypy_in_strict_mode_has_nothing_to_say() -> None:
    run("mypy", "--no-error-summary", "--cache-dir", cache=REPOSITORY / ".mypy_cache")


def test_the_shell_scripts_parse() -> None:
    scripts = [*REPOSITORY.glob("tools/*.sh"), REPOSITORY / ".ci" / "run"]
    for script in scripts:
        done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script.name}: {done.stderr}"
