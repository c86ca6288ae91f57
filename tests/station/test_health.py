"""Which drives are worth wiping: judged on figures, never on the drive's own "passed" alone."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from station.health import LIMITS, Health, chip_health, health_at, judge_health
from station.probe_smart import parse_smart
from station.run import Replay, Result

FAILING = {
    "health_failed", "attr_failing_now", "attr_failing_now_but_passed", "pending", "pending_no_realloc",
    "offline_uncorr", "selftest_failed", "pct_used_gt100", "pct_used_gt100_but_passed", "spare_below_threshold",
    "spin_retry",
    "nvme_media_errors", "nvme_crit_0x01", "nvme_crit_0x04", "nvme_crit_0x08", "nvme_crit_0x09", "nvme_crit_0x0d",
}  # fmt: skip
"""Tags of the recorded reports that mean a failing drive; `data/smart-text/INDEX.csv` explains them."""


def judged(**says: Any) -> Health:
    report, _ = parse_smart(json.dumps({"smart_status": {"passed": True}, **says}), "/dev/x")
    assert report
    return judge_health(report)


def attribute(number: int, raw: int, name: str = "x", failed: str = "") -> dict[str, Any]:
    row = {"id": number, "name": name, "when_failed": failed, "raw": {"value": raw, "string": str(raw)}}
    return {"ata_smart_attributes": {"table": [row]}}


def nvme(**figures: int) -> dict[str, Any]:
    return {"nvme_smart_health_information_log": figures}


@pytest.mark.parametrize(
    ("says", "verdict", "words"),
    [
        ({}, "unknown", "no figure"),
        (attribute(197, 0), "good", ""),
        (attribute(197, -5), "unknown", "no figure"),
        (attribute(5, 0, "Reallocated_Sector_Ct", "past"), "watch", "before"),
        (attribute(190, 60, "Airflow_Temperature_Cel", "past"), "unknown", "no figure"),
        ({"smart_status": {"passed": False}}, "bad", "failing"),
        ({"smart_status": {}}, "unknown", "does not say"),
        (attribute(197, 1), "bad", "cannot be read"),
        (attribute(198, 3), "bad", "cannot be corrected"),
        (attribute(5, 1), "watch", "replaced"),
        (attribute(5, 10), "bad", "replaced"),
        (attribute(10, 1), "bad", "up to speed"),
        (attribute(5, 0, "Reallocated_Sector_Ct", "now"), "bad", "below its threshold"),
        (attribute(190, 60, "Airflow_Temperature_Cel", "now"), "watch", "below its threshold"),
        (attribute(199, 99), "unknown", "no figure"),
        (attribute(199, 100), "watch", "cable"),
        (nvme(percentage_used=79), "good", ""),
        (nvme(percentage_used=80), "watch", "life"),
        (nvme(percentage_used=100), "bad", "life"),
        (nvme(media_errors=1), "watch", "written"),
        (nvme(media_errors=10), "bad", "written"),
        (nvme(available_spare=4, available_spare_threshold=5), "bad", "spare"),
        (nvme(available_spare=5, available_spare_threshold=5), "good", ""),
        (nvme(critical_warning=0x04), "bad", "reliable"),
        (nvme(critical_warning=0x02), "watch", "temperature"),
        ({"scsi_grown_defect_list": 1}, "watch", "defects"),
        ({"scsi_grown_defect_list": 50}, "bad", "defects"),
        ({"scsi_error_counter_log": {"read": {"total_uncorrected_errors": 10}}}, "bad", "corrected"),
        ({"scsi_self_test_0": {"result": {"value": 7}}}, "bad", "self-test"),
        ({"nvme_self_test_log": {"table": [{"self_test_result": {"value": 7}}]}}, "bad", "self-test"),
    ],
)  # fmt: skip
def test_each_figure_has_its_limit_and_its_sentence(says: dict[str, Any], verdict: str, words: str) -> None:
    health = judged(**says)
    assert health.verdict == verdict
    assert any(words in reason for reason in health.reasons) or not words


def ata_tests(*values: int) -> dict[str, Any]:
    return {"ata_smart_self_test_log": {"standard": {"table": [{"status": {"value": value}} for value in values]}}}


def test_a_self_test_that_passed_after_one_that_failed_is_watched_and_one_broken_off_says_nothing() -> None:
    assert judged(**ata_tests(0x00, 0x79)).verdict == "watch"
    assert judged(**ata_tests(0x10, 0x79, 0x00)).verdict == "bad"
    assert judged(**ata_tests(0x10, 0x20, 0xF5)).verdict == "unknown"
    assert judged(**ata_tests(0x10, 0x20, 0xF5), **attribute(197, 0)).verdict == "good"


def test_the_worst_finding_decides_and_is_told_first() -> None:
    health = judged(**attribute(5, 2), **nvme(critical_warning=0x08))
    assert health.verdict == "bad"
    assert "read" in health.reasons[0]
    assert "replaced" in health.reasons[1]


def test_more_packed_into_a_counter_than_is_printed_is_left_out() -> None:
    row = {"id": 5, "name": "x", "raw": {"value": 0x2000_0000_0000, "string": "0 (8192 0)"}}
    assert judged(ata_smart_attributes={"table": [row]}).verdict == "good"


def test_a_drive_that_cannot_be_asked_is_unknown_and_says_why() -> None:
    health = health_at(Replay([Result(("smartctl", "-x", "-j", "/dev/x"), 127, b"", b"", 0.0, missing=True)]), "/dev/x")
    assert health.verdict == "unknown"
    assert "smartctl" in health.reasons[0]


@pytest.mark.parametrize(
    ("life", "spare", "verdict"),
    [
        ("0x01 0x02", "0x01", "good"), ("0x08 0x01", "0x01", "watch"), ("0x0a 0x01", "0x01", "watch"),
        ("0x0b 0x01", "0x01", "bad"), ("0x01 0x01", "0x02", "watch"), ("0x01 0x01", "0x03", "bad"),
        ("0x00 0x00", "0x00", "unknown"), ("what", "0x01", "unknown"),
    ],
)  # fmt: skip
def test_a_chip_is_judged_by_the_tenths_of_its_life(tmp_path: Path, life: str, spare: str, verdict: str) -> None:
    (tmp_path / "life_time").write_text(life + "\n")
    (tmp_path / "pre_eol_info").write_text(spare + "\n")
    assert chip_health(tmp_path).verdict == verdict
    assert chip_health(tmp_path / "nothing").verdict == "unknown"


def test_every_limit_says_how_many() -> None:
    assert all("{}" in limit.text or name == "selftest_failed" for name, limit in LIMITS.items())


def recorded(shared_data: Path) -> Iterator[tuple[str, set[str], Health]]:
    folder = shared_data / "smart-json-derived"
    with (folder / "INDEX.csv").open(encoding="utf-8-sig") as index:
        for row in csv.DictReader(index):
            text = (folder / Path(row["file"]).name).read_text("utf-8", "replace")
            report, _ = parse_smart(text, "/dev/x")
            if report is not None:
                yield row["file"], set(row["tags"].split()), judge_health(report)


def test_no_recorded_drive_that_is_failing_is_good_and_no_healthy_one_is_bad(shared_data: Path) -> None:
    drives = list(recorded(shared_data))
    assert len(drives) > 400
    failing = [(name, tags & FAILING) for name, tags, health in drives if tags & FAILING and health.verdict == "good"]
    healthy = [(name, health.reasons) for name, tags, health in drives if "healthy" in tags and health.verdict == "bad"]
    assert failing == []
    assert healthy == []
    assert sum("healthy" in tags and health.verdict == "good" for _, tags, health in drives) > 80
