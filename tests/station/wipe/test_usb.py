"""Through a USB adapter a drive is named as well as can be, and nothing of its own is ever sent."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import wipe_profiles
from custody.claims import Claim
from station.errors import NotDone
from station.media import Medium, medium_at
from station.run import Replay, Result
from station.wipe import can_do, plan, usb
from station.wipe.methods import Act, Method
from tests.station.benches import practice_file

UNKNOWN = {"smartctl": {"exit_status": 1, "messages": [{"string": "/dev/x: Unknown USB bridge [0x1234:0x5678]"}]}}
BEHIND = {"device": {"type": "sat", "protocol": "ATA"}, "model_name": "REAL DISK", "serial_number": "WD-REAL1"}


def drive(folder: Path, serial: str = "BRIDGE0001") -> Medium:
    folder.mkdir(exist_ok=True)
    medium = medium_at(practice_file(folder / "d.img"))
    identity = replace(medium.identity, serial=serial, transport="usb")
    medium = replace(medium, path="/dev/x", transport="usb", kind="usb", via_bridge=True)
    return replace(medium, practice=False, identity=identity)


def answers(**by_kind: Mapping[str, object]) -> Replay:
    results = []
    for kind in ("auto", *usb.KINDS):
        argv = ("smartctl", "-i", "-j", *(() if kind == "auto" else ("-d", kind)), "/dev/x")
        results.append(Result(argv, 0, json.dumps(by_kind.get(kind, UNKNOWN)).encode(), b"", 0.1))
    return Replay(results)


def test_a_bridge_with_a_false_serial_is_told_beside_the_true_one(tmp_path: Path) -> None:
    can = usb.read(answers(sat=BEHIND), drive(tmp_path))
    assert can.facts["behind"] == {"model": "REAL DISK", "serial": "WD-REAL1", "asked_as": "sat"}
    assert "WD-REAL1" in can.notes[0]
    assert "BRIDGE0001" in can.notes[0]
    assert "calls it" not in usb.read(answers(auto=BEHIND), drive(tmp_path / "b", "wd-real1")).notes[0]


def test_a_bridge_that_says_nothing_is_told(tmp_path: Path) -> None:
    assert usb.read(answers(), drive(tmp_path)).notes == ("the adapter does not tell which drive is behind it",)


def test_a_missing_smartctl_is_told(tmp_path: Path) -> None:
    assert "not installed" in usb.read(Replay([]), drive(tmp_path)).notes[0]


def test_no_plan_through_an_adapter_reaches_more_than_clear_or_sends_anything(tmp_path: Path) -> None:
    medium = drive(tmp_path)
    planned = plan(wipe_profiles.load("purge"), medium, can_do(medium, answers(sat=BEHIND)))
    assert (planned.method, planned.reaches, planned.needs_supervisor) == ("overwrite-random", Claim.CLEAR, True)
    assert not planned.by_firmware
    assert any("WD-REAL1" in note for note in planned.notes)
    act = Act(Method("sanitize-block", "sanitize-block", (), Claim.PURGE), medium, None, answers(), print)  # type: ignore[arg-type]
    for send in (usb.act, usb.unhide):
        with pytest.raises(NotDone, match="connect the drive directly"):
            send(act)
