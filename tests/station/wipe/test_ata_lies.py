"""Every ATA method x every lie a drive can tell: none that can be seen from outside ends DONE. On simulated drives.

The real engine, `execute` and `judge` run here; only hdparm and smartctl are stood in for, over a drive at command
level (`tests.drives`). The same matrix runs with the real tools in the lab (`tests/lab/scenarios_ata.py`).
"""

from pathlib import Path

import pytest

from custody.claims import OWN_WORD, Claim, Outcome
from station.wipe import ata
from tests.drives.ata_bench import MINUTES, SECTORS, AtaBench
from tests.drives.ataspec import AtaSpec
from tests.drives.lies import HONEST, Lie

SANITIZES = ("sanitize-crypto", "sanitize-block", "sanitize-overwrite")
ERASES = ("secure-erase", "secure-erase-enhanced")

# What can be seen, and the reason code that must be among those given.
EVERYWHERE = {
    Lie.ERASES_NOTHING: "canary-survived",
    Lie.KEEPS_LAST_PERCENT: "canary-survived",
    Lie.KEEPS_ONE_BLOCK: "canary-survived",
    Lie.SHRINKS: "stopped",
    Lie.IDENTITY_AFTER_ERASE: "stopped",
    Lie.HANGS: "not-succeeded",
    Lie.NO_PASS_THROUGH: "not-started",
}
IN_SANITIZE = {
    Lie.ALWAYS_COMPLETED: "no-transition",
    Lie.STATUS_UNCHANGED: "no-transition",
    Lie.FAILS_AT_65535: "not-succeeded",
    Lie.PROGRESS_STUCK: "not-succeeded",
    Lie.REFUSES_SANITIZE: "not-accepted",
    Lie.SANITIZE_FROZEN: "not-accepted",
    Lie.LOCKED_STRANGER: "not-started",
}
IN_ERASE = {
    Lie.STOPS_HALFWAY: "canary-survived",
    Lie.PASSWORD_STICKS: "not-succeeded",
    Lie.REFUSES_ERASE: "not-accepted",
    Lie.FROZEN: "not-accepted",
    Lie.LOCKED_STRANGER: "not-started",
}
UNSEEN = {Lie.ZEROS_WITHOUT_ERASING}  # only the chips themselves would tell
ONLY_AFTER_POWER_OFF = {Lie.OLD_CONTENT, Lie.HPA_RETURNS, Lie.IDENTITY_AFTER_RESET}  # in the lab
ABOUT_THE_ROAD = {Lie.DROPS_WRITES, Lie.FALSE_SERIAL}  # what the kernel sees, not what the tools see: in the lab
NOT_ABOUT_ERASING = {Lie.DCO_FROZEN, Lie.LOCKED_OURS}  # test_ata_hidden.py, and below

SEEN = [
    *((method, lie, code) for method in ata.METHODS for lie, code in EVERYWHERE.items()),
    *((method, lie, code) for method in SANITIZES for lie, code in IN_SANITIZE.items()),
    *((method, lie, code) for method in ERASES for lie, code in IN_ERASE.items()),
]


def test_every_lie_has_its_place_in_the_matrix() -> None:
    placed = {*EVERYWHERE, *IN_SANITIZE, *IN_ERASE, *UNSEEN, *ONLY_AFTER_POWER_OFF, *ABOUT_THE_ROAD}
    assert placed | NOT_ABOUT_ERASING | HONEST == set(Lie)


@pytest.mark.parametrize("method", ata.METHODS)
def test_an_honest_drive_is_done(tmp_path: Path, method: str) -> None:
    bench = AtaBench(tmp_path)
    evidence, verdict = bench.wipe(method, forced=False)
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert b"Kowalska" not in bench.drive.chip_off()
    assert evidence.firmware is not None and evidence.firmware.reach == "disk"
    assert evidence.canaries is not None and evidence.canaries.planted >= 500
    assert OWN_WORD in verdict.exceptions


@pytest.mark.parametrize(("method", "lie", "code"), SEEN)
def test_no_lie_that_can_be_seen_ends_done(tmp_path: Path, method: str, lie: Lie, code: str) -> None:
    bench = AtaBench(tmp_path, [lie])
    _, verdict = bench.wipe(method)
    assert verdict.outcome is not Outcome.DONE and verdict.claim is Claim.NONE
    assert code in {reason.code for reason in verdict.reasons}, verdict.reasons


@pytest.mark.parametrize("method", SANITIZES)
@pytest.mark.parametrize("lie", [Lie.REFUSES_SANITIZE, Lie.STATUS_UNCHANGED, Lie.ERASES_NOTHING])
def test_an_older_success_is_not_taken_for_ours(tmp_path: Path, method: str, lie: Lie) -> None:
    bench = AtaBench(tmp_path)
    bench.drive.drive.sanitize.completed = True  # another station sanitized it once
    bench.drive.tell(lie)
    evidence, verdict = bench.wipe(method)
    assert verdict.outcome is Outcome.UNKNOWN
    if lie is Lie.REFUSES_SANITIZE:  # so that the profile's next method may be tried
        assert evidence.firmware is not None and not (evidence.firmware.accepted or evidence.firmware.succeeded)
    if lie is not Lie.ERASES_NOTHING:
        assert evidence.firmware is not None and not evidence.firmware.transition_observed


@pytest.mark.parametrize("method", ata.METHODS)
@pytest.mark.parametrize("lie", sorted(UNSEEN))
def test_what_only_the_chips_would_tell_is_said_to_rest_on_the_drives_word(
    tmp_path: Path, method: str, lie: Lie
) -> None:
    bench = AtaBench(tmp_path, [lie])
    _, verdict = bench.wipe(method)
    assert verdict.outcome is Outcome.DONE and OWN_WORD in verdict.exceptions
    assert b"Kowalska" in bench.drive.chip_off()  # it really is unseen: the data is still in the chips


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("sanitize-crypto", Lie.RANDOM_AFTER_CRYPTO),
        ("sanitize-crypto", Lie.VENDOR_PATTERN),
        ("sanitize-block", Lie.VENDOR_PATTERN),
        ("secure-erase-enhanced", Lie.VENDOR_PATTERN),
    ],
)
def test_an_honest_erase_need_not_read_as_zeros(tmp_path: Path, method: str, lie: Lie) -> None:
    _, verdict = AtaBench(tmp_path, [lie]).wipe(method)
    assert verdict.outcome is Outcome.DONE, verdict.reasons


@pytest.mark.parametrize("method", ata.METHODS)
def test_a_drive_left_locked_by_us_is_unlocked_wiped_and_says_so(tmp_path: Path, method: str) -> None:
    bench = AtaBench(tmp_path, [Lie.LOCKED_OURS])
    assert bench.read().lock == "locked"
    _, verdict = bench.wipe(method, forced=False)
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert any("published password" in text for text in verdict.exceptions)


def test_a_sanitize_that_is_over_before_anybody_looks_counts_only_once(tmp_path: Path) -> None:
    # Quick ones: the first leaves the "completed" bit, which was not there before. The second cannot be told from it
    # by the bit, but the answer to the command itself said "in progress".
    spec = AtaSpec(SECTORS, seconds=MINUTES | {"crypto": 0.0001})
    bench = AtaBench(tmp_path, spec=spec)
    for _ in range(2):
        evidence, verdict = bench.wipe("sanitize-crypto")
        assert verdict.outcome is Outcome.DONE, verdict.reasons
        assert evidence.firmware is not None and evidence.firmware.transition_observed
