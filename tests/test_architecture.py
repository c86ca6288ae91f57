"""Who may import whom is checked by a tool, and the tool is checked by a violation planted in every contract."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGES = ("custody", "kiosk", "labels", "lending", "station", "wipe_profiles")

PLANTS: dict[str, tuple[str, str]] = {
    "programs": ("station/probe.py", "import lending.db"),
    "wipe-profiles": ("wipe_profiles/__init__.py", "import requests"),
    "custody-pure": ("custody/rules.py", "import sqlite3"),
    "custody-layers": ("custody/events.py", "import custody.rules"),
    "custody-journal": ("custody/journal.py", "import requests"),
    "custody-sync": ("custody/sync.py", "import flask"),
    "labels": ("labels/sheet.py", "import sqlite_utils"),
    "label-codes": ("labels/codes.py", "import qrcode"),
    "station": ("station/cli.py", "import sqlalchemy"),
    "station-screen": ("station/web/window.py", "import station.guard"),
    "station-root-side": ("station/guard.py", "import socket"),
    "station-labels": ("station/bench.py", "import labels.sheet"),
    "station-layers": ("station/probe.py", "import station.bench"),
    "kiosk": ("kiosk/views.py", "import sqlalchemy"),
    "kiosk-flow": ("kiosk/flow.py", "import flask"),
    "lending": ("lending/devices.py", "import pyudev"),
    "lending-layers": ("lending/loans.py", "import lending.views"),
    "use-cases": ("lending/loans.py", "import flask"),
}
"""For each contract of pyproject.toml one file and one line in it that the contract must refuse."""


def lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages in a folder."""
    argv = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-logo"]
    chosen = [part for contract in contracts for part in ("--contract", contract)]
    return subprocess.run(
        [*argv, "--cache-dir", str(folder / ".lint-cache"), *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the six packages and the contracts to a place where they may be spoilt."""
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "static", "templates")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def test_the_tree_keeps_every_import_contract(pristine: Path) -> None:
    done = lint(pristine)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_a_planted_violation() -> None:
    tables = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = tables["tool"]["importlinter"]["contracts"]
    assert sorted(contract["id"] for contract in contracts) == sorted(PLANTS)


@pytest.mark.parametrize("contract", sorted(PLANTS))
def test_a_planted_violation_is_caught(contract: str, pristine: Path) -> None:
    name, line = PLANTS[contract]
    file = pristine / name
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(f"{before}\n{line}\n", encoding="utf-8")
        done = lint(pristine, contract)
    finally:
        file.write_text(before, encoding="utf-8")
    assert done.returncode != 0, f"{line!r} in {name} was not caught"
    assert "BROKEN" in done.stdout, done.stdout + done.stderr
