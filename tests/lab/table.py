"""Every scenario of the lab. A new module `scenarios_*.py` has a tuple `SCENARIOS` and one line here."""

from tests.lab import (
    scenarios_ata,
    scenarios_bays,
    scenarios_claims,
    scenarios_machine,
    scenarios_nvme,
    scenarios_scsi,
    scenarios_simulated,
    scenarios_simulated_nvme,
    scenarios_wipes,
)
from tests.lab.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *scenarios_machine.SCENARIOS,
    *scenarios_claims.SCENARIOS,
    *scenarios_ata.SCENARIOS,
    *scenarios_nvme.SCENARIOS,
    *scenarios_scsi.SCENARIOS,
    *scenarios_simulated.SCENARIOS,
    *scenarios_simulated_nvme.SCENARIOS,
    *scenarios_wipes.SCENARIOS,
    *scenarios_bays.SCENARIOS,
)  # fmt: skip
