"""smartctl's JSON: real reports, lying ones, broken ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station import records
from station.probe_smart import BITS, Smart, parse_smart


def parsed(**says: Any) -> Smart:
    report, _ = parse_smart(json.dumps(says), "/dev/sda")
    assert report
    return report


def test_the_exit_status_is_a_bit_mask_and_not_a_failure() -> None:
    report = parsed(smartctl={"exit_status": 0b01011000}, smart_status={"passed": True}, serial_number="X1")
    assert report.problems == (BITS[3], BITS[4], BITS[6])
    assert report.health == "passed"


def test_figures_are_only_there_when_the_drive_gives_them() -> None:
    rows = [{"id": 5, "raw": {"value": 8}}, {"id": 197, "raw": {"value": "24"}}, {"id": 1, "raw": {"value": 9}}]
    report = parsed(ata_smart_attributes={"table": rows}, power_on_time={"hours": 12})
    assert dict(report.figures) == {"reallocated": 8, "pending": 24, "power_on_hours": 12}
    assert report.figure("temperature") is None


def test_an_implausible_number_of_hours_is_left_out() -> None:
    assert parsed(power_on_time={"hours": 4_000_000_000}).figure("power_on_hours") is None


def test_passed_beside_an_attribute_that_fails_now_shows_both() -> None:
    rows = [{"id": 5, "name": "Reallocated_Sector_Ct", "when_failed": "now", "raw": {"value": 0}}]
    report = parsed(smart_status={"passed": True}, ata_smart_attributes={"table": rows})
    assert (report.health, report.failing) == ("passed", ("Reallocated_Sector_Ct",))


def test_the_ata_security_flags_are_read() -> None:
    report = parsed(ata_security={"state": 41, "string": "Disabled, frozen", "enabled": False, "frozen": True})
    assert report.security == ("frozen",)
    assert report.figure("security_state") == 41


def test_the_wwn_is_put_together() -> None:
    assert parsed(wwn={"naa": 5, "oui": 0x14EE, "id": 0x2B3C4D5E6}).wwn == "0x50014ee2b3c4d5e6"


def test_a_drive_that_could_not_be_opened_says_why() -> None:
    text = json.dumps({"smartctl": {"exit_status": 2, "messages": [{"string": "Permission denied"}]}})
    report, why = parse_smart(text, "/dev/sda")
    assert report
    assert why == "Permission denied"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "[" * 100_000])
def test_an_answer_that_is_no_report_is_said(text: str) -> None:
    report, why = parse_smart(text, "/dev/sda")
    assert report is None
    assert "/dev/sda" in why


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "smartctl", "device", "serial_number", "smart_status", "wwn", "user_capacity", "ata_security", "power_on_time",
    "temperature", "ata_smart_attributes", "nvme_smart_health_information_log", "exit_status", "messages", "table",
]  # fmt: skip
shaped = st.dictionaries(st.sampled_from(KEYS), anything | st.dictionaries(st.sampled_from(KEYS), anything), max_size=8)


@given(shaped)
def test_no_report_of_any_shape_makes_the_reader_fail(data: dict[str, Any]) -> None:
    report, _ = parse_smart(json.dumps(data), "/dev/sda")
    assert report
    assert records.from_json(Smart, json.loads(json.dumps(records.to_json(report)))) == report


@pytest.mark.parametrize("folder", ["smart-json", "smart-json-derived"])
def test_all_recorded_reports_are_read(shared_data: Path, folder: str) -> None:
    places = sorted((shared_data / folder).glob("*.json"))
    reports = [parse_smart(place.read_text("utf-8", "replace"), "/dev/x")[0] for place in places]
    read = [report for report in reports if report]
    assert len(read) >= len(places) - 5
    assert all(records.from_json(Smart, json.loads(json.dumps(records.to_json(r)))) == r for r in read)
    drives = [report for report in read if report.protocol]
    assert sum(bool(r.model) for r in drives) / len(drives) > 0.95
    assert sum(bool(r.health) for r in drives) / len(drives) > 0.9
    assert {"passed", "failed"} <= {r.health for r in drives}
    assert any(r.health == "passed" and (r.figure("pending") or 0) > 0 for r in drives)


def test_the_reports_inside_recorded_machine_snapshots_are_read(shared_data: Path) -> None:
    seen = 0
    for place in sorted((shared_data / "machine-snapshots").glob("*.json")):
        data = json.loads(place.read_text("utf-8", "replace")).get("data") or {}
        inside = [*data.get("smart", []), data.get("smartctl", "")]
        for report in inside:
            text = report if isinstance(report, str) else json.dumps(report)
            seen += parse_smart(text, "/dev/x")[0] is not None
    assert seen >= 5
