"""Every lie of a simulated NVMe drive under every method: DONE only where the chips are empty, or nobody can tell.

The whole of a station works here: engine, canaries, command, separate reader, `judge`. What is left in the drive's
flash afterwards, past its firmware and after a power cycle, says whether a DONE was earned. The cells in which no test
from outside can tell are listed by name; a DONE with something left anywhere else fails, and so does a listed cell that
turns out to be seen. Writes go to the drive when a command is sent, so lies about writing itself are in the lab.
"""

import os
from pathlib import Path

import pytest

from custody.claims import OWN_WORD, Outcome
from station.wipe import nvme
from tests.drives.nvme_identity import Make
from tests.drives.nvme_lies import Lie, Manner
from tests.station.wipe.windows import BLOCK, SIZE, Window, wiped

METHODS = tuple(nvme.METHODS)
SANITIZES = tuple(name for name in METHODS if name.startswith("sanitize"))
FORMATS = tuple(name for name in METHODS if name.startswith("format"))

SEEN: dict[Lie, tuple[tuple[str, ...], set[str]]] = {
    Lie.ERASES_NOTHING: (METHODS, {"canary-survived", "leftovers"}),
    Lie.KEEPS_LAST_PERCENT: (METHODS, {"canary-survived", "leftovers"}),
    Lie.KEEPS_ONE_BLOCK: (METHODS, {"leftovers", "canary-survived"}),
    Lie.SHRINKS: (METHODS, {"not-succeeded"}),
    Lie.IDENTITY_AFTER_ERASE: (METHODS, {"not-succeeded"}),
    Lie.HANGS: (METHODS, {"not-succeeded", "no-transition"}),
    Lie.ALWAYS_COMPLETED: (SANITIZES, {"no-transition"}),
    Lie.STATUS_UNCHANGED: (SANITIZES, {"no-transition", "not-succeeded"}),
    Lie.FAILS_AT_65535: (SANITIZES, {"not-succeeded"}),
    Lie.PROGRESS_STUCK: (SANITIZES, {"not-succeeded"}),
    Lie.REFUSES_SANITIZE: (SANITIZES, {"not-accepted", "no-transition"}),
    Lie.FORMAT_ERASES_NOTHING: (FORMATS, {"canary-survived", "leftovers"}),
}
"""Lie -> the methods it applies to, and codes of which at least one must be among the reasons."""

INVISIBLE: dict[Lie, str] = {
    Lie.ZEROS_WITHOUT_ERASING: "reads give zeros, and the flash behind keeps everything",
    Lie.OLD_CONTENT: "all is gone as long as the drive has power, and is back when it returns",
}
"""Lies that no look from outside shows in one sitting; the certificate says that it rests on the drive's own word."""

ELSEWHERE = {
    Lie.DROPS_WRITES: "the writes of the host do not pass through the drive here: tests/lab/scenarios_nvme.py",
    Lie.IDENTITY_AFTER_RESET: "nothing is reset here: tests/lab/scenarios_nvme.py",
    Lie.FIRST_NAMESPACE_ONLY: "a test of its own below",
}

HONEST = [
    (Manner.RANDOM_AFTER_CRYPTO, "sanitize-crypto"),
    (Manner.RANDOM_AFTER_CRYPTO, "format-crypto"),
    (Manner.VENDOR_PATTERN, "sanitize-block"),
    (Manner.VENDOR_PATTERN, "format-user"),
    (Manner.ONES_AFTER_BLOCK, "sanitize-block"),
    (Manner.INSTANT, "sanitize-crypto"),
    (Manner.JUMPS, "sanitize-overwrite"),
]


def left_after_power_cycle(window: Window) -> int:
    window.drive.power_cut()
    window.drive.power_on()
    return window.left if window.erasing is not None else SIZE // BLOCK


def test_every_lie_of_the_simulated_drive_is_in_one_of_the_lists() -> None:
    assert set(Lie) == {*SEEN, *INVISIBLE, *ELSEWHERE}


@pytest.mark.parametrize(
    ("lie", "method"), [(lie, method) for lie, (methods, _) in SEEN.items() for method in methods]
)
def test_a_lie_that_can_be_seen_never_ends_in_done(tmp_path: Path, lie: Lie, method: str) -> None:
    window = Window(tmp_path, lies=[lie])
    window.clock.pace = 50.0 if lie is Lie.PROGRESS_STUCK else 1.0
    found = wiped(window, method)
    assert found.verdict.outcome is Outcome.UNKNOWN
    assert {reason.code for reason in found.verdict.reasons} & SEEN[lie][1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lie", INVISIBLE)
def test_a_lie_that_nobody_can_see_is_done_on_the_drives_own_word_and_says_so(
    tmp_path: Path, lie: Lie, method: str
) -> None:
    window = Window(tmp_path, lies=[lie])
    found = wiped(window, method)
    assert found.verdict.outcome is Outcome.DONE
    assert OWN_WORD in found.verdict.exceptions
    assert left_after_power_cycle(window) > SIZE // BLOCK // 3  # of the old files; the canaries came later


@pytest.mark.parametrize("method", METHODS)
def test_an_honest_drive_is_done_and_its_chips_are_empty(tmp_path: Path, method: str) -> None:
    window = Window(tmp_path)
    found = wiped(window, method)
    assert (found.verdict.outcome, found.verdict.reasons) == (Outcome.DONE, ())
    assert found.verdict.claim == nvme.METHODS[method].reaches
    assert left_after_power_cycle(window) == 0


@pytest.mark.parametrize(("manner", "method"), HONEST)
def test_an_honest_drive_may_be_odd(tmp_path: Path, manner: Manner, method: str) -> None:
    window = Window(tmp_path, lies=[manner])
    found = wiped(window, method)
    assert (found.verdict.outcome, found.verdict.reasons) == (Outcome.DONE, ())
    assert left_after_power_cycle(window) == 0


@pytest.mark.parametrize("method", SANITIZES)
def test_the_second_namespace_of_a_drive_that_erases_only_the_first_is_never_done(tmp_path: Path, method: str) -> None:
    window = Window(tmp_path, lies=[Lie.FIRST_NAMESPACE_ONLY], number=2)
    assert wiped(window, method).verdict.outcome is Outcome.UNKNOWN


def packed(window: Window) -> None:
    """Fill drive and window with what packed files look like: noise."""
    noise = os.urandom(SIZE)
    with window.file.open("r+b") as out:
        out.write(noise)


@pytest.mark.parametrize("method", METHODS)
def test_one_packed_block_left_after_an_erase_of_the_key_can_be_told_only_where_a_canary_was(
    tmp_path: Path, method: str
) -> None:
    """The limit of looking: after a cryptographic erase noise may be old noise. Elsewhere it is seen as uneven."""
    window = Window(tmp_path)
    packed(window)
    window.drive.lie(f"{Lie.KEEPS_ONE_BLOCK}={17 * BLOCK}")
    found = wiped(window, method)
    canary = any("canary" in reason.code for reason in found.verdict.reasons)
    invisible = method.endswith("crypto") and not canary
    assert (found.verdict.outcome is Outcome.DONE) == invisible, found.verdict.reasons


def test_a_drive_that_forbids_to_vary_the_command_is_believed_a_second_time_by_its_own_mark(tmp_path: Path) -> None:
    window = Window(tmp_path, Make(sanicap=0x7 | 1 << 29), lies=[Manner.INSTANT])
    assert wiped(window, "sanitize-crypto").verdict.outcome is Outcome.DONE
    (tmp_path / "logs").rename(tmp_path / "earlier")
    again = wiped(window, "sanitize-crypto")
    assert again.evidence.firmware is not None
    assert (again.verdict.outcome, again.evidence.firmware.observed) == (Outcome.DONE, "status-change")
    assert any("forbids to vary it" in text for text in again.evidence.exceptions)


def test_a_drive_whose_old_success_names_the_same_command_is_not_believed(tmp_path: Path) -> None:
    window = Window(tmp_path, Make(sanicap=0x7 | 1 << 29), lies=[Manner.INSTANT])
    wiped(window, "sanitize-crypto")
    (tmp_path / "logs").rename(tmp_path / "earlier")
    window.drive.lie(Lie.ALWAYS_COMPLETED)
    again = wiped(window, "sanitize-crypto")
    assert again.verdict.outcome is Outcome.UNKNOWN
    assert "no-transition" in {reason.code for reason in again.verdict.reasons}
