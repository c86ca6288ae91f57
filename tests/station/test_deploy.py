"""The deployment files are what their programs accept."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = ("kitbank-station", "kitbank-lending", "kitbank-kiosk")


def test_every_unit_is_accepted_by_systemd(repository: Path, tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("systemd-analyze")
    stand_in = tmp_path / "bin"
    stand_in.mkdir()
    for name in PROGRAMS:  # systemd looks whether the program is there
        (stand_in / name).write_text("#!/bin/sh\n", "utf-8")
        (stand_in / name).chmod(0o755)
    units = []
    for unit in sorted((repository / "deploy/systemd").iterdir()):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text("utf-8").replace("/opt/kitbank/bin", str(stand_in)), "utf-8")
        units.append(str(copy))
    assert len(units) >= 5
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    if done.returncode and "kitbank" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here ({done.stderr.strip()[:200]})")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "kitbank" in line]


def test_no_unit_but_the_bench_runs_as_root_or_reaches_a_drive(repository: Path) -> None:
    for unit in (repository / "deploy/systemd").glob("*.service"):
        text = unit.read_text("utf-8")
        if unit.name == "kitbank-station-bench.service":
            continue
        assert "User=kitbank-" in text
        assert "PrivateDevices=yes" in text
        assert "NoNewPrivileges=yes" in text


def test_the_bench_has_no_network_and_its_end_ends_no_wipe(repository: Path) -> None:
    text = (repository / "deploy/systemd/kitbank-station-bench.service").read_text("utf-8")
    lines = text.splitlines()
    assert "KillMode=process" in lines, "its children go on when it is stopped"
    assert "RestrictAddressFamilies=AF_NETLINK AF_UNIX" in lines
    assert "IPAddressDeny=any" in lines
    assert "NoNewPrivileges=yes" in lines
    assert "User=" not in text
    hides_drives = ("PrivateDevices=yes", "ProtectKernelTunables=yes", "PrivateNetwork=yes", "ProtectHome=yes")
    assert not [word for word in hides_drives if word in lines], "these hide from it what it must see"


def test_the_udev_rule_keeps_drives_from_being_mounted(repository: Path) -> None:
    text = (repository / "deploy/udev/61-kitbank-no-automount.rules").read_text("utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 'ENV{UDISKS_IGNORE}="1"' in rules
    assert rules[-1] == 'LABEL="kitbank_end"'
    assert sum('GOTO="kitbank_end"' in line for line in rules) == 3
