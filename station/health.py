"""Is a drive worth hours of wiping? Judged from what it reports of itself, before anything is written. Pure.

Four verdicts: "good", "watch" (wipe it, and say so), "bad" (not worth wiping: destroy it) and "unknown" (it does not
say: that is no reason to destroy it, and none to trust it).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from station.probe_smart import Smart, read_smart
from station.run import Runner


@dataclass(frozen=True)
class Health:
    """What a drive's own figures mean: a verdict, every reason for it in a sentence, and the figures."""

    verdict: str
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"verdict": self.verdict, "reasons": list(self.reasons), "figures": dict(self.figures)}


def health_at(run: Runner, path: str) -> Health:
    """Ask a drive for its figures and judge them; raises nothing, what cannot be asked is "unknown" with the reason."""
    report, why = read_smart(run, path)
    return judge_health(report) if report else Health("unknown", (why,))


def judge_health(report: Smart) -> Health:
    """Judge what smartctl read from a drive."""
    figures = dict(report.figures)
    if report.health == "failed":
        return Health("bad", ("the drive says that it is failing",), figures)
    return Health("good" if report.health else "unknown", (), figures)
