"""Self-tests run in a child that is followed with patience; the drive's own log decides, and silence proves nothing."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from station.follow import Hear, follow
from station.run import Replay, Result
from station.selftest import self_test

ASK = ("smartctl", "-x", "-j", "/dev/x")


def report(*statuses: int) -> Result:
    table = [{"status": {"value": status}} for status in statuses]
    data: dict[str, Any] = {"smart_status": {"passed": True}, "ata_smart_self_test_log": {"standard": {"table": table}}}
    return Result(ASK, 0, json.dumps(data).encode(), b"", 0.1)


class Child:
    """Starts a program that says these lines, in place of the one that asks a drive."""

    def __init__(self, *lines: dict[str, Any], ends: str = "") -> None:
        self.code = "".join(f"print({json.dumps(json.dumps(line))}, flush=True)\n" for line in lines) + ends

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        assert argv[-2:] == ("/dev/x", "short")
        return follow((sys.executable, "-c", self.code), given, patience, hear)


STARTED, ENDED = {"started": 0, "message": "started"}, {"ended": 0, "message": "ok"}


@pytest.mark.parametrize(
    ("before", "after", "child", "result"),
    [
        (report(), report(0x00), Child(STARTED, {"progress": 50}, ENDED), "passed"),
        (report(), report(0x79), Child(STARTED, ENDED), "failed"),
        (report(0x00), report(0x79, 0x00), Child(STARTED, {"ended": 2, "message": ""}), "failed"),
        (report(), report(), Child(STARTED, ENDED), "unknown"),
        (report(0x00), report(0x10, 0x00), Child(STARTED, {"ended": 3, "message": "aborted"}), "unknown"),
        (report(), report(0x00), Child({"started": 1, "message": "running already"}), "unknown"),
        (report(), report(0x00), Child(STARTED, ends="raise SystemExit(1)"), "unknown"),
        (report(), report(0x00), Child(STARTED, ends="import time; time.sleep(60)"), "unknown"),
    ],
)
def test_only_the_drives_own_log_makes_a_self_test_passed(
    before: Result, after: Result, child: Child, result: str
) -> None:
    percents: list[float | None] = []
    done = self_test(Replay([before, after]), "/dev/x", "short", follow=child, tell=percents.append, patience=2.0)
    assert done.result == result, done.words
    assert done.words


def test_progress_is_told() -> None:
    percents: list[float | None] = []
    child = Child(STARTED, {"progress": 10}, {"progress": None}, {"progress": 90}, ENDED)
    self_test(Replay([report(), report(0x00)]), "/dev/x", "short", follow=child, tell=percents.append)
    assert percents == [10.0, None, 90.0]
