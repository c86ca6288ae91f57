"""What a drive says about itself through smartctl, read from `smartctl -x -j`.

smartctl's exit status is a bit mask (smartctl(8), EXIT STATUS): not 0 is normal, so it is kept and put into words
and never taken for a failure of the tool. The figures are the drive's own; "passed" proves little (of 976 drives
with pending sectors in public reports 945 still said so). Raw output stays in the runner's transcript.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from station.run import Runner
from station.said import clean, said

DEADLINE = 90.0  # seconds; a dying disk answers slowly, smartctl itself retries for up to a minute
IMPLAUSIBLE_HOURS = 300_000  # 34 years: some drives pack minutes or flags into this counter
BITS = (
    "smartctl did not understand its command line",
    "the drive could not be opened, did not answer, or smartctl does not know its kind",
    "a SMART or other command to the drive failed",
    "the drive says that it is failing",
    "an attribute that announces failure is at or below its threshold",
    "an attribute was at or below its threshold in the past",
    "the drive's error log has entries",
    "the drive's self-test log has errors",
)
ATTRIBUTES = {  # ATA attribute number -> our name for its raw value
    5: "reallocated",
    10: "spin_retries",
    184: "end_to_end",
    187: "reported_uncorrectable",
    188: "command_timeouts",
    196: "reallocation_events",
    197: "pending",
    198: "offline_uncorrectable",
    199: "crc_errors",
}
SELF_TESTS = {  # place of the newest entries, place of the result in an entry, results that are failures
    # ATA: the upper half of the status byte, 3 to 8 are failures, 1, 2 and 15 were broken off or run (ACS-3, A.20)
    "ata_smart_self_test_log": (("standard", "extended"), ("status", "value"), range(0x30, 0x90)),
    # NVMe: the lower half, 5 to 7 are failures (NVM Express 1.3, figure 98)
    "nvme_self_test_log": (("",), ("self_test_result", "value"), range(5, 8)),
}
_SCSI_WAYS = ("read", "write", "verify")
_SCSI_FAILED = range(3, 8)  # SPC-4, self-test results log page: 1, 2 broken off, 15 running
NVME = ("percentage_used", "available_spare", "available_spare_threshold", "media_errors", "critical_warning")


@dataclass(frozen=True)
class Smart:
    """One drive's report. "" means that the drive does not say; a figure it does not give is not there."""

    path: str
    exit_status: int
    problems: tuple[str, ...]  # the bits of the exit status in words
    messages: tuple[str, ...]  # what smartctl itself complained about
    protocol: str  # ATA, NVMe, SCSI
    kind: str  # smartctl's device type: sat, nvme, scsi …
    model: str
    serial: str
    firmware: str
    wwn: str
    size: int  # bytes
    health: str  # "passed", "failed" or ""
    failing: tuple[str, ...]  # attributes below their threshold now
    security: tuple[str, ...]  # ATA security flags that are set: enabled, frozen, locked …
    figures: tuple[tuple[str, int], ...]  # by name, sorted
    failed_before: tuple[str, ...] = ()

    def figure(self, name: str) -> int | None:
        """Return one figure, or None when the drive does not give it."""
        return dict(self.figures).get(name)


def read_smart(run: Runner, path: str) -> tuple[Smart | None, str]:
    """Ask smartctl about one drive. Returns the report or None, and why anything is unknown ("" if nothing is)."""
    result = run(["smartctl", "-x", "-j", path], DEADLINE)
    if result.missing or result.timed_out:
        return None, result.trouble
    report, why = parse_smart(result.text, path)
    if report and not report.serial and any("-d" in text or "USB bridge" in text for text in report.messages):
        # an unknown USB bridge: SCSI-to-ATA translation is what nearly all of them speak (smartmontools #370, #576)
        again = run(["smartctl", "-x", "-j", "-d", "sat", path], DEADLINE)
        second, _ = parse_smart(again.text, path)
        if second and second.serial and not again.timed_out:
            return second, ""
    return report, why


def parse_smart(text: str, path: str) -> tuple[Smart | None, str]:
    """Read smartctl's JSON. Returns the report or None, and why anything is unknown ("" if nothing is)."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return None, f"smartctl's answer about {path} is not JSON ({error})"
    if not isinstance(data, dict):
        return None, f"smartctl's answer about {path} is not a report"
    status = _number(data, "smartctl", "exit_status") or 0
    messages = tuple(clean(str(_get(entry, "string"))) for entry in _list(data, "smartctl", "messages"))
    passed = _get(data, "smart_status", "passed")
    report = Smart(
        path=path,
        exit_status=status,
        problems=tuple(words for bit, words in enumerate(BITS) if status >> bit & 1),
        messages=messages,
        protocol=_text(data, "device", "protocol"),
        kind=_text(data, "device", "type"),
        model=said(_text(data, "model_name") or _text(data, "scsi_model_name")),
        serial=said(_text(data, "serial_number")),
        firmware=_text(data, "firmware_version") or _text(data, "scsi_revision"),
        wwn=_wwn(data),
        size=_number(data, "user_capacity", "bytes") or _number(data, "nvme_total_capacity") or 0,
        health={True: "passed", False: "failed"}.get(passed, "") if isinstance(passed, bool) else "",
        failing=tuple(_failing(data, "now", "failing_now")),
        security=tuple(sorted(_security(data))),
        figures=tuple(sorted(_figures(data).items())),
        failed_before=tuple(_failing(data, "past", "in_the_past")),
    )
    return report, _why_not(report, status, messages)


def _why_not(report: Smart, status: int, messages: tuple[str, ...]) -> str:
    """Say why a report is no use, or ""."""
    if status & 3 and not report.serial and not report.model:
        return "; ".join(filter(None, messages)) or report.problems[0]
    if not report.health and not report.figures:
        return "the drive gives no health figures"
    return ""


def _figures(data: Mapping[str, Any]) -> dict[str, int]:
    """Collect what the drive counts."""
    places = {
        "power_cycles": ("power_cycle_count",),
        "temperature": ("temperature", "current"),  # degrees Celsius
        "rotation_rate": ("rotation_rate",),
        "grown_defects": ("scsi_grown_defect_list",),
        "security_state": ("ata_security", "state"),
        **{name: ("nvme_smart_health_information_log", name) for name in NVME},
    }
    found = {name: value for name, place in places.items() if (value := _number(data, *place)) is not None}
    found.update(_self_tests(data))
    uncorrected = [_number(data, "scsi_error_counter_log", way, "total_uncorrected_errors") for way in _SCSI_WAYS]
    if any(count is not None for count in uncorrected):
        found["uncorrected"] = sum(count or 0 for count in uncorrected)
    for row in _list(data, "ata_smart_attributes", "table"):
        name = ATTRIBUTES.get(_number(row, "id") or 0)
        raw = _raw(row)
        if name and raw is not None:
            found[name] = raw
    hours = _number(data, "power_on_time", "hours")
    if hours is None:
        hours = _number(data, "nvme_smart_health_information_log", "power_on_hours")
    if hours is not None and 0 <= hours <= IMPLAUSIBLE_HOURS:
        found["power_on_hours"] = hours
    return found


def _raw(row: Any) -> int | None:
    """Return an attribute's raw value as smartctl prints it: some drives pack more into the 48 bits behind it."""
    printed = re.match(r"\d+", _text(row, "raw", "string"))
    value = int(printed[0]) if printed else _number(row, "raw", "value")
    return value if value is not None and value >= 0 else None  # no counter counts below nothing


def _self_tests(data: Mapping[str, Any]) -> dict[str, int]:
    """Return whether the newest self-test that came to its end failed (1) or not (0), and how many failed in all."""
    results: list[bool] = []
    for log, (places, result, failures) in SELF_TESTS.items():
        for place in places:
            rows = _list(data, log, *([place] if place else []), "table")
            ended = [_ended(row, result, failures) for row in rows]
            results = results or [failed for failed in ended if failed is not None]
    for number in range(20):
        value = _number(data, f"scsi_self_test_{number}", "result")
        if value == 0 or value in _SCSI_FAILED:
            results.append(value in _SCSI_FAILED)
    return {"selftest_failed": int(results[0]), "selftest_failures": sum(results)} if results else {}


def _ended(row: Any, result: tuple[str, ...], failures: range) -> bool | None:
    """Tell whether one self-test failed; None when it was broken off or still runs, which says nothing."""
    value, passed = _number(row, *result), _get(row, "status", "passed")
    if value is None:
        return not passed if isinstance(passed, bool) else None
    complete = value >> 4 == 0 if failures.start >= 0x10 else value == 0
    return value in failures if complete or value in failures else None


def _failing(data: Mapping[str, Any], *when: str) -> list[str]:
    """Return the attributes that are below their threshold now, or were before (ataprint.cpp: `when_failed`)."""
    rows = _list(data, "ata_smart_attributes", "table")
    return [_text(row, "name") for row in rows if _text(row, "when_failed").lower() in when]


def _security(data: Mapping[str, Any]) -> list[str]:
    """Return the ATA security flags that are set (ataprint.cpp; `frozen` is left out when locked)."""
    flags = _get(data, "ata_security")
    return [clean(str(name)) for name, value in flags.items() if value is True] if isinstance(flags, dict) else []


def _wwn(data: Mapping[str, Any]) -> str:
    """Return the World Wide Name as 0x and 16 digits, from NAA, OUI and id (IEEE 64-bit extended)."""
    naa, oui, rest = (_number(data, "wwn", part) for part in ("naa", "oui", "id"))
    if naa is None or oui is None or rest is None or min(naa, oui, rest) < 0:
        return ""
    return f"0x{naa:x}{oui:06x}{rest:09x}"


def _get(data: object, *keys: str) -> Any:
    """Follow keys through objects; None as soon as one is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _text(data: object, *keys: str) -> str:
    """Return a text, cleaned, or ""."""
    value = _get(data, *keys)
    return clean(value) if isinstance(value, str) else ""


def _list(data: object, *keys: str) -> list[Any]:
    """Return a list, or an empty one."""
    value = _get(data, *keys)
    return value if isinstance(value, list) else []


def _number(data: object, *keys: str) -> int | None:
    """Return a whole number, also where it stands as a text or in the newer `{"value": …}` form."""
    value = _get(data, *keys)
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        digits = value.replace(",", "").strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 40 else None
    if isinstance(value, float):
        return int(value) if value == value and abs(value) < 1e30 else None  # noqa: PLR0124 (not a NaN)
    return value if isinstance(value, int) else None
