"""Which versions did it: Kitbank's own, the kernel's, and of every tool that was run on the drive."""

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from station.run import Run

_ASK = {
    "hdparm": ("-V",),
    "nvme": ("version",),
    "smartctl": ("--version",),
    "sg_sanitize": ("--version",),
    "sg_format": ("--version",),
    "mmc": ("--version",),
}
_DEADLINE = 10.0  # seconds


def versions(run: Run) -> dict[str, str]:
    """Return name -> version of what took part; a tool that does not say is "unknown"."""
    names = {Path(result.argv[0]).name for result in run.transcript if result.argv}
    found = {"kitbank": _own(), "kernel": platform.release()}
    for name in sorted(names & set(_ASK)):
        result = run((name, *_ASK[name]), _DEADLINE)
        said = re.search(r"\d+(?:\.\d+)+", result.text + result.stderr.decode("utf-8", "replace"))
        found[name] = said[0] if said else "unknown"
    return found


def _own() -> str:
    try:
        return version("kitbank")
    except PackageNotFoundError:
        return "unknown"
