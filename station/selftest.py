"""A drive's own self-test, started and followed through pySMART in a child process, judged by the drive's own log.

A dying drive hangs whoever asks it; so the child is followed with patience and ended when it falls silent, and the
drive is then "unknown", not "passed".
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from station.follow import Follow, follow
from station.health import Health, health_at
from station.run import Runner

PATIENCE = 180.0  # seconds of silence; smartctl may take a minute on a dying drive, and is started twice a look
ARGV = (sys.executable, "-m", "station.probe_selftest")


@dataclass(frozen=True)
class SelfTest:
    """What became of a self-test: "passed", "failed", or "unknown" with the reason; and the drive's health after it."""

    result: str
    words: str
    health: Health

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"result": self.result, "words": self.words, "health": self.health.to_json()}


def self_test(
    run: Runner,
    path: str,
    kind: str,
    *,
    follow: Follow = follow,
    tell: Callable[[float | None], None] = lambda percent: None,
    patience: float = PATIENCE,
) -> SelfTest:
    """Have a drive test itself ("short": about 2 minutes, "long": hours). `tell` hears percent, None when unknown.

    Nothing on the drive is changed. Raises nothing for what a drive does.
    """
    before = health_at(run, path)
    said: list[Mapping[str, Any]] = []

    def hear(line: Mapping[str, Any]) -> None:
        said.append(line)
        if "progress" in line:
            percent = line["progress"]
            tell(float(percent) if isinstance(percent, int | float) else None)

    done = follow((*ARGV, path, kind), b"", patience, hear)
    after = health_at(run, path)
    started = next((line for line in said if "started" in line), None)
    if done.timed_out:
        return SelfTest("unknown", f"the drive fell silent for {patience:.0f} s during its self-test", after)
    if started is None or started["started"] != 0:
        why = str(started["message"]) if started else done.trouble or "it could not be started"
        return SelfTest("unknown", f"the self-test did not run: {why}", after)
    return SelfTest(*_judged(before, after, said), after)


def _judged(before: Health, after: Health, said: list[Mapping[str, Any]]) -> tuple[str, str]:
    ended = next((line for line in said if "ended" in line), None)
    failures = after.figures.get("selftest_failures", 0) > before.figures.get("selftest_failures", 0)
    if failures or after.figures.get("selftest_failed"):
        return "failed", "the drive's own log says that its self-test failed"
    if ended is None or ended["ended"] != 0 or "selftest_failed" not in after.figures:
        return "unknown", "the drive's own log does not show a self-test that came to its end"
    return "passed", "the drive's own log says that its self-test passed"
