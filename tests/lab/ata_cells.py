"""Run inside the guest: wipe drives one after the other by one method each, with the real tools, and say what came out.

    python -m tests.lab.ata_cells '[{"node": "/dev/sda", "method": "sanitize-block"}, …]'

Prints one JSON line for each: node, outcome, claim, reasons, exceptions, the firmware's words. The engine, `execute`,
the guard's claim, the separate reader and `judge` are the real ones; only the patience is shortened.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import wipe_profiles
from custody.claims import Firmware, judge
from station.errors import StationError
from station.guard import claim
from station.media import medium_at
from station.run import Run
from station.wipe import ata, overwrite
from station.wipe.acting import Means, execute
from station.wipe.methods import Act, Engine
from station.wipe.planning import plan
from station.worklog import Worklog
from wipe_profiles import Profile, Recipe

PATIENCE = 15.0  # seconds without progress


def one_method(method: str) -> Profile:
    """Return the profile "purge", told to use one method only."""
    profile = wipe_profiles.load("purge")
    only = Recipe(**{**vars(profile.recipes["ata"]), "methods": (method,)})
    return replace(profile, recipes={**profile.recipes, "ata": only})


def impatient() -> Engine:
    """Return the engine with little patience, so that a drive that hangs is given up before the lab is over."""

    def act(act: Act) -> Firmware:
        return ata.act(replace(act, patience=PATIENCE))

    others = {name: getattr(ata, name) for name in ("METHODS", "read", "state", "ready", "unhide")}
    return cast("Engine", SimpleNamespace(**others, act=act))


def wiped(node: str, method: str, *, forced: bool, folder: Path) -> dict[str, Any]:
    """Wipe one drive; `forced` although the engine would not offer the method."""
    run, profile = Run(), one_method(method)
    medium = medium_at(node)
    can = ata.read(run, medium)
    offered: Mapping[str, Any] = ata.METHODS if forced else can.methods
    planned = plan(profile, medium, replace(can, methods={**overwrite.METHODS, **offered}))
    said: dict[str, Any] = {"refused": can.refused.get(method, ""), "lock": can.lock, "hidden": can.hidden_areas}
    if not planned.method:
        return {**said, "outcome": "NOT_OFFERED", "reasons": [], "claim": "none"}
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # noqa: E731
    with claim(medium) as target, Worklog(folder, medium.identity.id, now) as log:
        evidence = execute(planned, target, log, Means(os.urandom, run=run), engine=impatient())
    verdict = judge(evidence, profile)
    firmware = evidence.firmware
    return {
        **said,
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "reasons": [reason.code for reason in verdict.reasons],
        "texts": [reason.text for reason in verdict.reasons],
        "exceptions": list(verdict.exceptions),
        "observed": firmware.observed if firmware else "",
        "status": firmware.status if firmware else evidence.stopped,
    }


def main() -> int:
    """Wipe what the first argument lists."""
    with tempfile.TemporaryDirectory() as folder:
        for cell in json.loads(sys.argv[1]):
            try:
                found = wiped(cell["node"], cell["method"], forced=cell.get("forced", True), folder=Path(folder))
            except StationError as error:
                found = {"outcome": "REFUSED", "claim": "none", "reasons": [type(error).__name__], "status": str(error)}
            print(json.dumps({**cell, **found}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
