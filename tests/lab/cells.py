"""Run inside the guest: wipe drives one after the other by one method each, with the real tools, and say what came out.

    python -m tests.lab.cells '[{"node": "/dev/sda", "method": "sanitize-block"}, …]'

Prints one JSON line for each: what it was told, outcome, claim, reasons, exceptions, the firmware's words. The engine
(the one for how the station sees the drive attached), `execute`, the guard's claim, the separate reader and `judge` are
the real ones; only the patience is shortened, and a method is tried also where the engine would not offer it.
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
from station.wipe import ata, nvme, overwrite, scsi
from station.wipe.acting import Means, execute
from station.wipe.methods import Act, Engine
from station.wipe.planning import plan
from station.worklog import Worklog
from wipe_profiles import Profile, Recipe

PATIENCE = 15.0  # seconds without progress


def engine_for(transport: str) -> Any:
    """Return the engine's module; raises KeyError for a drive that is attached in another way."""
    return {"ata": ata, "nvme": nvme, "scsi": scsi}[transport]


def one_method(method: str, transport: str) -> Profile:
    """Return the profile "purge", told to use one method only."""
    profile = wipe_profiles.load("purge")
    only = Recipe(**{**vars(profile.recipes[transport]), "methods": (method,)})
    return replace(profile, recipes={**profile.recipes, transport: only})


def impatient(engine: Any) -> Engine:
    """Return the engine with little patience, so that a drive that hangs is given up before the lab is over."""

    def act(act: Act) -> Firmware:
        answer: Firmware = engine.act(replace(act, patience=PATIENCE))
        return answer

    others = {name: getattr(engine, name) for name in ("METHODS", "read", "state", "ready", "unhide")}
    return cast("Engine", SimpleNamespace(**others, act=act))


def wiped(node: str, method: str, folder: Path) -> dict[str, Any]:
    """Wipe one drive and return everything that was found."""
    run, medium = Run(), medium_at(node)
    engine, profile = engine_for(medium.transport), one_method(method, medium.transport)
    can = engine.read(run, medium)
    planned = plan(profile, medium, replace(can, methods={**overwrite.METHODS, **engine.METHODS}))
    said: dict[str, Any] = {"refused": can.refused.get(method, ""), "lock": can.lock, "hidden": can.hidden_areas}
    with claim(medium) as target, Worklog(folder, medium.identity.id, lambda: datetime.now(UTC)) as log:
        evidence = execute(planned, target, log, Means(os.urandom, run=run), engine=impatient(engine))
    verdict = judge(evidence, profile)
    firmware = evidence.firmware
    return {
        **said,
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "reasons": [reason.code for reason in verdict.reasons],
        "texts": [reason.text for reason in verdict.reasons],
        "exceptions": list(verdict.exceptions),
        "on_record": evidence.medium.serial,
        "observed": firmware.observed if firmware else "",
        "status": firmware.status if firmware else evidence.stopped,
    }


def main() -> int:
    """Wipe what the first argument lists."""
    with tempfile.TemporaryDirectory() as folder:
        for cell in json.loads(sys.argv[1]):
            try:
                found = wiped(cell["node"], cell["method"], Path(folder))
            except StationError as error:
                why = {"reasons": [type(error).__name__], "texts": [str(error)], "exceptions": []}
                found = {"outcome": "REFUSED", "claim": "none", "hidden": "", **why}
            print(json.dumps({**cell, **found}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
