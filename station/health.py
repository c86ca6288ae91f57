"""Is a drive worth hours of wiping? Judged from what it reports of itself, before anything is written. Pure.

Four verdicts: "good", "watch" (wipe it, and say so), "bad" (not worth wiping: destroy it) and "unknown" (it does not
say: that is no reason to destroy it, and none to trust it). The drive's own "passed" makes nothing good: of 976 drives
with unreadable sectors in public reports 945 said so (data README). The limits are our own, in one table, after the
health gates of other refurbishers (STATION.md section 7 row 11 and section 8 number 9): a sector that cannot be read or
written keeps what is in it, so a drive that has any cannot be wiped whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from station.probe_smart import Smart, read_smart
from station.run import Runner

BLOCKS = Path("/sys/class/block")
UNKNOWN, GOOD, WATCH, BAD = "unknown", "good", "watch", "bad"


@dataclass(frozen=True)
class Limit:
    """From which value on a figure makes a drive worth watching, or not worth wiping (None: never), and what to say."""

    watch: int | None
    bad: int | None
    text: str


LIMITS: Mapping[str, Limit] = {
    "pending": Limit(1, 1, "{} sectors cannot be read (pending)"),
    "offline_uncorrectable": Limit(1, 1, "{} sectors cannot be corrected"),
    "reallocated": Limit(1, 10, "{} sectors were replaced by spare ones, which keep what they held"),
    "reported_uncorrectable": Limit(1, 10, "{} errors could not be corrected"),
    "end_to_end": Limit(1, 10, "{} errors on the way through the drive's own memory"),
    "spin_retries": Limit(1, 1, "it had to try {} times more to get its platters up to speed"),
    "selftest_failed": Limit(1, 1, "its last self-test failed"),
    "selftest_failures": Limit(1, None, "{} of its self-tests failed"),
    "grown_defects": Limit(1, 50, "{} defects have grown since it was made"),
    "uncorrected": Limit(1, 10, "{} errors could not be corrected"),
    "media_errors": Limit(1, 10, "{} times data was not what had been written"),
    "percentage_used": Limit(80, 100, "{} % of the life it was made for is used"),
    "crc_errors": Limit(100, None, "{} errors on the cable: try another one"),
    "power_on_hours": Limit(50_000, None, "it has run for {} hours"),
}
CRITICAL_WARNINGS = {  # bits of NVMe's critical warning (NVM Express 1.3, SMART / Health Information)
    0x01: (BAD, "its spare is below the threshold"),
    0x02: (WATCH, "it is or was outside its temperature limits"),
    0x04: (BAD, "it says that it is no longer reliable"),
    0x08: (BAD, "it can only be read any more"),
    0x10: (WATCH, "its power-loss protection has failed"),
    0x20: (WATCH, "its persistent memory region is unreliable"),
}
_TELLING = frozenset(LIMITS) - {"crc_errors", "power_on_hours"} | {"available_spare"}
"""At least one of these has to be known before "passed" makes a drive good: the word alone is the drive's opinion."""
_SAYS_NOTHING = {
    True: "it says that it passed, and shows no figure that could be looked at",
    False: "the drive does not say how it is",
}
_WARMTH = ("temperature", "airflow")  # attributes that fail when a room is warm


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
    if Path(path).name.startswith("mmcblk"):
        return chip_health(BLOCKS / Path(path).name / "device")
    report, why = read_smart(run, path)
    return judge_health(report) if report else Health(UNKNOWN, (why,))


def chip_health(device: Path) -> Health:
    """Judge an eMMC chip by what the kernel shows of it (`life_time`, `pre_eol_info`; eMMC 5.1, EXT_CSD 267 to 269).

    Life time comes in tenths: 01h means up to 10 % used, 0Ah up to 100 %, 0Bh beyond its life.
    """
    try:
        tenths = [int(word, 16) for word in (device / "life_time").read_text("ascii").split()]
        spare = int((device / "pre_eol_info").read_text("ascii"), 16)
    except (OSError, ValueError) as error:
        return Health(UNKNOWN, (f"the chip does not say how it is ({error})",))
    used = max((tenth for tenth in tenths if tenth), default=0) * 10
    figures = {"percentage_used": used, "pre_eol": spare}
    if used > 100 or spare == 3:
        return Health(BAD, ("it is beyond the life it was made for",), figures)
    if used >= 80 or spare == 2:
        return Health(WATCH, (f"up to {used} % of the life it was made for is used",), figures)
    return Health(GOOD if used or spare == 1 else UNKNOWN, (), figures)


def judge_health(report: Smart) -> Health:
    """Judge what smartctl read from a drive. The worst single finding decides; all are told, the worst first."""
    found = [*_words(report), *_figures(report), *_spare(report)]
    order = (BAD, WATCH)
    reasons = tuple(text for worst in order for verdict, text in found if verdict == worst)
    verdict = next((worst for worst in order if any(each == worst for each, _ in found)), "")
    if not verdict:
        told = any(report.figure(name) is not None for name in _TELLING)
        verdict = GOOD if report.health == "passed" and told else UNKNOWN
        reasons = reasons if verdict == GOOD else (_SAYS_NOTHING[report.health == "passed"],)
    return Health(verdict, tuple(dict.fromkeys(reasons)), dict(report.figures))


def _words(report: Smart) -> Iterator[tuple[str, str]]:
    """Judge what the drive says in so many words."""
    if report.health == "failed":
        yield BAD, "the drive says that it is failing"
    for name in report.failing:
        warm = any(word in name.lower() for word in _WARMTH)
        yield (WATCH if warm else BAD), f"{name} is below its threshold now"
    for name in report.failed_before:
        if not any(word in name.lower() for word in _WARMTH):
            yield WATCH, f"{name} has been below its threshold before"
    bits = report.figure("critical_warning") or 0
    for bit, (verdict, text) in CRITICAL_WARNINGS.items():
        if bits & bit:
            yield verdict, text


def _figures(report: Smart) -> Iterator[tuple[str, str]]:
    for name, limit in LIMITS.items():
        value = report.figure(name)
        if value is None:
            continue
        if limit.bad is not None and value >= limit.bad:
            yield BAD, limit.text.format(value)
        elif limit.watch is not None and value >= limit.watch:
            yield WATCH, limit.text.format(value)


def _spare(report: Smart) -> Iterator[tuple[str, str]]:
    spare, threshold = report.figure("available_spare"), report.figure("available_spare_threshold")
    if spare is not None and threshold is not None and spare < threshold:
        yield BAD, f"its spare is down to {spare} % and should not fall below {threshold} %"
