"""Run inside the guest: wipe NVMe drives by one method each, with the real nvme-cli, and say what came out.

    python -m tests.lab.nvme_cells '[{"node": "/dev/nvme1n1", "method": "sanitize-block"}, …]'

Prints one JSON line for each. The engine, `execute`, the guard's claim, the separate reader and `judge` are the real
ones; only the patience is shortened, and a method is tried also where the engine would not offer it.
"""

import json
import os
import sys
import tempfile
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
from station.wipe import nvme
from station.wipe.acting import Means, execute
from station.wipe.methods import Act, Engine
from station.wipe.planning import plan
from station.worklog import Worklog
from wipe_profiles import Profile, Recipe

PATIENCE = 15.0  # seconds without progress


def one_method(method: str) -> Profile:
    """Return the profile "purge", told to use one method only."""
    profile = wipe_profiles.load("purge")
    only = Recipe(**{**vars(profile.recipes["nvme"]), "methods": (method,)})
    return replace(profile, recipes={**profile.recipes, "nvme": only})


def impatient() -> Engine:
    """Return the engine with little patience, so that a drive that hangs is given up before the lab is over."""

    def act(act: Act) -> Firmware:
        return nvme.act(replace(act, patience=PATIENCE))

    others = {name: getattr(nvme, name) for name in ("METHODS", "read", "state", "ready", "unhide")}
    return cast("Engine", SimpleNamespace(**others, act=act))


def wiped(node: str, method: str, folder: Path) -> dict[str, Any]:
    """Wipe one namespace and say everything that was found."""
    run, profile = Run(), one_method(method)
    medium = medium_at(node)
    can = nvme.read(run, medium)
    planned = plan(profile, medium, replace(can, methods=nvme.METHODS))
    with claim(medium) as target, Worklog(folder, medium.identity.id, lambda: datetime.now(UTC)) as log:
        evidence = execute(planned, target, log, Means(os.urandom, run=run), engine=impatient())
    verdict = judge(evidence, profile)
    firmware = evidence.firmware
    return {
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "reasons": [reason.code for reason in verdict.reasons],
        "texts": [reason.text for reason in verdict.reasons],
        "exceptions": list(verdict.exceptions),
        "observed": firmware.observed if firmware else "",
        "status": firmware.status if firmware else evidence.stopped,
        "stopped": evidence.stopped,
    }


def main() -> int:
    """Wipe what the first argument lists."""
    with tempfile.TemporaryDirectory() as folder:
        for cell in json.loads(sys.argv[1]):
            try:
                found = wiped(cell["node"], cell["method"], Path(folder))
            except StationError as error:
                why = {"reasons": [type(error).__name__], "texts": [str(error)], "exceptions": []}
                found = {"outcome": "REFUSED", "claim": "none", **why}
            print(json.dumps({**cell, **found}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
