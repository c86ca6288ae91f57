"""The recorded answers of the real tools are whole, belong to scenes that exist, and show what their names say."""

import json
from pathlib import Path

import pytest

from station.run import Replay, Result
from tests.drives.scenes_ata import ATA
from tests.drives.scenes_scsi import SCSI

CAPTURES = Path(__file__).parents[1] / "captures"
NAMES = [("ata", name) for name in ATA] + [("scsi", name) for name in SCSI]


def said(kind: str, name: str, *words: str) -> list[str]:
    """Return what a tool said each time it was run with these words, both streams."""
    found = []
    for entry in json.loads((CAPTURES / f"{kind}-sim" / f"{name}.json").read_text("utf-8")):
        result = Result.from_json(entry)
        if set(words) <= set(result.argv):
            found.append(result.text + result.stderr.decode())
    return found


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_scene_was_recorded_with_tools_that_were_there(kind: str, name: str) -> None:
    path = CAPTURES / f"{kind}-sim" / f"{name}.json"
    results = [Result.from_json(entry) for entry in json.loads(path.read_text("utf-8"))]
    assert results and not [result.argv for result in results if result.missing]
    answer = Replay.from_file(path)(results[0].argv, 1)
    assert answer.stdout == results[0].stdout


def test_no_capture_is_left_of_a_scene_that_is_gone() -> None:
    kept = {(folder.name.removesuffix("-sim"), each.stem) for folder in CAPTURES.glob("*-sim") for each in
            folder.glob("*.json") if folder.name in {"ata-sim", "scsi-sim"}}  # fmt: skip
    assert kept == set(NAMES)


def test_an_honest_sanitize_was_seen_idle_then_working_then_completed() -> None:
    status = said("ata", "sanitize-block", "--sanitize-status")
    assert "SD0 Sanitize Idle" in status[0] and "Completed" not in status[0]
    assert any("SD2 Sanitize operation In Process" in each for each in status)
    assert "Last Sanitize Operation Completed Without Error" in status[-1]
    sense = said("scsi", "sanitize-block", "sg_requests")
    assert any("sanitize in progress" in each for each in sense) and "No additional sense" in sense[-2]


def test_lies_about_the_status_were_told() -> None:
    for name, words in (("sanitize-always-completed", True), ("sanitize-status-unchanged", False)):
        status = said("ata", name, "--sanitize-status")
        assert status and not any("In Process" in each for each in status)
        assert all(("Completed Without Error" in each) is words for each in status)
    assert "SD3 Sanitize Operation Failed" in "".join(said("ata", "sanitize-fails", "--sanitize-status"))
    assert "Sanitize command failed" in "".join(said("scsi", "sanitize-fails", "sg_requests"))


def test_locks_and_hidden_sectors_show_in_the_tools_words() -> None:
    states = [json.loads(each)["ata_security"] for each in said("ata", "security", "smartctl", "-x")]
    assert [state.get("locked") for state in states] == [False, True, False, None]
    assert json.loads(said("ata", "frozen", "smartctl")[0])["ata_security"]["frozen"]
    hpa = said("ata", "hpa", "-N", "hdparm")
    assert "100000/131072, HPA is enabled" in hpa[1] and "131072/131072, HPA is disabled" in hpa[-1]
    assert "Real max sectors: 131072" in said("ata", "hpa-and-dco-found", "--dco-identify")[0]
    assert "ACCESSIBLE MAX ADDRESS enabled" in said("ata", "ama", "-N")[1]
